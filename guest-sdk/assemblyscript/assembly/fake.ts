// The host of unit tests, behind test.ts: what surrounds a run and what the run has done. The imports are as abi/SPEC.md has them where
// products can tell the difference.
import * as abi from "./abi";
import { Builder } from "./builder";
import { Batch } from "./column";
import { decode, encode } from "./memory";
import { Port } from "./types";

// @ts-ignore: decorator
@external("adp_test", "log") declare function tell(level: i32, text: usize, len: usize): void;

// One key of the state, and its value.
@final
export class Entry {
  constructor(public key: Uint8Array, public value: Uint8Array) {}
}

// What has been emitted to an output or written to a binding, or what a source answers.
@final
export class Rows {
  builder: Builder;

  constructor(public port: Port) { this.builder = new Builder(port.columns); }

  take(array: usize): void {
    const batch = new Batch(this.port, array), columns = batch.columns;
    for (let j = 0; j < columns.length; j++) for (let i = 0; i < batch.rows; i++) this.builder.children[j].copy(columns[j], i);
    this.builder.rows += batch.rows;
  }

  batch(): Batch { return new Batch(this.port, this.builder.lay()); }
}

@final
export class Fake {
  inputs: Array<Rows> = [];
  outputs: Array<Rows> = [];
  bindings: Array<Rows> = [];
  config: Map<string, string> = new Map<string, string>();
  state: Array<Entry> = []; // in the order of the keys' bytes
  metrics: Map<string, f64> = new Map<string, f64>();
  logs: Array<string> = [];
  requests: Array<string> = []; // to sources
  readers: Array<i32> = []; // the binding, or -1 when it is through
  clock: i64 = 1_767_225_600_000_000_000; // 2026-01-01T00:00:00Z
  seed: u64 = 0;
  rebuild: bool = false;
  policy: ((request: string) => string) | null = null;

  // The place of a key in the state, or where it belongs.
  place(key: Uint8Array): i32 {
    let at = 0;
    while (at < this.state.length && order(this.state[at].key, key) < 0) at++;
    return at;
  }

  find(key: Uint8Array): Entry | null {
    const at = this.place(key);
    return at < this.state.length && order(this.state[at].key, key) == 0 ? this.state[at] : null;
  }
}

// The host of the present run. Not a reference: products have this file, too, and would pay for one in each collection.
let installed: usize = 0;

// Makes a host that of the runs to come.
export function install(host: Fake): void { installed = __pin(changetype<usize>(host)); }

function fake(): Fake {
  if (installed == 0) throw new Error("a product runs after Host.open()");
  return changetype<Fake>(installed);
}

function order(a: Uint8Array, b: Uint8Array): i32 {
  const c = memory.compare(a.dataStart, b.dataStart, min(a.length, b.length));
  return c != 0 ? c : a.length - b.length;
}

function bytes(at: usize, len: usize): Uint8Array {
  const out = new Uint8Array(<i32>len);
  memory.copy(out.dataStart, at, len);
  return out;
}

export function utf8(text: string): Uint8Array {
  const out = new Uint8Array(String.UTF8.byteLength(text));
  encode(text, out.dataStart);
  return out;
}

// Follows the convention of buffers: a value that does not fit is not written.
function fill(value: Uint8Array, buf: usize, cap: usize): i64 {
  if (<usize>value.length <= cap) memory.copy(buf, value.dataStart, value.length);
  return value.length;
}

function take(ports: Array<Rows>, port: u32, array: usize, mode: i32): i32 {
  if (port >= <u32>ports.length) return abi.NOT_FOUND;
  if (mode >= 0 && ports[port].port.modeCode != mode) return abi.DENIED;
  ports[port].take(array);
  return abi.OK;
}

export function emit(port: u32, array: usize): i32 { return take(fake().outputs, port, array, -1); }

export function driverWrite(binding: u32, array: usize): i32 { return take(fake().bindings, binding, array, abi.MODE_WRITE); }

export function log(level: i32, text: usize, len: usize): i32 {
  if (len > <usize>abi.MAX_LOG_MESSAGE) return abi.TOO_LARGE;
  tell(level, text, len);
  if (installed != 0) fake().logs.push(decode(text, <i32>len)); // an error may have to be told before
  return abi.OK;
}

function keyStatus(len: usize): i32 {
  if (len == 0) return abi.BAD_ARGUMENT;
  return len > <usize>abi.MAX_KEY ? abi.TOO_LARGE : abi.OK;
}

export function config(key: usize, keyLen: usize, buf: usize, cap: usize): i64 {
  if (keyStatus(keyLen) != abi.OK) return -keyStatus(keyLen);
  const k = decode(key, <i32>keyLen), all = fake().config;
  return all.has(k) ? fill(utf8(all.get(k)), buf, cap) : -abi.NOT_FOUND;
}

// Moves by a microsecond with each look.
export function clock(): i64 { return fake().clock += 1000; }

// SplitMix64, byte by byte, so that the sizes asked for do not matter.
export function random(buf: usize, len: usize): i32 {
  if (len > <usize>abi.MAX_RANDOM) return abi.TOO_LARGE;
  const f = fake();
  for (let i: usize = 0; i < len; i++) {
    let z = f.seed += 0x9e37_79b9_7f4a_7c15;
    z = (z ^ z >> 30) * 0xbf58_476d_1ce4_e5b9;
    z = (z ^ z >> 27) * 0x94d0_49bb_1331_11eb;
    store<u8>(buf + i, <u8>(z >> 56));
  }
  return abi.OK;
}

export function metric(kind: i32, name: usize, nameLen: usize, value: f64): i32 {
  if (nameLen == 0) return abi.BAD_ARGUMENT;
  if (nameLen > <usize>abi.MAX_NAME) return abi.TOO_LARGE;
  const n = decode(name, <i32>nameLen), all = fake().metrics;
  all.set(n, kind == abi.METRIC_COUNTER && all.has(n) ? all.get(n) + value : value);
  return abi.OK;
}

export function stateGet(key: usize, keyLen: usize, buf: usize, cap: usize): i64 {
  if (keyStatus(keyLen) != abi.OK) return -keyStatus(keyLen);
  const e = fake().find(bytes(key, keyLen));
  return e ? fill(e.value, buf, cap) : -abi.NOT_FOUND;
}

export function statePut(key: usize, keyLen: usize, value: usize, valueLen: usize): i32 {
  if (keyStatus(keyLen) != abi.OK) return keyStatus(keyLen);
  if (valueLen > <usize>abi.MAX_VALUE) return abi.TOO_LARGE;
  const f = fake(), k = bytes(key, keyLen), at = f.place(k);
  const there = at < f.state.length && order(f.state[at].key, k) == 0;
  f.state.splice(at, i32(there));
  f.state.push(new Entry(k, bytes(value, valueLen)));
  for (let i = f.state.length - 1; i > at; i--) { // into its place
    const e = f.state[i];
    f.state[i] = f.state[i - 1];
    f.state[i - 1] = e;
  }
  return abi.OK;
}

export function stateDelete(key: usize, keyLen: usize): i32 {
  if (keyStatus(keyLen) != abi.OK) return keyStatus(keyLen);
  const f = fake(), k = bytes(key, keyLen);
  if (!f.find(k)) return abi.NOT_FOUND;
  f.state.splice(f.place(k), 1);
  return abi.OK;
}

export function stateScan(prefix: usize, prefixLen: usize, after: usize, afterLen: usize, buf: usize, cap: usize): i64 {
  const all = fake().state, from = bytes(after, afterLen);
  let used: usize = 0;
  for (let i = 0; i < all.length; i++) {
    const k = all[i].key, v = all[i].value;
    if (<usize>k.length < prefixLen || memory.compare(k.dataStart, prefix, prefixLen) != 0) continue;
    if (afterLen > 0 && order(k, from) <= 0) continue;
    const n = abi.SCAN_HEADER + k.length + v.length;
    if (used + n > cap) return used > 0 ? used : n;
    store<i32>(buf + used, k.length, abi.SCAN_KEY_LEN);
    store<i32>(buf + used, v.length, abi.SCAN_VALUE_LEN);
    memory.copy(buf + used + abi.SCAN_HEADER, k.dataStart, k.length);
    memory.copy(buf + used + abi.SCAN_HEADER + k.length, v.dataStart, v.length);
    used += n;
  }
  return used;
}

export function driverOpen(binding: u32, request: usize, requestLen: usize): i64 {
  const f = fake();
  if (binding >= <u32>f.bindings.length) return -abi.NOT_FOUND;
  if (f.bindings[binding].port.modeCode != abi.MODE_READ) return -abi.DENIED;
  f.requests.push(decode(request, <i32>requestLen));
  return f.readers.push(binding) - 1;
}

// One batch with all rows. What it points to is the host's, and stays.
export function driverNext(reader: u32, buf: usize, cap: usize): i64 {
  const f = fake();
  if (reader >= <u32>f.readers.length) return -abi.NOT_FOUND;
  const binding = f.readers[reader];
  if (binding < 0 || f.bindings[binding].builder.rows == 0) return 0;
  if (cap < abi.ARRAY_SIZE) return abi.ARRAY_SIZE;
  memory.copy(buf, f.bindings[binding].builder.lay(), abi.ARRAY_SIZE);
  f.readers[reader] = -1;
  return abi.ARRAY_SIZE;
}

export function driverClose(reader: u32): i32 {
  const f = fake();
  if (reader >= <u32>f.readers.length) return abi.NOT_FOUND;
  f.readers[reader] = -1;
  return abi.OK;
}

export function decide(request: usize, requestLen: usize, buf: usize, cap: usize): i64 {
  const policy = fake().policy;
  return fill(utf8(policy ? policy(decode(request, <i32>requestLen)) : '{"allow":false,"reason":"the test has no policy"}'), buf, cap);
}
