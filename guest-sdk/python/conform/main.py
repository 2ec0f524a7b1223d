"""The reference product of abi/abitest: it does, over the kit, everything that the ABI offers."""

import decimal  # noqa: F401: columns have decimals

import adp

lookup = {}
kept = []
seen = 0


@adp.on_open
def begin():
    known = [p.name for p in adp.ports()]
    for output in ["columns", "rows", "latest", "facts", "sink"]:
        if output not in known:
            raise ValueError(f"the product declares no output {output}")


def counted(function):
    def count(batch):
        global seen
        seen += len(batch)
        function(batch)

    return count


@adp.on_batch("all")
@counted
def copy(batch):
    adp.emit_columns("columns", {name: batch[name] for name in batch.columns})
    for row in batch.rows():
        adp.emit("rows", row)


@adp.on_batch("lookup")
@counted
def remember(batch):
    lookup.update(zip(batch["key"], batch["value"]))


@adp.on_batch("changes")
@counted
def change(batch):
    for row in batch.rows():
        op = row.pop("_op")
        if op == "delete":
            adp.delete("latest", row)
        elif op != "update_before":
            adp.emit("latest", key=row["key"], value=row["value"])


@adp.on_batch("commands")
@counted
def carry_out(batch):
    for row in batch.rows():
        command(row["name"], row["arg"] or "")


@adp.on_flush
def end():
    for text in kept:
        answer("keep", text)
    if seen > 0:
        answer("flush", seen)


def answer(name, value):
    adp.emit("facts", name=name, value=None if value is None else str(value))


def command(name, arg):
    """Carries out one command; abi/abitest lists them."""
    first, _, text = arg.partition(" ")
    if name == "ports":
        answer(name, "; ".join(map(str, adp.ports())))
    elif name == "rebuild":
        answer(name, "true" if adp.rebuilding() else "false")
    elif name == "config":
        answer(name, adp.config(arg))
    elif name == "log":
        {"debug": adp.debug, "info": adp.info, "warn": adp.warn, "error": adp.error}[first](text)
    elif name == "clock":
        answer(name, adp.clock())
    elif name == "random":
        answer(name, adp.random(int(arg)).hex())
    elif name == "counter":
        adp.count(first, float(text))
    elif name == "gauge":
        adp.gauge(first, float(text))
    elif name == "put":
        adp.state.put(first, text)
    elif name == "get":
        answer(name, adp.state.text(first))
    elif name == "delete":
        adp.state.delete(first)
    elif name == "scan":
        answer(name, ";".join(f"{k.decode()}={v.decode()}" for k, v in adp.state.scan(first)))
    elif name == "add":
        answer(name, adp.state.add(first, int(text)))
    elif name == "fill":
        adp.state.put(first, "x" * int(text))
        answer(name, len(adp.state.get(first) or b""))
    elif name == "lookup":
        answer(name, lookup.get(arg))
    elif name == "keep":
        kept.append(arg)
    elif name == "decide":
        resource, _, purpose = text.partition(" ")
        decision = adp.decide(first, resource, purpose)
        answer(name, f"{'allow' if decision else 'deny'} {decision.reason}")
    elif name == "read":
        answer(name, ",".join(f"{r['k']}:{r['name'] or ''}" for r in adp.read("source", arg)))
    elif name == "write":
        adp.emit("sink", k=int(first), name=text if " " in arg else None)
    elif name == "upsert":
        adp.emit("latest", key=first, value=int(text) if text else None)
    elif name == "remove":
        adp.delete("latest", key=first)
    elif name in ("fail", "panic"):
        raise RuntimeError(arg)
    else:
        raise ValueError(f"unknown command {name}")
