import base64
import csv
import datetime
import json
import struct
import unittest

import adptest
import main  # noqa: F401, it registers its functions
from cases import cases


def text(value):
    """A value as it stands in a file of CSV."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, (datetime.datetime, datetime.time)):
        utc = isinstance(value, datetime.datetime) and value.tzinfo
        s = (value.astimezone(datetime.timezone.utc).replace(tzinfo=None) if utc else value).isoformat()
        return (s.rstrip("0") if "." in s else s) + ("Z" if utc else "")
    if isinstance(value, (list, dict)):
        return json.dumps(value, separators=(",", ":"))
    return str(value)


class Agree(unittest.TestCase):
    def test_the_host_for_tests_takes_what_the_engine_takes(self):
        columns = dict(n="int64", bool="bool?", i32="int32?", i64="int64?", f32="float32?", f64="float64?", dec="decimal(12,2)?", day="date?", at="time?")
        more = dict(local="timestamp?", utc="timestamptz?", text="string?", raw="binary?", list="list<int64?>?", pair="struct<x: int64, y: string?>?")
        run = adptest.Host().input("people", name="string").output("greetings", **columns, **more).open().flush()
        with open("testdata/out/greetings.csv", newline="") as f:
            engine = {int(row["n"]): row for row in csv.DictReader(f)}
        self.assertEqual(len(engine), len(cases))
        for row in run.emitted("greetings"):
            column, value = cases[row["n"]]
            have, want = engine[row["n"]][column], row[column]
            with self.subTest(column=column, value=value):
                if column in ("f32", "f64"):
                    bits = struct.Struct("<f" if column == "f32" else "<d").pack
                    self.assertEqual(bits(float(have)), bits(want))
                else:
                    self.assertEqual(have, text(want))
