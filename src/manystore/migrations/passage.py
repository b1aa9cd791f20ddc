"""Passage: what a store keeps on the way through a window, and how the parts of both schemas correspond there.

Knows windows, pins and catalogs; must not know stores, but for one fact: whether all records of a collection have the
same columns (`fixed`). Decision 0015 says what *between* and *above* are. crossing.py has the parts of one collection.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec

from ..schema.catalog import Catalog, IndexState
from ..schema.schema import Collection, Schema
from .crossing import Crossing
from .rewriting import Rewriting
from .upward import Lift
from .window import Window


class Passage(msgspec.Struct, frozen=True, dict=True):
    """A window, as a store of one kind goes through it. base: as its catalog has it."""

    window: Window
    base: Schema
    fixed: bool

    @cached_property
    def crossings(self) -> dict[str, Crossing]:
        """Give how each collection is led over that has records and a way for each of them, by its name in the head."""
        return {
            name: Crossing(
                pin,
                self.base.collection(pin.base.name),
                self.window.head.collection(name),
                self.fixed,
                is_copied=name in self.closed,
            )
            for name, pin in self.window.pins.items()
        }

    @cached_property
    def closed(self) -> dict[str, str]:
        """Give the collections of the head that are made anew, record by record, and why."""
        return Rewriting(self.window).copied

    @cached_property
    def head(self) -> Schema:
        """Give the head's schema, with the catalog's generations and the system's collections."""
        system = (c for c in self.base.collections if c.is_system)
        return Schema.made_of((*system, *map(self._numbered, self.window.head.collections)))

    def _numbered(self, collection: Collection) -> Collection:
        crossing = self.crossings.get(collection.name)
        found = collection if crossing is None else crossing.head
        if collection.name in self.closed:
            before = self.base.collection(collection.name).generation if collection.name in self.base else 0
            return msgspec.structs.replace(found, generation=before + 1)
        return found

    @cached_property
    def between(self) -> Schema:
        """Give what is kept while the window is open: what the base has, and what of the head its records can have."""
        made = {c.name: c for c in self.base.collections}
        made |= {crossing.base.name: crossing.between for crossing in self.crossings.values()}
        for collection in self.head.collections:
            if collection.name in self.closed:
                continue
            if collection.name not in self.crossings and collection.name not in made:
                made[collection.name] = collection
        return Schema.made_of(made.values())

    @cached_property
    def further(self) -> Schema:
        """Give what of the head is made beforehand: all but collections that are made anew."""
        return Schema(tuple(c for c in self.above.collections if c.name not in self.closed))

    @cached_property
    def above(self) -> Schema:
        """Give what is kept once the window is raised."""
        made = {c.name: c for c in self.head.collections}
        for name, crossing in self.crossings.items():
            if name not in self.closed:
                made[name] = crossing.above
        return Schema.made_of(made.values())

    def droppable(self, kept: Schema) -> Schema:
        """Give what must be taken away, but for what the base has, to drop the window. kept: by the catalog so far."""
        led = {c.base.name: c.droppable for c in self.crossings.values()}
        return Schema(tuple(led.get(c.name, c) for c in kept.collections))

    @cached_property
    def building(self) -> tuple[str, ...]:
        """Name the states of what is built while the window is open."""
        return tuple(key for name, c in self.crossings.items() for key in c.states(c.building, name))

    @cached_property
    def unready(self) -> tuple[str, ...]:
        """Name the states of the head's parts that cannot be there before the sweep, or before all is made anew."""
        return tuple(key for name, c in self.crossings.items() for key in c.states(c.unready, name))

    @cached_property
    def swept_for(self) -> tuple[str, ...]:
        """Name those of them that the sweep brings."""
        return tuple(k for name, c in self.crossings.items() if not c.is_copied for k in c.states(c.unready, name))

    @cached_property
    def counting(self) -> tuple[Crossing, ...]:
        """Give the collections whose keys programs of the head count up, and those of the base chose themselves."""
        led = (c for c in self.crossings.values() if not c.is_copied)
        return tuple(c for c in led if c.declared.generated and not c.base.generated)

    @cached_property
    def absent(self) -> dict[str, dict[str, Any]]:
        """Give what a record that lacks a column of the head holds there, where that is not None."""
        found = {crossing.base.name: crossing.absent for crossing in self.crossings.values()}
        return {name: values for name, values in found.items() if values}

    def lift(self, collection: str) -> Lift | None:
        """Give what Sweep makes of an older record of a collection of the head; None where none is to be made anew."""
        crossing = None if collection in self.closed else self.crossings.get(collection)
        return crossing.lift if crossing is not None and crossing.is_swept else None

    # -- the catalogs of the phases --

    def opened(self, stable: Catalog, target: str) -> Catalog:
        """Give the catalog with the window open, what is to be built building."""
        states: dict[str, IndexState] = dict.fromkeys(self.unready, "absent")
        return stable.changed(
            head=self.head,
            phase="open",
            stored=self.between,
            absent=self.absent,
            target=target,
            indexes=states | dict.fromkeys(self.building, "building"),
        )

    def readied(self, opened: Catalog) -> Catalog:
        """Give the catalog with all that was built ready."""
        return opened.changed(indexes={key: state for key, state in opened.indexes.items() if state != "building"})

    def raised(self, open_: Catalog) -> Catalog:
        """Give the catalog past the point of no return."""
        states: dict[str, IndexState] = dict.fromkeys(self.swept_for, "building")
        return open_.changed(phase="raised", stored=self.above, older=self.between, closed=(), indexes=states)

    def swept(self, raised: Catalog) -> Catalog:
        """Give the catalog with all records in the head's shape."""
        kept = self.above if self.fixed else None
        return raised.changed(phase="swept", stored=kept, older=None, absent={}, indexes={})

    def settled(self, swept: Catalog) -> Catalog:
        """Give the catalog with the window behind it."""
        return swept.changed(
            base=self.head, head=self.head, phase="stable", stored=None, migration=swept.target, target=""
        )

    def dropped(self, open_: Catalog) -> Catalog:
        """Give the catalog of the base, as if the window had not been opened."""
        return open_.changed(
            base=self.base,
            head=self.base,
            phase="stable",
            stored=None,
            older=None,
            absent={},
            closed=(),
            indexes={},
            target="",
        )
