// Dates, decimals and JSON.
import { Day, Decimal, Decision, TimeOfDay, Timestamp } from "adp";
import { quote, readDecision } from "adp/assembly/json";
import { test } from "adp/assembly/test";

test("days", () => {
  const texts = ["1970-01-01", "1969-12-31", "2000-02-29", "2026-11-01", "0001-01-01", "9999-12-31"];
  const days = [0, -1, 11016, 20758, -719162, 2932896];
  for (let i = 0; i < days.length; i++) {
    const t = texts[i];
    assert(new Day(days[i]).toString() == t, t);
    assert(Day.of(I32.parseInt(t.substring(0, 4)), I32.parseInt(t.substring(5, 7)), I32.parseInt(t.substring(8))).days == days[i], t);
  }
  for (let d = -700000; d < 2900000; d += 997) {
    const t = new Day(d).toString();
    assert(Day.of(I32.parseInt(t.substring(0, 4)), I32.parseInt(t.substring(5, 7)), I32.parseInt(t.substring(8))).days == d, t);
  }
  assert(Day.of(2026, 14, 1).days == Day.of(2027, 2, 1).days && Day.of(2026, 0, 1).days == Day.of(2025, 12, 1).days);
});

test("times", () => {
  assert(new Timestamp(-1).toString() == "1969-12-31T23:59:59.999999" && new TimeOfDay(3_600_500_000).toString() == "01:00:00.5");
});

test("decimals", () => {
  assert(Decimal.of(1234).text(2) == "12.34" && Decimal.of(-5).text(2) == "-0.05" && Decimal.of(7).text(0) == "7" && Decimal.of(0).text(3) == "0.000");
  assert(new Decimal(0, 1).text(0) == "18446744073709551616" && new Decimal(0, i64.MIN_VALUE).text(0) == "-170141183460469231731687303715884105728");
  assert(new Decimal(u64.MAX_VALUE, i64.MAX_VALUE).text(38) == "1.70141183460469231731687303715884105727");
});

test("answers of policy", () => {
  let d = new Decision();
  assert(readDecision(' { "reason" : "x\\"\\u00fc\\ud83e\\udd85\\n", "e": {"a": [1, -2.5e3, null, "}"]}, "allow" : true } ', d));
  assert(d.allow && d.reason == 'x"ü\u{1F985}\n');
  d = new Decision();
  assert(readDecision("{}", d) && !d.allow && readDecision('{"allow":"true"}', d) && !d.allow);
  const bad = ["", "[]", "{", '{"a"}', '{"a":}', '{"a":1,}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":"', '{"a":1', '{"a":' + "[".repeat(900)];
  for (let i = 0; i < bad.length; i++) assert(!readDecision(bad[i], d), bad[i]);
  assert(quote('a"\\\u0001ü') == '"a\\"\\\\\\u0001ü"');
});
