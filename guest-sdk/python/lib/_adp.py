"""The fake host of unit tests. In the sandbox a module of this name is part of the engine; both are asked by adp.py alone."""

import array
import datetime
import decimal
import hashlib
import re

host = None  # the adptest.Host that is open


def _run():
    if host is None:
        raise RuntimeError("there is no run: adptest.Host(...).open() begins one")
    return host


class Column:
    """A column, list element or struct member, made of a type's text: int64, decimal(10,2), list<string>, struct<a: int64>; ? at the
    end: it may be None."""

    SIMPLE = {
        "bool", "int32", "int64", "float32", "float64", "date", "time", "timestamp", "timestamptz", "string", "binary",
    }  # fmt: skip

    def __init__(self, name, text):
        self.name, self.text = name, text.removesuffix("?")
        self.nullable = text.endswith("?")
        self.kind, self.parts = self.text, []
        if m := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", self.text):
            self.kind, self.precision, self.scale = "decimal", int(m[1]), int(m[2])
        elif m := re.fullmatch(r"list<(.*)>", self.text):
            self.kind, self.parts = "list", [Column("element", m[1])]
        elif m := re.fullmatch(r"struct<(.*)>", self.text):
            self.kind, self.parts = "struct", [Column(*p.split(":", 1)) for p in _split(m[1])]
        elif self.text not in Column.SIMPLE:
            raise ValueError(f"column {name}: there is no type {self.text}")

    def take(self, value):
        """The value as it leaves the product; an exception when it does not fit."""
        if value is None:
            if not self.nullable:
                raise ValueError(f"column {self.name} is required: it takes no None")
            return None
        return getattr(self, "_" + self.kind)(value)

    def _refuse(self, value):
        raise TypeError(f"column {self.name} is {self.text}, not {type(value).__name__}: {value!r}")

    def _a(self, value, kind):
        return value if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool) else self._refuse(value)

    def _bool(self, value):
        return self._a(value, bool)

    def _int(self, value, bits):
        if not -(1 << bits - 1) <= self._a(value, int) < 1 << bits - 1:
            raise OverflowError(f"column {self.name} is {self.text}: {value} does not fit")
        return value

    def _int32(self, value):
        return self._int(value, 32)

    def _int64(self, value):
        return self._int(value, 64)

    def _float32(self, value):
        return array.array("f", [self._float64(value)])[0]

    def _float64(self, value):
        return float(self._a(value, (int, float)))

    def _decimal(self, value):
        import adp

        text = adp._decimal_text(value)
        d = decimal.Decimal(text)
        scaled = d.scaleb(self.scale, decimal.Context(prec=200))
        if scaled != int(scaled) or abs(int(scaled)) >= 10**self.precision:
            raise ValueError(f"column {self.name} is {self.text}: {text} does not fit; round it")
        return decimal.Decimal((0 if scaled >= 0 else 1, tuple(map(int, str(abs(int(scaled))))), -self.scale))

    def _by(self, function, value):
        import adp

        return value if getattr(adp, function)(value) is not None else self._refuse(value)

    def _date(self, value):
        return self._by("_days", value)

    def _time(self, value):
        return self._by("_time_micros", value)

    def _timestamp(self, value):
        return self._by("_micros", value)

    def _timestamptz(self, value):
        return self._by("_instant_micros", value).astimezone(datetime.timezone.utc)

    def _string(self, value):
        self._a(value, str).encode()  # half a character is none
        return value

    def _binary(self, value):
        return bytes(self._a(value, (bytes, bytearray, memoryview)))

    def _list(self, value):
        return [self.parts[0].take(v) for v in self._a(value, (list, tuple))]

    def _struct(self, value):
        return members(self.parts, self._a(value, dict), f"struct {self.name}")


def _split(text):
    """Members of a struct: commas inside of < > and ( ) are their own."""
    depth, part = 0, ""
    for c in text + ",":
        depth += (c in "<(") - (c in ">)")
        if c == "," and depth == 0:
            yield part.strip().replace(": ", ":", 1)
            part = ""
        else:
            part += c


def members(columns, row, what):
    """The values of a dict for columns. A column that is not there is None; a name that is no column is a mistake."""
    out = {}
    for c in columns:
        if c.name not in row and not c.nullable:
            raise ValueError(f"{what}: there is no value for the required column {c.name}")
        out[c.name] = c.take(row.get(c.name))
    for name in row:
        if name not in out:
            raise KeyError(f"{what} has no column {name}; there are {', '.join(out)}")
    return out


# What adp.py asks for. engine/src/native.rs has the same functions.


def ports():
    return [(p.what, p.name, p.mode, [(c.name, c.text, c.nullable) for c in p.columns]) for p in _run().all_ports()]


def rebuilding():
    return _run().rebuild


def config(key):
    return _run().settings.get(key)


def log(level, message):
    if host is not None:
        host.lines.append((("debug", "info", "warn", "error")[level], message))


def clock():
    return _run().nanoseconds


def random(n):
    out = b""
    while len(out) < n:
        _run().drawn += 1
        out += hashlib.sha256(f"{_run().seed_value}/{_run().drawn}".encode()).digest()
    return out[:n]


def count(name, add):
    _run().metrics[name] = _run().metrics.get(name, 0) + add


def gauge(name, value):
    _run().metrics[name] = value


def fail(why):
    _run().failed = _run().failed or why


def failure():
    return _run().failed


def decide(action, resource, purpose):
    answer = _run().decider(action, resource, purpose)
    return answer if isinstance(answer, tuple) else (bool(answer), "")


def _key(key):
    if not 1 <= len(key) <= 1024:
        raise ValueError("a key of the state has 1 to 1,024 bytes")
    return bytes(key)


def state_get(key):
    return _run().state.get(_key(key))


def state_put(key, value):
    _run().state[_key(key)] = bytes(value)


def state_delete(key):
    _run().state.pop(_key(key), None)


def state_scan(prefix):
    _run().scans.append([bytes(prefix), b""])
    return len(_run().scans) - 1


def state_next(scan):
    prefix, after = _run().scans[scan]
    keys = sorted(k for k in _run().state if k.startswith(prefix) and k > after)
    if not keys:
        return None
    _run().scans[scan][1] = keys[0]
    return keys[0], _run().state[keys[0]]


def read(binding, request):
    port = _run().find("binding", binding, "read")
    _run().asked.append((binding, bytes(request)))
    rows = port.rows(bytes(request)) if callable(port.rows) else port.rows
    return _run().lend(port, rows)


def read_next(reader, function):
    port, rows = _run().batches[reader]
    if not rows:
        return False
    handle = _run().lend(port, rows)
    _run().batches[reader] = (port, [])
    try:
        function(handle)
    finally:
        del _run().batches[handle]
    return True


def read_close(reader):
    _run().batches.pop(reader, None)


def _batch(handle):
    try:
        return _run().batches[handle]
    except KeyError:
        raise RuntimeError("the batch is gone: copy what should stay longer than the call") from None


def batch_len(handle):
    return len(_batch(handle)[1])


def batch_columns(handle):
    return [c.name for c in _batch(handle)[0].columns]


def batch_column(handle, name):
    port, rows = _batch(handle)
    column = next((c for c in port.columns if c.name == name), None)
    if column is None:
        raise KeyError(f"{port.what} {port.name} has no column {name}; there are {', '.join(batch_columns(handle))}")
    values = [r[name] for r in rows]
    code = {"int32": "i", "int64": "q", "float32": "f", "float64": "d"}.get(column.kind)
    if code and None not in values:
        return memoryview(array.array(code, values)).toreadonly()
    return values


def batch_row(handle, i):
    return dict(_batch(handle)[1][i])


def each_row(handle, function):
    for i in range(batch_len(handle)):
        function(batch_row(handle, i))


def emit(output, row, delete):
    port = _run().outlet(output)
    if delete:
        if port.mode != "upsert":
            raise ValueError(f"output {port.name} is no upsert output: rows cannot be deleted from it")
        values = {c.name: None if row.get(c.name) is None else c.take(row[c.name]) for c in port.columns}
        port.sent.append(("delete", values))
        return
    row = dict(row)
    op = row.pop("_op", None) if port.mode == "upsert" else None
    port.sent.append((op, members(port.columns, row, f"{port.what} {port.name}")))


def emit_columns(output, columns):
    port = _run().outlet(output)
    columns = {name: list(values) for name, values in columns.items()}
    lengths = {len(v) for v in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"{port.what} {port.name}: the columns differ in length")
    for i in range(max(lengths, default=0)):
        emit(output, {name: values[i] for name, values in columns.items()}, False)
