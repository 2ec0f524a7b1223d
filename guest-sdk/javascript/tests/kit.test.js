import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Host } from "adp/test";
import { accept, typeOf } from "adp/types";

/** A host for a product with this code. */
function product(code) {
  const path = join(mkdtempSync(join(tmpdir(), "adp-")), "product.mjs");
  writeFileSync(path, code.replaceAll(`from "adp"`, `from ${JSON.stringify(import.meta.resolve("adp"))}`));
  return new Host(path);
}
const on = (body) => `import { run, state } from "adp";\nexport async function rows(row, out) { ${body} }\n`;

test("types take what the engine's take", () => {
  for (const [type, value, taken] of [
    ["int32", 2 ** 31 - 1, 2147483647], ["int64", 2n ** 63n - 1n, 2n ** 63n - 1n], ["int64", 5n, 5], ["int64", -(2 ** 53) + 1, -9007199254740991],
    ["float32", 0.1, Math.fround(0.1)], ["float64", -0, -0], ["bool", false, false], ["string", "grüß 😀", "grüß 😀"],
    ["decimal(12,2)", "-12.3", "-12.30"], ["decimal(12,2)", 7, "7.00"], ["decimal(3,0)", "007", "7"], ["decimal(3,3)", ".5", "0.500"],
    ["date", "2024-02-29", "2024-02-29"], ["date", new Date("2026-11-01T23:59:59Z"), "2026-11-01"], ["time", "15:04", "15:04:00"], ["time", "15:04:05.250", "15:04:05.25"],
    ["timestamp", "2026-11-01 15:04:05.000001", "2026-11-01T15:04:05.000001"], ["timestamptz", "2026-11-01T01:04:05+02:00", "2026-10-31T23:04:05Z"],
    ["timestamptz", new Date("2026-11-01T15:04:05.250Z"), "2026-11-01T15:04:05.25Z"], ["list<int64?>", [1, null], [1, null]], ["int64?", undefined, null],
    ["struct<x: int32?, tags: list<string>>", { tags: ["a"] }, { x: null, tags: ["a"] }],
  ]) assert.deepEqual(accept("c", typeOf(type), value), taken, type);
  for (const [type, value, why] of [
    ["int32", 2 ** 31, "the number 2147483648"], ["int64", 2 ** 53, "a whole number"], ["int64", 1.5, "the number 1.5"], ["int64", "5", 'not "5"'], ["int64", 2n ** 63n, "9223372036854775808n"],
    ["float64", 1n, "a number, not 1n"], ["bool", 1, "a boolean"], ["string", 5, "a string"], ["string", "\ud800", "a string"], ["decimal(4,2)", "123.4", "decimal"], ["decimal(4,2)", "1.234", "decimal"],
    ["date", "2026-02-30", "2026-11-01"], ["time", "24:00", "15:04:05"], ["timestamp", "2026-11-01T15:04:05Z", "without a zone"], ["timestamptz", "2026-11-01T15:04:05", "with its zone"],
    ["timestamptz", new Date(NaN), "with its zone"], ["string", null, "it takes no null"], ["list<int64>", [null], "it takes no null"], ["binary", [1], "a Uint8Array"],
  ]) assert.throws(() => accept("c", typeOf(type), value), (e) => e instanceof TypeError && e.message.includes(why), `${type} ${value}`);
  for (const type of ["int", "list<", "struct<x int32>", "decimal", "int64??", "list"]) assert.throws(() => typeOf(type), TypeError, type);
});

test("a row that is refused fails the run, whoever catches it", async () => {
  for (const [body, why] of [
    [`out.out.emit({ k: 1, l: 2 })`, "output out has no column l; there are k"], [`out.out.emit({})`, "column k is required"], [`out.out.emit([1])`, "a row is an object"],
    [`out.out.delete({ k: 1 })`, "is no upsert output"], [`out.oot.emit({})`, "declares no output oot; it has: out"], [`try { out.out.emit({ k: "1" }) } catch {}`, "a whole number"],
    [`out.out.emitColumns({ k: ["1"] })`, "a whole number"], [`for (const r of run.read("source")) ;`, "declares no binding source"], [`state.put("", "v")`, "a key of 0 bytes"],
    [`run.fail("why")`, "why"], [`throw new RangeError("far")`, "far"], [`await null; throw new RangeError("later")`, "later"],
  ]) {
    const run = await product(on(body)).input("rows", { k: "int64" }).output("out", { k: "int64" }).open();
    await assert.rejects(run.feed("rows", [{ k: 1 }]), (e) => e.message.includes(why), body);
  }
});

test("each run finds the scripts as they were loaded", async () => {
  const host = product("let n = 0;\nexport function rows(row, out) { out.out.emit({ k: ++n }); }").input("rows", { k: "int64" }).output("out", { k: "int64" });
  for (const _ of [1, 2]) {
    const run = await host.open();
    await run.feed("rows", [{ k: 7 }, { k: 7 }]);
    assert.deepEqual(run.emitted("out"), [{ k: 1 }, { k: 2 }]);
  }
  await assert.rejects(product("export const people = 5;").input("rows", {}).open(), /exports no function rows for the input rows; it exports people/);
});

test("columns", async () => {
  const run = await product(`let kept;
    export const newRows = { batch(b, out) {
      const k = b.column("k"), at = b.column("at");
      kept = k;
      out.out.emitColumns({ k: k.values.map((v) => v * 2n), text: [...b.column("text")], at: at.values });
      if (!at.isNull(1) || at.nulls !== 1 || b.columns.length !== 3) throw new Error("nulls");
    } };
    export function flush() { kept.get(0); }`)
    .input("new-rows", { k: "int64", text: "string", at: "time?" }).output("out", { k: "int64", text: "string", at: "int64" }).open();
  await run.feed("new-rows", [{ k: 1, text: "a", at: "00:00:01.5" }, { k: 2, text: "b", at: null }]);
  assert.deepEqual(run.emitted("out"), [{ k: 2, text: "a", at: 1500000 }, { k: 4, text: "b", at: 0 }]);
  await assert.rejects(run.flush(), /the batch is over/);
});

test("everything that a run offers", async () => {
  const run = await product(on(`
    state.put("b", "2"); state.put("a", new Uint8Array([49])); state.add("n", 5); state.store("j", { x: [1] }); state.delete("gone");
    out.out.emit({ text: JSON.stringify([[...state.scan("")].map(([k]) => k), state.get("a"), state.get("none"), state.integer("n"), state.load("j"), run.setting("limit", 1), run.setting("other", true),
      run.config("none"), run.rebuilding(), run.clock().toString(), run.random(2).length, run.decide("read", "adp://./a/b").allow, [...run.read("source", { x: 1 })], run.ports().length]) });
    out.sink.emit({ text: "s" });
    run.warn("n is", 5n, { a: 1 }); run.count("rows"); run.count("rows", 2); run.gauge("g", 0.5);`))
    .input("rows", {}).output("out", { text: "string" }, "replace").sink("sink", { text: "string" }).source("source", (request) => [{ request }]).config("limit", 9)
    .at(new Date(1000)).policy(({ action }) => ({ allow: action === "read", reason: "" })).open();
  await run.feed("rows", [{}]);
  assert.equal(run.emitted("out")[0].text,
    `[["a","b","j","n"],"1",null,5,{"x":[1]},9,true,null,false,"1000000000",2,true,[{"request":"{\\"x\\":1}"}],4]`);
  assert.deepEqual([run.logged, run.metrics, run.requests, run.emitted("sink")], [[["warn", 'n is 5 {"a":1}']], { rows: 3, g: 0.5 }, [["source", '{"x":1}']], [{ text: "s" }]]);
});
