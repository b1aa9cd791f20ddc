"""`python -m benchmarks`: manystore beside hand-written code on the same driver, a second floor as control."""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from . import report
from .floor.memory import MemoryFloor
from .floor.sqlite import SQLiteFloor
from .measure import Samples, measure, timed
from .report import CONTROL, FLOOR, OURS
from .rows import ROWS, Row
from .subject import Manystore, Subject, sqlite_url
from .workload import Workload

STORES = ("sqlite", "sqlite-nofsync", "memory")
_NAMES = tuple(row.name for row in ROWS)
_TITLES = {
    "sqlite": "SQLite, durable (WAL, synchronous=FULL)",
    "sqlite-nofsync": "SQLite without fsync (synchronous=OFF): the writes alone",
    "memory": "Memory",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a bar is broken."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="manystore-bench-", dir=options.dir) as folder:
        if options.profile:
            return _profile(options, Path(folder))
        print(f"{options.rows:,} Nova instances; medians of {options.rounds} rounds, p10 beside them.")
        print("Processor time; the wall's clock where a write waits for the disk.")
        print(f"A ratio is to the floor; the control is an identical second floor. The bar is {report.BAR}.")
        held = [_store(name, options, Path(folder)) for name in options.store or STORES]
    print("\nEvery bar holds." if all(held) else "\nA bar is broken.")
    return 0 if all(held) or options.quick else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--store", action="append", choices=STORES, help="only this one; may come again")
    parser.add_argument("--row", action="append", choices=_NAMES, help="only this row; may come again")
    parser.add_argument("--rows", type=int, help="records stored beforehand (10,000; quick: 2,000)")
    parser.add_argument("--rounds", type=int, help="samples of a row (30; quick: 6)")
    parser.add_argument("--quick", action="store_true", help="a look, not a measurement; never fails")
    parser.add_argument("--profile", metavar="ROW", choices=_NAMES, help="cProfile of manystore's part")
    parser.add_argument("--dir", help="where the database files go (the system's temporary folder)")
    options = parser.parse_args(arguments)
    options.rows = options.rows or (2_000 if options.quick else 10_000)
    options.rounds = options.rounds or (6 if options.quick else 30)
    if options.rows < 400:
        parser.error("--rows: at least 400")
    return options


class _Makers:
    """Makes subjects of one store, each on a database of its own."""

    def __init__(self, store: str, folder: Path) -> None:
        self._store, self._folder, self._made = store, folder, 0

    def of(self, name: str) -> Callable[[], Subject]:
        return lambda: self._make(name)

    def _make(self, name: str) -> Subject:
        self._made += 1
        file, durable = f"{self._store}-{self._made}", self._store == "sqlite"
        if self._store == "memory":
            return Manystore("memory://") if name == OURS else MemoryFloor()
        if name == OURS:
            return Manystore(sqlite_url(self._folder, file, durable=durable))
        return SQLiteFloor(self._folder, file, durable=durable)


def _store(store: str, options: argparse.Namespace, folder: Path) -> bool:
    makers, names = _Makers(store, folder), (FLOOR, CONTROL, OURS)
    subjects = {name: makers.of(name)() for name in names}
    for subject in subjects.values():
        subject.create_all(Workload(options.rows).instances(options.rows))
    rows = [r for r in ROWS if (not options.row or r.name in options.row) and (r.writes or store != "sqlite-nofsync")]
    workload = Workload(options.rows, seed=12)
    found = measure(
        rows, subjects, {n: makers.of(n) for n in names}, workload, options.rounds, durable=store == "sqlite"
    )
    print(report.header(_TITLES[store]))
    held = True
    for row in rows:
        text, holds = report.row(row.name, found[row.name])
        print(text, flush=True)
        held &= holds
    if store == "sqlite" and any(row.name == "get" for row in rows):
        held &= _above_the_plan(subjects, workload, options)
    for subject in subjects.values():
        subject.close()
    return held


def _above_the_plan(subjects: dict[str, Subject], workload: Workload, options: argparse.Namespace) -> bool:
    """Compare get with the bare statement that manystore itself keeps for it, run and loaded by hand."""
    ours = subjects[OURS]
    assert isinstance(ours, Manystore)
    bare_get = ours.bare_get()
    bare, whole, repeats = Samples(), Samples(), 200
    for _ in range(options.rounds):
        keys = workload.keys(repeats)
        bare.values.append(timed(lambda keys=keys: [bare_get(key) for key in keys], repeats))
        whole.values.append(timed(lambda keys=keys: [ours.get(key) for key in keys], repeats))
    text, holds = report.above_the_plan(bare, whole)
    print(text)
    return holds


def _profile(options: argparse.Namespace, folder: Path) -> int:
    store = (options.store or ["sqlite-nofsync"])[0]
    subject = _Makers(store, folder).of(OURS)()
    subject.create_all(Workload(options.rows).instances(options.rows))
    row: Row = next(r for r in ROWS if r.name == options.profile)
    workload, profile = Workload(options.rows, seed=12), cProfile.Profile()
    for number in range(options.rounds // row.share + 1):
        target = _Makers(store, folder / str(number)).of(OURS)() if row.fresh and store == "memory" else subject
        run = row.prepare(target, workload, row.repeats)
        if number:  # the first round compiles the plans
            profile.runcall(run)
    pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(30)
    subject.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
