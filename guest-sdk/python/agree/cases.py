import datetime as d
from decimal import Decimal

east, west = d.timezone(d.timedelta(hours=2)), d.timezone(-d.timedelta(hours=9, minutes=30))
cases = [
    ("bool", True), ("bool", False), ("bool", None),
    ("i32", 0), ("i32", 2**31 - 1), ("i32", -(2**31)), ("i64", 2**63 - 1), ("i64", -(2**63)), ("i64", 2**53 + 1),
    ("f32", 1.1), ("f32", 1e-46), ("f32", 16777217), ("f32", float("nan")), ("f32", float("inf")),
    ("f64", -0.0), ("f64", 0.1), ("f64", 5e-324), ("f64", float("-inf")), ("f64", 3),
    ("dec", Decimal("12.5")), ("dec", Decimal("-0.05")), ("dec", Decimal("7.10")), ("dec", Decimal("1.500")), ("dec", Decimal("1E+3")), ("dec", -3),
    ("dec", 9999999999), ("dec", Decimal("-9999999999.99")), ("dec", Decimal("-0")),
    ("day", d.date(2026, 11, 1)), ("day", d.date(2024, 2, 29)), ("day", d.date(1582, 10, 4)), ("day", d.date(1, 1, 1)),
    ("at", d.time(15, 4)), ("at", d.time(15, 4, 5)), ("at", d.time(23, 59, 59, 999999)), ("at", d.time(0, 0, 0, 100000)),
    ("local", d.datetime(2026, 11, 1, 15, 4, 5, 250000)), ("local", d.datetime(1969, 12, 31, 23, 59, 59, 999999)),
    ("utc", d.datetime(2026, 11, 1, 15, 4, 5, 250000, d.timezone.utc)), ("utc", d.datetime(2026, 11, 1, 15, 4, tzinfo=east)),
    ("utc", d.datetime(2026, 1, 1, 0, 30, 0, 500000, west)),
    ("text", ""), ("text", "Zoë 𝄞"), ("raw", b""), ("raw", bytes([0, 255, 10])), ("raw", bytearray(b"a")),
    ("list", []), ("list", [1, None, 3]), ("list", (1, 2)), ("pair", {"x": 1}), ("pair", {"x": 2, "y": "b"}),
]
