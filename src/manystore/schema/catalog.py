"""The catalog: the one record that says which schema a database has, and the epoch that every commit checks.

Knows the stored form (docs/format.md); must not know how a store keeps it. Migrations change it, stores compare its
epoch.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import msgspec

from ..errors import Corrupted, ProgramTooOld
from .schema import Collection, Index, Schema

FORMAT = 1  # the number of docs/format.md; a program reads all formats up to its own
Phase: TypeAlias = Literal["stable", "open", "closed", "raised", "swept"]
IndexState: TypeAlias = Literal["absent", "building", "ready"]
_RANDOM = random.SystemRandom()


def new_epoch() -> str:
    """Make an epoch: 16 hex digits, random, since a failover can lose a counter's last steps."""
    return f"{_RANDOM.getrandbits(64):016x}"


def state_key(collection: str, part: str, generation: int = 1) -> str:
    """Name an index, unique or reference among the states."""
    return f"{collection}.{part}" if generation == 1 else f"{collection}.{part}@{generation}"


class Catalog(msgspec.Struct, frozen=True):
    """base, head: the schemas of the open window, as programs of both versions declare them (the same when stable).

    indexes: states that are not ready, by `state_key`. stored: what a store holds and keeps up, where that is not head.
    older: while raised, the shapes of records that are not rewritten yet, known by their version; of a window that was
    dropped, what there was until then. absent: by collection and column, what a record that lacks a column holds there.
    closed: collections that take no writes. migration, target: the names of the last migration applied, and of the one
    that the window leads to. secret: 32 hex digits that keyed hashes are made with.
    """

    epoch: str
    base: Schema
    head: Schema
    phase: Phase = "stable"
    indexes: dict[str, IndexState] = msgspec.field(default_factory=dict[str, IndexState])
    format: int = FORMAT
    stored: Schema | None = None
    older: Schema | None = None
    absent: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict[str, dict[str, Any]])
    closed: tuple[str, ...] = ()
    migration: str = ""
    target: str = ""
    secret: str = ""

    @classmethod
    def first(cls, schema: Schema, migration: str = "") -> Catalog:
        """Make the catalog of an empty store. migration: the last one, where the program has a history."""
        secret = f"{_RANDOM.getrandbits(128):032x}"
        return cls(new_epoch(), schema, schema, migration=migration, secret=secret)

    @property
    def kept(self) -> Schema:
        """Give what a store holds and keeps up: collections, entries, claims and references."""
        return self.head if self.stored is None else self.stored

    @property
    def is_dropped(self) -> bool:
        """Whether the window was dropped, and what only the head had is still to be taken away."""
        return self.phase == "open" and self.older is not None

    def state(self, collection: str, part: str, generation: int = 1) -> IndexState:
        """Give the state of an index or unique, or of a reference, whose part is `<field>.reference`."""
        return self.indexes.get(state_key(collection, part, generation), "ready")

    def leading(self, collection: Collection, field: str) -> Index | None:
        """Give an index of a kept collection that begins with a field, upwards, and has all records; None if none."""
        for index in collection.indexes:
            state = self.state(collection.name, index.name, index.generation)
            if (index.fields[0], index.descending[0], state) == (field, False, "ready"):
                return index
        return None

    def changed(self, **parts: Any) -> Catalog:
        """Give this catalog with some parts changed, under a new epoch."""
        return msgspec.structs.replace(self, epoch=new_epoch(), **parts)

    def encode(self) -> bytes:
        """Write the catalog as JSON; it begins with format and epoch, so that any program can read these two."""
        return msgspec.json.encode(
            {
                "format": self.format,
                "epoch": self.epoch,
                "phase": self.phase,
                "indexes": self.indexes,
                "migration": self.migration,
                "target": self.target,
                "secret": self.secret,
                "closed": self.closed,
                "absent": self.absent,
                "base": self.base.to_primitive(),
                "head": None if self.head is self.base else self.head.to_primitive(),
                "stored": None if self.stored is None else self.stored.to_primitive(),
                "older": None if self.older is None else self.older.to_primitive(),
            }
        )

    @classmethod
    def decode(cls, stored: bytes | str) -> Catalog:
        """Read a catalog; raise ProgramTooOld for a newer format and Corrupted for anything else."""
        try:
            number = msgspec.json.decode(stored, type=_Format).format
            if number > FORMAT:
                raise ProgramTooOld(
                    f"the database has format {number}; this program reads up to {FORMAT}: update manystore"
                )
            parts = msgspec.json.decode(stored, type=_Stored)
            base = _schema(bytes(parts.base))
            others = (parts.head, parts.stored, parts.older)
            head, kept, older = (None if other == _NONE else _schema(bytes(other)) for other in others)
        except msgspec.MsgspecError as reason:
            raise Corrupted(f"the catalog cannot be read: {reason}") from None
        return cls(
            parts.epoch,
            base,
            base if head is None else head,
            parts.phase,
            parts.indexes,
            parts.format,
            kept,
            older,
            parts.absent,
            parts.closed,
            parts.migration,
            parts.target,
            parts.secret,
        )


@lru_cache(maxsize=64)
def _schema(stored: bytes) -> Schema:
    """Read a schema. Of one that is written alike there is one: phases, programs and stores share what it works out."""
    return Schema.from_primitive(msgspec.json.decode(stored, type=dict[str, Any]))


_NONE = msgspec.Raw(b"null")


class _Format(msgspec.Struct):
    format: int


class _Stored(msgspec.Struct):
    format: int
    epoch: str
    phase: Phase
    indexes: dict[str, IndexState]
    base: msgspec.Raw
    head: msgspec.Raw = _NONE
    stored: msgspec.Raw = _NONE
    older: msgspec.Raw = _NONE
    absent: dict[str, dict[str, Any]] = {}
    closed: tuple[str, ...] = ()
    migration: str = ""
    target: str = ""
    secret: str = ""
