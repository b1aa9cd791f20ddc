"""Operations on access paths and promises: add and drop an index, a unique, a reference.

Knows schemas; must not know records. Building and clearing is the stores' business; so is a part's generation.
"""

from __future__ import annotations

from ..schema.schema import Index, Reference, Schema, Unique
from .operation import Manner, Operation, absent, changed, find, find_field, refuse, replaced


class AddIndex(Operation, frozen=True):
    """Add an index. On a field whose values change on the way it serves nothing before the sweep."""

    collection: str
    index: Index

    def apply(self, before: Schema) -> Schema:
        """Add it."""
        there = find(before, self.collection)
        absent((*there.indexes, *there.uniques), self.index.name, self.collection)
        _check(before, self.collection, self.index.fields)
        if len(self.index.descending) != len(self.index.fields):
            refuse(f"{self.collection}: the index {self.index.name} says of each field whether it descends")
        return replaced(before, changed(there, indexes=(*there.indexes, self.index)))

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Drop it."""
        return (DropIndex(self.collection, self.index.name),)

    def title(self) -> str:
        """Say what it does."""
        return f"add index {self.collection}.{self.index.name}"


class DropIndex(Operation, frozen=True):
    """Drop an index."""

    collection: str
    name: str

    def apply(self, before: Schema) -> Schema:
        """Leave it out."""
        there = find(before, self.collection)
        found = _index(before, self.collection, self.name)
        return replaced(before, changed(there, indexes=tuple(i for i in there.indexes if i is not found)))

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Build it again."""
        return (AddIndex(self.collection, _index(before, self.collection, self.name)),)

    def title(self) -> str:
        """Say what it does."""
        return f"drop index {self.collection}.{self.name}"


class AddUnique(Operation, frozen=True):
    """Promise that values are held once. Old programs meet Duplicate; duplicates that are there stop the build."""

    collection: str
    unique: Unique

    def apply(self, before: Schema) -> Schema:
        """Add it."""
        there = find(before, self.collection)
        absent((*there.indexes, *there.uniques), self.unique.name, self.collection)
        _check(before, self.collection, self.unique.fields)
        if self.unique.among == "live" and there.live is None:
            refuse(f"{self.collection}: the unique {self.unique.name} is among the live, but nothing is deleted softly")
        return replaced(before, changed(there, uniques=(*there.uniques, self.unique)))

    def manner(self, before: Schema) -> Manner:
        """Old programs feel it."""
        return Manner.FELT

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Drop it."""
        return (DropUnique(self.collection, self.unique.name),)

    def title(self) -> str:
        """Say what it does."""
        return f"add unique {self.collection}.{self.unique.name}"


class DropUnique(Operation, frozen=True):
    """Take the promise of a unique back. It holds until old programs, which rely on it, are gone."""

    collection: str
    name: str

    def apply(self, before: Schema) -> Schema:
        """Leave it out."""
        there = find(before, self.collection)
        found = _unique(before, self.collection, self.name)
        return replaced(before, changed(there, uniques=tuple(u for u in there.uniques if u is not found)))

    def manner(self, before: Schema) -> Manner:
        """It is held until finalize."""
        return Manner.FELT

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Promise it again."""
        return (AddUnique(self.collection, _unique(before, self.collection, self.name)),)

    def title(self) -> str:
        """Say what it does."""
        return f"drop unique {self.collection}.{self.name}"


class AddReference(Operation, frozen=True):
    """Promise that a field holds keys of records that are there. Old programs meet Restricted and MissingReference."""

    collection: str
    reference: Reference

    def apply(self, before: Schema) -> Schema:
        """Add it."""
        there, name = find(before, self.collection), self.reference.field
        mine, target = find_field(before, self.collection, name), find(before, self.reference.target)
        if any(r.field == name for r in there.references):
            refuse(f"{self.collection}.{name}: is a reference already")
        if len(target.key) > 1:
            refuse(f"{self.collection}.{name}: {target.name} has a key of several fields")
        if self.reference.on_delete == "set_null" and (not mine.optional or name in there.key):
            refuse(f"{self.collection}.{name}: set_null needs an optional field")
        return replaced(before, changed(there, references=(*there.references, self.reference)))

    def manner(self, before: Schema) -> Manner:
        """Old programs feel it."""
        return Manner.FELT

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Drop it."""
        return (DropReference(self.collection, self.reference.field),)

    def title(self) -> str:
        """Say what it does."""
        return f"add reference {self.collection}.{self.reference.field} to {self.reference.target}"


class DropReference(Operation, frozen=True):
    """Take the promise of a reference back; the field and its values stay. It holds until old programs are gone."""

    collection: str
    field: str

    def apply(self, before: Schema) -> Schema:
        """Leave it out."""
        there = find(before, self.collection)
        found = _reference(before, self.collection, self.field)
        return replaced(before, changed(there, references=tuple(r for r in there.references if r is not found)))

    def manner(self, before: Schema) -> Manner:
        """It is held until finalize."""
        return Manner.FELT

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Promise it again."""
        return (AddReference(self.collection, _reference(before, self.collection, self.field)),)

    def title(self) -> str:
        """Say what it does."""
        return f"drop reference {self.collection}.{self.field}"


def _check(before: Schema, collection: str, fields: tuple[str, ...]) -> None:
    if not fields or len(set(fields)) < len(fields):
        refuse(f"{collection}: an index or unique names at least one field, and none twice")
    for name in fields:
        if find_field(before, collection, name).kind == "json":
            refuse(f"{collection}.{name}: a JSON value has no order")


def _index(before: Schema, collection: str, name: str) -> Index:
    found = next((i for i in find(before, collection).indexes if i.name == name), None)
    return found if found is not None else refuse(f"{collection}: there is no index {name}")


def _unique(before: Schema, collection: str, name: str) -> Unique:
    found = next((u for u in find(before, collection).uniques if u.name == name), None)
    return found if found is not None else refuse(f"{collection}: there is no unique {name}")


def _reference(before: Schema, collection: str, field: str) -> Reference:
    found = next((r for r in find(before, collection).references if r.field == field), None)
    return found if found is not None else refuse(f"{collection}.{field}: is no reference")
