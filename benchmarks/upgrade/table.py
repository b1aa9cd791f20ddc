"""The table of what migrations cost on each store, and whether its bars hold."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import report
from ..measure import Samples
from ..report import FLOOR, OURS
from ..target import TARGETS, Target
from .epoch import epoch_check
from .load import CURRENT, OLDER, load
from .nullable import nullable
from .site import Site
from .sweep import sweep

CHECKED, SWEPT = "save, epoch checked", "sweep, a record"
BARS = {CURRENT: 1.2, OLDER: 2.0, CHECKED: 1.05, SWEPT: 2.0}
SECONDS = 1.0  # of a nullable field, however many records there are
_SWEEPS = 3  # each needs a database filled anew
_SWEEPABLE, _GIVEN = 20_000, 1_000_000
_FEWER = {"zookeeper": (5_000, 50_000), "etcd": (10_000, 100_000)}  # where filling takes long: swept, given a field
_QUICK = (400, 1_000)

STORES = tuple(name for name, target in TARGETS.items() if target.is_durable is not True)
"""What is measured unless others are named: there is no disk to hide behind."""


def table(targets: Sequence[Target], options: argparse.Namespace, folder: Path) -> bool:
    """Print one table a store; tell whether all bars hold."""
    print("Parcels of 12 fields, two indexes, a unique, in a window over five migrations: rename, constant, cast of an")
    print(
        "indexed field, split, computed field; raised, and not swept. Floors: a get in a stable database of the head;"
    )
    print("rewriting by hand on the same driver, in pages of 1,000; the step of a save without the epoch.")
    bars = ", ".join(f"{name} {bar}" for name, bar in BARS.items())
    print(f"Bars: {bars}; a nullable field {SECONDS:.0f} s.")
    held = [_store(target, options, folder) for target in targets]
    return all(held)


def _store(target: Target, options: argparse.Namespace, folder: Path) -> bool:
    swept, given = _QUICK if options.quick else _FEWER.get(target.store, (_SWEEPABLE, _GIVEN))
    swept, given, stored = options.records or swept, options.records or given, 200 if options.quick else 1000
    reads, writes = target.waits_for(writes=False), target.waits_for(writes=True)
    with target.opened(folder) as makers:

        def make() -> Site:
            return Site(*makers.place())

        print(report.header(target.title.removesuffix(": the writes alone"), waits=reads or writes))
        found = dict(load(make, stored, options.rounds, waits=reads))
        found[CHECKED] = epoch_check(make(), stored, options.rounds, waits=writes)
        held = _rows(found)
        rewritten = sweep(target, make, swept, 1 if options.quick else _SWEEPS)
        held &= _rows({SWEPT: rewritten})
        rates = [f"{1e6 / rewritten[name].counted.median:,.0f}" for name in (FLOOR, OURS)]
        print(f"    of {swept:,} records, {rates[0]} a second by hand, {rates[1]} by the sweep")
        seconds = nullable(make(), given)
    mark = "" if seconds <= SECONDS else f"  <-- over {SECONDS:.0f} s"
    print(f"a nullable field for {given:,} records: {seconds:.2f} s{mark}", flush=True)
    return held and seconds <= SECONDS


def _rows(found: Mapping[str, Mapping[str, Samples]]) -> bool:
    held = True
    for name, samples in found.items():
        text, holds = report.row(name, samples, BARS[name])
        print(text, flush=True)
        held &= holds
    return held
