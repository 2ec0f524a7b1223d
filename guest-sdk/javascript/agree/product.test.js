import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Host } from "adp/test";
import { cases } from "./cases.js";

// The cells of a line of CSV; what stands between quotes is a text, though it be empty, and nothing is null.
function cells(line) {
  const all = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g);
  return Array.from(all, ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? (plain || null));
}

// A value as it stands in a file of CSV.
function text(v) {
  if (v === null) return null;
  if (v instanceof Uint8Array) return Buffer.from(v).toString("base64");
  if (typeof v === "object") return JSON.stringify(v);
  return Object.is(v, -0) ? "-0" : `${v}`;
}

test("the host for tests takes what the engine takes", async () => {
  const types = { n: "int64", bool: "bool?", i32: "int32?", i64: "int64?", f32: "float32?", f64: "float64?", dec: "decimal(12,2)?", day: "date?", at: "time?",
    local: "timestamp?", utc: "timestamptz?", text: "string?", raw: "binary?", list: "list<int64?>?", pair: "struct<x: int64, y: string?>?" };
  const run = await new Host("product.js").input("people", { name: "string" }).output("greetings", types).open();
  await run.flush();
  const [head, ...lines] = readFileSync("testdata/out/greetings.csv", "utf8").trimEnd().split("\n").map(cells);
  const engine = new Map(lines.map((line) => [Number(line[0]), line]));
  assert.equal(engine.size, cases.length);
  for (const row of run.emitted("greetings")) {
    const [column, value] = cases[row.n];
    let have = engine.get(row.n)[head.indexOf(column)];
    if (column === "f32") have = text(Math.fround(Number(have))); // which has fewer digits in the file
    assert.equal(have, text(row[column]), `${column}, given ${String(value)}`);
  }
});
