// The reference product of abi/abitest: it does, over the kit, everything that the ABI offers.

import { run, state } from "adp";

const found = new Map(); // of the input lookup
const kept = [];
let seen = 0;

export function open(out) {
  for (const input of ["all", "lookup", "changes", "commands"]) {
    if (!run.ports().some((p) => p.what === "input" && p.name === input)) throw new Error(`the product declares no input ${input}`);
  }
  for (const name of ["columns", "rows", "latest", "facts", "sink"]) out[name].emit; // which throws where there is none
}

export const all = {
  row(row, out) {
    seen++;
    out.rows.emit(row);
  },
  batch(batch, out) {
    out.columns.emitColumns(Object.fromEntries(batch.columns.map((c) => [c.name, c])));
  },
};

export function lookup(row) {
  seen++;
  found.set(row.key, row.value);
}

export function changes({ key, value, _op }, out) {
  seen++;
  if (_op === "delete") out.latest.delete({ key });
  else if (_op !== "update_before") out.latest.emit({ key, value });
}

export function commands({ name, arg }, out) {
  seen++;
  const all = arg ?? "", at = all.indexOf(" ");
  const [first, rest] = at < 0 ? [all, null] : [all.slice(0, at), all.slice(at + 1)];
  const command = does[name];
  if (!command) throw new Error(`unknown command ${name}`);
  command({ all, first, rest, text: rest ?? "", out, answer: (value) => out.facts.emit({ name, value }) });
}

export function flush(out) {
  for (const value of kept) out.facts.emit({ name: "keep", value });
  if (seen > 0) out.facts.emit({ name: "flush", value: `${seen}` });
}

const number = (text) => {
  if (text.trim() === "" || Number.isNaN(Number(text))) throw new Error(`${JSON.stringify(text)} is no number`);
  return Number(text);
};

// Commands by their names; abi/abitest lists them.
const does = {
  ports: (c) => c.answer(run.ports().map((p) => `${p.what} ${p.name} ${p.mode}`).join("; ")),
  rebuild: (c) => c.answer(`${run.rebuilding()}`),
  config: (c) => c.answer(run.config(c.all)),
  log(c) {
    if (!["debug", "info", "warn", "error"].includes(c.first)) throw new Error(`unknown level ${c.first}`);
    run[c.first](c.text);
  },
  clock: (c) => c.answer(`${run.clock()}`),
  random: (c) => c.answer([...run.random(number(c.all))].map((b) => b.toString(16).padStart(2, "0")).join("")),
  counter: (c) => run.count(c.first, number(c.text)),
  gauge: (c) => run.gauge(c.first, number(c.text)),
  put: (c) => state.put(c.first, c.text),
  get: (c) => c.answer(state.get(c.first)),
  delete: (c) => state.delete(c.first),
  scan: (c) => c.answer([...state.scan(c.first)].map(([k, v]) => `${k}=${v}`).join(";")),
  add: (c) => c.answer(`${state.add(c.first, number(c.text))}`),
  fill(c) {
    state.put(c.first, "x".repeat(number(c.text)));
    c.answer(`${state.bytes(c.first).length}`);
  },
  lookup(c) {
    const value = found.get(c.all) ?? null;
    c.answer(value === null ? null : `${value}`);
  },
  keep: (c) => kept.push(c.all),
  decide(c) {
    const [resource, ...purpose] = c.text.split(" ");
    const d = run.decide(c.first, resource, purpose.join(" "));
    c.answer(`${d.allow ? "allow" : "deny"} ${d.reason}`);
  },
  read: (c) => c.answer([...run.read("source", c.all)].map((r) => `${r.k}:${r.name ?? ""}`).join(",")),
  write: (c) => c.out.sink.emit({ k: number(c.first), name: c.rest }),
  upsert: (c) => c.out.latest.emit({ key: c.first, value: c.rest === null ? null : number(c.rest) }),
  remove: (c) => c.out.latest.delete({ key: c.first }),
  fail(c) { throw new Error(c.all); },
  panic(c) { throw new Error(c.all); },
};
