// The row kernel by which guests are measured against native code: a product whose work is all in the loop. guest-sdk/go/kernel is
// the same in Go. Input rows has the columns k int64, v float64 and name string, all required; the sums leave at flush.

let kept = 0;
const groups = new Float64Array(16);

/** Keeps the rows with k > 100 whose name is longer than 3 bytes and begins before "n", and adds v × 1.1 + k up by the last four bits of k. */
export function rows({ k, v, name }) {
  if (k > 100 && name.length > 3 && name < "n") {
    groups[k & 15] += v * 1.1 + k;
    kept++;
  }
}

export function flush(out) {
  out.sums.emit({ rows: kept, sum: groups.reduce((a, b) => a + b, 0) });
}
