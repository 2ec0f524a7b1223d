// Kinds of columns, what a product declares of its ports, and values that are not AssemblyScript's own.
import * as abi from "./abi";
import { Column } from "./column";
import { Builder } from "./builder";
import { decode } from "./memory";

// Kinds of columns (abi/SPEC.md §10). Other Arrow types, which a product asks for by forms, are Other.
export enum Kind {
  Other, Bool, Int32, Int64, Float32, Float64, Decimal, Date, Time, Timestamp, TimestampTz, String, Binary, List, Struct,
}

const words: StaticArray<string> = ["of another type", "bool", "int32", "int64", "float32", "float64", "decimal", "date", "time",
  "timestamp", "timestamptz", "string", "binary", "list", "struct"];
const widths: StaticArray<i32> = [0, 0, 4, 8, 4, 8, 16, 4, 8, 8, 8, 0, 0, 0, 0]; // bytes of a value in its buffer
const formats: StaticArray<string> = ["", "b", "i", "l", "f", "g", "d:", "tdD", "ttu", "tsu:", "tsu:UTC", "u", "z", "+l", "+s"];

export function kindWord(kind: Kind): string { return words[kind]; }
export function kindWidth(kind: Kind): i32 { return unchecked(widths[kind]); }

export function formatOf(kind: Kind): string { return kind == Kind.Decimal ? "d:38,0" : formats[kind]; }

function kindOf(format: string): Kind {
  if (format.startsWith("d:")) return format.split(",").length == 2 ? Kind.Decimal : Kind.Other; // a third number: another size
  for (let k = <i32>Kind.Bool; k <= Kind.Struct; k++) if (format == formats[k]) return k;
  return Kind.Other;
}

// A column, list element or struct member as it is declared.
@final
export class Field {
  children: Array<Field> = [];
  constructor(public name: string, public kind: Kind, public nullable: bool, public format: string = "") {}

  static read(schema: usize): Field {
    const format = zeroEnded(load<u32>(schema, abi.SCHEMA_FORMAT));
    const kind = load<u32>(schema, abi.SCHEMA_DICTIONARY) != 0 ? Kind.Other : kindOf(format);
    const f = new Field(zeroEnded(load<u32>(schema, abi.SCHEMA_NAME)), kind, (load<i64>(schema, abi.SCHEMA_FLAGS) & abi.FLAG_NULLABLE) != 0, format);
    const n = <i32>load<i64>(schema, abi.SCHEMA_N_CHILDREN), children = load<u32>(schema, abi.SCHEMA_CHILDREN);
    for (let i = 0; i < n; i++) f.children.push(Field.read(load<u32>(children + 4 * i)));
    return f;
  }

  // The place of a child, or -1.
  indexOf(name: string): i32 {
    for (let i = 0; i < this.children.length; i++) if (this.children[i].name == name) return i;
    return -1;
  }

  // The names of the children, for people.
  names(): string {
    const all: string[] = [];
    for (let i = 0; i < this.children.length; i++) all.push(this.children[i].name);
    return all.join(", ");
  }

  toString(): string { return this.kind == Kind.Other ? "of the Arrow type " + this.format : kindWord(this.kind); }
}

function zeroEnded(at: u32): string {
  let n = 0;
  while (load<u8>(at + n) != 0) n++;
  return decode(at, n);
}

const modes: StaticArray<string> = ["incremental", "snapshot", "append", "upsert", "replace", "read", "write"];

// The number of a mode by its word.
export function modeOf(word: string): u32 {
  const at = modes.indexOf(word);
  if (at < 0) throw new Error("there is no mode " + word + "; there are: " + modes.join(", "));
  return at;
}

// An input, output or binding.
@final
export class Port {
  constructor(public what: string, public index: u32, public name: string, public modeCode: u32, public columns: Field) {}

  get mode(): string { return <i32>this.modeCode < modes.length ? modes[this.modeCode] : "mode " + this.modeCode.toString(); }

  toString(): string { return this.what + " " + this.name; }
}

// A value that fields can have beside AssemblyScript's numbers, bool, string, Uint8Array and arrays. A field of type X | null is
// for a nullable column.
export abstract class Value {
  abstract describe(field: Field): void;
  abstract load(column: Column, i: i32): void;
  abstract store(builder: Builder): void;
}

// Numbers and bools that may be missing: amount: Float64 | null.
@final
export class Bool extends Value {
  constructor(public value: bool = false) { super(); }
  describe(f: Field): void { f.kind = Kind.Bool; }
  load(c: Column, i: i32): void { this.value = c.bool(i); }
  store(b: Builder): void { b.bool(this.value); }
}

@final
export class Int32 extends Value {
  constructor(public value: i32 = 0) { super(); }
  describe(f: Field): void { f.kind = Kind.Int32; }
  load(c: Column, i: i32): void { this.value = c.int32(i); }
  store(b: Builder): void { b.int32(this.value); }
}

@final
export class Int64 extends Value {
  constructor(public value: i64 = 0) { super(); }
  describe(f: Field): void { f.kind = Kind.Int64; }
  load(c: Column, i: i32): void { this.value = c.int64(i); }
  store(b: Builder): void { b.int64(this.value); }
}

@final
export class Float32 extends Value {
  constructor(public value: f32 = 0) { super(); }
  describe(f: Field): void { f.kind = Kind.Float32; }
  load(c: Column, i: i32): void { this.value = c.float32(i); }
  store(b: Builder): void { b.float32(this.value); }
}

@final
export class Float64 extends Value {
  constructor(public value: f64 = 0) { super(); }
  describe(f: Field): void { f.kind = Kind.Float64; }
  load(c: Column, i: i32): void { this.value = c.float64(i); }
  store(b: Builder): void { b.float64(this.value); }
}
