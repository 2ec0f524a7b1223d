// The row kernel by which guests are measured against native code: a product whose work is all in the loop. guest-sdk/go/kernel is
// the same in Go. Input rows has the columns k int64, v float64 and name string, all required; the sums leave at flush.
import { Batch, Columns, Kind, Output, Product, register, Row } from "adp";

// The row that output sums gets.
class Sum extends Row {
  rows: i64 = 0; // kept
  sum: f64 = 0; // of all computed values

  columns(c: Columns): void {
    this.rows = c.column("rows", this.rows);
    this.sum = c.column("sum", this.sum);
  }
}

class Kernel extends Product {
  sums: Output<Sum> = new Output<Sum>("sums");
  total: Sum = new Sum();
  groups: StaticArray<f64> = new StaticArray<f64>(16);
  scratch: StaticArray<f64> = new StaticArray<f64>(0);

  process(batch: Batch): void {
    if (this.scratch.length < batch.rows) this.scratch = new StaticArray<f64>(batch.rows);
    this.total.rows += this.keep(batch);
  }

  // Keeps the rows with k > 100 whose name is longer than 3 bytes and begins before 'n', computes v × 1.1 + k for each into scratch,
  // and adds that up by the last four bits of k. It returns how many rows it kept.
  keep(batch: Batch): i32 {
    const name = batch.column("name"), rows = batch.rows;
    const k = batch.column("k").value(Kind.Int64, 0), v = batch.column("v").value(Kind.Float64, 0);
    const out = this.scratch, groups = this.groups;
    let n = 0, from = name.start(0);
    for (let i = 0; i < rows; i++) {
      const key = load<i64>(k + 8 * i), end = name.start(i + 1);
      if (key > 100 && end - from > 3 && load<u8>(name.at(i)) < 0x6e) {
        const y = load<f64>(v + 8 * i) * 1.1 + <f64>key, group = <i32>(key & 15);
        unchecked(out[n++] = y);
        unchecked(groups[group] += y);
      }
      from = end;
    }
    return n;
  }

  flush(): void {
    for (let i = 0; i < 16; i++) this.total.sum += this.groups[i];
    this.sums.emit(this.total);
  }
}

register((): Product => new Kernel());
