"""Operation: a value that turns one schema into another, and knows what that costs. Every kind of one is built on it.

Knows schemas; must not know stores, files or models. The kinds are in the files *_operation.py; lens.py says how a
record of the older shape is seen in the newer one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NoReturn

import msgspec

from ..errors import MigrationRefused, Pinned, ValueRefused
from ..schema.schema import Collection, Field, Schema
from .lens import Lens
from .primitive import quick_many, refusal


class Manner(enum.IntEnum):
    """How an operation goes beside running programs, the mildest first."""

    SIDE_BY_SIDE = 0  # programs of both versions run and notice nothing
    UP_AND_DOWN = 1  # the same, through a pair of functions between the two shapes
    FELT = 2  # side by side, but old programs meet refusals that they did not know
    CLOSED = 3  # the collection takes no writes while its records are rewritten; reads go on

    @property
    def text(self) -> str:
        """What it is called in listings."""
        return ("side by side", "side by side, with up and down", "felt by old programs", "closed for writes")[self]


class Mark(enum.Enum):
    """Words that stand where a migration file has a value.

    FILL_IN: not written yet. STOP: refuse to go on. CUT: keep as much of a text as fits.
    """

    FILL_IN = "FILL_IN"
    STOP = "STOP"
    CUT = "CUT"

    def __repr__(self) -> str:
        return self.value


FILL_IN: Final = Mark.FILL_IN
STOP: Final = Mark.STOP
CUT: Final = Mark.CUT


class Operation(msgspec.Struct, frozen=True):
    """What every operation answers. `before` is the schema that it is applied to; primitives are as in JSON."""

    def apply(self, before: Schema) -> Schema:
        """Give the schema after it; raise MigrationRefused with what does not fit."""
        return before

    def manner(self, before: Schema) -> Manner:
        """Say how it goes beside running programs."""
        del before
        return Manner.SIDE_BY_SIDE

    def inverse(self, before: Schema) -> tuple[Operation, ...] | None:
        """Give what leads back, to be applied in this order; None when nothing can, () when nothing need be done."""
        del before
        return None

    def lost(self, before: Schema) -> str:
        """Say what is gone for good once it is contracted; empty when nothing is."""
        del before
        return ""

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """Give how each record that it touches is seen after it. secret: the database's, for keyed hashes."""
        del before, secret
        return ()

    def title(self) -> str:
        """Say what it does, in a few words."""
        first = getattr(self, self.__struct_fields__[0])
        return f"{_words(type(self).__name__)} {getattr(first, 'name', first)}"

    def unfilled(self) -> tuple[str, ...]:
        """Name the places that are still to be filled in."""
        return tuple(name for name in self.__struct_fields__ if getattr(self, name) is FILL_IN)


def _words(name: str) -> str:
    return "".join(" " + letter.lower() if letter.isupper() else letter for letter in name).strip()


def refuse(reason: str) -> NoReturn:
    """Raise MigrationRefused."""
    raise MigrationRefused(reason)


def find(schema: Schema, collection: str) -> Collection:
    """Give a collection; refuse one that is not there."""
    if collection not in schema:
        refuse(f"there is no collection {collection}")
    return schema.collection(collection)


def find_field(schema: Schema, collection: str, name: str) -> Field:
    """Give a field of a collection; refuse one that is not there."""
    found = next((f for f in find(schema, collection).fields if f.name == name), None)
    if found is None:
        refuse(f"{collection}.{name}: there is no such field")
    return found


def absent(taken: Iterable[Any], name: str, where: str) -> None:
    """Refuse a part whose name another part has."""
    if any(part.name == name for part in taken):
        refuse(f"{where}: there is one called {name}")


def replaced(schema: Schema, *collections: Collection, without: Iterable[str] = ()) -> Schema:
    """Give the schema with some collections put in the place of those of their names, or added, and others gone."""
    gone = set(without)
    return Schema.made_of((*(c for c in schema.collections if c.name not in gone), *collections))


def with_field(schema: Schema, collection: str, name: str, field: Field) -> Schema:
    """Give the schema with another definition of one field, in its place."""
    there = find(schema, collection)
    fields = tuple(field if f.name == name else f for f in there.fields)
    return replaced(schema, changed(there, fields=fields))


def changed(collection: Collection, **parts: Any) -> Collection:
    """Give a collection with some parts changed."""
    return msgspec.structs.replace(collection, **parts)


def held(model: str, field: Field, value: Any) -> Any:
    """Give a value back that a field holds; refuse what a migration's own function made otherwise."""
    if reason := refusal(field, value):
        raise ValueRefused(model, field.name, f"what its migration makes of it is refused: {reason}")
    return value


def holder(model: str, field: Field) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Make held for the values of many records."""
    fit = quick_many(field)
    return lambda values: values if fit(values) else [held(model, field, value) for value in values]


def lowered(model: str, field: Field, value: Any) -> Any:
    """Give a value back that a field of the older schema holds; raise Pinned for any other."""
    if reason := refusal(field, value):
        raise Pinned(model, field.name, f"programs of the older schema could not read it: {reason}")
    return value
