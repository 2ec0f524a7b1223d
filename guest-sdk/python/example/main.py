"""A small product: what bird strikes cost each airport, kept up to date as strikes are reported. guest-sdk/go/example is the same
product in Go."""

import datetime

import adp

airports = {}
touched = set()
minimum = 0


@adp.on_open
def begin():
    global minimum
    airports.clear()
    touched.clear()
    minimum = adp.setting("minimum_cost", 0)


@adp.on_row("airports")
def know(airport):
    airports[airport["code"]] = airport


@adp.on_row("strikes")
def count(strike):
    airport, cost = strike["airport"], strike["cost"] or 0
    if cost < minimum:
        adp.count("strikes_ignored")
        return
    adp.state.add(f"strikes/{airport}", 1)
    adp.state.add(f"cost/{airport}", cost)
    last = adp.state.text(f"last/{airport}")
    if last is None or last < strike["date"].isoformat():
        adp.state.put(f"last/{airport}", strike["date"].isoformat())
    touched.add(airport)


@adp.on_flush
def report():
    for code in sorted(touched):
        airport = airports.get(code, {})
        adp.emit(
            "risk",
            airport=code,
            name=airport.get("name"),
            city=airport.get("city"),
            strikes=adp.state.add(f"strikes/{code}", 0),
            cost=adp.state.add(f"cost/{code}", 0),
            last=datetime.date.fromisoformat(adp.state.text(f"last/{code}")),
        )
    adp.info(f"airports touched: {len(touched)}")
