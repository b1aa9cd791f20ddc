"""Refusals of a migration: in what words every store says which records stand in the way of a unique or a reference.

Knows collections and primitives of keys; must not know stores, nor how the records are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import MigrationRefused
from ..schema.schema import Collection, Reference, Unique

SHOWN = 10
"""So many keys are named; who looks for one more knows whether there are any."""


def duplicates(collection: Collection, unique: Unique, keys: Sequence[Sequence[Any]]) -> MigrationRefused:
    """Say which records have the same under a unique."""
    return refused(collection, f"{', '.join(unique.fields)} must be unique, but is there more than once", keys)


def dangling(
    collection: Collection, reference: Reference, target: str, keys: Sequence[Sequence[Any]]
) -> MigrationRefused:
    """Say which records refer to nothing. target: the name of the model that they should refer to."""
    return refused(collection, f"{reference.field} must lead to a record of {target}, but leads nowhere", keys)


def refused(collection: Collection, reason: str, keys: Sequence[Sequence[Any]]) -> MigrationRefused:
    """Make the error. keys: of the records, in their order, each as the primitives of its fields."""
    shown = [str(key[0]) if len(key) == 1 else f"({', '.join(map(str, key))})" for key in keys[:SHOWN]]
    more = " and more" if len(keys) > SHOWN else ""
    which = "the record" if len(keys) == 1 else "the records"
    return MigrationRefused(f"{collection.model}: {reason}, in {which} {', '.join(shown)}{more}")
