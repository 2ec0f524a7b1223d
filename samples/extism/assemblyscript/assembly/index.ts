// The plug-in of ../go/main.go, in AssemblyScript.
import { Config, Host, LogLevel, Var } from "@extism/as-pdk";

// The PDK has no word for errors.
// @ts-ignore: decorator
@external("extism:host/env", "error_set")
declare function error_set(offset: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "alloc")
declare function alloc(length: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "store_u8")
declare function store_u8(offset: u64, byte: u8): void;

// Nor for pages.
// @ts-ignore: decorator
@external("extism:host/env", "http_request")
declare function http_request(request: u64, body: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "http_status_code")
declare function http_status_code(): i32;
// @ts-ignore: decorator
@external("extism:host/env", "http_headers")
declare function http_headers(): u64;
// @ts-ignore: decorator
@external("extism:host/env", "length")
declare function length(offset: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "load_u8")
declare function load_u8(offset: u64): u8;

/** Puts text into a block of the host's. */
function block(text: string): u64 {
  const b = Uint8Array.wrap(String.UTF8.encode(text));
  const at = alloc(b.length);
  for (let i = 0; i < b.length; i++) store_u8(at + i, b[i]);
  return at;
}

/** The text of a block of the host's, "" for none. */
function textAt(at: u64): string {
  if (at == 0) return "";
  const b = new Uint8Array(i32(length(at)));
  for (let i = 0; i < b.length; i++) b[i] = load_u8(at + i);
  return String.UTF8.decode(b.buffer);
}

function refuse(message: string): i32 {
  error_set(block(message));
  return 1;
}

function say(text: string): void {
  Host.output(Uint8Array.wrap(String.UTF8.encode(text)));
}

/** The text of a member of a flat object, as it is written between its quotes; null where it is null. */
function member(row: string, name: string): string | null {
  const begin = '"' + name + '":"';
  let from = row.indexOf(begin);
  if (from < 0) return null;
  from += begin.length;
  let to = from;
  while (row.charCodeAt(to) != 0x22) to += row.charCodeAt(to) == 0x5c ? 2 : 1;
  return row.substring(from, to);
}

function letters(s: string): i32 {
  let n = 0;
  for (let i = 0; i < s.length; i++) if ((s.charCodeAt(i) & 0xfc00) != 0xdc00) n++;
  return n;
}

/** Takes an object a line and answers with one a line. */
export function run(): i32 {
  const setting = Config.get("greeting");
  const word = setting === null ? "Hello" : setting;
  const rows = Host.inputString().split("\n");
  const out: string[] = [];
  for (let i = 0; i < rows.length; i++) {
    if (rows[i].length == 0) continue;
    const name = member(rows[i], "name");
    if (name === null) return refuse("a row without a name: " + rows[i]);
    const town = member(rows[i], "town");
    const text = word + " " + name + (town === null ? "" : " of " + town) + "!";
    out.push('{"name":"' + name + '","greeting":"' + text + '","letters":' + letters(name).toString() + "}\n");
  }
  say(out.join(""));
  return 0;
}

/** Does nothing. */
export function noop(): i32 {
  return 0;
}

/** Answers with what it gets. */
export function echo(): i32 {
  Host.output(Host.input());
  return 0;
}

/** Answers {"count":N}. */
export function count_vowels(): i32 {
  const text = Host.input();
  let n = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] | 0x20;
    if (c == 0x61 || c == 0x65 || c == 0x69 || c == 0x6f || c == 0x75) n++;
  }
  say('{"count":' + n.toString() + "}");
  return 0;
}

/** Answers with the setting that its input names, "none" where there is none. */
export function setting(): i32 {
  const value = Config.get(Host.inputString());
  say(value === null ? "none" : value);
  return 0;
}

/** Answers with its input of the call before, and logs what it has now. */
export function remember(): i32 {
  const last = Var.get("last");
  const now = Host.input();
  if (last !== null) Host.output(last);
  Var.set("last", now);
  Host.log(LogLevel.Info, "remembered " + String.UTF8.decode(now.buffer));
  return 0;
}

/** The row kernel by which guests are measured, over raw columns; ../../go/main.go says how they lie. */
export function kernel(): i32 {
  const input = Host.input();
  const rows = <usize>load<u64>(input.dataStart);
  const k = input.dataStart + 8, v = k + 8 * rows, offsets = v + 8 * rows, names = offsets + 4 * (rows + 1);
  const sums = new StaticArray<f64>(16), out = new Uint8Array(16);
  let kept: u64 = 0, sum: f64 = 0;
  for (let i: usize = 0; i < rows; i++) {
    const key = load<i64>(k + 8 * i), from = load<i32>(offsets + 4 * i);
    if (key > 100 && load<i32>(offsets + 4 * i, 4) - from > 3 && load<u8>(names + from) < 0x6e) {
      const group = <i32>(key & 15);
      unchecked(sums[group] += load<f64>(v + 8 * i) * 1.1 + <f64>key);
      kept++;
    }
  }
  for (let i = 0; i < 16; i++) sum += sums[i];
  store<u64>(out.dataStart, kept);
  store<f64>(out.dataStart, sum, 8);
  Host.output(out);
  return 0;
}

/** Says that it failed. */
export function fail(): i32 {
  return refuse("no: " + Host.inputString());
}

/** Takes a method and an address, as in "GET https://example.com/", and answers with what came: the status, the header X-Page and the body, a line each. */
export function fetch(): i32 {
  const input = Host.inputString();
  const method = input.substring(0, input.indexOf(" "));
  const url = input.substring(input.indexOf(" ") + 1);
  const body = http_request(block('{"method":"' + method + '","url":"' + url + '","headers":{"X-Asked":"by a plug-in"}}'), 0);
  const page = member(textAt(http_headers()), "x-page");
  say(http_status_code().toString() + "\n" + (page === null ? "" : page) + "\n" + textAt(body));
  return 0;
}

export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  refuse((message === null ? "aborted" : message) + ", line " + line.toString());
  unreachable();
}
