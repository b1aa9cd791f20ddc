"""What each migration of Nova's history should make of the data, there and back, written without its operations.

A change takes all records before, and those after to look random values up in, and gives the collections that differ
from what every migration does: it keeps the values of fields that stay, and fields that are new hold None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias
from uuid import UUID

from manystore.migrations.lens import Record

Data: TypeAlias = dict[str, list[Record]]
Change: TypeAlias = Callable[[Data, Data], Data]

LIMITS = ("instances", "cores", "volumes", "gigabytes", "floating_ips", "metadata_items")
STAMPS = ("created_at", "updated_at", "deleted_at", "deleted")
STATES = {
    "stopping": ("active", "stopping"),
    "stopped": ("stopped", None),
    "terminated": ("deleted", None),
    "terminating": ("active", "deleting"),
    "running": ("active", None),
    "scheduling": ("building", "scheduling"),
    "migrating": ("migrating", None),
    "pending": ("building", "scheduling"),
}
STATES_BACK = {
    ("active", None): "running",
    ("active", "deleting"): "terminating",
    ("active", "stopping"): "stopping",
    ("building", None): "pending",
    ("building", "scheduling"): "scheduling",
    ("stopped", None): "stopped",
    ("rebuilding", None): "pending",
    ("deleted", None): "terminated",
    ("migrating", None): "migrating",
}


def each(collection: str, change: Callable[[Record], Record]) -> Change:
    """Change each record of one collection."""
    return lambda old, new: {collection: [{**row, **change(row)} for row in old[collection]]}


def renamed(collection: str, was: str, now: str) -> Change:
    return each(collection, lambda row: {now: row[was]})


def looked_up(collection: str, fields: dict[str, str], through: str, match: str, take: str) -> Change:
    """Fill fields with what stands in another collection; fields: new names by old."""

    def change(old: Data, new: Data) -> Data:
        found = {row[match]: row[take] for row in reversed(old[through])}
        return {
            collection: [
                {**row, **{now: found.get(row[was]) for was, now in fields.items()}} for row in old[collection]
            ]
        }

    return change


def random_uuids(collection: str) -> Change:
    """Give each record a uuid of its own, as those after have it."""

    def change(old: Data, new: Data) -> Data:
        uuids = {row["id"]: row["uuid"] for row in new[collection]}
        assert len(set(uuids.values())) == len(uuids) == len(old[collection])
        assert all(str(UUID(uuid)) == uuid and UUID(uuid).version == 4 for uuid in uuids.values())
        return {collection: [{**row, "uuid": uuids[row["id"]]} for row in old[collection]]}

    return change


def text_of(value: Any) -> str | None:
    return None if value is None else str(value)


def number_of(value: Any) -> int | None:
    return int(value) if value is not None and value.isdigit() else None


def five_types(old: Data, new: Data) -> Data:
    rows = [
        ("m1.tiny", 512, 1, 0),
        ("m1.small", 2048, 1, 20),
        ("m1.medium", 4096, 2, 40),
        ("m1.large", 8192, 4, 80),
        ("m1.xlarge", 16384, 8, 160),
    ]
    empty = {**dict.fromkeys(STAMPS), "deleted": False, "swap": 0, "rxtx_quota": 0, "rxtx_cap": 0}
    return {
        "instance_types": [
            {**empty, "id": n, "flavorid": n, "name": name, "memory_mb": mb, "vcpus": cpus, "local_gb": gb}
            for n, (name, mb, cpus, gb) in enumerate(rows, 1)
        ]
    }


def type_as_text(old: Data, new: Data) -> Data:
    found = looked_up("instances", {"instance_type": "instance_type_id"}, "instance_types", "name", "id")(old, new)
    return {"instances": [{**r, "instance_type_id": text_of(r["instance_type_id"])} for r in found["instances"]]}


def name_of_type(old: Data, new: Data) -> Data:
    names = {str(row["id"]): row["name"] for row in old["instance_types"]}
    return each("instances", lambda row: {"instance_type": names.get(row["instance_type_id"])})(old, new)


def limits_as_rows(old: Data, new: Data) -> Data:
    rows = [
        {**{name: row[name] for name in (*STAMPS, "project_id")}, "resource": limit, "hard_limit": row[limit]}
        for row in old["quotas"]
        for limit in LIMITS
        if row[limit] is not None
    ]
    return {"quotas": [{"id": n, **row} for n, row in enumerate(rows, 1)]}


def rows_as_limits(old: Data, new: Data) -> Data:
    projects = dict[str, list[Record]]()
    for row in old["quotas"]:
        projects.setdefault(row["project_id"], [])
        if not row["deleted"] and row["resource"] in LIMITS and row["hard_limit"] is not None:
            projects[row["project_id"]].append(row)
    made = list[Record]()
    for project, rows in projects.items():
        if rows:
            limits = {row["resource"]: row["hard_limit"] for row in rows}
            created = [row["created_at"] for row in rows if row["created_at"]]
            updated = [row["updated_at"] for row in rows if row["updated_at"]]
            stamps = [min(created, default=None), max(updated, default=None), None, False]
            whole = {**dict(zip(STAMPS, stamps, strict=True)), "project_id": project}
            made.append({"id": len(made) + 1, **whole, **{limit: limits.get(limit) for limit in LIMITS}})
    return {"quotas": made}


def interfaces(old: Data, new: Data) -> Data:
    addresses = {row["id"]: row["mac_address"] for row in old["instances"]}
    held = [row for row in old["fixed_ips"] if row["instance_id"] is not None]
    made = [
        {
            **dict.fromkeys(STAMPS),
            "deleted": False,
            "id": n,
            "address": addresses[row["instance_id"]],
            "network_id": row["network_id"],
            "instance_id": row["instance_id"],
        }
        for n, row in enumerate(held, 1)
    ]
    ids = {row["instance_id"]: row["id"] for row in made}
    led = each("fixed_ips", lambda row: {"virtual_interface_id": ids.get(row["instance_id"])})(old, new)
    return {"virtual_interfaces": made, **led}


def addresses_back(old: Data, new: Data) -> Data:
    found = {row["instance_id"]: row["address"] for row in reversed(old["virtual_interfaces"])}
    return each("instances", lambda row: {"mac_address": found.get(row["id"])})(old, new)


def states(row: Record) -> Record:
    state, task = STATES.get(row["state_description"], (row["state_description"], None))
    return {"power_state": row["state"], "vm_state": state, "task_state": task}


def state_back(row: Record) -> Record:
    text = STATES_BACK.get((row["vm_state"], row["task_state"]), row["vm_state"])
    return {"state": row["power_state"], "state_description": text}


def as_classes_say(old: Data, new: Data) -> Data:
    return {
        **each("floating_ips", lambda row: {"auto_assigned": bool(row["auto_assigned"])})(old, new),
        **each("volumes", lambda row: {"snapshot_id": text_of(row["snapshot_id"])})(old, new),
    }


THERE: dict[int, Change] = {
    2: each("auth_tokens", lambda row: {"user_id": text_of(row["user_id"])}),
    8: five_types,
    10: each("instances", lambda row: {"os_type": "linux"}),
    12: renamed("networks", "ra_server", "gateway_v6"),
    14: type_as_text,
    16: limits_as_rows,
    17: each("instances", lambda row: {"instance_type_id": number_of(row["instance_type_id"])}),
    18: renamed("auth_tokens", "server_manageent_url", "server_management_url"),
    21: renamed("instances", "image_id", "image_ref"),
    25: random_uuids("instances"),
    30: interfaces,
    34: looked_up("migrations", {"instance_id": "instance_uuid"}, "instances", "id", "uuid"),
    35: renamed("networks", "dns", "dns1"),
    36: looked_up("migrations", {"old_flavor_id": "old_instance_type_id", "new_flavor_id": "new_instance_type_id"},
                  "instance_types", "flavorid", "id"),
    38: random_uuids("virtual_interfaces"),
    40: random_uuids("networks"),
    44: each("instances", states),
    55: each("instance_types", lambda row: {"flavorid": text_of(row["flavorid"])}),
    58: as_classes_say,
}  # fmt: skip

BACK: dict[int, Change] = {
    2: each("auth_tokens", lambda row: {"user_id": number_of(row["user_id"])}),
    12: renamed("networks", "gateway_v6", "ra_server"),
    14: name_of_type,
    16: rows_as_limits,
    17: each("instances", lambda row: {"instance_type_id": text_of(row["instance_type_id"])}),
    18: renamed("auth_tokens", "server_management_url", "server_manageent_url"),
    21: renamed("instances", "image_ref", "image_id"),
    30: addresses_back,
    34: looked_up("migrations", {"instance_uuid": "instance_id"}, "instances", "uuid", "id"),
    35: renamed("networks", "dns1", "dns"),
    36: looked_up("migrations", {"old_instance_type_id": "old_flavor_id", "new_instance_type_id": "new_flavor_id"},
                  "instance_types", "id", "flavorid"),
    44: each("instances", state_back),
    55: each("instance_types", lambda row: {"flavorid": number_of(row["flavorid"])}),
    58: each("volumes", lambda row: {"snapshot_id": number_of(row["snapshot_id"])}),
}  # fmt: skip
