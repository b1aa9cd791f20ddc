"""`python -m benchmarks`: manystore beside hand-written code on the same driver, a second floor as control."""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from . import replay, report
from .measure import Samples, measure, timed
from .report import CONTROL, FLOOR, OURS
from .rows import ROWS, Row
from .subject import Manystore, Subject
from .target import TARGETS, Target
from .upgrade import table as upgrade
from .workload import Workload

_NAMES = tuple(row.name for row in ROWS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a bar is broken."""
    options = _parse(arguments)
    targets = [TARGETS[name] for name in options.store or (upgrade.STORES if options.upgrade else TARGETS)]
    with tempfile.TemporaryDirectory(prefix="manystore-bench-", dir=options.dir) as folder:
        if options.profile:
            return _profile(options, targets[0], Path(folder))
        print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}.")
        if options.replay:
            replay.table(targets, options.limit, Path(folder))
            return 0
        if options.upgrade:
            return _verdict(upgrade.table(targets, options, Path(folder)), options)
        print(f"{options.rows:,} Nova instances; medians of {options.rounds} rounds at most, p10 beside them.")
        print("Processor time; the wall's clock where a server or the disk is waited for, and the client's cpu beside.")
        print(f"A ratio is to the floor; the control is an identical second floor. The bar is {report.BAR}.")
        held = [_store(target, options, Path(folder)) for target in targets]
    return _verdict(all(held), options)


def _verdict(held: bool, options: argparse.Namespace) -> int:
    print("\nEvery bar holds." if held else "\nA bar is broken.")
    return 0 if held or options.quick else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--store", action="append", choices=tuple(TARGETS), help="only this one; may come again")
    parser.add_argument("--row", action="append", choices=_NAMES, help="only this row; may come again")
    parser.add_argument("--rows", type=int, help="records stored beforehand (10,000; quick: 1,000)")
    parser.add_argument("--rounds", type=int, help="samples of a row at most (30; quick: 3)")
    parser.add_argument("--seconds", type=float, help="no further round of a store after these (15; quick: 2)")
    parser.add_argument("--quick", action="store_true", help="a look, not a measurement; never fails")
    parser.add_argument("--profile", metavar="ROW", choices=_NAMES, help="cProfile of manystore's part")
    parser.add_argument("--replay", action="store_true", help="virtual machines a second of `manystore nova replay`")
    parser.add_argument("--limit", type=int, default=300, help="virtual machines of a replay (300)")
    parser.add_argument("--upgrade", action="store_true", help="what migrations cost, rather than what a call does")
    parser.add_argument("--records", type=int, help="of an --upgrade: how many are swept, and given a field")
    parser.add_argument("--dir", help="where the database files go (the system's temporary folder)")
    options = parser.parse_args(arguments)
    options.rows = options.rows or (1_000 if options.quick else 10_000)
    options.rounds = options.rounds or (3 if options.quick else 30)
    options.seconds = options.seconds or (2 if options.quick else 15)
    if options.rows < 400:
        parser.error("--rows: at least 400")
    return options


def _store(target: Target, options: argparse.Namespace, folder: Path) -> bool:
    only_writes = target.is_durable is False
    rows = [r for r in ROWS if (not options.row or r.name in options.row) and (r.writes or not only_writes)]
    with target.opened(folder) as makers:
        names = (FLOOR, CONTROL, OURS)
        subjects = {name: makers.make(name) for name in names}
        for subject in subjects.values():
            subject.create_all(Workload(options.rows).instances(options.rows))
        workload = Workload(options.rows, seed=12)
        found = {row.name: {name: Samples(target.waits(row)) for name in names} for row in rows}
        fresh = {name: makers.of(name) for name in names}
        measure(rows, subjects, fresh, workload, found, (options.rounds, options.seconds))
        print(report.header(target.title, waits=any(target.waits(row) for row in rows)))
        held = True
        for row in rows:
            text, holds = report.row(row.name, found[row.name])
            print(text, flush=True)
            held &= holds
        if target.name == "sqlite" and any(row.name == "get" for row in rows):
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
        bare.add(timed(lambda keys=keys: [bare_get(key) for key in keys], repeats))
        whole.add(timed(lambda keys=keys: [ours.get(key) for key in keys], repeats))
    text, holds = report.above_the_plan(bare, whole)
    print(text)
    return holds


def _profile(options: argparse.Namespace, target: Target, folder: Path) -> int:
    row: Row = next(r for r in ROWS if r.name == options.profile)
    workload, profile = Workload(options.rows, seed=12), cProfile.Profile()
    with target.opened(folder) as makers:
        subject = makers.make(OURS)
        subject.create_all(Workload(options.rows).instances(options.rows))
        for number in range(options.rounds // row.share + 1):
            run = row.prepare(makers.make(OURS) if row.fresh else subject, workload, row.repeats)
            if number:  # the first round compiles the plans
                profile.runcall(run)
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(30)
        subject.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
