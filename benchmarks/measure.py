"""Timing: all that is compared runs interleaved, in a new order each round, so that a slow moment hits everybody.

Where nothing is waited for, processor time is what counts: it does not grow when other programs want the processor too.
Where a disk or a server is waited for, the wall's clock counts, and this process's processor time stands beside it.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .rows import Row
from .subject import Subject
from .workload import Workload

_LEAST = 2  # rounds, however long they take


class Series:
    """Microseconds an operation, one number a round."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values = sorted(values)

    @property
    def median(self) -> float:
        return statistics.median(self._values)

    @property
    def p10(self) -> float:
        return self._values[len(self._values) // 10]


@dataclass(slots=True)
class Samples:
    """What one subject took for one row. waits: for a disk or a server, so that the wall's clock counts."""

    waits: bool = False
    walls: list[float] = field(default_factory=list[float])
    processor: list[float] = field(default_factory=list[float])

    def add(self, taken: tuple[float, float]) -> None:
        """Take one sample: by the wall's clock, and of the processor."""
        self.walls.append(taken[0])
        self.processor.append(taken[1])

    @property
    def counted(self) -> Series:
        """What counts."""
        return Series(self.walls if self.waits else self.processor)

    @property
    def client(self) -> Series:
        """The processor time of this process, its driver's threads included."""
        return Series(self.processor)


def timed(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Give the microseconds that one of the repeats took: by the wall's clock, and of the processor."""
    gc.collect()
    wall, processor = time.perf_counter_ns(), time.process_time_ns()
    run()
    processor = time.process_time_ns() - processor
    return (time.perf_counter_ns() - wall) / 1000 / repeats, processor / 1000 / repeats


def measure(
    rows: Sequence[Row],
    subjects: Mapping[str, Subject],
    fresh: Mapping[str, Callable[[], Subject]],
    workload: Workload,
    found: Mapping[str, Mapping[str, Samples]],
    limits: tuple[int, float],
) -> None:
    """Measure every row on every subject into found; limits: rounds, and the seconds after which no other begins."""
    rounds, seconds = limits
    order, began = random.Random(7), time.monotonic()
    gc.collect()
    gc.freeze()  # what fills the memory stores is not walked again by each collection
    for number in range(-1, rounds):  # the round before the first one warms up what is not fresh each time
        if number >= _LEAST and time.monotonic() - began > seconds:
            break
        due = [row for row in rows if (not row.fresh if number < 0 else number % row.share == 0)]
        cases = [(row, name) for row in due for name in subjects]
        order.shuffle(cases)
        for row, name in cases:
            subject = fresh[name]() if row.fresh else subjects[name]
            taken = timed(row.prepare(subject, workload, row.repeats), row.repeats)
            if row.fresh:
                subject.close()
            if number >= 0:
                found[row.name][name].add(taken)
    gc.unfreeze()
