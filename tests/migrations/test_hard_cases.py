"""The hardest of the 57 migrations of the flagship's own history, each as operations, carried out on plain lists."""

from __future__ import annotations

from typing import Any, cast

import pytest

from manystore import MigrationRefused
from manystore.migrations import (
    AddField,
    AddReference,
    AddUnique,
    ChangeType,
    Collection,
    DropField,
    DropUnique,
    Field,
    Gather,
    MapValues,
    Operation,
    Precondition,
    Reference,
    RenameField,
    Spread,
    Translate,
    Unique,
    Window,
)
from manystore.schema.schema import Schema

Records = dict[str, list[dict[str, Any]]]


def text(name: str) -> Field:
    return Field(name, name, "str", length=255, optional=True)


def number(name: str, *, optional: bool = True) -> Field:
    return Field(name, name, "int", optional=optional)


def collection(name: str, *fields: Field, **parts: Any) -> Collection:
    return Collection(name, name, (number("id", optional=False), *fields), ("id",), generated=True, **parts)


TYPES = collection(
    "instance_types", text("name"), number("flavorid"), uniques=(Unique("unique_flavorid", ("flavorid",)),)
)
INSTANCES = collection(
    "instances", text("instance_type"), text("state_description"), number("state"), text("mac_address")
)
FIXED_IPS = collection("fixed_ips", number("instance_id"), number("network_id"))
LIMITS = ("instances", "cores")
QUOTAS = collection("quotas", text("project_id"), *map(number, LIMITS))


def carried(base: Schema, records: Records, *operations: Operation) -> Records:
    """Carry records through operations, one by one, as a store does while all is closed."""
    records = {name: [dict(record) for record in rows] for name, rows in records.items()}
    for step in Window.of(base, operations).steps:
        operation, before = step.operation, step.before
        name = str(getattr(operation, "collection", ""))
        if isinstance(operation, Precondition):
            operation.check(records[name])
        elif isinstance(operation, Translate):
            there = {row[operation.match]: row for row in reversed(records[operation.through])}
            records[name] = [operation.translated(before, row, there.get) for row in records[name]]
        elif isinstance(operation, Spread):
            made = [new for row in records[name] for new in operation.spread(before, row)]
            if not operation.keeps:
                del records[name]
            records[operation.into.name] = [{"id": place, **row} for place, row in enumerate(made, 1)]
        elif isinstance(operation, Gather):
            rows = records.pop(name)
            groups = dict[Any, list[dict[str, Any]]]()
            for row in rows:
                groups.setdefault(tuple(row[by] for by in operation.by), []).append(row)
            made = [new for group in groups.values() for new in operation.gathered(before, group)]
            records[operation.into.name] = [{"id": place, **row} for place, row in enumerate(made, 1)]
        else:
            for lens in operation.lenses(before):
                for row in records[name]:
                    values = lens.up(tuple(row.pop(column) for column in lens.base))
                    row.update(zip(lens.head, values, strict=True))
    return records


def test_014_and_017_a_name_becomes_an_id_as_text_then_a_number() -> None:
    base = Schema((INSTANCES, TYPES))
    rows: Records = {
        "instance_types": [{"id": 7, "name": "m1.tiny", "flavorid": 1}],
        "instances": [
            {"id": n, "instance_type": name, "state_description": None, "state": None, "mac_address": None}
            for n, name in enumerate(("m1.tiny", "gone", None))
        ],
    }
    to_id = Translate("instances", "instance_type", number("instance_type_id"), "instance_types", "name", "id", None)
    as_text = ChangeType("instances", text("instance_type_id"))
    as_int = ChangeType("instances", number("instance_type_id"), otherwise=None)
    made = carried(base, rows, to_id, as_text)
    assert [row["instance_type_id"] for row in made["instances"]] == ["7", None, None]
    made = carried(base, rows, to_id, as_text, as_int)
    assert [row["instance_type_id"] for row in made["instances"]] == [7, None, None]


def up_016(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"project_id": row["project_id"], "resource": name, "hard_limit": row[name]}
        for name in LIMITS
        if row[name] is not None
    ]


def down_016(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    limits = {row["resource"]: row["hard_limit"] for row in rows if row["resource"] in LIMITS}
    return {"project_id": rows[0]["project_id"], **{name: limits.get(name) for name in LIMITS}}


def one_row_each(rows: Any) -> bool:
    projects = [row["project_id"] for row in rows]
    return len(set(projects)) == len(projects)


def test_016_a_row_of_limits_becomes_a_row_a_limit_and_back() -> None:
    new = collection("quotas", text("project_id"), text("resource"), number("hard_limit"))
    operations = (
        Precondition("quotas", "a project has two rows", one_row_each),
        Spread("quotas", new, up_016, down_016, ("project_id",)),
    )
    rows: Records = {"quotas": [{"id": 1, "project_id": "a", "instances": 5, "cores": 9},
                                {"id": 2, "project_id": "b", "instances": None, "cores": 0},
                                {"id": 3, "project_id": "c", "instances": None, "cores": None}]}  # fmt: skip
    made = carried(Schema((QUOTAS,)), rows, *operations)
    assert [(r["project_id"], r["resource"], r["hard_limit"]) for r in made["quotas"]] == [
        ("a", "instances", 5), ("a", "cores", 9), ("b", "cores", 0)
    ]  # fmt: skip
    window = Window.of(Schema((QUOTAS,)), operations)
    back = carried(window.head, made, *cast("Any", window.inverse()))
    assert back["quotas"] == rows["quotas"][:2]
    with pytest.raises(MigrationRefused, match="quotas: a project has two rows"):
        carried(Schema((QUOTAS,)), {"quotas": [rows["quotas"][0]] * 2}, *operations)


def test_030_a_table_from_a_join_and_a_reference_back() -> None:
    interfaces = collection(
        "virtual_interfaces", text("address"), number("network_id"), number("instance_id", optional=False)
    )
    operations = (
        Translate("fixed_ips", "instance_id", text("mac"), "instances", "id", "mac_address", None, keeps=True),
        Spread("fixed_ips", interfaces, lambda row: [] if row["instance_id"] is None else [
            {"address": row["mac"], "network_id": row["network_id"], "instance_id": row["instance_id"]}
        ], keeps=True),
        Translate("fixed_ips", "instance_id", number("virtual_interface_id"), "virtual_interfaces", "instance_id", "id",
                  None, keeps=True),
        DropField("fixed_ips", "mac"),
        DropField("instances", "mac_address"),
        AddReference("fixed_ips", Reference("virtual_interface_id", "virtual_interfaces")),
    )  # fmt: skip
    row = {"instance_type": None, "state_description": None, "state": None}
    rows: Records = {
        "instances": [{"id": 4, "mac_address": "02:16", **row}],
        "fixed_ips": [{"id": 1, "instance_id": 4, "network_id": 9}, {"id": 2, "instance_id": None, "network_id": 9}],
    }
    made = carried(Schema((FIXED_IPS, INSTANCES)), rows, *operations)
    assert made["virtual_interfaces"] == [{"id": 1, "address": "02:16", "network_id": 9, "instance_id": 4}]
    assert [ip["virtual_interface_id"] for ip in made["fixed_ips"]] == [1, None]
    assert "mac_address" not in made["instances"][0]
    assert Window.of(Schema((FIXED_IPS, INSTANCES)), operations).closed.keys() == {"fixed_ips", "virtual_interfaces"}


UP_044 = {
    ("stopping", None): ("active", "stopping"), ("stopped", None): ("stopped", None),
    ("terminated", None): ("deleted", None), ("terminating", None): ("active", "deleting"),
    ("running", None): ("active", None), ("scheduling", None): ("building", "scheduling"),
    ("pending", None): ("building", "scheduling"),
}  # fmt: skip
DOWN_044 = {
    ("active", None): ("running", None), ("active", "deleting"): ("terminating", None),
    ("active", "stopping"): ("stopping", None), ("building", "scheduling"): ("scheduling", None),
    ("deleted", None): ("terminated", None),
}  # fmt: skip


def test_044_one_text_becomes_a_pair() -> None:
    operations = (
        RenameField("instances", "state", "power_state"),
        RenameField("instances", "state_description", "vm_state"),
        AddField("instances", text("task_state")),
        MapValues("instances", ("vm_state", "task_state"), UP_044, DOWN_044),
    )
    window = Window.of(Schema((INSTANCES,)), operations)
    pin = window.pins["instances"]
    stored = {"id": 1, "instance_type": None, "state_description": "pending", "state": 1, "mac_address": None}
    seen = pin.load(stored)
    assert (seen["vm_state"], seen["task_state"], seen["power_state"]) == ("building", "scheduling", 1)
    assert pin.put(seen, stored) == (stored, {})  # "pending" stays, though down would make "scheduling" of it
    assert (
        pin.put({**seen, "task_state": "stopping", "vm_state": "active"}, stored)[0]["state_description"] == "stopping"
    )
    assert len(window.lost) == 1


def test_055_a_unique_number_becomes_a_unique_text() -> None:
    operations = (
        DropUnique("instance_types", "unique_flavorid"),
        ChangeType("instance_types", text("flavorid")),
        AddUnique("instance_types", Unique("unique_flavorid", ("flavorid",))),
    )
    window = Window.of(Schema((TYPES,)), operations)
    assert window.closed == {"instance_types": "flavorid changes, and unique_flavorid is over it"}
    rows: Records = {"instance_types": [{"id": 1, "name": "x", "flavorid": 12}]}
    made = carried(Schema((TYPES,)), rows, *operations)
    assert made["instance_types"][0]["flavorid"] == "12"
    assert carried(window.head, made, *cast("Any", window.inverse())) == rows
