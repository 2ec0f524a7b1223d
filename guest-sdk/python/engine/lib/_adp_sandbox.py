"""Puts the run's clock and log, and the product's own files, where Python looks for them. It is part of the engine only."""

import datetime
import sys
import time

import _adp
import adp

sys.stdout = sys.__stdout__ = adp._stdout
sys.stderr = sys.__stderr__ = adp._stderr
sys.path.clear()


def _seconds():
    return _adp.clock() / 1e9


def _now(cls, tz=None):
    moment = adp._instant(_adp.clock() // 1000)
    moment = moment.replace(tzinfo=None) if tz is None else moment.astimezone(tz)
    return moment if cls is datetime.datetime else cls(*moment.timetuple()[:6], moment.microsecond, moment.tzinfo)


def _today(cls):
    day = adp._instant(_adp.clock() // 1000)
    return cls(day.year, day.month, day.day)


for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
    setattr(time, name, _seconds)
    setattr(time, name + "_ns", _adp.clock)
time.sleep = lambda seconds: None  # nothing happens meanwhile

_adp.set_attr(datetime.datetime, "now", classmethod(_now))
_adp.set_attr(datetime.datetime, "utcnow", classmethod(lambda cls: _now(cls)))
_adp.set_attr(datetime.datetime, "today", classmethod(lambda cls: _now(cls)))
_adp.set_attr(datetime.date, "today", classmethod(_today))


# Decimals cross as text, and here their class is written in Python: to parse and to format them as everybody may takes twenty times as long
# as to say what the parts are.


def _decimal(text):
    import _pydecimal

    whole, _, part = text.lstrip("-").partition(".")
    return _pydecimal._dec_from_triple(int(text[0] == "-"), (whole + part).lstrip("0") or "0", -len(part))


def _decimal_text(value, slow=adp._decimal_text):
    module = sys.modules.get("_pydecimal")
    if module is None or type(value) is not module.Decimal or value._is_special or not -100 < value._exp <= 0:
        return slow(value)
    digits = value._int.zfill(1 - value._exp)
    if value._exp:
        digits = digits[: value._exp] + "." + digits[value._exp :]
    return "-" + digits if value._sign else digits


adp._decimal, adp._decimal_text = _decimal, _decimal_text


class Files:
    """Finds modules among the product's own files: rules.py is the module rules."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if _adp.source(name) is None:
            return None
        return type(sys.__spec__)(name, Files, origin=name + ".py")

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        spec = module.__spec__
        module.__file__ = spec.origin
        exec(compile(_adp.source(spec.name), spec.origin, "exec"), module.__dict__)


sys.meta_path.append(Files)
