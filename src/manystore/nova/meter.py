"""How often each operation ran, how long it took, and how often it went to the store and back."""

from __future__ import annotations

import time
from array import array
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from manystore import Call


@dataclass(frozen=True, slots=True)
class Figures:
    """What the meter tells of one operation. round_trips: on the mean."""

    operation: str
    count: int
    p50_ms: float
    p99_ms: float
    round_trips: float


class Meter:
    """Measures operations; `on_call` is the hook for connect()."""

    def __init__(self) -> None:
        self._seconds: dict[str, array[float]] = {}
        self._trips: dict[str, int] = {}
        self._open_trips = 0

    def on_call(self, call: Call) -> None:
        """Count the round trips of a call of the store."""
        self._open_trips += call.round_trips

    @contextmanager
    def measure(self, operation: str) -> Generator[None]:
        """Measure one operation, also one that is refused."""
        self._open_trips = 0
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds.setdefault(operation, array("d")).append(time.perf_counter() - began)
            self._trips[operation] = self._trips.get(operation, 0) + self._open_trips

    def add(self, other: Meter) -> None:
        """Take in what another meter measured."""
        for name, seconds in other._seconds.items():
            self._seconds.setdefault(name, array("d")).extend(seconds)
            self._trips[name] = self._trips.get(name, 0) + other._trips[name]

    def figures(self) -> list[Figures]:
        """Give the figures of each operation, by name."""
        return [
            Figures(
                operation=name,
                count=len(seconds),
                p50_ms=_percentile(seconds, 50),
                p99_ms=_percentile(seconds, 99),
                round_trips=round(self._trips[name] / len(seconds), 2),
            )
            for name, seconds in sorted(self._seconds.items())
        ]


def _percentile(seconds: array[float], percent: int) -> float:
    """Give a percentile in milliseconds: the smallest value that so many percent do not pass."""
    ordered = sorted(seconds)
    place = -(-len(ordered) * percent // 100) - 1
    return round(ordered[place] * 1000, 3)
