"""Transit: one window as it is carried through on a store: each phase by its operations, and the catalog after it.

Knows passages and the store; must not know histories, nor when a phase is due (deployment.py). Every step can be cut
off and given again: the catalog says where one is, and what a step finds done it leaves alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec

from ..errors import Corrupted, EpochChanged, FunctionFailed, MigrationRefused, StoreError, ValueRefused
from ..query.plan import CATALOG
from ..schema.catalog import Catalog
from ..schema.operation import (
    Altered,
    Build,
    Clear,
    Contract,
    Many,
    Operation,
    Prepare,
    Progress,
    ReplaceCatalog,
    Sweep,
)
from ..schema.schema import Collection, Schema
from ..store.protocol import Store, Wait
from .copying import Copies, Copying
from .operation import refuse
from .passage import Passage
from .records import Records
from .seeding import Seeding
from .upward import Lift

Told = Callable[[str], None]
_EACH = 20_000  # records between two reports of how far one is
_NOTHING = Lift(lambda columns, complement: {}, Many((), lambda columns, number: {}))


class Transit:
    """A passage on one store. told is given each sentence for the user."""

    def __init__(self, store: Store, passage: Passage, wait: Wait, told: Told) -> None:
        self._store = store
        self._passage = passage
        self._told = told
        self._copies = Copies(passage)
        self._copying = Copying(store, self._copies, told)
        self._seeding = Seeding(store, passage, wait)

    def open(self, stable: Catalog, base: str, target: str) -> Catalog:
        """Make what both shapes need and let programs of both run. base, target: the migrations at both ends."""
        for name, crossing in self._passage.crossings.items():
            if self._passage.lift(name) is not None and crossing.declared.version == crossing.base.version:
                refuse(
                    f"{name}: its records change shape, so its version must change: `manystore migrate check` says how"
                )
        self._copying.look(stable)
        self._count_on(stable, [crossing.base for crossing in self._passage.counting])
        opened = self._passage.opened(stable, target)
        opened = msgspec.structs.replace(opened, migration=base, indexes=opened.indexes | self._seeding.states)
        self._alter(Prepare(opened, self._passage.further, stable.epoch), stable.epoch)
        return self._put(stable, opened)

    def build(self, opened: Catalog) -> Catalog:
        """Give existing records what they lack of what is kept up since the window is open, and put the seeds."""
        if opened.phase != "open" or "building" not in opened.indexes.values():
            return opened
        self._seeding.put(opened)
        self._build(opened)
        return self._put(opened, self._passage.readied(opened))

    def _build(self, catalog: Catalog) -> None:
        for collection in catalog.kept.collections:
            if parts := building(catalog, collection):
                build = partial(Build, catalog.epoch, collection.name)
                self._all(f"build {', '.join(parts)} of {collection.name}", build)

    def look_over(self, built: Catalog) -> None:
        """Refuse what records would stop the sweep."""
        self._copying.look_over(built)

    def raise_(self, built: Catalog) -> Catalog:
        """Let programs of the head alone write: the point of no return. What is made anew is made before."""
        if self._copies.made:
            built = self._copied(built)
        return self._put(built, self._passage.raised(built))

    def _copied(self, catalog: Catalog) -> Catalog:
        copying = self._copying
        if catalog.phase == "closed":
            closed = self._cleared(catalog)
        else:
            copying.look(catalog)
            closed = self._copies.closed(catalog)
            self._alter(Prepare(closed, expected=catalog.epoch), catalog.epoch)
            closed = self._put(catalog, closed)
        self._told(f"{', '.join(closed.closed)}: no writes until all records are made anew")
        copying.copy(closed)
        if self._copies.round:
            closed = self._put(closed, self._copies.looking(closed))
            self._build(closed)
        return closed

    def _cleared(self, closed: Catalog) -> Catalog:
        """Take away what an earlier try has copied; references that go round stand in nobody's way then."""
        closed = self._put(closed, self._copies.closed(closed))
        self._copying.clear(closed)
        return closed

    def sweep(self, raised: Catalog) -> Catalog:
        """Bring all records into the head's shape, until a whole pass finds none that is not."""
        lifts = {c.name: self._passage.lift(c.name) for c in self._passage.head.collections}
        for name, lift in lifts.items():
            if lift is not None:
                self._swept(raised, name, lift)
        after = self._passage.swept(raised)
        self._alter(Prepare(after, expected=raised.epoch), raised.epoch)
        # Until the raise, programs of the base went on choosing keys.
        self._count_on(raised, [crossing.head for crossing in self._passage.counting])
        return self._put(raised, after)

    def _count_on(self, catalog: Catalog, collections: Iterable[Collection]) -> None:
        """See to it that collections whose keys are counted up from now on begin above those that are there."""
        records = Records(self._store, catalog)
        for there in collections:
            highest = max((record[there.key[0]] for record in records.read(there.name)), default=0)
            if highest > 0:
                records.pass_over(there.name, highest)

    def _swept(self, raised: Catalog, name: str, lift: Lift) -> None:
        try:
            while self._all(f"sweep {name}", partial(Sweep, raised.epoch, name, lift.one, many=lift.many)):
                continue
        except (FunctionFailed, ValueRefused):
            # One by one, the record that stops it can be named.
            while self._all(f"sweep {name}", partial(Sweep, raised.epoch, name, lift.one)):
                continue

    def contract(self, swept: Catalog) -> Catalog:
        """Take away what only the base had."""
        self._clear(swept, self._passage.between)
        settled = self._passage.settled(swept)
        self._alter(Contract(swept.epoch, settled), swept.epoch)
        return settled

    def drop(self, open_: Catalog) -> Catalog:
        """Go back to the base: from now on programs of the head can write no more."""
        if open_.phase == "closed":
            open_ = self._cleared(open_)
        base, older = self._passage.base, self._passage.droppable(open_.kept)
        dropped = open_.changed(phase="open", head=base, stored=None, older=older, absent={}, closed=(), indexes={})
        return self._put(open_, dropped)

    def take_away(self, dropped: Catalog) -> Catalog:
        """Take away what only the head had, once the window is dropped."""
        for crossing in self._passage.crossings.values():
            if crossing.pin.lenses:
                self._swept(dropped, crossing.base.name, _NOTHING)
        self._clear(dropped, dropped.older or dropped.base)
        stable = self._passage.dropped(dropped)
        self._alter(Contract(dropped.epoch, stable), dropped.epoch)
        return stable

    def _clear(self, catalog: Catalog, older: Schema) -> None:
        self._all("clear what was kept before", partial(Clear, catalog.epoch, older))

    def _put(self, before: Catalog, after: Catalog) -> Catalog:
        self._alter(ReplaceCatalog(before.epoch, after), before.epoch)
        return after

    def _alter(self, operation: Operation, epoch: str) -> Altered:
        """Carry an operation out under the catalog of an epoch; EpochChanged when it fails because that is no more."""
        try:
            return self._store.alter(operation)
        except (StoreError, MigrationRefused) as error:
            # Another deployer may have taken away what this one was at, before either looked at the catalog.
            found = self._store.read(CATALOG, (), epoch="").rows
            if found and isinstance(operation, (ReplaceCatalog, Contract)) and found[0] == operation.catalog:
                return None  # its answer was lost
            if found and found[0].epoch != epoch:
                raise EpochChanged("the catalog changed meanwhile") from error
            raise

    def _all(self, what: str, operation: Callable[[Any], Build | Sweep | Clear]) -> int:
        """Carry out all pages of an operation; give how many records it dealt with."""
        done, after, told = 0, None, 0
        while True:
            work = operation(after)
            progress = self._alter(work, work.epoch)
            if not isinstance(progress, Progress):
                raise Corrupted(f"{what}: the store does not say how far it is")
            done, after = done + progress.done, progress.after
            if done - told >= _EACH:
                told = done
                self._told(f"  {what}: {done:,} records so far")
            if after is None:
                if done:
                    self._told(f"  {what}: {done:,} records")
                return done


def building(catalog: Catalog, collection: Collection) -> tuple[str, ...]:
    """Name the parts of a kept collection that are being built."""
    parts: Iterable[tuple[str, int]] = (
        *((index.name, index.generation) for index in collection.indexes),
        *((unique.name, unique.generation) for unique in collection.uniques),
        *((f"{reference.field}.reference", 1) for reference in collection.references),
    )
    return tuple(part for part, generation in parts if catalog.state(collection.name, part, generation) == "building")
