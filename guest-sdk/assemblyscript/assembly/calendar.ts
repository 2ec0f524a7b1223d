// Dates, times and decimals.
import { Column } from "./column";
import { Builder } from "./builder";
import { Field, Kind, Value } from "./types";

// Days since 1970-01-01.
@final
export class Day extends Value {
  constructor(public days: i32 = 0) { super(); }

  // The day of a month (1–12) of a year of the Gregorian calendar. Days and months beyond their range carry over.
  // Howard Hinnant's days_from_civil.
  static of(year: i32, month: i32, day: i32): Day {
    const months = <i64>year * 12 + month - 1;
    let y = months / 12 - <i64>(months % 12 < 0);
    const m = months - y * 12 + 1;
    y -= <i64>(m <= 2);
    const era = (y >= 0 ? y : y - 399) / 400, ofEra = y - era * 400;
    const ofYear = (153 * ((m + 9) % 12) + 2) / 5 + day - 1;
    return new Day(<i32>(era * 146097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719468));
  }

  // ISO 8601: 2026-11-01. Howard Hinnant's civil_from_days.
  toString(): string {
    const z = <i64>this.days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    const yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    const month = mp < 10 ? mp + 3 : mp - 9;
    const year = yoe + era * 400 + <i64>(month <= 2);
    return year.toString().padStart(4, "0") + "-" + two(month) + "-" + two(doy - (153 * mp + 2) / 5 + 1);
  }

  describe(f: Field): void { f.kind = Kind.Date; }
  load(c: Column, i: i32): void { this.days = c.days(i); }
  store(b: Builder): void { b.days(this.days); }
}

function two(n: i64): string { return n.toString().padStart(2, "0"); }

// Microseconds since midnight.
@final
export class TimeOfDay extends Value {
  constructor(public micros: i64 = 0) { super(); }

  // ISO 8601: 15:04:05.999999, without zeros at the end.
  toString(): string {
    const seconds = this.micros / 1_000_000, rest = this.micros % 1_000_000;
    let text = two(seconds / 3600) + ":" + two(seconds / 60 % 60) + ":" + two(seconds % 60);
    if (rest == 0) return text;
    let digits = rest.toString().padStart(6, "0");
    while (digits.endsWith("0")) digits = digits.substring(0, digits.length - 1);
    return text + "." + digits;
  }

  describe(f: Field): void { f.kind = Kind.Time; }
  load(c: Column, i: i32): void { this.micros = c.micros(i); }
  store(b: Builder): void { b.time(this.micros); }
}

// Microseconds since 1970-01-01T00:00:00: an instant (UTC) in a timestamptz column, a local time in a timestamp column.
@final
export class Timestamp extends Value {
  constructor(public micros: i64 = 0) { super(); }

  get day(): Day {
    const d = this.micros / 86_400_000_000;
    return new Day(<i32>(d - <i64>(this.micros % 86_400_000_000 < 0)));
  }

  get time(): TimeOfDay { return new TimeOfDay(this.micros - <i64>this.day.days * 86_400_000_000); }

  // ISO 8601 without a zone: 2026-11-01T15:04:05.999999.
  toString(): string { return this.day.toString() + "T" + this.time.toString(); }

  describe(f: Field): void { f.kind = Kind.TimestampTz; } // or Timestamp
  load(c: Column, i: i32): void { this.micros = c.micros(i); }
  store(b: Builder): void { b.timestamp(this.micros); }
}

// A decimal is its unscaled value, a two's complement integer of 128 bits: 12.34 at scale 2 is 1234.
@final
export class Decimal extends Value {
  constructor(public lo: u64 = 0, public hi: i64 = 0) { super(); }

  static of(unscaled: i64): Decimal { return new Decimal(unscaled, unscaled >> 63); }

  // The number at the scale of its column: 1234 at scale 2 is 12.34.
  text(scale: i32): string {
    let lo = this.lo, hi = <u64>this.hi;
    const negative = this.hi < 0;
    if (negative) {
      lo = ~lo + 1;
      hi = ~hi + u64(lo == 0);
    }
    let digits = "";
    while (lo != 0 || hi != 0) { // in steps of ten, from four parts of 32 bits
      let rest: u64 = 0, high: u64 = 0, low: u64 = 0;
      for (let part = 3; part >= 0; part--) {
        const word = part >= 2 ? hi >> (part == 3 ? 32 : 0) & 0xffff_ffff : lo >> (part == 1 ? 32 : 0) & 0xffff_ffff;
        const n = rest << 32 | word;
        rest = n % 10;
        if (part >= 2) high |= n / 10 << (part == 3 ? 32 : 0);
        else low |= n / 10 << (part == 1 ? 32 : 0);
      }
      digits = rest.toString() + digits;
      lo = low;
      hi = high;
    }
    digits = digits.padStart(scale + 1, "0");
    if (scale > 0) digits = digits.substring(0, digits.length - scale) + "." + digits.substring(digits.length - scale);
    return negative ? "-" + digits : digits;
  }

  describe(f: Field): void { f.kind = Kind.Decimal; }

  load(c: Column, i: i32): void {
    const at = c.value(Kind.Decimal, i);
    this.lo = load<u64>(at);
    this.hi = load<i64>(at, 8);
  }

  store(b: Builder): void { b.decimal(this.lo, this.hi); }
}
