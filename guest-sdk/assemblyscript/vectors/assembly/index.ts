// Reads the golden vectors of abi/abitest and logs what they mean, in their notation: the kit reads the layout as all the others do.
import { Batch, Column, Decimal, Field, Kind, Product, register, run } from "adp";
import { quote } from "adp/assembly/json";

function logFields(s: Field, indent: string): void {
  for (let i = 0; i < s.children.length; i++) {
    const c = s.children[i];
    run.info(indent + c.name + " " + c.format + (c.nullable ? "?" : ""));
    logFields(c, indent + "  ");
  }
}

function hex(n: u64, digits: i32): string { return n.toString(16).padStart(digits, "0"); }

function bits32(v: f32): string { return "f" + hex(v != v ? 0x7fc0_0000 : <u64>reinterpret<u32>(v), 8); }

function bits(v: f64): string { return "f" + hex(v != v ? 0x7ff8_0000_0000_0001 : reinterpret<u64>(v), 16); }

function decimal(c: Column, i: i32): string {
  const d = new Decimal();
  d.load(c, i);
  return d.text(0);
}

function binary(b: Uint8Array): string {
  let text = "x'";
  for (let i = 0; i < b.length; i++) text += hex(b[i], 2);
  return text + "'";
}

function list(c: Column, i: i32): string {
  const words: string[] = [];
  for (let j = c.start(i); j < c.start(i + 1); j++) words.push(value(c.elements, j));
  return "[" + words.join(", ") + "]";
}

function members(columns: Array<Column>, i: i32): string {
  const words: string[] = [];
  for (let j = 0; j < columns.length; j++) words.push(value(columns[j], i));
  return words.join(", ");
}

function value(c: Column, i: i32): string {
  if (c.isNull(i)) return "null";
  switch (c.field.kind) {
    case Kind.Bool: return c.bool(i).toString();
    case Kind.Int32: return c.int32(i).toString();
    case Kind.Int64: return c.int64(i).toString();
    case Kind.Float32: return bits32(c.float32(i));
    case Kind.Float64: return bits(c.float64(i));
    case Kind.Decimal: return decimal(c, i);
    case Kind.Date: return c.days(i).toString();
    case Kind.Time:
    case Kind.Timestamp:
    case Kind.TimestampTz: return c.micros(i).toString();
    case Kind.String: return quote(c.text(i));
    case Kind.Binary: return binary(c.binary(i));
    case Kind.List: return list(c, i);
    case Kind.Struct: return "[" + members(c.members(), i) + "]";
  }
  return "?";
}

class Vectors extends Product {
  constructor() {
    super();
    run.info("rebuild " + run.rebuilding().toString());
    const all = run.ports();
    for (let i = 0; i < all.length; i++) {
      run.info(all[i].toString() + " " + all[i].mode);
      logFields(all[i].columns, "  ");
    }
  }

  process(batch: Batch): void {
    run.info("rows " + batch.rows.toString());
    for (let i = 0; i < batch.rows; i++) run.info(members(batch.columns, i));
  }
}

register((): Product => new Vectors());
