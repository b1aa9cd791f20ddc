"""A collection whose records were written by programs of two versions, on the way through a window, and its whole twin.

The twin holds what the programs of one version are to see, upgraded or as it ever was, in a database of that version's
own, with no window: a query must be answered by both alike. What that is the oracle says (lens_oracle.py).
"""

from __future__ import annotations

import time
from contextlib import suppress
from random import Random
from typing import Any

from manystore import Conflict, Database, Duplicate, Pinned
from manystore.query.plan import CATALOG
from manystore.schema.operation import Sweep
from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.testing.lens_oracle import Act, Oracle, State
from manystore.testing.provision import Place
from manystore.testing.window_deployer import Deployer
from manystore.testing.window_kind import BASE, COLLECTION, HEAD, Kind, revision_of
from manystore.testing.window_kinds import all_kinds
from manystore.testing.window_verdict import Moments

KINDS: dict[str, Kind] = {kind.name: kind for kind in all_kinds() if not kind.is_copied and not kind.sides[HEAD].refers}
"""The kinds of window in which a filter meets records of both versions, and each record stands for itself."""
STAGES = ("open", "half swept")
SIDES = {"building": (BASE, HEAD), "open": (BASE, HEAD), "half swept": (HEAD,)}
"""Who is at work at each stage; at the first, indexes are still building."""
_FIRST, _MORE, _LAST = 8, 30, 10  # writes before the window, while it is open, and once it is raised
_KEYS = range(1, 25)


class _Reached(Exception):
    """The deployer is as far as it was to go."""


class Mixture:
    """The records, at a stage of a window. seed: of what was written."""

    def __init__(self, place: Place, kind: Kind, stage: str, seed: int) -> None:
        self._place = place
        self._kind = kind
        self._random = Random(f"{kind.name} {stage} {seed}")
        self._oracle = Oracle(kind.groups)
        self._states: dict[int, State] = {}
        self._store = open_store(parse_url(place.url, place.prefix), wait=time.sleep)  # noqa: TID251 - a real one
        try:
            self._make(stage)
        finally:
            self._store.close()

    def _make(self, stage: str) -> None:
        base = self._place.connect(self._kind.sides[BASE].database)
        for _ in range(_FIRST):
            self._write(base, BASE)
        self._lead_to("open", is_built=stage != "building")
        self.programs: dict[str, Any] = {BASE: base, HEAD: self._place.connect(self._kind.sides[HEAD].database)}
        for _ in range(_MORE):
            side = self._random.choice((BASE, HEAD))
            self._write(self.programs[side], side)
        if stage == "half swept":
            self._raise()

    def _raise(self) -> None:
        self._lead_to("raised")
        del self.programs[BASE]
        self._states = {key: self._oracle.raised(state) for key, state in self._states.items()}
        for _ in range(_LAST):
            self._write(self.programs[HEAD], HEAD)
        self._sweep(len(self._states) // 2)

    # -- the window --

    def _lead_to(self, phase: str, *, is_built: bool = True) -> None:
        def stop(now: str) -> None:
            indexes = self._store.read(CATALOG, (), epoch="").rows[0].indexes
            if now == phase and not (is_built and "building" in indexes.values() and phase == "open"):
                raise _Reached

        with suppress(_Reached):
            self._deployer(stop).lead(self._store, time.sleep)  # noqa: TID251 - a real one

    def _deployer(self, stop: Any) -> Deployer:
        return Deployer(self._kind, Moments(), time.monotonic, stop)

    def _sweep(self, number: int) -> None:
        catalog = self._store.read(CATALOG, (), epoch="").rows[0]
        deployer = self._deployer(lambda _: None)
        lift = deployer.passage(self._store, catalog).lift(COLLECTION)
        if lift is not None:
            many = lift.many if number % 2 else None
            self._store.alter(Sweep(catalog.epoch, COLLECTION, lift.one, None, number, many))

    # -- the records --

    def _write(self, db: Any, side: str) -> None:
        """Make a record or change some of it, as one version's program, and have the oracle do the same."""
        version, key = self._kind.sides[side], self._random.choice(_KEYS)
        pools = version.pools
        before = self._states.get(key, State(is_raised=any(s.is_raised for s in self._states.values())))
        if before.is_there:
            values = self._oracle.view(side, before)
            for name in self._random.sample(list(pools), self._random.randint(1, len(pools))):
                values[name] = self._random.choice(pools[name])
        else:
            values = {name: self._random.choice(pool) for name, pool in pools.items()}
        try:
            if before.is_there:
                record = db.thing.get(key)
                for name, value in values.items():
                    setattr(record, name, value)
                db.thing.save(record)
            else:
                record = db.thing.create(version.model(id=key, **values))
        except (Pinned, Duplicate, Conflict):
            return
        revision = revision_of(record)
        what, expected = ("save", before.revision) if before.is_there else ("create", None)
        act = Act(what, side, 0, 0, values, revision, expected)
        after = self._oracle.after(act, before, frozenset())
        if after is None:
            raise AssertionError(f"the base cannot hold {values}, but took it")
        self._states[key] = after

    def twin(self, side: str, elsewhere: Place) -> Database:
        """Fill a database of one version with what its programs are to see."""
        version = self._kind.sides[side]
        db: Any = elsewhere.connect(version.database)
        for key, state in self._states.items():
            db.thing.create(version.model(id=key, **self._oracle.view(side, state)))
        made: Database = db
        return made
