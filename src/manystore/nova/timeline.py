"""A trace as events in the order of time, and what those ask of a plane at the most.

Knows rows; must not know the database. Everything here is the same on each run, so a replay can go on by event number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple, TypeVar

from .trace import Row

K = TypeVar("K")

REPORT_SECONDS = 300
_START = datetime(2011, 11, 11, tzinfo=UTC)


class Kind(IntEnum):
    """What happens. At one time it happens in this order: room is made before it is asked for."""

    REPORT = 0
    END = 1
    ARRIVAL = 2
    END_AT_ONCE = 3  # of an instance that arrived at the same time


class Event(NamedTuple):
    """Something that happens. number: of the row; of a report, how many there were before it."""

    time: int
    kind: Kind
    number: int


class TraceClock:
    """The clock of a replay: it stands still while an event is worked on."""

    def __init__(self) -> None:
        self._now = _START

    def __call__(self) -> datetime:
        """Tell the time."""
        return self._now

    def set(self, seconds: int) -> None:
        """Put the clock to a time of the trace."""
        self._now = _START + timedelta(seconds=seconds)


def timeline(rows: Sequence[Row]) -> list[Event]:
    """Put arrivals, ends and reports in order."""
    events = [Event(row.arrival, Kind.ARRIVAL, row.number) for row in rows]
    for row in rows:
        if row.lifetime is not None:
            kind = Kind.END if row.lifetime else Kind.END_AT_ONCE
            events.append(Event(row.arrival + row.lifetime, kind, row.number))
    last = max(event.time for event in events)
    reports = range(REPORT_SECONDS, last + 1, REPORT_SECONDS)
    events += [Event(time, Kind.REPORT, number) for number, time in enumerate(reports)]
    events.sort()
    return events


@dataclass(slots=True)
class Demand:
    """What runs at once at the most: instances, vcpus and memory, each at its own peak."""

    instances: int = 0
    vcpus: int = 0
    memory_mb: int = 0


def peak(rows: Sequence[Row], events: Sequence[Event]) -> Demand:
    """Find the most that all instances use together."""
    return peaks(rows, events, [0] * len(rows))[0]


def peaks(rows: Sequence[Row], events: Sequence[Event], groups: Sequence[int]) -> dict[int, Demand]:
    """Find the most that each group of rows uses at once. groups: the group of each row."""
    used: dict[str, Counter[int]] = {name: Counter() for name in ("instances", "vcpus", "memory_mb")}
    found: dict[int, Demand] = {group: Demand() for group in groups}
    for event in events:
        if event.kind is Kind.REPORT:
            continue
        row, group = rows[event.number], groups[event.number]
        sign, most = (1 if event.kind is Kind.ARRIVAL else -1), found[group]
        for name, amount in (("instances", 1), ("vcpus", row.vcpus), ("memory_mb", row.memory_mb)):
            used[name][group] += sign * amount
            if used[name][group] > getattr(most, name):
                setattr(most, name, used[name][group])
    return found


def highest(rows: Sequence[Row], events: Sequence[Event], takes: Callable[[Row], Mapping[K, int]]) -> Counter[K]:
    """Find the most of each thing that is used at once. takes: what a row's instance uses while it lives."""
    used: Counter[K] = Counter()
    most: Counter[K] = Counter()
    for event in events:
        if event.kind is not Kind.REPORT:
            sign = 1 if event.kind is Kind.ARRIVAL else -1
            for thing, amount in takes(rows[event.number]).items():
                used[thing] += sign * amount
                most[thing] = max(most[thing], used[thing])
    return most
