"""A history: programs of two versions and a deployer on one store, interleaved call by call, killed and put to sleep.

    history = History(kind, url, seed=7)
    assert history.run() == []

On a store in this process or in a file the same seed gives the same history. Knows the scheduler and the way through a
window; what is right is told by window_verdict.py.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import msgspec

from manystore import Database, ManystoreError, MigrationRefused, SchemaMismatch
from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase
from manystore.schema.schema import Schema
from manystore.schema.system import SYSTEM
from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.testing import consistency
from manystore.testing.pacing import Pace
from manystore.testing.scheduler import Killed, Scheduler
from manystore.testing.window_deployer import Deployer
from manystore.testing.window_kind import BASE, HEAD, Kind, Side
from manystore.testing.window_program import ENDS, KEYS, Notes, Program, Refusal
from manystore.testing.window_verdict import Moments, counted, verdict

_PROGRAM_DIES, _DEPLOYER_DIES, _SLEEPS = 0.01, 0.02, 0.01
_SECRET = "5e" * 16
_ACTS = 14  # of each program
_TURNS = (0, 0, 0, 1, 1, 2)  # how often the window is dropped and opened again
_STAYS = 0.5  # how often a window that cannot be built stays open, for whoever mends the records
_LONGEST = {"stable": 6, "open": 24, "dropped": 6, "raised": 9, "swept": 6}
"""How many acts of all programs a phase may wait for."""


class History:
    """One history. remote: the store has servers that let a caller wait for another."""

    def __init__(self, kind: Kind, url: str, seed: int, *, prefix: str = "", remote: bool = False) -> None:
        self.kind = kind
        self.notes = Notes()
        self.moments = Moments()
        self.seen: Counter[str] = Counter()
        self.is_refused = False
        self._url, self._prefix = url, prefix
        self._seed = seed
        self._random = Random(f"{seed} {kind.name}")
        self._scheduler = Scheduler(seed, 0.02 if remote else None)
        self._pace = Pace(self._scheduler, self._sleep)
        self._is_deployed = False
        self._numbers = itertools.count()
        self._clock: Callable[[], float] = lambda: float(next(self._numbers))
        self._deployer = Deployer(
            kind,
            self.moments,
            self._clock,
            self._let_others_work,
            turns=self._random.choice(_TURNS),
            is_due=self._is_turn_due,
        )

    def run(self) -> list[str]:
        """Let it happen; give what should not have been."""
        random = self._random
        with self._paced():
            keeper = self._made()  # a store in memory lives as long as somebody has it open
            try:
                first = Program(self.kind, BASE, random, self._clock, self.notes)
                for key in random.sample(KEYS, random.randint(1, 4)):
                    first.create(keeper.thing, key)
                for number, side in enumerate([BASE] * random.randint(1, 3) + [HEAD] * random.randint(1, 3)):
                    self._begin(f"{side} {number}", side)
                self._scheduler.begin("deployer", self._deploy, _DEPLOYER_DIES)
                self._scheduler.run()
                if self._deployer.phase != "stable":  # else the window was never opened, or was dropped
                    self._last_look(HEAD)
                if self.is_refused:
                    self._last_look(BASE)
            finally:
                keeper.close()
        for name, number in counted(self.notes):
            self.seen[name] += number
        return verdict(self.kind, self.notes, self.moments)

    def _made(self) -> Any:
        """Make the database and connect; all histories have one secret, so that ways through windows are made once."""
        first = Catalog.first(Schema.of([self.kind.sides[BASE].model], SYSTEM))
        store = open_store(parse_url(self._url, self._prefix), wait=self._pace.wait)
        try:
            store.alter(CreateDatabase(msgspec.structs.replace(first, secret=_SECRET)))
            return self._connect(BASE)
        finally:
            store.close()

    @property
    def _phase(self) -> int:
        return self._deployer.reached

    # -- programs --

    def _begin(self, name: str, side: str) -> None:
        random = Random(f"{self._seed} {self.kind.name} {name}")
        program = Program(self.kind, side, random, self._clock, self.notes)

        def work() -> None:
            left = _ACTS
            while left:
                db = None
                try:
                    db = self._connected(side)
                    while db is not None and left:
                        left -= 1
                        program.act(db)
                        self._pace.step()
                    if db is not None:
                        db.close()
                        db = None
                    left = 0
                except Killed:
                    self.seen["killed"] += 1
                except ManystoreError as error:
                    if type(error).__name__ not in ENDS:
                        raise
                    if type(error) is not SchemaMismatch:  # else the window was dropped, and may be opened again
                        left = 0
                finally:
                    self._pace.bury()
                    if db is not None:
                        db._engine.store.close()  # noqa: SLF001 - no more than the operating system does for it

        self._scheduler.begin(name, work, _PROGRAM_DIES)

    def _connected(self, side: str) -> Any:
        """Connect, once that is possible; None when it no longer is."""
        while True:
            begin = self._clock()
            try:
                return self._connect(side)
            except ManystoreError as error:
                name = type(error).__name__
                self.notes.refusals.append(Refusal(side, "connect", name, begin, self._clock(), said=str(error)))
                if name != "SchemaMismatch" or self._is_deployed:
                    return None
            was = self._phase
            self._scheduler.pause(until=lambda: self._phase > was or self._is_deployed)  # noqa: B023 - asked now

    def _connect(self, side: str) -> Any:
        database = self.kind.sides[side].database
        return database.connect(self._url, prefix=self._prefix, wait=self._pace.wait)

    def _sleep(self) -> Any:
        """Say for how long a program sleeps here, if it does."""
        actor = self._scheduler.actor
        if actor is None or actor.name == "deployer" or self._scheduler.random.random() >= _SLEEPS:
            return None
        until = self._phase + self._scheduler.random.randint(1, 3)
        self.seen["slept"] += 1
        return lambda: self._phase >= until or self._is_deployed

    # -- the deployer --

    def _deploy(self) -> None:
        """Go through the phases; after a death on from what is stored."""
        while not self._is_deployed:
            store = None
            try:
                store = open_store(parse_url(self._url, self._prefix), wait=self._pace.wait)
                self._pace.put_on(store)
                self._deployer.lead(store, self._pace.wait)
                self._is_deployed = True
            except Killed:
                self.seen["deployer killed"] += 1
            except MigrationRefused as reason:
                if not self.kind.may_refuse:
                    self.notes.faults.append(f"the deployer was refused: {reason}")
                self.seen["refused"] += 1
                self.is_refused = True
                if self._random.random() < _STAYS:
                    self._is_deployed = True
                else:
                    self._deployer.retreat()
            except BaseException:
                self._is_deployed = True  # so that nobody waits for it
                raise
            finally:
                self._pace.bury()
                if store is not None:
                    store.close()

    def _is_turn_due(self) -> bool:
        self.seen["turned"] += 1
        return self._scheduler.random.random() < 0.5

    def _let_others_work(self, phase: str) -> None:
        enough = self.notes.done + self._scheduler.random.randint(0, _LONGEST[phase])
        self._scheduler.pause(until=lambda: self.notes.done >= enough)

    # -- the end --

    def _last_look(self, side: str) -> None:
        """Read everything once more, and whatever leads to it."""
        with self._connect(side) as db:
            there = {record.id: record for record in db.thing.find(scan=True)}
            if missing := set(there) - set(KEYS):
                self.notes.faults.append(f"there are records that nobody made: {missing}")
            program = Program(self.kind, side, self._random, self._clock, self.notes)
            program.look(db.thing, 0)
            for key in KEYS:
                program.get(db.thing, key)
            if not self.is_refused or self._deployer.phase == "stable":
                self.notes.faults += consistency.faults(db)
                self._try_uniques(db, self.kind.sides[side], there)

    def _try_uniques(self, db: Any, side: Side, there: dict[int, Any]) -> None:
        """See that nobody holds a value any more that no record has."""
        for name in side.uniques:
            held = {getattr(record, name) for record in there.values()}
            for number, value in enumerate(dict.fromkeys(side.pools[name])):
                if value is None or value in held:
                    continue
                values = {each: pool[-1] for each, pool in side.pools.items()}
                values |= dict.fromkeys(side.uniques) | {name: value}
                db.thing.create(side.model(id=100 + number, **values))
                db.thing.delete(100 + number)

    @contextmanager
    def _paced(self) -> Iterator[None]:
        """Have every store that `connect` opens meanwhile ask the scheduler."""
        opening: Any = sys.modules[Database.__module__]
        usual = opening.open_store

        def paced(*given: Any, **named: Any) -> Any:
            return self._pace.put_on(usual(*given, **named))

        opening.open_store = paced
        try:
            yield
        finally:
            opening.open_store = usual
