"""Forecast: what carrying out a window would do on a store, in sentences. Nothing is changed by any of it.

Knows passages and asks the store to explain its operations; must not know when a phase is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from ..schema.catalog import Catalog
from ..schema.operation import Build, Contract, Explain, Operation, Prepare, Sweep, Words
from ..schema.schema import Collection, Schema
from ..schema.system import SYSTEM
from ..store.protocol import Store
from .copying import Copies
from .passage import Passage
from .records import Records
from .route import Leg
from .transit import building

# (an older schema, a catalog, what is kept further, the last catalog of the window) -> the statements between them
Offline: TypeAlias = Callable[[Schema, Catalog, Schema, Catalog | None], tuple[str, ...]]


def outline(leg: Leg) -> Iterator[str]:
    """Say what a window does and how it goes beside running programs, on whatever store."""
    window = leg.window
    yield f"{leg.base or 'nothing'} to {leg.head or 'nothing'}: {window.manner.text}"
    for step, manner in zip(window.steps, window.manners, strict=True):
        lost = step.operation.lost(step.before)
        yield f"  {step.operation.title()}  [{manner.text}{f'; destructive: loses {lost}' if lost else ''}]"


def script(legs: Iterable[Leg], base: Schema, offline: Offline) -> Iterator[str]:
    """Give the statements of some windows, without a store. base: the declared schema where they begin."""
    catalog = Catalog.first(Schema.made_of((*SYSTEM, *base.collections)))
    for leg in legs:
        yield f"-- {leg.base or 'nothing'} to {leg.head or 'nothing'}"
        passage = Passage(leg.window, catalog.base, fixed=True)
        opened = passage.opened(catalog, leg.head)
        copies = Copies(passage)
        if copies.made:
            yield f"-- made anew by `manystore migrate up`, record by record: {', '.join(copies.made)}"
            opened = copies.closed(opened)
        settled = passage.settled(passage.swept(passage.raised(opened)))
        for statement in offline(catalog.base, opened, passage.above, settled):
            yield f"{statement.rstrip(';')};"
        catalog = settled


class Forecast:
    """What is still to come of one passage on one store. catalog: in force, stable or with this window open.

    offline: writes the statements of such a store, if it has any, for tables that are not there yet.
    """

    def __init__(
        self, store: Store, passage: Passage, catalog: Catalog, target: str, offline: Offline | None = None
    ) -> None:
        self._store = store
        self._offline = offline
        self._passage = passage
        self._now = catalog
        opened = passage.opened(catalog, target) if catalog.phase == "stable" else catalog
        self._opened = opened

    def lines(self) -> Iterator[str]:
        """Say it, phase by phase."""
        phase = self._now.phase
        if phase == "stable":
            yield from self._said("open", self._explained(Prepare(self._opened, self._passage.further)))
        if phase in ("stable", "open"):
            yield from self._built()
            yield from self._unready()
        if phase in ("stable", "open", "closed"):
            yield from self._copied()
            if led := Copies(self._passage).rewriting.led:
                yield f"  look whether all of {', '.join(led)} can be led over, while everybody goes on"
            yield "  raise: one write of the catalog; older programs are refused from then on, and there is no way back"
        if phase in ("stable", "open", "closed", "raised"):
            yield from self._swept()
        yield from self._contracted()

    def _built(self) -> Iterator[str]:
        for collection in self._opened.kept.collections:
            if parts := building(self._opened, collection):
                words = self._explained(Build(self._now.epoch, collection.name))
                yield from self._said(f"build {', '.join(parts)} of {collection.name}", words)
                yield from self._sought(collection)

    def _sought(self, collection: Collection) -> Iterator[str]:
        """Say whose deletes read a whole collection until its references are built."""
        if self._passage.fixed:
            return  # such a store has an index over the column before it builds
        for reference in collection.references:
            state = self._opened.state(collection.name, f"{reference.field}.reference")
            if state == "building" and self._opened.leading(collection, reference.field) is None:
                target = self._opened.kept.collection(reference.target).model
                yield (
                    f"    until then, the first delete of a {target} by each program reads all records of "
                    f"{collection.model}: no index begins with {reference.field}"
                )

    def _unready(self) -> Iterator[str]:
        for name, crossing in self._passage.crossings.items():
            if crossing.unready and name not in self._passage.closed:
                parts = ", ".join(part for part, _ in crossing.unready)
                yield (
                    f"  until {name} is swept, filters that only {parts} can serve are refused (IndexNotReady), "
                    "or read all with scan=True"
                )

    def _copied(self) -> Iterator[str]:
        for name, reason in self._passage.closed.items():
            yield f"  make all records of {name} anew: {reason}  [closed for writes meanwhile]"

    def _swept(self) -> Iterator[str]:
        for collection in self._passage.head.collections:
            lift = self._passage.lift(collection.name)
            if lift is not None:
                what = f"sweep {collection.name}, while programs go on"
                yield from self._said(what, self._rewritten(Sweep(self._now.epoch, collection.name, lift.one)))

    def _rewritten(self, sweep: Sweep) -> Words:
        kept = self._passage.crossings[sweep.collection].base
        if not self._passage.fixed or self._now.phase == "raised":
            return self._explained(sweep)
        number = Records(self._store, self._now).count(kept.name)
        return Words((f"rewrite {number:,} records of {kept.model}, {sweep.limit} at a time",))

    def _contracted(self) -> Iterator[str]:
        settled = self._passage.settled(self._passage.swept(self._passage.raised(self._opened)))
        if self._offline is not None and self._now.phase in ("stable", "open"):
            way = (self._passage.base, self._opened, self._passage.further)
            statements = self._offline(*way, settled)[len(self._offline(*way, None)) :]
            words = Words(statements, blocking=bool(statements))
        else:
            words = self._explained(Contract(self._now.epoch, settled))
        gone = tuple(f"take away {part}" for part in sorted(_parts(self._passage.between) - _parts(self._passage.head)))
        yield from self._said("contract", Words((*gone, *words.statements), words.blocking))

    def _explained(self, operation: Prepare | Build | Sweep | Contract) -> Words:
        explain: Operation = Explain(operation)
        words = self._store.alter(explain)
        return words if isinstance(words, Words) else Words(())

    def _said(self, what: str, words: Words) -> Iterator[str]:
        yield f"  {what}{'  [blocking: others wait meanwhile]' if words.blocking else ''}"
        for statement in words.statements:
            yield f"    {' '.join(statement.split())}"


def _parts(schema: Schema) -> set[str]:
    """Name all that a schema has beside fields."""
    found = {f"collection {c.stored}" for c in schema.collections}
    for c in schema.collections:
        found |= {f"index {c.stored}.{i.name}{'' if i.generation == 1 else f'@{i.generation}'}" for i in c.indexes}
        found |= {f"unique {c.stored}.{u.name}{'' if u.generation == 1 else f'@{u.generation}'}" for u in c.uniques}
        found |= {f"reference {c.stored}.{c.field(r.field).column}" for r in c.references}
    return found
