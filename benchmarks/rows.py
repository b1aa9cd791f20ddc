"""The rows of the table: what is prepared unseen by the clock, and what is timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .subject import Subject
from .workload import Workload, touch

Timed: TypeAlias = Callable[[], object]
Prepare: TypeAlias = Callable[[Subject, Workload, int], Timed]


@dataclass(frozen=True, slots=True)
class Row:
    """prepare(subject, workload, repeats) gives the call to time; it does the row's work `repeats` times."""

    name: str
    repeats: int
    prepare: Prepare
    writes: bool = False
    fresh: bool = False  # wants an empty database each time
    share: int = 1  # one round in so many takes part: a slow row needs fewer


def _get(subject: Subject, workload: Workload, repeats: int) -> Timed:
    keys, get = workload.keys(repeats), subject.get

    def run() -> None:
        for key in keys:
            get(key)

    return run


def _find(subject: Subject, workload: Workload, repeats: int) -> Timed:
    projects, find = [workload.project() for _ in range(repeats)], subject.find

    def run() -> None:
        for project in projects:
            find(project)

    return run


def _create(subject: Subject, workload: Workload, repeats: int) -> Timed:
    records, create = workload.instances(repeats), subject.create

    def run() -> None:
        for record in records:
            create(record)

    return run


def _save(subject: Subject, workload: Workload, repeats: int) -> Timed:
    records, save = [subject.get(key) for key in workload.keys(repeats)], subject.save
    for record in records:
        touch(record)

    def run() -> None:
        for record in records:
            save(record)

    return run


def _create_all(subject: Subject, workload: Workload, repeats: int) -> Timed:
    records = workload.instances(min(5000, workload.rows))
    return lambda: subject.create_all(records)


def _list(subject: Subject, workload: Workload, repeats: int) -> Timed:
    return lambda: subject.list(workload.rows)


def _transaction(subject: Subject, workload: Workload, repeats: int) -> Timed:
    steps = []
    keys = workload.keys(8 * repeats)
    for start in range(0, 8 * repeats, 8):
        saved = [subject.get(key) for key in keys[start : start + 5]]
        for record in saved:
            touch(record)
        steps.append((keys[start + 5 : start + 8], saved))

    def run() -> None:
        for read, records in steps:
            subject.transaction(read, records)

    return run


ROWS = (
    Row("get", 200, _get),
    Row("find 100", 10, _find),
    Row("list", 1, _list, share=3),
    Row("create", 40, _create, writes=True),
    Row("save", 40, _save, writes=True),
    Row("create_all", 1, _create_all, writes=True, fresh=True, share=5),
    Row("transaction of 5", 15, _transaction, writes=True),
)
