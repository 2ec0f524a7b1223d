// Unit tests: runs a product against a host of this module, without a sandbox or a node. In assembly/NAME.test.ts:
//
//   import { Host, test, fails } from "adp/assembly/test";
//   import { Greeting, Person } from "./index";
//
//   test("greets", () => {
//     const run = new Host().input<Person>("people").output<Greeting>("greetings").open();
//     run.feed<Person>("people", [new Person("Ada")]);
//     run.flush();
//     const all = run.emitted<Greeting>("greetings");
//     assert(all.length == 1 && all[0].greeting == "Hello Ada!");
//   });
//
// Each test has an instance of its own. A run that fails ends its test; fails(…) is for those that should.
import * as abi from "./abi";
import { end } from "./abort";
import { adp_flush, adp_open, adp_process } from "./exports";
import { Entry, Fake, install, Rows, utf8 } from "./fake";
import { Utf8 } from "./memory";
import { describe, Row } from "./row";
import { failure } from "./run";
import { Field, formatOf, Kind, modeOf, Port } from "./types";
import { Writer } from "./writer";

// @ts-ignore: decorator
@external("adp_test", "declare") declare function declareTest(name: usize, nameLen: usize, why: usize, whyLen: usize): void;

const bodies: Array<() => void> = [];

// Declares a test. assert(…) says in it what must hold.
export function test(name: string, body: () => void): void { declare_(name, "", body); }

// Declares a test whose run must fail: with an error, or as run.fail does, in words that contain why.
export function fails(name: string, why: string, body: () => void): void { declare_(name, why, body); }

function declare_(name: string, why: string, body: () => void): void {
  const n = new Utf8(name), w = new Utf8(why);
  declareTest(n.ptr, n.len, w.ptr, w.len);
  bodies.push(body);
}

// Runs a test by its number. The test runner calls it.
export function adp_test(i: i32): void { bodies[i](); }

// What surrounds a run. Give it ports, settings and state, then open it. Its policy denies everything, unless it has one.
@final
export class Host {
  private fake: Fake = new Fake();
  private opened: bool = false;

  // Declares an input, incremental or snapshot, with the columns of a row.
  input<T extends Row>(name: string, mode: string = "incremental"): Host {
    add(this.fake.inputs, "input", name, mode, describe<T>(""));
    return this;
  }

  // Declares an output: append, upsert or replace.
  output<T extends Row>(name: string, mode: string = "append"): Host {
    const columns = describe<T>("");
    if (mode == "upsert") columns.children.push(new Field(abi.COLUMN_OP, Kind.String, true));
    add(this.fake.outputs, "output", name, mode, columns);
    return this;
  }

  // Declares a binding with read access that answers every request with the same rows.
  source<T extends Row>(name: string, rows: Array<T>): Host {
    const to = add(this.fake.bindings, "binding", name, "read", describe<T>(""));
    for (let i = 0; i < rows.length; i++) rows[i].storeMembers(to.builder);
    to.builder.rows = rows.length;
    return this;
  }

  // Declares a binding with write access; emitted gives what was written.
  sink<T extends Row>(name: string): Host {
    add(this.fake.bindings, "binding", name, "write", describe<T>(""));
    return this;
  }

  // Sets a setting.
  config(key: string, value: string): Host {
    this.fake.config.set(key, value);
    return this;
  }

  // Gives the run what an earlier one left.
  after(run: Run): Host {
    this.fake.state = run.fake.state.slice(0);
    return this;
  }

  // Sets the virtual clock, in nanoseconds since 1970-01-01T00:00:00Z.
  at(nanoseconds: i64): Host {
    this.fake.clock = nanoseconds;
    return this;
  }

  // Sets the randomness of the run.
  seed(seed: u64): Host {
    this.fake.seed = seed;
    return this;
  }

  // Makes the run one that recomputes everything.
  rebuilding(): Host {
    this.fake.rebuild = true;
    return this;
  }

  // Answers questions to policy, JSON on both ends.
  policy(answer: (request: string) => string): Host {
    this.fake.policy = answer;
    return this;
  }

  // Begins the run. A host has one.
  open(): Run {
    if (this.opened) throw new Error("this host has been opened: make another one");
    this.opened = true;
    const f = this.fake, block = heap.alloc(abi.OPEN_SIZE);
    store<u32>(block, abi.VERSION, abi.OPEN_VERSION);
    store<u32>(block, f.inputs.length, abi.OPEN_N_INPUTS);
    store<u32>(block, <u32>ports(f.inputs), abi.OPEN_INPUTS);
    store<u32>(block, f.outputs.length, abi.OPEN_N_OUTPUTS);
    store<u32>(block, <u32>ports(f.outputs), abi.OPEN_OUTPUTS);
    store<u32>(block, f.bindings.length, abi.OPEN_N_BINDINGS);
    store<u32>(block, <u32>ports(f.bindings), abi.OPEN_BINDINGS);
    store<u32>(block, f.rebuild ? abi.OPEN_REBUILD : 0, abi.OPEN_FLAGS);
    install(f);
    must(adp_open(block, abi.OPEN_SIZE));
    return new Run(f);
  }
}

function add(to: Array<Rows>, what: string, name: string, mode: string, columns: Field): Rows {
  const rows = new Rows(new Port(what, to.length, name, modeOf(mode), columns));
  to.push(rows);
  return rows;
}

// Ends the test where the run has failed.
function must(status: i32): void {
  const why = failure;
  if (status != abi.OK) end(why ? why : "status " + status.toString(), null, 0, 0);
}

// One run of the product.
@final
export class Run {
  constructor(public fake: Fake) {}

  // Hands a batch of rows to an input. The row has a field for every column.
  feed<T extends Row>(input: string, rows: Array<T>): void {
    const to = named(this.fake.inputs, input), w = new Writer(to.port);
    w.accept<T>();
    for (let i = 0; i < rows.length; i++) w.add(rows[i]);
    w.root.rows = rows.length;
    must(adp_process(to.port.index, w.root.lay()));
  }

  // Ends the run: what the product still holds comes out.
  flush(): void { must(adp_flush()); }

  // The rows emitted to an output, or written to a binding, so far; without those that were removed.
  emitted<T extends Row>(port: string): Array<T> { return this.rows<T>(port, false); }

  // The rows removed from an upsert output. Only their keys mean something.
  removed<T extends Row>(port: string): Array<T> { return this.rows<T>(port, true); }

  private rows<T extends Row>(name: string, removed: bool): Array<T> {
    const rows = named(this.fake.outputs.concat(this.fake.bindings), name), batch = rows.batch(), out: Array<T> = [];
    const upsert = rows.port.modeCode == abi.MODE_UPSERT;
    for (let all = batch.of<T>(), i = 0; all.next(); i++) {
      const op = upsert ? batch.column(abi.COLUMN_OP) : null;
      if ((op != null && !op.isNull(i) && op.text(i) == abi.OP_DELETE) == removed) out.push(all.row);
    }
    return out;
  }

  // The value of a key of the state as text, or null.
  text(key: string): string | null {
    const e = this.fake.find(utf8(key));
    return e ? String.UTF8.decode(e.value.buffer) : null;
  }

  // The number under a key of the state, 0 when there is none.
  int64(key: string): i64 {
    const e = this.fake.find(utf8(key));
    return e && e.value.length == 8 ? load<i64>(e.value.dataStart) : 0;
  }

  // The keys of the state, in the order of their bytes.
  keys(): Array<string> { return this.fake.state.map<string>((e: Entry) => String.UTF8.decode(e.key.buffer)); }

  // Whether a logged line contains a text.
  logged(text: string): bool {
    for (let i = 0; i < this.fake.logs.length; i++) if (this.fake.logs[i].includes(text)) return true;
    return false;
  }

  // The value of a counter or gauge, 0 when there is none.
  metric(name: string): f64 { return this.fake.metrics.has(name) ? this.fake.metrics.get(name) : 0; }

  // What sources were asked.
  get requests(): Array<string> { return this.fake.requests; }
}

function named(all: Array<Rows>, name: string): Rows {
  for (let i = 0; i < all.length; i++) if (all[i].port.name == name) return all[i];
  throw new Error("the test's host has no " + name);
}

// ---- the open block (abi/SPEC.md §5); nothing of it is given back, a test is short

function ports(all: Array<Rows>): usize {
  const table = heap.alloc(abi.PORT_SIZE * all.length);
  for (let i = 0, at = table; i < all.length; i++, at += abi.PORT_SIZE) {
    const p = all[i].port;
    store<u32>(at, <u32>zeroEnded(p.name), abi.PORT_NAME);
    store<u32>(at, String.UTF8.byteLength(p.name), abi.PORT_NAME_LEN);
    store<u32>(at, p.modeCode, abi.PORT_MODE);
    store<u32>(at, <u32>schema(p.columns), abi.PORT_SCHEMA);
  }
  return table;
}

function schema(f: Field): usize {
  const n = f.children.length, at = heap.alloc(abi.SCHEMA_SIZE), children = heap.alloc(4 * n);
  for (let i = 0; i < n; i++) store<u32>(children + 4 * i, <u32>schema(f.children[i]));
  memory.fill(at, 0, abi.SCHEMA_SIZE);
  store<u32>(at, <u32>zeroEnded(formatOf(f.kind)), abi.SCHEMA_FORMAT);
  store<u32>(at, <u32>zeroEnded(f.name), abi.SCHEMA_NAME);
  store<i64>(at, f.nullable ? abi.FLAG_NULLABLE : 0, abi.SCHEMA_FLAGS);
  store<i64>(at, n, abi.SCHEMA_N_CHILDREN);
  store<u32>(at, <u32>children, abi.SCHEMA_CHILDREN);
  return at;
}

function zeroEnded(text: string): usize {
  const n = String.UTF8.byteLength(text, true), at = heap.alloc(n);
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, at, true);
  return at;
}
