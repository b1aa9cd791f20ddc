"""Timing: all that is compared runs interleaved, in a new order each round, so that a slow moment hits everybody.

Where nothing waits for a disk, processor time is taken: it does not grow when other programs want the processor too.
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


@dataclass(slots=True)
class Samples:
    """Microseconds an operation, one number a round."""

    values: list[float] = field(default_factory=list[float])

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p10(self) -> float:
        return sorted(self.values)[len(self.values) // 10]


def timed(run: Callable[[], object], repeats: int, *, waits: bool = False) -> float:
    """Give the microseconds that one of the repeats took; waits: for a disk, so that the wall's clock counts."""
    clock = time.perf_counter_ns if waits else time.thread_time_ns
    gc.collect()
    started = clock()
    run()
    return (clock() - started) / 1000 / repeats


def measure(
    rows: Sequence[Row],
    subjects: Mapping[str, Subject],
    fresh: Mapping[str, Callable[[], Subject]],
    workload: Workload,
    rounds: int,
    *,
    durable: bool,
) -> dict[str, dict[str, Samples]]:
    """Measure every row on every subject; give the samples by row and subject."""
    found = {row.name: {name: Samples() for name in subjects} for row in rows}
    order = random.Random(7)
    gc.collect()
    gc.freeze()  # what fills the memory stores is not walked again by each collection
    for number in range(-1, rounds):  # the round before the first one warms up
        cases = [(row, name) for row in rows for name in subjects if number < 0 or number % row.share == 0]
        order.shuffle(cases)
        for row, name in cases:
            subject = fresh[name]() if row.fresh else subjects[name]
            taken = timed(row.prepare(subject, workload, row.repeats), row.repeats, waits=row.writes and durable)
            if row.fresh:
                subject.close()
            if number >= 0:
                found[row.name][name].values.append(taken)
    gc.unfreeze()
    return found
