// A host for tests: what the engine gives to engine/src/adp.js in the sandbox, over plain objects.
import { accept } from "./types.js";

const bytesOf = (v) => {
  if (typeof v === "string") return new TextEncoder().encode(v);
  if (v instanceof Uint8Array) return Uint8Array.from(v);
  throw new TypeError(`text or a Uint8Array, not ${JSON.stringify(v)}`);
};
const keyOf = (v) => {
  const key = Buffer.from(bytesOf(v));
  if (key.length < 1 || key.length > 1024) throw refuse(`state: a key of ${key.length} bytes`);
  return key.toString("latin1"); // its order is that of the bytes
};
const textOf = (latin1) => Buffer.from(latin1, "latin1").toString();

// The run that scripts see; test.js sets it.
let current = null;
export function become(run) { current = run; }

function now() {
  if (current === null) throw new Error(`there is no run: new Host("product.js").open() begins one`);
  return current;
}

/** Fails the run, whoever catches it. */
function refuse(why) {
  now().failure ??= why;
  return new Error(why);
}

function write(at, row, remove) {
  const run = now(), port = run.sinks[at];
  const fail = (why) => { run.failure ??= why; throw new TypeError(why); };
  if (typeof row !== "object" || row === null || Array.isArray(row)) fail(`output ${port.name}: a row is an object with a property for each column`);
  if (remove && port.mode !== "upsert") fail(`output ${port.name} is no upsert output: rows cannot be deleted from it`);
  for (const name of Object.keys(row)) {
    if (!(name in port.columns)) fail(`output ${port.name} has no column ${name}; there are ${Object.keys(port.columns).join(", ")}`);
  }
  const taken = {};
  for (const [name, type] of Object.entries(port.columns)) {
    if (remove && row[name] === undefined) continue;
    try {
      taken[name] = accept(name, type, row[name]);
    } catch (e) {
      fail(`output ${port.name}: ${e.message}`);
    }
  }
  (remove ? port.removed : port.emitted).push(taken);
}

function column(id, index) {
  const b = now().batch;
  if (b?.id !== id) throw new TypeError("the batch is over: what is needed of it later has to be copied");
  const [name, type] = b.columns[index];
  return { b, name, type };
}

globalThis.__adp = {
  log: (level, message) => now().logged.push([["debug", "info", "warn", "error"][level], message]),
  fail: (why) => { now().failure ??= why; },
  config: (key) => now().settings[key],
  ports: () => now().ports(),
  rebuilding: () => now().rebuild,
  clock: () => now().clock,
  random: (n) => Uint8Array.from({ length: n }, () => now().byte()),
  count: (name, add) => { now().metrics[name] = (now().metrics[name] ?? 0) + add; },
  gauge: (name, value) => { now().metrics[name] = value; },
  decide: (action, resource, purpose) => now().policy({ action, resource, purpose }),
  stateBytes: (key) => now().state.get(keyOf(key)) ?? null,
  stateText: (key) => { const v = now().state.get(keyOf(key)); return v === undefined ? null : Buffer.from(v).toString(); },
  statePut: (key, value) => { now().state.set(keyOf(key), bytesOf(value)); },
  stateDelete: (key) => { now().state.delete(keyOf(key)); },
  stateInteger(key) {
    const v = now().state.get(keyOf(key));
    if (v === undefined) return null;
    if (v.length !== 8) throw refuse(`state ${key} is not an i64`);
    return accept(key, { name: "int64" }, Buffer.from(v).readBigInt64LE());
  },
  stateAdd(key, delta) {
    const sum = BigInt.asIntN(64, BigInt(this.stateInteger(key) ?? 0) + BigInt(delta));
    const v = Buffer.alloc(8);
    v.writeBigInt64LE(sum);
    this.statePut(key, new Uint8Array(v));
    return accept(key, { name: "int64" }, sum);
  },
  scanOpen: (prefix) => now().scans.push({ prefix: Buffer.from(bytesOf(prefix)).toString("latin1"), after: "" }) - 1,
  scanNext(id) {
    const run = now(), scan = run.scans[id];
    const key = [...run.state.keys()].filter((k) => k.startsWith(scan.prefix) && k > scan.after).sort()[0];
    if (key === undefined) return null;
    scan.after = key;
    return [textOf(key), Buffer.from(run.state.get(key)).toString()];
  },
  readOpen(binding, request) {
    const run = now();
    if (!(binding in run.sources)) throw refuse(`the product declares no binding ${binding}; it has: ${Object.keys(run.sources).join(", ") || "none"}`);
    run.requests.push([binding, typeof request === "string" ? request : Buffer.from(request).toString()]);
    return run.readers.push([...run.sources[binding](request)]) - 1;
  },
  readNext(id) {
    const rows = now().readers[id];
    now().readers[id] = null;
    return rows;
  },
  readClose() {},
  emit: (at, row) => write(at, row, false),
  remove: (at, row) => write(at, row, true),
  emitColumns(at, columns) {
    const all = Object.entries(columns).map(([name, values]) => [name, Array.from(values)]);
    const n = all[0]?.[1].length ?? 0;
    for (const [name, values] of all) {
      if (values.length !== n) throw refuse(`output ${now().sinks[at].name}: column ${name} has ${values.length} rows, those before it ${n}`);
    }
    for (let i = 0; i < n; i++) write(at, Object.fromEntries(all.map(([name, values]) => [name, values[i]])), false);
  },
  cell(id, index, i) {
    const { b, name } = column(id, index);
    if (!Number.isInteger(i) || i < 0 || i >= b.rows.length) throw new RangeError(`there is no row ${i}: the batch has ${b.rows.length}`);
    return b.rows[i][name];
  },
  isNull(id, index, i) { return this.cell(id, index, i) === null; },
  buffer(id, index) {
    const { b, name, type } = column(id, index);
    const values = b.rows.map((r) => r[name]);
    const micros = (s) => BigInt(Date.parse(s.slice(0, 19) + "Z")) * 1000n + BigInt((/\.(\d+)/.exec(s)?.[1] ?? "").padEnd(6, "0") || 0);
    switch (type.name) {
      case "int32": return Int32Array.from(values).buffer;
      case "float32": return Float32Array.from(values).buffer;
      case "float64": return Float64Array.from(values).buffer;
      case "int64": return BigInt64Array.from(values, (v) => BigInt(v ?? 0)).buffer;
      case "date": return Int32Array.from(values, (v) => (v === null ? 0 : Date.parse(v) / 86_400_000)).buffer;
      case "time": return BigInt64Array.from(values, (v) => (v === null ? 0n : micros("1970-01-01T" + v))).buffer;
      case "timestamp": case "timestamptz": return BigInt64Array.from(values, (v) => (v === null ? 0n : micros(v))).buffer;
      default: return null;
    }
  },
};

/** What engine/src/adp.js has added for its host. */
export const kit = globalThis.__adp;
