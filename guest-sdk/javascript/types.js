// The types of columns, and what a column takes: as the engine has it, for tests outside the sandbox.

/** Reads a type as contracts' documentation writes it: int64, decimal(12,2), list<string?>, struct<x: int32, name: string?>; "?" takes null. */
export function typeOf(text) {
  let rest = text.trim();
  const take = (pattern) => {
    const m = pattern.exec(rest);
    if (!m) return null;
    rest = rest.slice(m[0].length);
    return m;
  };
  const one = () => {
    const name = take(/^\s*([a-z]+\d*)\s*/)?.[1];
    const t = { name };
    if (name === "list" && take(/^</)) {
      t.element = one();
      if (!take(/^\s*>\s*/)) throw new TypeError(`no type: ${text}`);
    } else if (name === "struct" && take(/^</)) {
      t.members = {};
      do {
        const member = take(/^\s*(\w+)\s*:/)?.[1];
        if (!member) throw new TypeError(`no type: ${text}`);
        t.members[member] = one();
      } while (take(/^\s*,/));
      if (!take(/^\s*>\s*/)) throw new TypeError(`no type: ${text}`);
    } else if (name === "decimal") {
      const m = take(/^\((\d+),\s*(\d+)\)\s*/);
      if (!m) throw new TypeError(`no type: ${text}`);
      [t.precision, t.scale] = [Number(m[1]), Number(m[2])];
    } else if (!takes[name]?.length) throw new TypeError(`no type: ${text}`);
    t.nullable = take(/^\?/) !== null;
    return t;
  };
  const t = one();
  if (rest !== "") throw new TypeError(`no type: ${text}`);
  return t;
}

/** The value that a reader of the column sees; it throws where the column does not take it. */
export function accept(column, type, value) {
  if (value === null || value === undefined) {
    if (!type.nullable) throw new TypeError(`column ${column} is required: it takes no null`);
    return null;
  }
  if (type.name === "list") {
    if (!Array.isArray(value) && !ArrayBuffer.isView(value)) throw wrong(column, type, "an array", value);
    return Array.from(value, (v) => accept(column, type.element, v));
  }
  if (type.name === "struct") {
    if (typeof value !== "object" || Array.isArray(value)) throw wrong(column, type, "an object", value);
    return Object.fromEntries(Object.entries(type.members).map(([name, t]) => [name, accept(name, t, value[name])]));
  }
  const [what, take] = takes[type.name];
  const taken = take(value, type);
  if (taken === undefined) throw wrong(column, type, what, value);
  return taken;
}

function wrong(column, type, takes, value) {
  const got = typeof value === "bigint" ? `${value}n` : typeof value === "number" ? `the number ${value}` : JSON.stringify(value);
  return new TypeError(`column ${column} is ${type.name}: it takes ${takes}, not ${got}`);
}

function whole(v, bits) {
  if (typeof v === "number" && Number.isSafeInteger(v)) v = BigInt(v);
  if (typeof v !== "bigint" || BigInt.asIntN(bits, v) !== v) return undefined;
  const n = Number(v);
  return Number.isSafeInteger(n) ? n : v;
}

function decimal(v, { precision, scale }) {
  const m = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(`${v}`);
  if (!["string", "number", "bigint"].includes(typeof v) || !m || (m[2] + (m[3] ?? "")) === "") return undefined;
  const fraction = (m[3] ?? "").replace(/0+$/, "");
  const integer = m[2].replace(/^0+/, "");
  if (fraction.length > scale || integer.length > precision - scale) return undefined;
  const sign = m[1] === "-" && integer + fraction !== "" ? "-" : "";
  return sign + (integer || "0") + (scale > 0 ? "." + fraction.padEnd(scale, "0") : "");
}

const day = (s) => /^\d{4,}-\d\d-\d\d$/.test(s) && !Number.isNaN(Date.parse(s)) && new Date(s).toISOString().startsWith(s);
const clock = (s) => /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$/.test(s);
const short = (s) => (s.length === 5 ? s + ":00" : s).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");

function local(s) {
  const [d, t, ...more] = s.split(/[T ]/);
  return more.length === 0 && t !== undefined && day(d) && clock(t) ? `${d}T${short(t)}` : undefined;
}

function instant(s) {
  const m = /^(.{16,}?)(Z|z|[+-]\d\d:?\d\d)$/.exec(s);
  const at = m && local(m[1]);
  if (!at) return undefined;
  if (m[2].toUpperCase() === "Z") return at + "Z";
  const sign = m[2][0] === "-" ? -1 : 1, digits = m[2].replace(/\D/g, "");
  const ahead = sign * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2)));
  const [second, fraction] = at.split(".");
  const utc = new Date(Date.parse(second + "Z") - ahead * 60_000).toISOString().slice(0, 19);
  return utc + (fraction ? "." + fraction : "") + "Z";
}

const iso = (v) => (v instanceof Date && !Number.isNaN(v.getTime()) ? v.toISOString().slice(0, -1) : undefined);
const withDate = (read, ofDate) => (v) => (typeof v === "string" ? read(v) : iso(v) && ofDate(iso(v)));

// By type: what a person is told that it takes, and the value taken; undefined where it is not.
const takes = {
  bool: ["a boolean", (v) => (typeof v === "boolean" ? v : undefined)],
  int32: ["a whole number that fits", (v) => (typeof v === "bigint" || typeof v === "number" ? whole(v, 32) : undefined)],
  int64: ["a whole number, or a BigInt, that fits", (v) => whole(v, 64)],
  float32: ["a number", (v) => (typeof v === "number" ? Math.fround(v) : undefined)],
  float64: ["a number", (v) => (typeof v === "number" ? v : undefined)],
  decimal: ["a decimal number that fits, as text", decimal],
  date: [`text like "2026-11-01", or a Date`, withDate((s) => (day(s) ? s : undefined), (s) => s.slice(0, 10))],
  time: [`text like "15:04:05.25"`, (v) => (typeof v === "string" && clock(v) ? short(v) : undefined)],
  timestamp: [`text like "2026-11-01T15:04:05.25", without a zone, or a Date for its UTC`, withDate(local, local)],
  timestamptz: [`text like "2026-11-01T15:04:05.25Z", with its zone, or a Date`, withDate(instant, (s) => instant(s + "Z"))],
  string: ["a string", (v) => (typeof v === "string" && v.isWellFormed() ? v : undefined)],
  binary: ["a Uint8Array", (v) => (v instanceof Uint8Array ? Uint8Array.from(v) : undefined)],
  list: [], struct: [],
};
