// What authors get wrong fails the run with words that help.
import { Batch, Columns, Int64, Output, Product, register, Row, run, state, Writer } from "adp";
import { fails, Host } from "adp/assembly/test";
import { In, Out } from "./rows";

class Misspelt extends Row {
  nmae: string | null = null;
  columns(c: Columns): void { this.nmae = c.column("nmae", this.nmae); }
}

class Narrow extends Row {
  id: i32 = 0;
  columns(c: Columns): void { this.id = c.column("id", this.id); }
}

class Strict extends Row {
  name: string = "";
  columns(c: Columns): void { this.name = c.column("name", this.name); }
}

class Brief extends Row {
  id: i64 = 0;
  columns(c: Columns): void { this.id = c.column("id", this.id); }
}

let mistake: (b: Batch) => void = (_: Batch): void => {};

// Makes its mistake with each batch.
class Mistaken extends Product {
  process(batch: Batch): void { mistake(batch); }
}

// Runs a product that makes one over two rows.
function make(m: (b: Batch) => void): void {
  mistake = m;
  register((): Product => new Mistaken());
  const r = new Host().input<In>("in").output<Out>("out").output<Out>("keyed", "upsert").sink<Out>("sink").open();
  r.feed<In>("in", [new In(1), new In(2, "b")]);
  r.flush();
}

fails("an output that is not declared", "the product declares no output result; it has: out, keyed", () => {
  make((_: Batch): void => { new Output<Out>("result"); });
});
fails("a binding that is not declared", "the product declares no binding db; it has: sink", () => {
  make((_: Batch): void => { run.read("db", ""); });
});
fails("an output row with too few fields", "output out: the row has no field for column name", () => {
  make((_: Batch): void => { new Output<Brief>("out"); });
});
fails("a column that is not there, for a row", "input in: there is no column nmae; there are: id, name, size", () => {
  make((b: Batch): void => { b.of<Misspelt>(); });
});
fails("a field of another type", "input in: column id is int64, not int32", () => {
  make((b: Batch): void => { b.of<Narrow>(); });
});
fails("null for a field that takes none", "column name is null in row 0 of the batch: make its field nullable", () => {
  make((b: Batch): void => { for (let all = b.of<Strict>(); all.next(); ) {} });
});
fails("a column read as another type", "column id is int64, not string", () => {
  make((b: Batch): void => { b.column("id").text(0); });
});
fails("a column that is not there", "input in has no column idd; it has: id, name, size", () => {
  make((b: Batch): void => { b.column("idd"); });
});
fails("columns of different length", "output out got columns of different length: id has 1 rows, name 0", () => {
  make((_: Batch): void => { Writer.named("out").column("id").int64(1); });
});
fails("a deletion from an append output", "output out is no upsert output: rows cannot be deleted from it", () => {
  make((_: Batch): void => { new Output<Out>("out").remove(new Out(1)); });
});
fails("null for a required column", "column name is required: it takes no null", () => {
  make((_: Batch): void => { Writer.named("out").column("name").null(); });
});
fails("an empty key", "state put : bad argument", () => { make((_: Batch): void => { state.putText("", "x"); }); });
fails("a key that is too long", "too large", () => { make((_: Batch): void => { state.putText("k".repeat(1025), "x"); }); });
fails("text where a number is meant", "state text is not a number: it has 5 bytes", () => {
  make((_: Batch): void => {
    state.putText("text", "four!");
    state.add("text", 1);
  });
});
fails("the first of two reasons", "first", () => {
  make((_: Batch): void => {
    run.fail("first");
    run.fail("second");
  });
});
fails("an error that nobody catches", "2 rows (in assembly/mistakes.test.ts:90:30)", () => {
  make((b: Batch): void => { throw new Error(b.rows.toString() + " rows"); });
});
fails("a trap", "divide by zero", () => {
  make((b: Batch): void => { run.info((7 / (b.rows - 2)).toString()); });
});
