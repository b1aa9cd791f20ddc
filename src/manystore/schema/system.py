"""The collections that every database has beside its models': counters of generated keys, idempotency keys, leases."""

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
PROGRAMS = Collection(
    name="_programs",
    model="_programs",
    fields=(
        Field("name", "name", "str", length=16),
        Field("schema", "schema", "str", length=16),
        Field("label", "label", "str", length=255),
        Field("counter", "counter", "int"),
    ),
    key=("name",),
    small=True,
)
SYSTEM = (COMMITTED, COUNTERS, PROGRAMS)
