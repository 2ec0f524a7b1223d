// Rows: classes whose fields stand for columns, by one method that reads, writes and describes them.
import { Builder } from "./builder";
import { Column } from "./column";
import { Field, Kind, kindWord, Port, Value } from "./types";

// A row says once which field is which column:
//
//   class Person extends Row {
//     name: string = "";
//     town: string | null = null;
//     columns(c: Columns): void {
//       this.name = c.column("name", this.name);
//       this.town = c.column("town", this.town);
//     }
//   }
//
// The types of the fields say those of the columns: bool, i32, i64, f32, f64, string, Uint8Array, Day, TimeOfDay, Timestamp, Decimal, an
// Array of these, another row. A nullable column has X | null, with Bool, Int32, Int64, Float32 and Float64 for the first five.
// The same columns are asked for in the same order every time.
export abstract class Row extends Value {
  abstract columns(c: Columns): void;

  describe(field: Field): void {
    field.kind = Kind.Struct;
    const c = new Columns(field.name);
    this.columns(c);
    field.children = c.fields;
  }

  load(column: Column, i: i32): void {
    let c = column.visitor;
    if (!c) {
      if (column.field.kind != Kind.Struct) column.member(0); // says what is wrong
      c = new Columns(column.field.name);
      c.parent = column.field;
      c.from = column.members();
      column.visitor = c;
    }
    c.row = i;
    c.at = 0;
    this.columns(c);
  }

  store(builder: Builder): void {
    this.storeMembers(builder);
    builder.endStruct();
  }

  // Writes the fields to the columns of a struct, whose row is not ended.
  storeMembers(builder: Builder): void {
    let c = builder.visitor;
    if (!c) {
      c = new Columns(builder.field.name);
      c.parent = builder.field;
      c.to = builder.children;
      builder.visitor = c;
    }
    c.at = 0;
    this.columns(c);
  }
}

// What a row's fields are read from, or written to.
@final
export class Columns {
  fields: Array<Field> = []; // what the row says of its columns, when it is asked
  parent: Field | null = null;
  from: Array<Column> | null = null;
  to: Array<Builder> | null = null;
  row: i32 = 0;
  at: i32 = 0; // which call of column this is
  private slots: Array<i32> = []; // column by call

  constructor(public name: string) {}

  // The value of the named column: read, or, when the row is written, the one that is given.
  column<T>(name: string, value: T): T {
    const from = this.from;
    if (from) return read<T>(unchecked(from[this.slot(name)]), this.row);
    const to = this.to;
    if (to) write<T>(unchecked(to[this.slot(name)]), value);
    else this.fields.push(describe<T>(name));
    return value;
  }

  private slot(name: string): i32 {
    const at = this.at++;
    if (at < this.slots.length) return unchecked(this.slots[at]);
    const parent = this.parent!, found = parent.indexOf(name);
    if (found < 0) throw new Error((this.name == "" ? "" : "struct " + this.name + ": ") + "there is no column " + name + "; there are: " + parent.names());
    this.slots.push(found);
    return found;
  }
}

// What a field's type says of its column.
export function describe<T>(name: string): Field {
  const f = new Field(name, Kind.Other, isNullable<T>());
  if (isBoolean<T>()) f.kind = Kind.Bool;
  else if (isInteger<T>()) f.kind = sizeof<T>() == 8 ? Kind.Int64 : Kind.Int32;
  else if (isFloat<T>()) f.kind = sizeof<T>() == 8 ? Kind.Float64 : Kind.Float32;
  else if (isString<T>()) f.kind = Kind.String;
  else if (isArray<T>()) {
    f.kind = Kind.List;
    f.children = [describe<valueof<NonNullable<T>>>("item")];
  } else if (idof<NonNullable<T>>() == idof<Uint8Array>()) f.kind = Kind.Binary;
  else instantiate<NonNullable<T>>().describe(f);
  return f;
}

function read<T>(c: Column, i: i32): T {
  if (c.isNull(i)) {
    if (isNullable<T>()) return changetype<T>(0);
    throw new Error("column " + c.field.name + " is null in row " + i.toString() + " of the batch: make its field nullable");
  }
  if (isBoolean<T>()) return <T>c.bool(i);
  else if (isInteger<T>()) {
    if (sizeof<T>() == 8) return <T>c.int64(i);
    else return <T>c.int32(i);
  } else if (isFloat<T>()) {
    if (sizeof<T>() == 8) return <T>c.float64(i);
    else return <T>c.float32(i);
  } else if (isString<T>()) return changetype<T>(c.text(i));
  else if (isArray<T>()) {
    const out = instantiate<NonNullable<T>>();
    for (let j = c.start(i), end = c.start(i + 1), e = c.elements; j < end; j++) out.push(read<valueof<NonNullable<T>>>(e, j));
    return out;
  } else if (idof<NonNullable<T>>() == idof<Uint8Array>()) return changetype<T>(c.binary(i));
  else {
    const v = instantiate<NonNullable<T>>();
    v.load(c, i);
    return v;
  }
}

function write<T>(b: Builder, v: T): void {
  if (isNullable<T>()) {
    if (changetype<usize>(v) == 0) return b.null();
  }
  if (isBoolean<T>()) b.bool(<bool>v);
  else if (isInteger<T>()) {
    if (sizeof<T>() == 8) b.int64(<i64>v);
    else b.int32(<i32>v);
  } else if (isFloat<T>()) {
    if (sizeof<T>() == 8) b.float64(<f64>v);
    else b.float32(<f32>v);
  } else if (isString<T>()) b.text(changetype<string>(v));
  else if (isArray<T>()) {
    const list = changetype<NonNullable<T>>(v);
    for (let j = 0; j < list.length; j++) write<valueof<NonNullable<T>>>(b.elements, list[j]);
    b.endList();
  } else if (idof<NonNullable<T>>() == idof<Uint8Array>()) b.binary(changetype<Uint8Array>(v));
  else changetype<NonNullable<T>>(v).store(b);
}

// Says where a row and its columns do not fit. all: every column but the one that is left out has a field.
export function check(where: string, row: Field, columns: Field, all: bool, but: string): void {
  for (let i = 0; i < row.children.length; i++) {
    const f = row.children[i], at = columns.indexOf(f.name);
    if (at < 0 || f.name == but) throw new Error(where + ": there is no column " + f.name + "; there are: " + columns.names());
    checkField(where, f, columns.children[at], all);
  }
  for (let i = 0; all && i < columns.children.length; i++) {
    const name = columns.children[i].name;
    if (name != but && row.indexOf(name) < 0) throw new Error(where + ": the row has no field for column " + name);
  }
}

function checkField(where: string, f: Field, column: Field, all: bool): void {
  const kind = f.kind == Kind.TimestampTz && column.kind == Kind.Timestamp ? column.kind : f.kind;
  if (kind != column.kind) throw new Error(where + ": column " + column.name + " is " + column.toString() + ", not " + kindWord(f.kind));
  if (kind == Kind.Struct) check(where, f, column, all, "");
  if (kind == Kind.List) checkField(where, f.children[0], column.children[0], all);
}

// The rows of a batch, one after the other. Each is an object of its own, with its own text.
@final
export class RowsOf<T extends Row> {
  // The present row; before the first call of next there is none.
  row: T;
  private at: i32 = -1;

  constructor(port: Port, private root: Column) {
    this.row = instantiate<T>();
    check(port.toString(), describe<T>(""), port.columns, false, "");
  }

  next(): bool {
    if (++this.at >= this.root.rows) return false;
    const row = instantiate<T>();
    row.load(this.root, this.at);
    this.row = row;
    return true;
  }
}
