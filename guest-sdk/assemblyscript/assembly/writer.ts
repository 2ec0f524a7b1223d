// Rows on their way out.
import * as abi from "./abi";
import * as host from "./host";
import { Builder } from "./builder";
import { check, describe, Row } from "./row";
import { bindings, failure, find, must, outputs, refused, writers } from "./run";
import { Port } from "./types";

// Rows are emitted when this many have come together, or this many bytes.
const BATCH_ROWS = 8192;
const BATCH_BYTES = 4 << 20;

// The rows of one output, or of a binding with write access, that have not been emitted yet.
@final
export class Writer {
  root: Builder;
  private op: i32 = -1; // the column _op of upsert outputs

  constructor(public port: Port) {
    this.root = new Builder(port.columns);
    if (port.modeCode == abi.MODE_UPSERT) this.op = port.columns.indexOf(abi.COLUMN_OP);
  }

  // The writer of the named output, or of the binding with write access where there is no such output.
  static named(name: string): Writer {
    const sink = find(bindings, name);
    let port: Port;
    if (sink && sink.modeCode == abi.MODE_WRITE && !find(outputs, name)) port = sink;
    else port = must("output", outputs, name);
    for (let i = 0; i < writers.length; i++) if (writers[i].port == port) return writers[i];
    const w = new Writer(port);
    writers.push(w);
    return w;
  }

  // The columns to add to by hand, each as many rows as the others; the last one of an upsert output, _op, may be left alone.
  get columns(): Array<Builder> { return this.root.children; }

  column(name: string): Builder {
    const at = this.port.columns.indexOf(name);
    if (at < 0) throw new Error(this.port.toString() + " has no column " + name + "; it has: " + this.port.columns.names());
    return this.root.children[at];
  }

  // Whether rows of a type fit.
  accept<T extends Row>(): void {
    check(this.port.toString(), describe<T>(""), this.port.columns, true, this.op < 0 ? "" : abi.COLUMN_OP);
  }

  add(row: Row): void {
    row.storeMembers(this.root);
    if (this.port.modeCode == abi.MODE_WRITE) this.sendFull();
  }

  remove(row: Row): void {
    if (this.op < 0) throw new Error(this.port.toString() + " is no upsert output: rows cannot be deleted from it");
    this.fillOps();
    row.storeMembers(this.root);
    this.columns[this.op].text(abi.OP_DELETE);
  }

  private get pending(): i32 {
    const first = this.op == 0 ? 1 : 0;
    return first < this.columns.length ? this.columns[first].rows : 0;
  }

  // Makes upserts of the rows that have no op.
  private fillOps(): void {
    if (this.op < 0) return;
    const op = this.columns[this.op];
    for (let n = this.pending; op.rows < n; ) op.absent();
  }

  sendFull(): void { if (this.pending >= BATCH_ROWS || this.root.size() >= BATCH_BYTES) this.send(); }

  // Emits the rows so far. There is no need to: it happens after each batch when many have come together, and at the end.
  send(): void {
    const n = this.pending;
    this.fillOps();
    for (let i = 0; i < this.columns.length; i++) {
      const c = this.columns[i];
      if (c.rows != n) {
        throw new Error(this.port.toString() + " got columns of different length: " + this.columns[0].field.name + " has " + this.columns[0].rows.toString() +
          " rows, " + c.field.name + " " + c.rows.toString());
      }
    }
    if (n == 0 || failure) return;
    this.root.rows = n;
    const array = this.root.lay(), index = this.port.index;
    refused(this.port.modeCode == abi.MODE_WRITE ? host.driverWrite(index, array) : host.emit(index, array), this.port.toString());
    this.root.clear();
  }
}

// Takes rows of one class for an output, or for a binding with write access.
@final
export class Output<T extends Row> {
  writer: Writer;

  constructor(name: string) {
    this.writer = Writer.named(name);
    this.writer.accept<T>();
  }

  // Adds a row; an upsert output puts it in the place of the one with the same key.
  emit(row: T): void { this.writer.add(row); }

  // Removes the row with the same key from an upsert output; the other fields are not looked at.
  remove(row: T): void { this.writer.remove(row); }
}
