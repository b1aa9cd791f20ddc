"""New records for any schema that Nova's history comes through, one in each collection at a time."""

from __future__ import annotations

from typing import Any

from manystore.migrations.lens import Record
from manystore.schema.schema import Collection, Field, Schema

from ..migrations.plain import Walked

# What a field may hold only within reason: texts that are numbers, since they were numbers, and keys of records.
FITTING: dict[tuple[str, str], Any] = {
    ("auth_tokens", "user_id"): lambda n, field: n if field.kind == "int" else str(n),
    ("instance_types", "flavorid"): lambda n, field: n if field.kind == "int" else str(n),
    ("volumes", "snapshot_id"): lambda n, field: n if field.kind == "int" else str(n),
    ("migrations", "old_flavor_id"): lambda n, field: 1,
    ("migrations", "new_flavor_id"): lambda n, field: 5,
    ("migrations", "old_instance_type_id"): lambda n, field: 2,
    ("migrations", "new_instance_type_id"): lambda n, field: 4,
    ("instances", "instance_type"): lambda n, field: ("m1.tiny", "m1.xlarge", None)[n % 3],
    ("instances", "instance_type_id"): lambda n, field: 1 + n % 5 if field.kind == "int" else str(1 + n % 5),
    ("instances", "state_description"): lambda n, field: ("running", "stopped", "odd", "pending")[n % 4],
    ("instances", "vm_state"): lambda n, field: ("active", "deleted", "building", "odd")[n % 4],
    ("instances", "task_state"): lambda n, field: (None, None, "scheduling", None)[n % 4],
    ("quotas", "resource"): lambda n, field: ("cores", "instances", "ram")[n % 3],
    ("floating_ips", "auto_assigned"): lambda n, field: n % 2 == 0,
}


def grow(store: Walked, number: int) -> None:
    """Put one record into each collection. Each refers to those that were put there with it."""
    made = dict[str, Record]()
    for there in targets_first(store.schema):
        made[there.name] = {f.name: _value(store, there, f, number, made) for f in there.fields}
        store.insert(there.name, made[there.name])


def targets_first(schema: Schema) -> list[Collection]:
    """Order collections so that each comes after those that it refers to."""
    left, ordered = {c.name: c for c in schema.collections}, list[Collection]()
    while left:
        found = next(c for c in left.values() if not {r.target for r in c.references} & (left.keys() - {c.name}))
        ordered.append(left.pop(found.name))
    return ordered


def _value(store: Walked, there: Collection, field: Field, number: int, made: dict[str, Record]) -> Any:
    target = next((r.target for r in there.references if r.field == field.name), None)
    if target is not None:
        return made[target][store.schema.collection(target).key[0]]
    if (there.name, field.name) in FITTING:
        return FITTING[there.name, field.name](number, field)
    if field.name in ("instance_id", "instance_uuid") and "instances" in made:
        return made["instances"]["id" if field.name == "instance_id" else "uuid"]
    if field.name in ("deleted", "deleted_at"):
        return False if field.name == "deleted" else None
    day = f"2011-{1 + number % 12:02}-{1 + number % 28:02}T00:00:00.000000Z"
    made_of: dict[str, Any] = {"int": number, "float": number / 2, "bool": number % 2 == 0, "datetime": day}
    return made_of.get(field.kind, f"{field.name} {number}"[-(field.length or 255) :])
