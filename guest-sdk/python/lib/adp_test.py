"""Tests of the kit's own Python: what scripts import, over the fake host."""

import datetime
import importlib
import math
import unittest
from decimal import Decimal

import adptest

import adp

TYPES = {
    "b": "bool?", "i": "int32?", "l": "int64?", "f": "float32?", "d": "float64?", "m": "decimal(5,2)?", "day": "date?", "t": "time?",
    "ts": "timestamp?", "tz": "timestamptz?", "s": "string?", "z": "binary?", "list": "list<int64?>?", "st": "struct<a: int32, b: list<string>?>?",
}  # fmt: skip


class Kit(unittest.TestCase):
    def setUp(self):
        importlib.reload(adp)

    def run_with(self, function, **columns):
        """A run whose open emits what function says."""
        adp.on_open(function)
        return adptest.Host().output("out", **(columns or TYPES)).open()

    def emitted(self, **row):
        return self.run_with(lambda: adp.emit("out", row)).emitted("out")[0]

    def test_values(self):
        noon = datetime.datetime(2026, 1, 2, 12, 0, 0, 5)
        zone = datetime.timezone(datetime.timedelta(hours=2))
        row = {
            "b": True, "i": -5, "l": 1 << 62, "f": 0.5, "d": 3, "m": "1.5", "day": noon.date(), "t": noon.time(), "ts": noon,
            "tz": noon.replace(tzinfo=zone), "s": "grüß", "z": b"\xff", "list": [1, None], "st": {"a": 1},
        }  # fmt: skip
        got = self.emitted(**row)
        self.assertEqual(got.pop("m"), Decimal("1.50"))
        self.assertEqual(got.pop("st"), {"a": 1, "b": None})
        del row["m"], row["st"]
        self.assertEqual(got, row)

    def test_refused_values(self):
        for row, what in [
            ({"b": 1}, "column b is bool, not int: 1"),
            ({"i": 1 << 31}, "column i is int32: 2147483648 does not fit"),
            ({"l": True}, "column l is int64, not bool"),
            ({"l": 1.0}, "column l is int64, not float"),
            ({"d": "1"}, "column d is float64, not str"),
            ({"m": 1.5}, "takes Decimal, int or text, not float"),
            ({"m": "1.234"}, r"column m is decimal\(5,2\): 1.234 does not fit; round it"),
            ({"m": 1000}, "1000 does not fit"),
            ({"m": Decimal("NaN")}, "takes Decimal"),
            ({"day": datetime.datetime(2026, 1, 1)}, "column day is date, not datetime"),
            ({"ts": datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)}, "column ts is timestamp, not"),
            ({"tz": datetime.datetime(2026, 1, 1)}, "column tz is timestamptz, not"),
            ({"s": b"x"}, "column s is string, not bytes"),
            ({"list": "ab"}, "column list is list<int64"),
            ({"st": {"b": []}}, "struct st: there is no value for the required column a"),
            ({"nmae": 1}, "output out has no column nmae; there are b, i"),
        ]:
            with self.subTest(row), self.assertRaisesRegex((ValueError, TypeError, KeyError, OverflowError), what):
                self.setUp()
                self.emitted(**row)

    def test_required(self):
        for row, what in [({}, "no value for the required column k"), ({"k": None}, "column k is required: it takes no None")]:
            with self.subTest(row), self.assertRaisesRegex(ValueError, what):
                self.setUp()
                self.run_with(lambda: adp.emit("out", row), k="int64")

    def test_columns(self):
        seen = {}

        @adp.on_batch("in")
        def take(batch):
            seen.update({name: batch[name] for name in batch.columns}, n=len(batch), rows=list(batch.rows()))
            adp.emit_columns("out", k=[k * 2 for k in batch["k"]], x=batch["x"])
            seen["batch"] = batch

        run = adptest.Host().input("in", k="int64", x="float64?").output("out", k="int64", x="float64?").open()
        run.feed("in", [{"k": 1, "x": 0.5}, {"k": 2}])
        self.assertEqual((seen["n"], seen["k"].tolist(), seen["k"].format, seen["x"]), (2, [1, 2], "q", [0.5, None]))
        self.assertEqual(run.emitted("out"), [{"k": 2, "x": 0.5}, {"k": 4, "x": None}])
        self.assertEqual(seen["rows"][1], {"k": 2, "x": None})
        with self.assertRaisesRegex(RuntimeError, "the batch is gone"):
            len(seen["batch"])

    def test_handlers(self):
        adp.on_row("a")(print)
        with self.assertRaisesRegex(ValueError, "input a has a function already"):
            adp.on_batch("a")(print)
        with self.assertRaisesRegex(TypeError, "name the input"):
            adp.on_row(print)
        with self.assertRaisesRegex(ValueError, "the product declares no input a; it has: b"):
            adptest.Host().input("b", k="int64").open()
        with self.assertRaisesRegex(ValueError, "nothing takes input b"):
            adptest.Host().input("a", k="int64").input("b", k="int64").open()

    def test_run(self):
        host = adptest.Host().config("n", "7").config("flag", "True").config("x", "1.5").at(1_000_000_000)
        host.source("rates", [{"k": 1}], k="int64").sink("alerts", k="int64").policy(lambda action, *_: (action == "read", "why"))
        got = {}

        @adp.on_open
        def begin():
            got["settings"] = [adp.setting("n", 0), adp.setting("flag", False), adp.setting("x", 0.0), adp.setting("none", "other")]
            got["now"], got["rates"] = adp.now(), list(adp.read("rates", "all"))
            got["decide"] = [bool(adp.decide("read")), adp.decide("write").reason]
            adp.emit("alerts", k=3)
            adp.state.put("a/1", "one")
            adp.state.put("a/2", b"two")
            adp.state.delete("none")
            got["state"] = [adp.state.text("a/1"), adp.state.get("b"), list(adp.state.scan("a/")), adp.state.add("n", 2), adp.state.add("n", -5)]
            got["random"] = adp.random(40)
            adp.gauge("g", 2)
            adp.count("c")
            adp.count("c", 2)
            print("a line", file=adp._stdout)

        run = host.open().flush()
        self.assertEqual(got["settings"], [7, True, 1.5, "other"])
        self.assertEqual(got["now"], datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.timezone.utc))
        self.assertEqual((got["rates"], run.requests("rates"), got["decide"]), ([{"k": 1}], [b"all"], [True, "why"]))
        self.assertEqual(got["state"], ["one", None, [(b"a/1", b"one"), (b"a/2", b"two")], 2, -3])
        self.assertEqual((run.emitted("alerts"), run.metrics, run.logged("info")), ([{"k": 3}], {"g": 2.0, "c": 3.0}, ["a line"]))
        self.assertEqual(len(got["random"]), 40)

    def test_fail(self):
        adp.on_open(lambda: adp.fail("why"))
        with self.assertRaisesRegex(adptest.Failed, "why"):
            adptest.Host().open()

    def test_upsert(self):
        adp.on_open(lambda: (adp.emit("out", k=1, v=math.pi), adp.delete("out", k=2)))
        run = adptest.Host().output("out", "upsert", k="int64", v="float64").open()
        self.assertEqual((run.emitted("out"), run.removed("out")), ([{"k": 1, "v": math.pi}], [{"k": 2, "v": None}]))
        with self.assertRaisesRegex(ValueError, "no upsert output"):
            self.setUp()
            self.run_with(lambda: adp.delete("out", k=1), k="int64")


if __name__ == "__main__":
    unittest.main()
