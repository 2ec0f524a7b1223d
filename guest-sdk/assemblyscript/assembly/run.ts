// One run, as the product's code sees it.
import * as abi from "./abi";
import * as host from "./host";
import { Batch } from "./column";
import { answer, answerBytes, decode, room, Utf8, allocAligned, freeAligned } from "./memory";
import { quote, readDecision } from "./json";
import { Field, Port } from "./types";
import { Writer } from "./writer";
import { Timestamp } from "./calendar";

// What this instance knows of its run. An instance is one thread and one run.
export let inputs: Array<Port> = [];
export let outputs: Array<Port> = [];
export let bindings: Array<Port> = [];
export let rebuild: bool = false;
export let writers: Array<Writer> = [];
export let failure: string | null = null;

// Begins a run with an open block (abi/SPEC.md §5).
export function begin(block: usize): void {
  inputs = readPorts("input", load<u32>(block, abi.OPEN_N_INPUTS), load<u32>(block, abi.OPEN_INPUTS));
  outputs = readPorts("output", load<u32>(block, abi.OPEN_N_OUTPUTS), load<u32>(block, abi.OPEN_OUTPUTS));
  bindings = readPorts("binding", load<u32>(block, abi.OPEN_N_BINDINGS), load<u32>(block, abi.OPEN_BINDINGS));
  rebuild = (load<u32>(block, abi.OPEN_FLAGS) & abi.OPEN_REBUILD) != 0;
  writers = [];
  failure = null;
}

export function readPorts(what: string, n: u32, at: usize): Array<Port> {
  const all: Array<Port> = [];
  for (let i: u32 = 0; i < n; i++, at += abi.PORT_SIZE) {
    const name = decode(load<u32>(at, abi.PORT_NAME), load<u32>(at, abi.PORT_NAME_LEN));
    all.push(new Port(what, i, name, load<u32>(at, abi.PORT_MODE), Field.read(load<u32>(at, abi.PORT_SCHEMA))));
  }
  return all;
}

export function find(ports: Array<Port>, name: string): Port | null {
  for (let i = 0; i < ports.length; i++) if (ports[i].name == name) return ports[i];
  return null;
}

export function must(what: string, ports: Array<Port>, name: string): Port {
  const found = find(ports, name);
  if (found) return found;
  const have: string[] = [];
  for (let i = 0; i < ports.length; i++) have.push(ports[i].name);
  throw new Error("the product declares no " + what + " " + name + "; it has: " + (have.length > 0 ? have.join(", ") : "none"));
}

// Remembers what went wrong, unless something did before.
export function fail(why: string): void {
  if (!failure) failure = why;
}

const statuses: StaticArray<string> = ["ok", "failed", "not found", "out of bounds", "misaligned", "bad array", "bad argument",
  "limit exceeded", "denied", "not now", "too large", "driver error"];

export function statusText(status: i64): string {
  return status >= 0 && status < statuses.length ? statuses[<i32>status] : "failed";
}

// Remembers a status that is not OK.
export function refused(status: i32, doing: string): void {
  if (status != abi.OK) fail(doing + ": " + statusText(status));
}

// What a function of the host that fills a buffer answered, in memory's answer: its length, or -1 where there is nothing.
export function answered(n: i64, doing: string): i32 {
  if (n < 0) {
    if (n != -abi.NOT_FOUND) fail(doing + ": " + statusText(-n));
    return -1;
  }
  return <i32>n;
}

export function logLine(level: i32, message: string): i32 {
  const text = new Utf8(message);
  let n = text.len;
  if (n > abi.MAX_LOG_MESSAGE) {
    n = abi.MAX_LOG_MESSAGE;
    while (n > 0 && (load<u8>(text.ptr + n) & 0xc0) == 0x80) n--; // not within a character
  }
  return host.log(level, text.ptr, n);
}

// The answer of policy.
@final
export class Decision {
  constructor(public allow: bool = false, public reason: string = "") {}
}

// One run: settings, log, metrics, clock, randomness, drivers, policy.
export namespace run {
  // Makes the run fail, unless it has failed before. To end it at once, throw an Error.
  export function fail(why: string): void {
    if (!failure) failure = why;
  }

  // The inputs, outputs and bindings, in this order.
  export function ports(): Array<Port> { return inputs.concat(outputs).concat(bindings); }

  // The named input; a product that does not declare it ends here.
  export function input(name: string): Port { return must("input", inputs, name); }

  // Whether this run recomputes everything: state is empty and inputs start from their beginning.
  export function rebuilding(): bool { return rebuild; }

  // A setting of the product, or null.
  export function config(key: string): string | null {
    const k = new Utf8(key);
    room(256);
    let n = host.config(k.ptr, k.len, answer.ptr, answer.len);
    if (n > <i64>answer.len) {
      room(<i32>n);
      n = host.config(k.ptr, k.len, answer.ptr, answer.len);
    }
    const len = answered(n, "config " + key);
    return len < 0 ? null : decode(answer.ptr, len);
  }

  // A setting that is a whole number, or other when it is not set.
  export function setting(key: string, other: i64): i64 {
    const text = config(key);
    if (!text) return other;
    const n = I64.parseInt(text);
    if (n.toString() != text) throw new Error("setting " + key + ": " + quote(text) + " is not a whole number");
    return n;
  }

  export function debug(message: string): void { refused(logLine(abi.LOG_DEBUG, message), "log"); }
  export function info(message: string): void { refused(logLine(abi.LOG_INFO, message), "log"); }
  export function warn(message: string): void { refused(logLine(abi.LOG_WARN, message), "log"); }
  // Does not fail the run: fail does.
  export function error(message: string): void { refused(logLine(abi.LOG_ERROR, message), "log"); }

  // Adds to a counter of the run.
  export function count(name: string, add: f64): void {
    const n = new Utf8(name);
    refused(host.metric(abi.METRIC_COUNTER, n.ptr, n.len, add), "metric " + name);
  }

  // Sets a gauge of the run.
  export function gauge(name: string, value: f64): void {
    const n = new Utf8(name);
    refused(host.metric(abi.METRIC_GAUGE, n.ptr, n.len, value), "metric " + name);
  }

  // The virtual clock in nanoseconds since 1970-01-01T00:00:00Z: the start of the run, moved on by the work done since.
  export function clock(): i64 { return host.clock(); }

  export function now(): Timestamp { return new Timestamp(host.clock() / 1000); }

  // Randomness that is the same again when a run is replayed.
  export function random(n: i32): Uint8Array {
    const out = new Uint8Array(n);
    for (let at = 0; at < n; at += abi.MAX_RANDOM) refused(host.random(out.dataStart + at, min(n - at, abi.MAX_RANDOM)), "random");
    return out;
  }

  // Asks a binding with read access for rows. The request means what its driver says; an empty one asks for everything. What was
  // read is recorded with the run, so that a replay sees it again.
  export function read(binding: string, request: string): Reader {
    const port = must("binding", bindings, binding), r = new Utf8(request);
    const reader = host.driverOpen(port.index, r.ptr, r.len);
    if (reader < 0) throw new Error("open " + port.toString() + ": " + statusText(-reader));
    return new Reader(port, <u32>reader);
  }

  // Asks policy whether this product may do something: an action on a resource (adp://./domain/product[/port], "" for the product
  // itself) for a purpose. No is an answer, not an error.
  export function decide(action: string, resource: string = "", purpose: string = ""): Decision {
    let request = '{"action":' + quote(action);
    if (resource != "") request += ',"resource":' + quote(resource);
    if (purpose != "") request += ',"purpose":' + quote(purpose);
    const r = new Utf8(request + "}");
    room(256);
    let n = host.decide(r.ptr, r.len, answer.ptr, answer.len);
    if (n > <i64>answer.len) {
      room(<i32>n);
      n = host.decide(r.ptr, r.len, answer.ptr, answer.len);
    }
    const len = answered(n, "decide");
    const d = new Decision();
    if (len >= 0 && !readDecision(decode(answer.ptr, len), d)) fail("decide: the answer is not JSON");
    return d;
  }
}

// Reads the batches that a binding answers: while (reader.next()) { reader.batch.of<Pair>() … }
@final
export class Reader {
  private present: Batch | null = null;
  private memory: usize = 0;
  private cap: usize = 0;

  constructor(private port: Port, private reader: u32) {}

  // The present batch, until the next one.
  get batch(): Batch { return this.present!; }

  // Goes to the next batch; false and closed when there are no more.
  next(): bool {
    while (true) {
      const n = host.driverNext(this.reader, this.memory, this.cap);
      if (n < 0) throw new Error("read " + this.port.toString() + ": " + statusText(-n));
      if (n == 0) {
        this.close();
        return false;
      }
      if (n <= <i64>this.cap) {
        this.present = new Batch(this.port, this.memory);
        return true;
      }
      if (this.memory != 0) freeAligned(this.memory);
      this.cap = <usize>n;
      this.memory = allocAligned(this.cap);
      if (this.memory == 0) throw new Error("out of memory");
    }
  }

  close(): void {
    if (this.memory != 0) freeAligned(this.memory);
    this.memory = this.cap = 0;
    refused(host.driverClose(this.reader), "close " + this.port.toString());
  }
}

// A product's memory from run to run: keys of 1 to 1,024 bytes, values of up to 16 MiB. It is committed with the outputs of the run, or
// not at all.
export namespace state {
  // The value of a key, or null.
  export function get(key: string): Uint8Array | null {
    const n = ask(key);
    return n < 0 ? null : answerBytes(n);
  }

  export function text(key: string): string | null {
    const n = ask(key);
    return n < 0 ? null : decode(answer.ptr, n);
  }

  // The number under a key (8 bytes, little endian, as the other kits have it), or other when there is none.
  export function int64(key: string, other: i64 = 0): i64 {
    const n = ask(key);
    if (n < 0) return other;
    if (n != 8) throw new Error("state " + key + " is not a number: it has " + n.toString() + " bytes");
    return load<i64>(answer.ptr);
  }

  export function put(key: string, value: Uint8Array): void { keep(key, value.dataStart, value.length); }

  export function putText(key: string, value: string): void {
    const v = new Utf8(value);
    keep(key, v.ptr, v.len);
  }

  export function putInt64(key: string, value: i64): void {
    const at = memory.data(8, 8);
    store<i64>(at, value);
    keep(key, at, 8);
  }

  // Adds to the number under a key, which is 0 when there is none, and returns the sum.
  export function add(key: string, delta: i64): i64 {
    const sum = int64(key) + delta;
    putInt64(key, sum);
    return sum;
  }

  // Removes a key; it is no mistake when there is none. (delete is a word of the language.)
  export function remove(key: string): void {
    const k = new Utf8(key), status = host.stateDelete(k.ptr, k.len);
    if (status != abi.NOT_FOUND) refused(status, "state delete " + key);
  }

  // The keys with a prefix and their values, in the order of their bytes: for (let s = state.scan("p"); s.next(); ) { s.key … }
  // The state may change meanwhile: keys before the current one do not come back.
  export function scan(prefix: string): Scan { return new Scan(prefix); }
}

function ask(key: string): i32 {
  const k = new Utf8(key);
  room(256);
  let n = host.stateGet(k.ptr, k.len, answer.ptr, answer.len);
  if (n > <i64>answer.len) {
    room(<i32>n);
    n = host.stateGet(k.ptr, k.len, answer.ptr, answer.len);
  }
  return answered(n, "state get " + key);
}

function keep(key: string, value: usize, len: i32): void {
  const k = new Utf8(key);
  refused(host.statePut(k.ptr, k.len, value, len), "state put " + key);
}

@final
export class Scan {
  key: string = "";
  value: Uint8Array = new Uint8Array(0);
  private prefixBytes: ArrayBuffer;
  private page: Uint8Array = new Uint8Array(32 << 10);
  private keyAt: i32 = 0; // in the page
  private keyLen: i32 = 0;
  private at: i32 = 0;
  private end: i32 = 0;

  constructor(private prefix: string) { this.prefixBytes = String.UTF8.encode(prefix); }

  get text(): string { return decode(this.value.dataStart, this.value.length); }

  next(): bool {
    if (this.at == this.end && !this.nextPage()) return false;
    const entry = this.page.dataStart + this.at;
    const keyLen = load<i32>(entry, abi.SCAN_KEY_LEN), valueLen = load<i32>(entry, abi.SCAN_VALUE_LEN);
    this.keyAt = this.at + <i32>abi.SCAN_HEADER;
    this.keyLen = keyLen;
    this.key = decode(entry + abi.SCAN_HEADER, keyLen);
    this.value = new Uint8Array(valueLen);
    memory.copy(this.value.dataStart, entry + abi.SCAN_HEADER + keyLen, valueLen);
    this.at += <i32>abi.SCAN_HEADER + keyLen + valueLen;
    return true;
  }

  // Asks for the entries after the last one, whose key lies in the page before.
  private nextPage(): bool {
    let page = new Uint8Array(this.page.length);
    while (true) {
      const n = host.stateScan(changetype<usize>(this.prefixBytes), this.prefixBytes.byteLength, this.page.dataStart + this.keyAt, this.keyLen, page.dataStart, page.length);
      if (n < 0) fail("state scan " + this.prefix + ": " + statusText(-n));
      if (n <= 0) return false;
      if (n > <i64>page.length) {
        page = new Uint8Array(<i32>n);
        continue;
      }
      this.page = page;
      this.at = 0;
      this.end = <i32>n;
      return true;
    }
  }
}
