"""Runs a product in a unit test, without a sandbox:

    import main  # the product, which registers its functions
    run = adptest.Host().input("people", name="string").output("greetings", text="string").open()
    run.feed("people", [{"name": "Ada"}]).flush()
    assert run.emitted("greetings") == [{"text": "Hello Ada!"}]

Columns are given as name="type": bool, int32, int64, float32, float64, decimal(p,s), date, time, timestamp, timestamptz, string, binary,
list<…>, struct<name: …>, with ? at the end when they may be None. A run that fails raises what the product has raised, or Failed.
"""

import _adp
import adp


class Failed(Exception):
    """The product has called adp.fail."""


class _Port:
    def __init__(self, what, name, mode, columns):
        self.what, self.name, self.mode = what, name, mode
        self.columns = [_adp.Column(n, text) for n, text in columns.items()]
        self.rows, self.sent = [], []


class Host:
    """A host with the ports that a test declares. After open it is the run."""

    def __init__(self):
        self._inputs, self._outputs, self._bindings = [], [], []
        self.settings, self.state, self.metrics = {}, {}, {}
        self.lines, self.asked, self.scans, self.batches = [], [], [], {}
        self.nanoseconds, self.seed_value, self.drawn, self._handles = 1_767_225_600_000_000_000, 0, 0, 0  # 2026-01-01
        self.rebuild, self.failed, self.decider = False, None, lambda *_: (False, "no policy allows it")

    # Before open.

    def input(self, name, mode="incremental", /, **columns):
        """Declares an input."""
        self._inputs.append(_Port("input", name, mode, columns))
        return self

    def output(self, name, mode="append", /, **columns):
        """Declares an output: append, upsert or replace."""
        self._outputs.append(_Port("output", name, mode, columns))
        return self

    def source(self, name, rows=(), /, **columns):
        """Declares a binding with read access, and its rows: a list, or a function of the request."""
        port = _Port("binding", name, "read", columns)
        port.rows = rows if callable(rows) else [_adp.members(port.columns, r, name) for r in rows]
        self._bindings.append(port)
        return self

    def sink(self, name, /, **columns):
        """Declares a binding with write access."""
        self._bindings.append(_Port("binding", name, "write", columns))
        return self

    def config(self, key, value):
        """Sets a setting."""
        self.settings[key] = value
        return self

    def after(self, run):
        """Begins with the state that another run has left."""
        self.state = dict(run.state)
        return self

    def at(self, nanoseconds):
        """Sets the clock."""
        self.nanoseconds = nanoseconds
        return self

    def seed(self, value):
        """Chooses other randomness."""
        self.seed_value = value
        return self

    def rebuilding(self):
        """Makes it a run that recomputes everything."""
        self.rebuild = True
        return self

    def policy(self, decide):
        """Answers adp.decide: a function of action, resource and purpose that gives True, False or (bool, reason)."""
        self.decider = decide
        return self

    def open(self):
        """Begins the run."""
        _adp.host = self
        adp._open()
        return self._check()

    # The run.

    def feed(self, name, rows):
        """Gives rows of an input to the product, as one batch. Columns that are left out are None."""
        port = self.find("input", name)
        handle = self.lend(port, [_adp.members(port.columns, r, f"input {name}") for r in rows])
        try:
            adp._process(name, handle)
        finally:
            del self.batches[handle]
        return self._check()

    def flush(self):
        """Ends the run."""
        adp._flush()
        return self._check()

    def emitted(self, name):
        """The rows that were emitted to an output or a binding, without those that were deleted."""
        return [row for op, row in self.outlet(name).sent if op != "delete"]

    def removed(self, name):
        """The rows that were deleted from an output."""
        return [row for op, row in self.outlet(name).sent if op == "delete"]

    def logged(self, level=None):
        """The lines of the log, those of one level or (level, line) of all."""
        return [m if level else (at, m) for at, m in self.lines if level in (None, at)]

    def requests(self, binding):
        """What a binding was asked for."""
        return [r for name, r in self.asked if name == binding]

    # For _adp.

    def all_ports(self):
        return [*self._inputs, *self._outputs, *self._bindings]

    def find(self, what, name, mode=None):
        known = [p for p in self.all_ports() if p.what == what and mode in (None, p.mode)]
        for p in known:
            if p.name == name:
                return p
        raise KeyError(f"the product declares no {what} {name}; it has: {', '.join(p.name for p in known) or 'none'}")

    def outlet(self, name):
        return next((p for p in self._bindings if p.name == name and p.mode == "write"), None) or self.find("output", name)

    def lend(self, port, rows):
        self._handles += 1
        self.batches[self._handles] = (port, rows)
        return self._handles

    def _check(self):
        if self.failed is not None:
            raise Failed(self.failed)
        return self
