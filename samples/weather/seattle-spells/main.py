"""Spells of weather in Seattle: days in a row that were alike."""

from datetime import timedelta
from itertools import groupby

import adp

LEAST = 5  # days
DAY = timedelta(days=1)

days = []  # every run begins with none


@adp.on_batch("days")
def collect(batch):
    days.extend(zip(batch["date"], batch["weather"], batch["precipitation_mm"], batch["temp_max_c"]))


@adp.on_flush
def tell():
    # Days that follow each other have the same distance to their place in the list: a day that is missing ends a spell.
    days.sort()
    alike = groupby(enumerate(days), key=lambda at: (at[1][1], at[1][0] - at[0] * DAY))
    for (weather, _), spell in alike:
        spell = [day for _, day in spell]
        if weather is None or len(spell) < LEAST:
            continue
        first, last = spell[0][0], spell[-1][0]
        highs = [high for _, _, _, high in spell if high is not None]
        adp.emit(
            "spells",
            begin=first,
            end=last,
            days=len(spell),
            weather=weather,
            precipitation_mm=round(sum(mm or 0 for _, _, mm, _ in spell), 1),
            warmest_c=max(highs, default=None),
        )
