"""Upgrade at load: a get while a window over five migrations is raised, beside one in a stable database.

Knows sites and clocks; must not know which store it is on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from ..measure import Samples, timed
from ..report import CONTROL, FLOOR, OURS
from .parcel import New, new
from .site import Site

CURRENT, OLDER = "get, head's shape", "get, 5 versions old"
_REPEATS = 200
_WARM = 2


def load(make: Callable[[], Site], records: int, rounds: int, *, waits: bool) -> Mapping[str, Mapping[str, Samples]]:
    """Measure both gets; records: of each shape. The floor is a stable database of the head, and so is the control."""
    names = (FLOOR, CONTROL, OURS)
    found = {row: {name: Samples(waits) for name in names} for row in (CURRENT, OLDER)}
    keys = {OLDER: range(records), CURRENT: range(records, 2 * records)}
    with ExitStack() as stack:
        gets = {name: _stable(stack, make(), 2 * records) for name in (FLOOR, CONTROL)}
        gets[OURS] = _raised(stack, make(), records)
        order = random.Random(7)
        for number in range(-_WARM, rounds):
            cases = [(row, name) for row in found for name in names]
            order.shuffle(cases)
            for row, name in cases:
                picked, get = order.choices(keys[row], k=_REPEATS), gets[name]
                taken = timed(lambda picked=picked, get=get: [get(key) for key in picked], _REPEATS)
                if number >= 0:
                    found[row][name].add(taken)
    return found


def _stable(stack: ExitStack, site: Site, records: int) -> Callable[[int], Any]:
    stack.callback(site.close)
    get: Callable[[int], Any] = stack.enter_context(site.filled(New, range(records))).parcel.get
    return get


def _raised(stack: ExitStack, site: Site, records: int) -> Callable[[int], Any]:
    """Give the get of a program of the head; the first half of the records is left as the base wrote it."""
    stack.callback(site.close)
    site.fill(records)
    site.raise_()
    get: Callable[[int], Any] = stack.enter_context(site.filled(New, range(records, 2 * records))).parcel.get
    for key in (0, records):
        if get(key) != new(key):
            raise RuntimeError(f"parcel {key} is not read as it should be")
    return get
