// The module "adp": what a product's scripts have of their run. It is written for those who read their stacks: nothing here throws
// but what the author did.

const native = globalThis.__adp;
delete globalThis.__adp;

// What console.log writes for a value.
function show(value) {
  if (typeof value === "string" || typeof value === "bigint") return `${value}`;
  if (value instanceof Error) return `${value}\n${value.stack}`;
  try {
    return JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${v}n` : v)) ?? String(value);
  } catch {
    return String(value);
  }
}

const logs = (level) => (...what) => native.log(level, what.map(show).join(" "));
const [debug, info, warn, error] = [0, 1, 2, 3].map(logs);

// The run that is under way.
export const run = Object.freeze({
  debug, info, warn, error,
  config: (key) => native.config(`${key}`) ?? null,
  setting(key, other) {
    const text = native.config(`${key}`) ?? null;
    if (text === null) return other;
    if (typeof other === "boolean" && (text === "true" || text === "false")) return text === "true";
    if (typeof other === "number" && text.trim() !== "" && !Number.isNaN(Number(text))) return Number(text);
    if (typeof other === "bigint" && /^-?\d+$/.test(text)) return BigInt(text);
    if (typeof other === "string" || other === undefined || other === null) return text;
    throw new TypeError(`setting ${key}: ${JSON.stringify(text)} is not a ${typeof other}`);
  },
  ports: () => native.ports(),
  rebuilding: () => native.rebuilding(),
  clock: () => native.clock(),
  now: () => new Date(),
  random: (n) => native.random(n),
  count: (name, add = 1) => native.count(`${name}`, Number(add)),
  gauge: (name, value) => native.gauge(`${name}`, Number(value)),
  decide: (action, resource = "", purpose = "") => native.decide(`${action}`, `${resource}`, `${purpose}`),
  fail: (why) => native.fail(`${why}`),
  *read(binding, request = "") {
    const plain = typeof request === "string" || request instanceof Uint8Array;
    const reader = native.readOpen(`${binding}`, plain ? request : JSON.stringify(request));
    try {
      for (let rows; (rows = native.readNext(reader)) !== null; ) yield* rows;
    } finally {
      native.readClose(reader);
    }
  },
});

// What the product remembers from run to run, by text or a Uint8Array.
export const state = Object.freeze({
  get: (key) => native.stateText(key),
  bytes: (key) => native.stateBytes(key),
  put: (key, value) => native.statePut(key, value),
  delete: (key) => native.stateDelete(key),
  integer: (key) => native.stateInteger(key),
  add: (key, delta = 1) => native.stateAdd(key, delta),
  load(key) {
    const text = native.stateText(key);
    return text === null ? null : JSON.parse(text);
  },
  store: (key, value) => native.statePut(key, JSON.stringify(value)),
  *scan(prefix = "") {
    const scan = native.scanOpen(prefix);
    for (let pair; (pair = native.scanNext(scan)) !== null; ) yield pair;
  },
});

if (native.chance) { // in the sandbox; tests have those of Node.js
  globalThis.console = Object.freeze({ log: info, debug, info, warn, error });
  Math.random = native.chance;
}

// A column of a batch. Its values lie where the host has laid them, until the batch's function returns.
class Column {
  #values;
  constructor(id, index, length, [name, type, nulls]) {
    this._place = [id, index];
    this.name = name;
    this.type = type;
    this.length = length;
    this.nulls = Number(nulls);
  }
  get values() {
    if (this.#values === undefined) {
      const buffer = native.buffer(...this._place);
      if (buffer === null) throw new TypeError(`column ${this.name} is ${this.type}: it has no array of numbers, get(i) gives a value`);
      const array = { int32: Int32Array, date: Int32Array, float32: Float32Array, float64: Float64Array }[this.type] ?? BigInt64Array;
      this.#values = new array(buffer);
    }
    return this.#values;
  }
  get(i) { return native.cell(this._place[0], this._place[1], i); }
  isNull(i) { return this.nulls > 0 && native.isNull(this._place[0], this._place[1], i); }
  *[Symbol.iterator]() { for (let i = 0; i < this.length; i++) yield this.get(i); }
}

// A piece of an input.
class Batch {
  #id; #columns;
  constructor(id, port, length, columns) {
    this.#id = id;
    this.#columns = columns;
    this.port = port;
    this.length = length;
  }
  get columns() { return this.#columns.map((c) => this.column(c[0])); }
  column(name) {
    const at = this.#columns.findIndex((c) => c[0] === name);
    if (at < 0) throw new TypeError(`input ${this.port} has no column ${name}; there are ${this.#columns.map((c) => c[0]).join(", ")}`);
    return new Column(this.#id, at, this.length, this.#columns[at]);
  }
}

// An output by its place among all.
class Output {
  #at;
  constructor(name, at) {
    this.name = name;
    this.#at = at;
  }
  emit(row) { native.emit(this.#at, row); }
  delete(row) { native.remove(this.#at, row); }
  emitColumns(columns) { native.emitColumns(this.#at, columns); }
}

native.batch = (id, port, length, columns) => new Batch(id, port, length, columns);

native.outputs = (names) => {
  const unknown = new Proxy({}, {
    get(_, name) {
      if (typeof name === "symbol") return undefined;
      throw new TypeError(`the product declares no output ${name}; it has: ${names.join(", ") || "none"}`);
    },
  });
  const out = Object.create(unknown);
  names.forEach((name, at) => Object.defineProperty(out, name, { value: new Output(name, at), enumerable: true }));
  return Object.freeze(out);
};
