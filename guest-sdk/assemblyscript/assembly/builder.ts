// Columns that are being built. Each row takes one call: the method of the column's kind, or null. A call for another kind ends the run.
import * as abi from "./abi";
import { Column } from "./column";
import { Buffer, encode } from "./memory";
import { Columns } from "./row";
import { Field, Kind, kindWidth, kindWord } from "./types";

@final
export class Builder {
  rows: i32 = 0;
  children: Array<Builder> = [];
  // The struct that writes rows to this column, for struct columns.
  visitor: Columns | null = null;
  private nulls: i32 = 0;
  private validity: Buffer = new Buffer(); // empty until the first null
  private values: Buffer = new Buffer();
  private offsets: Buffer = new Buffer(); // rows + 1 of them, for strings, binaries and lists
  private array: usize; // the ArrowArray, its three buffers and its children

  constructor(public field: Field) {
    if (this.hasOffsets) store<i32>(this.offsets.take(4), 0);
    for (let i = 0; i < field.children.length; i++) this.children.push(new Builder(field.children[i]));
    const size = abi.ARRAY_SIZE + 16 + 4 * this.children.length;
    this.array = heap.alloc(size);
    memory.fill(this.array, 0, size);
  }

  private get hasOffsets(): bool {
    const kind = this.field.kind;
    return kind == Kind.String || kind == Kind.Binary || kind == Kind.List;
  }

  // Drops the rows and keeps the memory.
  clear(): void {
    this.rows = this.nulls = this.validity.len = this.values.len = 0;
    if (this.hasOffsets) this.offsets.len = 4;
    for (let i = 0; i < this.children.length; i++) this.children[i].clear();
  }

  // The bytes of values so far.
  size(): i32 {
    let n = this.values.len;
    for (let i = 0; i < this.children.length; i++) n += this.children[i].size();
    return n;
  }

  // @ts-ignore: decorator
  @inline
  private must(kind: Kind): void { if (this.field.kind != kind) this.wrong(kind); }

  private wrong(kind: Kind): void { throw new Error("column " + this.field.name + " is " + this.field.toString() + ", not " + kindWord(kind)); }

  bool(v: bool): void {
    this.must(Kind.Bool);
    set(this.values, this.rows, v);
    this.present();
  }

  int32(v: i32): void { this.must(Kind.Int32); store<i32>(this.values.take(4), v); this.present(); }
  int64(v: i64): void { this.must(Kind.Int64); store<i64>(this.values.take(8), v); this.present(); }
  float32(v: f32): void { this.must(Kind.Float32); store<f32>(this.values.take(4), v); this.present(); }
  float64(v: f64): void { this.must(Kind.Float64); store<f64>(this.values.take(8), v); this.present(); }
  days(v: i32): void { this.must(Kind.Date); store<i32>(this.values.take(4), v); this.present(); }
  time(micros: i64): void { this.must(Kind.Time); store<i64>(this.values.take(8), micros); this.present(); }

  // To a timestamp or timestamptz column.
  timestamp(micros: i64): void {
    if (this.field.kind != Kind.TimestampTz) this.must(Kind.Timestamp);
    store<i64>(this.values.take(8), micros);
    this.present();
  }

  decimal(lo: u64, hi: i64): void {
    this.must(Kind.Decimal);
    const at = this.values.take(16);
    store<u64>(at, lo);
    store<i64>(at, hi, 8);
    this.present();
  }

  text(v: string): void {
    this.must(Kind.String);
    encode(v, this.values.take(String.UTF8.byteLength(v)));
    this.end(this.values.len);
  }

  binary(v: Uint8Array): void {
    this.must(Kind.Binary);
    this.bytes(v.dataStart, v.length);
  }

  private bytes(from: usize, n: i32): void {
    memory.copy(this.values.take(n), from, n);
    this.end(this.values.len);
  }

  private end(at: i32): void {
    store<i32>(this.offsets.take(4), at);
    this.present();
  }

  // Takes the elements of a list column; endList makes a row of those added since the row before.
  get elements(): Builder {
    this.must(Kind.List);
    return unchecked(this.children[0]);
  }

  endList(): void {
    this.must(Kind.List);
    this.end(unchecked(this.children[0]).rows);
  }

  // Takes a member of a struct column; endStruct makes a row of the members' values, each of which got one.
  member(name: string): Builder {
    this.must(Kind.Struct);
    const at = this.field.indexOf(name);
    if (at < 0) throw new Error("struct " + this.field.name + " has no member " + name + "; it has: " + this.field.names());
    return this.children[at];
  }

  endStruct(): void {
    this.must(Kind.Struct);
    for (let i = 0; i < this.children.length; i++) {
      if (unchecked(this.children[i]).rows != this.rows + 1) throw new Error("struct " + this.field.name + ": member " + this.children[i].field.name + " got no value");
    }
    this.present();
  }

  // Adds a row without a value. The column must be nullable.
  null(): void {
    if (!this.field.nullable) throw new Error("column " + this.field.name + " is required: it takes no null");
    this.absent();
  }

  // Adds row i of a column of the same type.
  copy(c: Column, i: i32): void {
    if (c.isNull(i)) return this.null();
    const kind = this.field.kind;
    this.must(c.field.kind);
    if (kind == Kind.Bool) return this.bool(c.bool(i));
    if (kind == Kind.String || kind == Kind.Binary) return this.bytes(c.at(i), c.start(i + 1) - c.start(i));
    if (kind == Kind.List) {
      for (let j = c.start(i), end = c.start(i + 1); j < end; j++) this.children[0].copy(c.elements, j);
      return this.endList();
    }
    if (kind == Kind.Struct) {
      for (let j = 0; j < this.children.length; j++) this.children[j].copy(c.member(j), i);
      return this.endStruct();
    }
    const width = kindWidth(kind);
    if (width == 0) throw new Error("column " + this.field.name + " is " + this.field.toString() + ": rows cannot be added to it");
    memory.copy(this.values.take(width), c.value(kind, i), width);
    this.present();
  }

  // Counts a row that has a value.
  // @ts-ignore: decorator
  @inline
  private present(): void {
    if (this.validity.len > 0) set(this.validity, this.rows, true);
    this.rows++;
  }

  // Counts a row that has none, with something in its place.
  absent(): void {
    if (this.validity.len == 0) for (let i = 0; i < this.rows; i++) set(this.validity, i, true); // everything before was there
    set(this.validity, this.rows, false);
    this.nulls++;
    this.filler();
    this.rows++;
  }

  private filler(): void {
    const kind = this.field.kind;
    if (kind == Kind.Bool) return set(this.values, this.rows, false);
    if (kind == Kind.String || kind == Kind.Binary) return store<i32>(this.offsets.take(4), this.values.len);
    if (kind == Kind.List) return store<i32>(this.offsets.take(4), this.children[0].rows);
    if (kind == Kind.Struct) {
      for (let i = 0; i < this.children.length; i++) this.children[i].blank();
      return;
    }
    const width = kindWidth(kind);
    memory.fill(this.values.take(width), 0, width);
  }

  // Adds a row to a column whose value does not matter.
  private blank(): void {
    if (this.field.nullable) return this.absent();
    this.filler();
    this.present();
  }

  // The rows so far as an ArrowArray, valid until the next row.
  lay(): usize {
    const a = this.array, buffers = a + abi.ARRAY_SIZE, pointers = buffers + 16;
    store<i64>(a, this.rows, abi.ARRAY_LENGTH);
    store<i64>(a, this.nulls, abi.ARRAY_NULL_COUNT);
    store<u32>(a, <u32>buffers, abi.ARRAY_BUFFERS);
    store<u32>(buffers, this.validity.len > 0 ? <u32>this.validity.ptr : 0);
    let count = 2;
    if (this.field.kind == Kind.Struct) {
      count = 1;
    } else if (this.hasOffsets) {
      store<u32>(buffers, <u32>this.offsets.ptr, 4);
      store<u32>(buffers, <u32>this.values.ptr, 8);
      count = this.field.kind == Kind.List ? 2 : 3;
    } else {
      store<u32>(buffers, <u32>this.values.ptr, 4);
    }
    store<i64>(a, count, abi.ARRAY_N_BUFFERS);
    const n = this.children.length;
    store<i64>(a, n, abi.ARRAY_N_CHILDREN);
    store<u32>(a, n > 0 ? <u32>pointers : 0, abi.ARRAY_CHILDREN);
    for (let i = 0; i < n; i++) store<u32>(pointers + 4 * i, <u32>this.children[i].lay());
    return a;
  }
}

// Sets bit i, which is the next one or one of those there.
function set(bits: Buffer, i: i32, v: bool): void {
  if (i >> 3 == bits.len) store<u8>(bits.take(1), 0);
  const at = bits.ptr + (i >> 3);
  store<u8>(at, load<u8>(at) | <u8>v << <u8>(i & 7));
}
