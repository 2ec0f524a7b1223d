// Tests of products, without a sandbox: node --test runs them.
import { pathToFileURL } from "node:url";
import "./index.js";
import { become, kit } from "./fake.js";
import { accept, typeOf } from "./types.js";

let runs = 0, batches = 0;
const camel = (name) => name.replace(/[-_]([a-z0-9])/g, (_, c) => c.toUpperCase());
const columnsOf = (columns) => Object.fromEntries(Object.entries(columns).map(([name, type]) => [name, typeOf(type)]));

/** What a product is run with. Columns are given by their types: {name: "string", town: "string?"}, where "?" takes null. */
export class Host {
  #path;
  #inputs = {};
  #outputs = [];
  #sources = {};
  #settings = {};
  #state = new Map();
  #clock = BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n;
  #seed = 1;
  #rebuild = false;
  #policy = () => ({ allow: false, reason: "the test has no policy" });

  /** @param path of the product's main file, from where the tests are run */
  constructor(path = "product.js") { this.#path = path; }
  input(name, columns, mode = "incremental") { this.#inputs[name] = { name, mode, columns: columnsOf(columns) }; return this; }
  output(name, columns, mode = "append") { this.#outputs.push({ what: "output", name, mode, columns: columnsOf(columns), emitted: [], removed: [] }); return this; }
  /** A binding with read access: rows, or a function of the request that gives them. */
  source(name, rows) { this.#sources[name] = typeof rows === "function" ? rows : () => rows; return this; }
  /** A binding with write access. */
  sink(name, columns) { this.#outputs.push({ what: "binding", name, mode: "write", columns: columnsOf(columns), emitted: [], removed: [] }); return this; }
  config(key, value) { this.#settings[key] = `${value}`; return this; }
  /** Begins with the state that another run has left. */
  after(run) { this.#state = new Map(run.state); return this; }
  /** The clock of the run, as a Date. */
  at(date) { this.#clock = BigInt(date.getTime()) * 1_000_000n; return this; }
  seed(n) { this.#seed = n; return this; }
  rebuilding() { this.#rebuild = true; return this; }
  policy(decide) { this.#policy = decide; return this; }

  /** Loads the scripts afresh, as each run finds them, and opens the run. */
  async open() {
    const run = new Run({
      inputs: this.#inputs, sinks: this.#outputs.map((o) => ({ ...o, emitted: [], removed: [] })), sources: this.#sources, settings: this.#settings,
      state: new Map(this.#state), clock: this.#clock, seed: this.#seed, rebuild: this.#rebuild, policy: this.#policy,
    });
    become(run);
    run.exports = await import(`${pathToFileURL(this.#path)}?run=${++runs}`);
    for (const name of Object.keys(this.#inputs)) run.handlers(name);
    run.out = kit.outputs(run.sinks.map((s) => s.name));
    await run.call(() => run.exports.open?.(run.out));
    return run;
  }
}

/** A run of a product. What makes it fail is thrown. */
class Run {
  logged = [];
  metrics = {};
  requests = [];
  failure = null;
  scans = [];
  readers = [];
  batch = null;
  #random;

  constructor(given) {
    Object.assign(this, given);
    this.#random = given.seed >>> 0;
  }

  /** Gives rows of an input to the product. */
  async feed(input, rows) {
    become(this);
    const port = this.inputs[input];
    if (!port) throw new Error(`the test declares no input ${input}`);
    const laid = rows.map((row) => Object.fromEntries(Object.entries(port.columns).map(([name, t]) => [name, accept(name, t, row[name])])));
    const changes = rows.map((row, i) => ("_op" in row ? { ...laid[i], _op: row._op, _seq: row._seq ?? 1 } : laid[i]));
    const { row, batch } = this.handlers(input);
    for (const r of row ? changes : []) await this.call(() => row({ ...r }, this.out));
    if (batch) {
      const columns = Object.entries(port.columns);
      this.batch = { id: ++batches, columns, rows: laid };
      const words = columns.map(([name, t]) => [name, t.name, `${laid.filter((r) => r[name] === null).length}`]);
      await this.call(() => batch(kit.batch(this.batch.id, input, laid.length, words), this.out));
      this.batch = null;
    }
  }

  /** Ends the run. */
  async flush() { await this.call(() => this.exports.flush?.(this.out)); }

  /** The rows that an output, or a binding with write access, was given. */
  emitted(name) { return this.#sink(name).emitted; }
  /** The keys of the rows that were deleted from an upsert output. */
  removed(name) { return this.#sink(name).removed; }

  #sink(name) {
    const sink = this.sinks.find((s) => s.name === name);
    if (!sink) throw new Error(`the test declares no output ${name}`);
    return sink;
  }

  handlers(input) {
    const given = this.exports[input] ?? this.exports[camel(input)];
    if (typeof given === "function") return { row: given };
    if (given?.row || given?.batch) return given;
    throw new Error(`product.js exports no function ${camel(input)} for the input ${input}; it exports ${Object.keys(this.exports).join(", ") || "nothing"}`);
  }

  async call(f) {
    become(this);
    await f();
    if (this.failure !== null) throw new Error(this.failure);
  }

  ports() {
    const words = (columns) => Object.entries(columns).map(([name, t]) => ({ name, type: t.name, nullable: t.nullable }));
    const inputs = Object.values(this.inputs).map((p) => ({ what: "input", name: p.name, mode: p.mode, columns: words(p.columns) }));
    const sinks = this.sinks.map((p) => ({ what: p.what, name: p.name, mode: p.mode, columns: words(p.columns) }));
    return [...inputs, ...sinks, ...Object.keys(this.sources).map((name) => ({ what: "binding", name, mode: "read", columns: [] }))];
  }

  /** The next random byte: the same again with the same seed (mulberry32). */
  byte() {
    let t = (this.#random = (this.#random + 0x6d2b79f5) >>> 0);
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 24) & 255;
  }
}
