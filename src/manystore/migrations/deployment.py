"""Deployment: carries a history out on a store: what is due where the store stands, and who must have gone before.

Knows histories, the judge of leases, and the store by its waist; must not know the command line or files. Two deployers
at once do no harm: every step is a compare-and-set on the catalog, and whoever loses is told.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress

import msgspec

from ..errors import EpochChanged, MigrationRefused
from ..query.plan import CATALOG
from ..schema.catalog import Catalog, Phase
from ..schema.operation import CreateDatabase, ReplaceCatalog
from ..schema.schema import Schema
from ..schema.system import SYSTEM
from ..store.protocol import Store, Wait
from .forecast import Forecast, Offline, outline
from .history import History
from .judge import PATIENCE, Heard, Judge, Program
from .operation import refuse
from .passage import Passage
from .route import Leg, declared, leads_on, passage_of, route, standing, window
from .transit import Transit
from .window import Window


class Status(msgspec.Struct, frozen=True):
    """Where a store stands. at, target: names of migrations, "" for none; ahead: how many of the history are to come.

    states: indexes, uniques and references that are not ready. older, newer: programs that have announced themselves,
    by schema. silent: the names of those that were not heard of while they were watched, so many seconds. due: the verb
    of `manystore migrate` to go on with, "" for none.
    """

    phase: Phase
    at: str
    target: str
    ahead: int
    states: dict[str, str]
    older: tuple[Program, ...]
    newer: tuple[Program, ...]
    due: str
    silent: frozenset[str] = frozenset()
    watched: float = 0


class Deployment:
    """A history on a store. patience: how long a program may rest before it is taken for gone, in seconds."""

    def __init__(
        self,
        store: Store,
        history: History,
        *,
        wait: Wait,
        patience: float = PATIENCE,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._history = history
        self._wait = wait
        self._told = told
        self._judge = Judge(store, wait=wait, patience=patience, told=told)

    # -- the verbs --

    def up(self, to: str | None = None) -> None:
        """Lead the store to a migration, or to the last one: all the way, or until programs of the base must end."""
        goal = self._goal(to)
        with self._contending():
            if self._found() is None:
                self._store.alter(CreateDatabase(Catalog.first(Schema(SYSTEM))))
            at = self._at(self._catalog())
            if not leads_on(self._history, at, goal):
                refuse(f"the store is at {at}, which {goal} does not follow; `manystore migrate down` leads back")
            self._lead(goal)

    def down(self, to: str) -> None:
        """Lead the store back: before `finalize` by dropping the window, after it by a window the other way."""
        goal = self._goal(to)
        with self._contending():
            catalog = self._catalog()
            ends = [self._at(catalog), *([catalog.target] if catalog.target else [])]
            if not any(leads_on(self._history, goal, end) for end in ends):
                refuse(f"the store is at {ends[0] or 'no migration yet'}; {goal} does not lie behind it")
            self._lead(goal)

    def finalize(self) -> None:
        """Let programs of the head alone write; refused while programs of the base work. The point of no return."""
        with self._contending():
            catalog = self._catalog()
            if catalog.phase not in ("open", "closed") or catalog.is_dropped:
                self._told(_nothing_to("finalize", catalog))
            else:
                self._raise(catalog, refusing=True)

    def sweep(self) -> None:
        """Bring all records into the shape of the head."""
        with self._contending():
            catalog = self._catalog()
            if catalog.phase != "raised":
                self._told(_nothing_to("sweep", catalog))
            else:
                self._transit(catalog).sweep(catalog)

    def contract(self) -> None:
        """Take away what only the base had, and end the window."""
        with self._contending():
            catalog = self._catalog()
            if catalog.phase != "swept":
                self._told(_nothing_to("contract", catalog))
            else:
                self._told(f"done: at {_place(self._transit(catalog).contract(catalog).migration)}")

    def status(self) -> Status:
        """Say where the store stands, and who writes there: watches for some seconds those that once did."""
        catalog = self._found()
        while catalog is not None:
            watched, heard = catalog, None
            with suppress(EpochChanged):
                heard = self._judge.heard(watched)
            catalog = self._found()
            if heard is not None and catalog is not None and catalog.epoch == watched.epoch:
                return self._status(catalog, heard)
        return Status("stable", "", "", len(self._history.migrations), {}, (), (), "up")

    def _status(self, catalog: Catalog, heard: Heard) -> Status:
        at, number = self._at(catalog), len(self._history.migrations)
        programs = heard.programs
        newer = tuple(p for p in programs if p.schema == catalog.head.fingerprint != catalog.base.fingerprint)
        return Status(
            phase=catalog.phase,
            at=at,
            target=catalog.target,
            ahead=number - (len(self._history.line(at)) if at else 0),
            states=dict(catalog.indexes),
            older=tuple(p for p in programs if p not in newer),
            newer=newer,
            due=_due(catalog, is_last=at in self._history.heads),
            silent=heard.silent,
            watched=heard.seconds,
        )

    def plan(self, to: str | None = None, offline: Offline | None = None) -> Iterator[str]:
        """Say what `up` would do here, step by step; the statements of the first window alone: they hang on the store.

        Changes nothing.
        """
        catalog = self._found()
        if catalog is None:
            yield "the store is empty: the database is made"
            for leg in route(self._history, "", self._goal(to)):
                yield from outline(leg)
            return
        goal, at = self._goal(to), self._at(catalog)
        if catalog.phase != "stable":
            leg = Leg(at, catalog.target, self._way(catalog))
            yield f"the window is {catalog.phase}{', and dropped' if catalog.is_dropped else ''}"
            yield from outline(leg)
            yield from Forecast(self._store, self._passage(catalog), catalog, catalog.target, offline).lines()
            at = catalog.target
        legs = route(self._history, at, goal, _secret(catalog))
        for leg in legs:
            yield from outline(leg)
            if leg.base == at and catalog.phase == "stable":
                passage = Passage(leg.window, catalog.base, self._is_fixed)
                yield from Forecast(self._store, passage, catalog, leg.head, offline).lines()
        if not legs and catalog.phase == "stable":
            yield f"nothing to do: at {_place(at)}"

    # -- the way --

    def _lead(self, goal: str) -> None:
        """Go on from wherever the store is, window by window, as far as the programs that run allow."""
        while True:
            catalog = self._catalog()
            if catalog.phase != "stable":
                if not self._is_advanced(catalog, goal):
                    return
                continue
            at = self._at(catalog)
            if at == goal:
                if catalog.migration != at:  # made before it had a history, and known by its schema
                    self._store.alter(ReplaceCatalog(catalog.epoch, catalog.changed(migration=at)))
                self._told(f"done: at {_place(at)}")
                return
            self._begin(catalog, route(self._history, at, goal, _secret(catalog)))

    def _begin(self, catalog: Catalog, legs: tuple[Leg, ...]) -> None:
        first = legs[0]
        if len(legs) > 1 and (living := self._judge.living(catalog, catalog.base.fingerprint)):
            refuse(
                f"{_labels(living)}: at work, and the way to {_place(legs[-1].head)} is no single window; end what "
                f"writes, or go to {_place(first.head)} first, with programs of that version"
            )
        self._told(f"open the window from {_place(first.base)} to {_place(first.head)}")
        transit = Transit(self._store, Passage(first.window, catalog.base, self._is_fixed), self._wait, self._told)
        transit.open(catalog, first.base, first.head)

    def _is_advanced(self, catalog: Catalog, goal: str) -> bool:
        """Take an open window to its end, or back; tell whether it got there."""
        transit = self._transit(catalog)
        if catalog.phase in ("open", "closed") and not catalog.is_dropped:
            if not self._is_toward(catalog, goal):
                if living := self._judge.living(catalog, catalog.head.fingerprint):
                    refuse(f"{_labels(living)}: at work, with the newer schema, which would be dropped; end it first")
                self._told(f"drop the window to {_place(catalog.target)}")
                catalog = transit.drop(catalog)
            else:
                raised = self._raise(catalog, refusing=False)
                if raised is None:
                    return False
                catalog = raised
        if catalog.is_dropped:
            transit.take_away(catalog)
            return True
        if catalog.phase == "raised":
            catalog = transit.sweep(catalog)
        transit.contract(catalog)
        return True

    def _raise(self, catalog: Catalog, *, refusing: bool) -> Catalog | None:
        """Build, look over what is to be swept, then raise the window; None, or a refusal, while the base works."""
        transit = self._transit(catalog)
        built = transit.build(catalog)
        transit.look_over(built)
        if living := self._older(built):
            if refusing:
                refuse(f"{_labels(living)}: at work, with the older schema; end it first")
            self._told(
                f"open: programs of both schemas can run. At work with the older one: {_labels(living)}. "
                "When they have ended: `manystore migrate finalize`"
            )
            return None
        self._told(f"from now on only programs of {_place(catalog.target)} write")
        return transit.raise_(built)

    def _older(self, catalog: Catalog) -> tuple[Program, ...]:
        """Give the programs at work that cannot go on with the head."""
        mine = catalog.base.fingerprint
        return () if mine == catalog.head.fingerprint else self._judge.living(catalog, mine)

    def _is_toward(self, catalog: Catalog, goal: str) -> bool:
        history, base, head = self._history, catalog.migration, catalog.target
        if leads_on(history, base, head):
            return leads_on(history, head, goal)
        return leads_on(history, goal, head)

    # -- where the store stands --

    def _found(self) -> Catalog | None:
        rows = self._store.read(CATALOG, (), epoch="").rows
        return rows[0] if rows else None

    def _catalog(self) -> Catalog:
        catalog = self._found()
        if catalog is None:
            raise MigrationRefused("the store is empty: `manystore migrate up` makes the database")
        return catalog

    def _at(self, catalog: Catalog) -> str:
        return standing(self._history, catalog.migration, catalog.base)

    def _goal(self, to: str | None) -> str:
        if to is not None:
            return self._history.migration(to).name
        if forks := self._history.forks():
            refuse(forks[0])
        if not self._history.migrations:
            refuse("there are no migrations yet: `manystore migrate make` writes the first")
        return self._history.heads[0]

    @property
    def _is_fixed(self) -> bool:
        return self._store.capabilities.fixed_columns

    def _way(self, catalog: Catalog) -> Window:
        return window(self._history, self._at(catalog), catalog.target, _secret(catalog))

    def _passage(self, catalog: Catalog) -> Passage:
        """Give the way through the window that is open; refuse one that this history does not have."""
        if catalog.target:
            self._history.stored(catalog.target)
        way = passage_of(self._history, catalog, self._at(catalog), catalog.target, fixed=self._is_fixed)
        if not catalog.is_dropped and declared(catalog.head) != declared(way.head):
            refuse(f"the window to {_place(catalog.target)} is open, but not as this history has it: its files changed")
        return way

    def _transit(self, catalog: Catalog) -> Transit:
        return Transit(self._store, self._passage(catalog), self._wait, self._told)

    @contextmanager
    def _contending(self) -> Generator[None]:
        try:
            yield
        except EpochChanged:
            raise MigrationRefused(
                "another deployer changed the catalog meanwhile; `manystore migrate status` says where it stands now"
            ) from None


def _secret(catalog: Catalog) -> bytes:
    return bytes.fromhex(catalog.secret)


def _labels(programs: tuple[Program, ...]) -> str:
    return ", ".join(sorted({program.label for program in programs}))


def _place(name: str) -> str:
    return name or "nothing"


def _due(catalog: Catalog, *, is_last: bool) -> str:
    """Name the verb that goes on from here."""
    if catalog.is_dropped:
        return f"down --to {catalog.migration}" if catalog.migration else "up"
    if catalog.phase == "stable":
        return "" if is_last else "up"
    if "building" in catalog.indexes.values() and catalog.phase == "open":
        return "up"
    return {"raised": "sweep", "swept": "contract"}.get(catalog.phase, "finalize")


def _nothing_to(verb: str, catalog: Catalog) -> str:
    where = "no window is open" if catalog.phase == "stable" else f"the window is {catalog.phase}"
    if catalog.is_dropped:
        where = "the window was dropped"
    due = _due(catalog, is_last=True)
    return f"nothing to {verb}: {where}" + (f"; next: `manystore migrate {due}`" if due else "")
