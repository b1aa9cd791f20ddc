"""Crossing: one collection's way through a window: its shapes on the way, and which of their parts correspond.

Knows pins and schemas; must not know catalogs or stores. Fields of the base keep their names in *between*; those of
the head keep theirs in *above*.
"""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

import msgspec

from ..schema.catalog import state_key
from ..schema.schema import Collection, Field, Index, Reference, Unique
from .lens import Lens, Record
from .pin import Pin
from .record_form import EXTRAS
from .upward import Lift, upward

P = TypeVar("P", Index, Unique)
OLDER = "older."  # before the name of a field of *above* for a column that only the base has


class Crossing(msgspec.Struct, frozen=True, dict=True):
    """pin: between the shapes; base: with the catalog's generations; declared: the head's, without; fixed: columns.

    is_copied: all records are made anew, so that what only the head has is not built for those that are there.
    """

    pin: Pin
    base: Collection
    declared: Collection
    fixed: bool
    is_copied: bool = False

    # -- fields --

    @cached_property
    def columns(self) -> dict[str, str]:
        """Give for each head column whose value stands in a record of the base's shape, the column where it stands."""
        inside = {column for lens in self.pin.lenses for column in (*lens.base, *lens.head)}
        found = {column: column for column in self.base.columns if column not in inside}
        found |= {head: base for lens in self.pin.lenses for base, head in lens.same}
        return found | {column: column for column in self._added}

    @cached_property
    def _added(self) -> dict[str, Field]:
        """Give the head's fields that are new with a constant, by column."""
        columns = {column for lens in self.pin.additive for column in lens.head}
        return {f.column: f for f in self.declared.fields if f.column in columns}

    @cached_property
    def names(self) -> dict[str, str]:
        """Give for each head field whose value stands in a record of the base's shape, its name in *between*."""
        there = {f.column: f.name for f in self.between_fields}
        return {
            f.name: there[self.columns[f.column]]
            for f in self.declared.fields
            if f.column in self.columns and self.columns[f.column] in there
        }

    @cached_property
    def between_fields(self) -> tuple[Field, ...]:
        """Give the fields of *between*: the base's, and the head's new ones with a constant."""
        taken = {f.name for f in self.base.fields}
        new = [msgspec.structs.replace(f, name=c if f.name in taken else f.name) for c, f in self._added.items()]
        return (*self.base.fields, *new)

    @cached_property
    def absent(self) -> Record:
        """Give what a record that lacks a new column holds there, where that is not None."""
        return {column: value for column, value in self.pin.absent.items() if value is not None}

    @cached_property
    def physical(self) -> dict[str, str]:
        """Give the column that holds each head column once raised."""
        if not self.fixed:
            return {column: column for column in self.declared.columns}
        there = {column.lower() for column in self.base.columns}
        found = dict[str, str]()
        for field in self.declared.fields:
            own = field.column if field.column.lower() not in there else f"{field.column}.{self.declared.version}"
            found[field.column] = self.columns.get(field.column, own)
        return found

    # -- indexes, uniques, references --

    @cached_property
    def head(self) -> Collection:
        """Give the head's collection with the catalog's generations."""
        indexes = tuple(self._numbered(index) for index in self.declared.indexes)
        uniques = tuple(self._numbered(unique) for unique in self.declared.uniques)
        return msgspec.structs.replace(
            self.declared, indexes=indexes, uniques=uniques, generation=self.base.generation
        )  # fmt: skip

    def _numbered(self, part: P) -> P:
        twin = self._twin(part)
        if twin is None:
            return part
        rest = 0 if self._mapped(part, twin.generation) == twin else 1
        return msgspec.structs.replace(part, generation=twin.generation + rest)

    def _twin(self, part: Index | Unique) -> Index | Unique | None:
        """Give the base's part of that name, of either kind: their names are one space."""
        parts: tuple[Index | Unique, ...] = (*self.base.indexes, *self.base.uniques)
        return next((p for p in parts if p.name == part.name), None)

    def _mapped(self, part: P, generation: int) -> P | None:
        """Give a part of the head as records of the base's shape have it; None if they can't."""
        if not all(name in self.names for name in part.fields):
            return None
        if isinstance(part, Unique) and part.among == "live" and self.between_live is None:
            return None
        fields = tuple(self.names[name] for name in part.fields)
        return msgspec.structs.replace(part, fields=fields, generation=generation)

    @cached_property
    def between_live(self) -> str | None:
        """Give the field of *between* that marks soft-deleted records."""
        if self.base.live is not None or self.declared.live is None:
            return self.base.live
        return self.names.get(self.declared.live)

    @cached_property
    def building(self) -> tuple[tuple[str, int], ...]:
        """Name the parts of the head, each with its generation, that are built while the window is open."""
        mine, there = _parts(self.base), _parts(self.between)
        fields = {r.field for r in self.base.references}
        new = {r.field for r in self.between.references if r.field not in fields}
        # In a column that no record has, there is nothing that a reference could lead to.
        empty = {f.name for f in self.between_fields if f.column in self._added and f.column not in self.absent}
        return (
            *(part for part in there if part not in mine),
            *((f"{name}.reference", 1) for name in sorted(new - empty)),
        )

    @cached_property
    def unready(self) -> tuple[tuple[str, int], ...]:
        """Name the parts of the head, each with its generation, that records of the base's shape cannot have."""
        there = _parts(self.between)
        return tuple(part for part in _parts(self.head) if part not in there)

    def states(self, parts: tuple[tuple[str, int], ...], name: str) -> tuple[str, ...]:
        """Name the states of some parts, under the collection's name in the base and in the head."""
        names = dict.fromkeys((self.base.name, name))
        return tuple(state_key(n, part, generation) for n in names for part, generation in parts)

    # -- shapes --

    @cached_property
    def between(self) -> Collection:
        """Give what is kept while the window is open."""
        if self.is_copied:
            return msgspec.structs.replace(self.base, fields=self.between_fields)
        own = _parts(self.base)
        indexes = [self._mapped(i, i.generation) for i in self.head.indexes if (i.name, i.generation) not in own]
        uniques = [self._mapped(u, u.generation) for u in self.head.uniques if (u.name, u.generation) not in own]
        return msgspec.structs.replace(
            self.base,
            fields=self.between_fields,
            indexes=(*self.base.indexes, *(i for i in indexes if i is not None)),
            uniques=(*self.base.uniques, *(u for u in uniques if u is not None)),
            references=(*self.base.references, *self._new_references()),
            live=self.between_live,
        )

    def _new_references(self) -> list[Reference]:
        taken = {r.field for r in self.base.references}
        found = [(r, self.names.get(r.field)) for r in self.declared.references]
        return [msgspec.structs.replace(r, field=name) for r, name in found if name is not None and name not in taken]

    @cached_property
    def above(self) -> Collection:
        """Give what is kept once the window is raised."""
        if not self.fixed:
            return self.head
        own = tuple(msgspec.structs.replace(f, column=self.physical[f.column]) for f in self.head.fields)
        there = {f.column for f in own}
        # Nobody reads them any more; None keeps what the base promised of them from standing in the way.
        rest = [f for f in self.between_fields if f.column not in there]
        older = tuple(msgspec.structs.replace(f, name=OLDER + f.column, optional=True) for f in rest)
        return msgspec.structs.replace(self.head, fields=(*own, *older))

    @cached_property
    def droppable(self) -> Collection:
        """Give what stands there while the window is open: what is kept, and what was made for the head beside it.

        Where columns are fixed these are columns. No record has anything in them; but who takes the window away must
        know that they are ours. Elsewhere it is the complement of a record, if programs of the head write any.
        """
        if not self.fixed:
            further = [EXTRAS] if self.pin.lenses else []
        else:
            there = set(self.between.columns)
            made = [f for f in self.above.fields if f.column not in there and not self.is_copied]
            further = [msgspec.structs.replace(f, name=OLDER + f.column, optional=True) for f in made]
        return msgspec.structs.replace(self.between, fields=(*self.between.fields, *further))

    # -- records --

    @cached_property
    def is_swept(self) -> bool:
        """Tell whether records of the older shape must be made anew for programs that know the head alone."""
        if self.declared.version < self.base.version:
            return True
        if self.fixed:
            there = {f.column for f in self.between_fields}
            # What is made of others on the way back is not made for records that have the version it leads to already.
            return not there.issuperset(self.physical.values()) or any(map(_makes_back, self.pin.lenses))
        return not all(map(self._stays, self.pin.lenses))

    def _stays(self, lens: Lens) -> bool:
        """Tell whether what a lens leads to can be read in a record of the older shape as it is."""
        if lens in self.pin.additive:
            return all(value is None for value in lens.up(()))
        return lens.base == lens.head and all((column, column) in lens.same for column in lens.head)

    @cached_property
    def lift(self) -> Lift:
        """Give what makes the columns that are kept once raised of those of an older record, and its complement.

        Where columns are fixed, it makes those alone that the older record lacks.
        """
        if not self.fixed:
            return upward(self.pin, None)
        there = {field.column for field in self.between_fields}
        return upward(self.pin, {head: column for head, column in self.physical.items() if column not in there})


def _makes_back(lens: Lens) -> bool:
    """Tell whether a lens leaves columns out whose values are made of others on the way back."""
    return bool(lens.head) and not {base for base, _ in lens.same}.issuperset(lens.base)


def _parts(collection: Collection) -> list[tuple[str, int]]:
    """List the indexes and uniques of a collection, each by name and generation."""
    found = [(index.name, index.generation) for index in collection.indexes]
    return found + [(unique.name, unique.generation) for unique in collection.uniques]
