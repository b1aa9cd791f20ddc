"""Operations on whole models: create, drop, rename, change of their options, key and order of parts.

Knows schemas; must not know records. A collection is named by its stored name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import msgspec

from ..schema.schema import Collection, Schema
from .operation import Manner, Operation, changed, find, refuse, replaced

Part: TypeAlias = Literal["fields", "indexes", "uniques", "references"]


class CreateModel(Operation, frozen=True):
    """Make a collection. Its references lead to collections that are there, or to itself."""

    collection: Collection

    def apply(self, before: Schema) -> Schema:
        """Add it."""
        if self.collection.name in before:
            refuse(f"there is a collection {self.collection.name} already")
        for reference in self.collection.references:
            if reference.target != self.collection.name:
                find(before, reference.target)
        return replaced(before, self.collection)

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Drop it."""
        return (DropModel(self.collection.name),)


class DropModel(Operation, frozen=True):
    """Take a collection away, with its records. Nothing may refer to it any more."""

    collection: str

    def apply(self, before: Schema) -> Schema:
        """Leave it out."""
        gone = find(before, self.collection)
        others = [f"{c.name}.{r.field}" for c, r in before.referrers(gone.name) if c.name != gone.name]
        if others:
            refuse(f"{self.collection} is still referred to by {', '.join(others)}")
        return replaced(before, without=[self.collection])

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Make it again, empty."""
        return (CreateModel(find(before, self.collection)),)

    def lost(self, before: Schema) -> str:
        """Say that its records are."""
        return f"all records of {find(before, self.collection).model}"


class RenameModel(Operation, frozen=True):
    """Give a model another name. collection is its stored name; to_collection moves its records to another one.

    Without to_collection nothing that is stored moves.
    """

    collection: str
    model: str
    to_collection: str | None = None

    def apply(self, before: Schema) -> Schema:
        """Rename it, and what refers to it."""
        there = find(before, self.collection)
        name = self.to_collection or self.collection
        if name != self.collection and name in before:
            refuse(f"there is a collection {name} already")
        if name == self.collection and there.model == self.model:
            refuse(f"{self.collection} is called {self.model} already")
        moved = [
            changed(c, references=tuple(_led(r, self.collection, name) for r in c.references))
            for c in before.collections
            if c.name != self.collection
        ]
        own = tuple(_led(r, self.collection, name) for r in there.references)
        renamed = changed(there, name=name, model=self.model, references=own)
        return replaced(before, renamed, *moved, without=[self.collection])

    def manner(self, before: Schema) -> Manner:
        """Close it only if its records move."""
        moves = self.to_collection not in (None, self.collection)
        return Manner.CLOSED if moves else Manner.SIDE_BY_SIDE

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Rename it back."""
        back = None if self.to_collection is None else self.collection
        return (RenameModel(self.to_collection or self.collection, find(before, self.collection).model, back),)


def _led(reference: Any, old: str, new: str) -> Any:
    return msgspec.structs.replace(reference, target=new) if reference.target == old else reference


class ChangeModel(Operation, frozen=True):
    """Change what is said of a whole model; None leaves a part as it is.

    version: the number of its records' shape. small: few records. live: the field that marks soft-deleted records.
    scope: the field that `db.scoped` fills; "" takes either away. generated: whether its key is counted up.
    """

    collection: str
    version: int | None = None
    small: bool | None = None
    live: str | None = None
    scope: str | None = None
    generated: bool | None = None

    def apply(self, before: Schema) -> Schema:
        """Change it."""
        there = find(before, self.collection)
        parts = self._parts()
        if not parts:
            refuse(f"{self.collection}: nothing is changed")
        if self.version is not None and self.version <= there.version:
            refuse(f"{self.collection}: its version is {there.version} and can only rise")
        for word in ("live", "scope"):
            if parts.get(word) and parts[word] not in there.positions:
                refuse(f"{self.collection}.{parts[word]}: there is no such field")
        if self.generated and [there.field(name).kind for name in there.key] != ["int"]:
            refuse(f"{self.collection}: a generated key is one int")
        return replaced(before, changed(there, **parts))

    def _parts(self) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in ("version", "small", "live", "scope", "generated")}
        return {name: value if value != "" else None for name, value in given.items() if value is not None}

    def manner(self, before: Schema) -> Manner:
        """Old programs feel another deletion or another scope."""
        return Manner.SIDE_BY_SIDE if self.live is None and self.scope is None else Manner.FELT

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Change it back, but for the version, which never falls."""
        there = find(before, self.collection)
        back: dict[str, Any] = {
            name: getattr(there, name) or ("" if name in ("live", "scope") else False) for name in self._parts()
        }
        back.pop("version", None)
        return (ChangeModel(self.collection, **back),) if back else ()


class ChangeKey(Operation, frozen=True):
    """Make other fields the key. Each record moves to its new name, so the collection is closed meanwhile.

    The values of the fields stay as they are; two records that share the new key stop it before anything is changed.
    """

    collection: str
    key: tuple[str, ...]
    generated: bool = False

    def apply(self, before: Schema) -> Schema:
        """Change it."""
        there = find(before, self.collection)
        if self.key == there.key and self.generated == there.generated:
            refuse(f"{self.collection}: that is its key already")
        for name in self.key:
            if name not in there.positions:
                refuse(f"{self.collection}.{name}: there is no such field")
            if there.field(name).optional or there.field(name).kind in ("json", "float"):
                refuse(f"{self.collection}.{name}: a key may be neither optional nor a float nor a JSON value")
        if not self.key or len(set(self.key)) < len(self.key):
            refuse(f"{self.collection}: a key names at least one field, and none twice")
        if self.generated and [there.field(name).kind for name in self.key] != ["int"]:
            refuse(f"{self.collection}: a generated key is one int")
        referrers = [f"{c.name}.{r.field}" for c, r in before.referrers(there.name)]
        if referrers and self.key != there.key:
            refuse(
                f"{self.collection}: drop the references to its key first, and add them again: {', '.join(referrers)}"
            )
        return replaced(before, changed(there, key=self.key, generated=self.generated))

    def manner(self, before: Schema) -> Manner:
        """Close it when the names of its records change."""
        return Manner.SIDE_BY_SIDE if find(before, self.collection).key == self.key else Manner.CLOSED

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Make the old fields the key again."""
        there = find(before, self.collection)
        return (ChangeKey(self.collection, there.key, there.generated),)


class Arrange(Operation, frozen=True):
    """Put the fields, indexes, uniques or references of a collection in another order; all of them are named."""

    collection: str
    part: Part
    order: tuple[str, ...]

    def apply(self, before: Schema) -> Schema:
        """Order them."""
        there = find(before, self.collection)
        parts = {part_name(part): part for part in getattr(there, self.part)}
        if sorted(parts) != sorted(self.order):
            refuse(f"{self.collection}: the order of its {self.part} names {_odd(parts, self.order)}")
        return replaced(before, changed(there, **{self.part: tuple(parts[name] for name in self.order)}))

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Order them as before."""
        there = find(before, self.collection)
        return (Arrange(self.collection, self.part, tuple(map(part_name, getattr(there, self.part)))),)


def part_name(part: Any) -> str:
    """Name a field, index or unique, or the field of a reference."""
    found: str = part.field if hasattr(part, "on_delete") else part.name
    return found


def _odd(there: Iterable[str], named: tuple[str, ...]) -> str:
    known = set(there)
    missing, unknown = sorted(known - set(named)), sorted(set(named) - known)
    return " and ".join(
        [*(f"not {name}" for name in missing), *(f"{name}, which is not there" for name in unknown)] or ["one twice"]
    )
