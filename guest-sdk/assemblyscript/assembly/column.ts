// Batches and columns: views on the host's own buffers, valid until process returns.
import * as abi from "./abi";
import { decode } from "./memory";
import { Columns, Row, RowsOf } from "./row";
import { Field, Kind, kindWidth, kindWord, Port } from "./types";

@final
export class Column {
  rows: i32;
  // The struct that reads rows of this column, for struct columns.
  visitor: Columns | null = null;
  private valid: usize; // 0: all are there
  private offset: i32; // of row 0 in the buffers
  private values: usize; // offsets, for strings, binaries and lists
  private bytes: usize;
  private children: Array<Column> = [];

  constructor(public field: Field, array: usize, offset: i32, rows: i32) {
    this.rows = rows;
    this.offset = <i32>load<i64>(array, abi.ARRAY_OFFSET) + offset;
    const buffers: usize = load<u32>(array, abi.ARRAY_BUFFERS), n = load<i64>(array, abi.ARRAY_N_BUFFERS);
    this.valid = n > 0 && load<i64>(array, abi.ARRAY_NULL_COUNT) != 0 ? load<usize>(buffers) : 0;
    this.values = n > 1 ? load<usize>(buffers, 4) : 0;
    this.bytes = n > 2 ? load<usize>(buffers, 8) : 0;
    const children = load<u32>(array, abi.ARRAY_CHILDREN);
    for (let i = 0; i < field.children.length; i++) {
      const child: usize = load<u32>(children + 4 * i);
      const struct = field.kind == Kind.Struct;
      this.children.push(new Column(field.children[i], child, struct ? this.offset : 0, struct ? rows : <i32>load<i64>(child, abi.ARRAY_LENGTH)));
    }
  }

  // @ts-ignore: decorator
  @inline
  isNull(i: i32): bool { return this.valid != 0 && !bit(this.valid, this.offset + i); }

  // The address of value i; those of the rows after it follow. A column of another kind ends the run.
  // @ts-ignore: decorator
  @inline
  value(kind: Kind, i: i32): usize {
    if (this.field.kind != kind) this.wrong(kind);
    return this.values + (this.offset + i) * kindWidth(kind);
  }

  private wrong(kind: Kind): void { throw new Error("column " + this.field.name + " is " + this.field.toString() + ", not " + kindWord(kind)); }

  bool(i: i32): bool {
    if (this.field.kind != Kind.Bool) this.wrong(Kind.Bool);
    return bit(this.values, this.offset + i);
  }

  int32(i: i32): i32 { return load<i32>(this.value(Kind.Int32, i)); }
  int64(i: i32): i64 { return load<i64>(this.value(Kind.Int64, i)); }
  float32(i: i32): f32 { return load<f32>(this.value(Kind.Float32, i)); }
  float64(i: i32): f64 { return load<f64>(this.value(Kind.Float64, i)); }
  days(i: i32): i32 { return load<i32>(this.value(Kind.Date, i)); }

  // Of a time, timestamp or timestamptz.
  micros(i: i32): i64 {
    const kind = this.field.kind;
    if (kind < Kind.Time || kind > Kind.TimestampTz) this.wrong(Kind.Timestamp);
    return load<i64>(this.value(kind, i));
  }

  // Where row i of a string, binary or list begins: in its bytes, or in its elements.
  // @ts-ignore: decorator
  @inline
  start(i: i32): i32 { return load<i32>(this.values + 4 * (this.offset + i)); }

  // The address of the bytes of row i of a string or binary column; start(i + 1) - start(i) of them.
  // @ts-ignore: decorator
  @inline
  at(i: i32): usize { return this.bytes + this.start(i); }

  text(i: i32): string {
    if (this.field.kind != Kind.String) this.wrong(Kind.String);
    return decode(this.at(i), this.start(i + 1) - this.start(i));
  }

  binary(i: i32): Uint8Array {
    if (this.field.kind != Kind.Binary) this.wrong(Kind.Binary);
    const n = this.start(i + 1) - this.start(i), out = new Uint8Array(n);
    memory.copy(out.dataStart, this.at(i), n);
    return out;
  }

  // All elements of a list column; those of row i are start(i) up to start(i + 1).
  get elements(): Column {
    if (this.field.kind != Kind.List) this.wrong(Kind.List);
    return unchecked(this.children[0]);
  }

  // Member j of a struct column.
  member(j: i32): Column {
    if (this.field.kind != Kind.Struct) this.wrong(Kind.Struct);
    return this.children[j];
  }

  members(): Array<Column> { return this.children; }
}

// @ts-ignore: decorator
@inline
function bit(bits: usize, i: i32): bool { return (load<u8>(bits + (i >> 3)) >> <u8>(i & 7) & 1) != 0; }

// One batch of one input, or of a reader.
@final
export class Batch {
  rows: i32;
  private root: Column;

  constructor(public port: Port, array: usize) {
    const rows = <i32>load<i64>(array, abi.ARRAY_LENGTH);
    this.rows = rows;
    this.root = new Column(port.columns, array, 0, rows);
  }

  get columns(): Array<Column> { return this.root.members(); }

  // The named column; one that is not there ends the run.
  column(name: string): Column {
    const at = this.port.columns.indexOf(name);
    if (at < 0) throw new Error(this.port.toString() + " has no column " + name + "; it has: " + this.port.columns.names());
    return this.root.member(at);
  }

  // The rows as objects: for (let rows = batch.of<Person>(); rows.next(); ) { rows.row.name … }
  of<T extends Row>(): RowsOf<T> { return new RowsOf<T>(this.port, this.root); }
}
