"""What a product's script imports. README.md of the kit describes it; the same file runs over a fake host in unit tests."""

import _adp

_DEBUG, _INFO, _WARN, _ERROR = 0, 1, 2, 3

_opens = []
_rows = {}
_batches = {}
_flushes = []


# Handlers.


def on_open(function):
    """Decorates a function that a run begins with."""
    _opens.append(function)
    return function


def on_row(port):
    """Decorates a function that takes each row of an input, as a dict."""
    return _handler(_rows, port)


def on_batch(port):
    """Decorates a function that takes the batches of an input."""
    return _handler(_batches, port)


def on_flush(function):
    """Decorates a function that is called when all inputs are consumed; rows can still be emitted."""
    _flushes.append(function)
    return function


def _handler(table, port):
    if not isinstance(port, str):
        raise TypeError("name the input: @adp.on_row(\"people\")")

    def register(function):
        if port in _rows or port in _batches:
            raise ValueError(f"input {port} has a function already")
        table[port] = function
        return function

    return register


def _open():
    known = ports()
    inputs = [p.name for p in known if p.what == "input"]
    for name in [*_rows, *_batches]:
        if name not in inputs:
            raise ValueError(f"the product declares no input {name}; it has: {', '.join(inputs) or 'none'}")
    for name in inputs:
        if name not in _rows and name not in _batches:
            raise ValueError(f"nothing takes input {name}: decorate a function with @adp.on_row(\"{name}\") or @adp.on_batch(\"{name}\")")
    _reseed()
    for function in _opens:
        function()


def _process(port, handle):
    if port in _rows:
        _adp.each_row(handle, _rows[port])
        return
    batch = Batch(port, handle)
    try:
        _batches[port](batch)
    finally:
        batch._handle = -1


def _flush():
    for function in _flushes:
        function()
    _stdout.flush()
    _stderr.flush()


class Batch:
    """Rows of an input or of a binding, good until the call that got it returns."""

    def __init__(self, port, handle):
        self.port = port
        self._handle = handle

    def __len__(self):
        return _adp.batch_len(self._handle)

    def __getitem__(self, name):
        """A column: a memoryview of int32, int64, float32 and float64 columns that have no null in this batch, else a list."""
        return _adp.batch_column(self._handle, name)

    @property
    def columns(self):
        """The names of the columns, in the contract's order; reserved ones come last."""
        return _adp.batch_columns(self._handle)

    def rows(self):
        """The rows, as dicts."""
        for i in range(len(self)):
            yield _adp.batch_row(self._handle, i)


# Outputs.


def emit(output, row=None, /, **columns):
    """Adds a row to an output, or to a binding with write access. On an upsert output it replaces the row with the same key."""
    _adp.emit(output, columns if row is None else {**row, **columns} if columns else row, False)


def delete(output, row=None, /, **columns):
    """Removes the row with the same key from an upsert output; other columns do not matter."""
    _adp.emit(output, columns if row is None else {**row, **columns} if columns else row, True)


def emit_columns(output, columns=None, /, **more):
    """Adds rows given as columns: sequences of equal length."""
    _adp.emit_columns(output, {**(columns or {}), **more})


# The run.


class Port:
    """A port as the product's documents declare it: what is input, output or binding; columns are (name, type, nullable)."""

    def __init__(self, what, name, mode, columns):
        self.what, self.name, self.mode, self.columns = what, name, mode, columns

    def __repr__(self):
        return f"{self.what} {self.name} {self.mode}"


def ports():
    """The inputs, outputs and bindings, in this order."""
    return [Port(*p) for p in _adp.ports()]


def rebuilding():
    """Whether this run recomputes everything: state is empty and inputs start from their beginning."""
    return _adp.rebuilding()


def config(key):
    """A setting of the product as text, None when it is not set."""
    return _adp.config(key)


def setting(key, other):
    """A setting as a value of other's type (str, int, float, bool), or other when it is not set."""
    text = _adp.config(key)
    if text is None:
        return other
    kind = type(other)
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise ValueError(f"setting {key}: {text!r} is not {kind.__name__}") from None


def debug(message):
    """Logs a line."""
    _adp.log(_DEBUG, str(message))


def info(message):
    """Logs a line; so does print."""
    _adp.log(_INFO, str(message))


def warn(message):
    """Logs a line."""
    _adp.log(_WARN, str(message))


def error(message):
    """Logs a line. It does not fail the run: fail does, and so does an exception."""
    _adp.log(_ERROR, str(message))


def fail(why):
    """Makes the run fail, unless it has failed before."""
    _adp.fail(str(why))


def failure():
    """The first thing that the host refused, None when there is nothing. It fails the run without being asked for."""
    return _adp.failure()


def count(name, add=1):
    """Adds to a counter of the run."""
    _adp.count(name, float(add))


def gauge(name, value):
    """Sets a gauge of the run."""
    _adp.gauge(name, float(value))


def clock():
    """The virtual clock, in nanoseconds since 1970-01-01T00:00:00Z. It is the same again when a run is replayed."""
    return _adp.clock()


def now():
    """The virtual clock as a datetime with time zone UTC."""
    return _instant(_adp.clock() // 1000)


def random(n):
    """Random bytes that are the same again when a run is replayed. So is all that the module random gives."""
    return _adp.random(n)


class Decision:
    """The answer of policy. It is true when the answer is yes."""

    def __init__(self, allow, reason):
        self.allow, self.reason = allow, reason

    def __bool__(self):
        return self.allow


def decide(action, resource="", purpose=""):
    """Asks policy whether this product may do something: an action on a resource (adp://./domain/product[/port]) for a purpose."""
    return Decision(*_adp.decide(action, resource, purpose))


def read(binding, request=b"", /):
    """Asks a binding with read access for rows: dicts, one after another. The request means what its driver says."""
    reader = _adp.read(binding, _bytes(request))
    page = []

    def take(handle):
        page.extend(_adp.batch_row(handle, i) for i in range(_adp.batch_len(handle)))

    try:
        while _adp.read_next(reader, take):
            yield from page
            page.clear()
    finally:
        _adp.read_close(reader)


class State:
    """The product's own memory from run to run: keys and values are bytes, or text, which is stored as UTF-8."""

    def get(self, key):
        """The bytes under a key, None when there are none."""
        return _adp.state_get(_bytes(key))

    def text(self, key):
        """The text under a key, None when there is none."""
        value = _adp.state_get(_bytes(key))
        return None if value is None else bytes(value).decode()

    def put(self, key, value):
        """Sets the value of a key."""
        _adp.state_put(_bytes(key), _bytes(value))

    def delete(self, key):
        """Removes a key; it is no mistake when there is none."""
        _adp.state_delete(_bytes(key))

    def add(self, key, delta):
        """Adds to the number under a key, which is 0 when there is none, and returns the sum. Other languages read it: 8 bytes, little endian."""
        value = _adp.state_get(_bytes(key))
        if value is not None and len(value) != 8:
            raise ValueError(f"state {key} is not an int64")
        total = (int.from_bytes(value, "little", signed=True) if value is not None else 0) + delta
        _adp.state_put(_bytes(key), total.to_bytes(8, "little", signed=True))
        return total

    def scan(self, prefix=b""):
        """The keys with a prefix and their values, as bytes, in the order of the keys' bytes."""
        scan = _adp.state_scan(_bytes(prefix))
        while (entry := _adp.state_next(scan)) is not None:
            yield entry


state = State()


def _bytes(value):
    return value.encode() if isinstance(value, str) else value


# Values that columns have and the host does not know as Python does.

import datetime as _dt  # noqa: E402

_EPOCH = _dt.datetime(1970, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=_dt.timezone.utc)
_EPOCH_DAY = _dt.date(1970, 1, 1).toordinal()
_MICROSECOND = _dt.timedelta(microseconds=1)


def _decimal(text):
    from decimal import Decimal

    return Decimal(text)


def _decimal_text(value):
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value
    from decimal import Decimal

    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    raise TypeError(f"a decimal column takes Decimal, int or text, not {type(value).__name__}: {value!r}")


def _date(days):
    return _dt.date.fromordinal(_EPOCH_DAY + days)


def _days(value):
    if isinstance(value, _dt.date) and not isinstance(value, _dt.datetime):
        return value.toordinal() - _EPOCH_DAY
    return None


def _time(micros):
    seconds, micros = divmod(micros, 1_000_000)
    return _dt.time(seconds // 3600, seconds // 60 % 60, seconds % 60, micros)


def _time_micros(value):
    if isinstance(value, _dt.time) and value.tzinfo is None:
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    return None


def _timestamp(micros):
    return _EPOCH + _dt.timedelta(microseconds=micros)


def _micros(value):
    if isinstance(value, _dt.datetime) and value.tzinfo is None:
        return (value - _EPOCH) // _MICROSECOND
    return None


def _instant(micros):
    return _EPOCH_UTC + _dt.timedelta(microseconds=micros)


def _instant_micros(value):
    if isinstance(value, _dt.datetime) and value.tzinfo is not None:
        return (value - _EPOCH_UTC) // _MICROSECOND
    return None


# The interpreter's surroundings.


class _Log:
    """A text stream whose lines go to the log."""

    encoding = "utf-8"

    def __init__(self, level):
        self._level, self._line = level, ""

    def write(self, text):
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            _adp.log(self._level, line)
        return len(text)

    def flush(self):
        if self._line:
            _adp.log(self._level, self._line)
            self._line = ""

    def isatty(self):
        return False


_stdout, _stderr = _Log(_INFO), _Log(_WARN)


def _reseed():
    """The module random was seeded when the script was loaded, which is before any run."""
    import sys

    if "random" in sys.modules:
        sys.modules["random"].seed(int.from_bytes(_adp.random(32), "little"))
