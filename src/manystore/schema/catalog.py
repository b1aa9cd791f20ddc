"""The catalog: the one record that says which schema a database has, and the epoch that every commit checks.

Knows the stored form (docs/format.md); must not know how a store keeps it. Migrations change it, stores compare its
epoch.
"""

from __future__ import annotations

import random
from typing import Any, Literal, TypeAlias

import msgspec

from ..errors import Corrupted, ProgramTooOld
from .schema import Schema

FORMAT = 1  # the number of docs/format.md; a program reads all formats up to its own
Phase: TypeAlias = Literal["stable", "open", "closed", "raised", "swept"]
IndexState: TypeAlias = Literal["absent", "building", "ready"]
_RANDOM = random.SystemRandom()


def new_epoch() -> str:
    """Make an epoch: 16 hex digits, random, since a failover can lose a counter's last steps."""
    return f"{_RANDOM.getrandbits(64):016x}"


class Catalog(msgspec.Struct, frozen=True):
    """base, head: the schemas of the open window (the same when stable). indexes: states that are not ready."""

    epoch: str
    base: Schema
    head: Schema
    phase: Phase = "stable"
    indexes: dict[str, IndexState] = msgspec.field(default_factory=dict[str, IndexState])
    format: int = FORMAT

    @classmethod
    def first(cls, schema: Schema) -> Catalog:
        """Make the catalog of an empty store."""
        return cls(new_epoch(), schema, schema)

    def state(self, collection: str, index: str) -> IndexState:
        """Give the state of an index or unique."""
        return self.indexes.get(f"{collection}.{index}", "ready")

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
                "base": self.base.to_primitive(),
                "head": None if self.head is self.base else self.head.to_primitive(),
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
            base = Schema.from_primitive(parts.base)
            head = base if parts.head is None else Schema.from_primitive(parts.head)
        except msgspec.MsgspecError as reason:
            raise Corrupted(f"the catalog cannot be read: {reason}") from None
        return cls(parts.epoch, base, head, parts.phase, parts.indexes, parts.format)


class _Format(msgspec.Struct):
    format: int


class _Stored(msgspec.Struct):
    format: int
    epoch: str
    phase: Phase
    indexes: dict[str, IndexState]
    base: dict[str, Any]
    head: dict[str, Any] | None = None
