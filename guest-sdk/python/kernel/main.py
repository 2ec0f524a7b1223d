"""The row kernel by which guests are measured against native code: a product whose work is all in the loop. guest-sdk/go/kernel is
the same in Go. Input rows has the columns k int64, v float64 and name string, all required; the sums leave at flush."""

import adp

kept = 0
groups = [0.0] * 16


@adp.on_batch("rows")
def add(batch):
    """Keeps the rows with k > 100 whose name is longer than 3 bytes and begins before "n"; adds v × 1.1 + k up by the last four bits of k."""
    global kept
    for k, v, name in zip(batch["k"], batch["v"], batch["name"]):
        if k > 100 and len(name) > 3 and name < "n":
            groups[k & 15] += v * 1.1 + k
            kept += 1


@adp.on_flush
def end():
    adp.emit("sums", rows=kept, sum=sum(groups))
