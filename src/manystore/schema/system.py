"""The collections that every database has beside its models': counters of generated keys, and idempotency keys."""

from __future__ import annotations

from .schema import Collection, Field

COUNTERS = Collection(
    name="_counters",
    model="_counters",
    fields=(Field("name", "name", "str", length=63), Field("next", "next", "int")),
    key=("name",),
    small=True,
)
COMMITTED = Collection(
    name="_committed",
    model="_committed",
    fields=(Field("key", "key", "str", length=255), Field("at", "at", "datetime")),
    key=("key",),
)
SYSTEM = (COMMITTED, COUNTERS)
