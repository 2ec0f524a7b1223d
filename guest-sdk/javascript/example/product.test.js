import assert from "node:assert/strict";
import { test } from "node:test";
import { Host } from "adp/test";

const host = () => new Host("product.js")
  .input("strikes", { airport: "string", date: "date", cost_usd: "int64?" })
  .output("risk", { airport: "string", strikes: "int64", cost: "int64" }, "upsert");
const strike = { airport: "SEA", date: "2026-11-01", cost_usd: 100 };

test("counts and adds up, over runs", async () => {
  const first = await host().open();
  await first.feed("strikes", [strike, { ...strike, cost_usd: null }]);
  assert.deepEqual(first.emitted("risk").at(-1), { airport: "SEA", strikes: 2, cost: 100 });
  const second = await host().after(first).open();
  await second.feed("strikes", [strike]);
  await second.flush();
  assert.deepEqual(second.emitted("risk"), [{ airport: "SEA", strikes: 3, cost: 200 }]);
});

test("leaves cheap ones out", async () => {
  const run = await host().config("floor", 1000).open();
  await run.feed("strikes", [strike]);
  assert.equal(run.emitted("risk").length, 0);
});
