"""A product that emits one row a case, for the sandbox and for the kit's host for unit tests: both must make the same of it."""

import adp
from cases import cases


@adp.on_row("people")
def ignore(person):
    pass


@adp.on_flush
def give():
    for n, (column, value) in enumerate(cases):
        adp.emit("greetings", n=n, **{column: value})
