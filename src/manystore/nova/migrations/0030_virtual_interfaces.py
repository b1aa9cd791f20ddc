"""MAC addresses move from instances to interfaces: one for each fixed ip that an instance has, which leads to it.

Fixed ips and interfaces take no writes meanwhile.
"""

from collections.abc import Iterable
from typing import Any

from manystore.migrations import (
    AddField,
    ChangeModel,
    Collection,
    DropField,
    Field,
    Migration,
    Precondition,
    Reference,
    Spread,
    Translate,
    Unique,
)


def one_each(rows: Iterable[dict[str, Any]]) -> bool:
    """Tell whether no instance has two."""
    owners = [row["instance_id"] for row in rows if row["instance_id"] is not None]
    return len(set(owners)) == len(owners)


def an_interface(ip: dict[str, Any]) -> list[dict[str, Any]]:
    """Make the interface of a fixed ip that an instance has."""
    if ip["instance_id"] is None:
        return []
    kept = {name: ip[name] for name in ("network_id", "instance_id")}
    return [{"deleted": False, "address": ip["mac_address"], **kept}]


migration = Migration(
    "0030_virtual_interfaces",
    after=("0029_weights_of_zones",),
    operations=(
        AddField("networks", Field("bridge_interface", "bridge_interface", kind="str", optional=True, length=255)),
        Precondition(
            "fixed_ips",
            "an instance has two fixed ips, which would be two interfaces with its one MAC address",
            holds=one_each,
        ),
        Translate(
            "fixed_ips",
            "instance_id",
            into=Field("mac_address", "mac_address", kind="str", optional=True, length=255),
            through="instances",
            match="id",
            take="mac_address",
            otherwise=None,
            keeps=True,
        ),
        Spread(
            "fixed_ips",
            Collection(
                "virtual_interfaces",
                "VirtualInterface",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("address", "address", kind="str", optional=True, length=255),
                    Field("network_id", "network_id", kind="int", optional=True),
                    Field("instance_id", "instance_id", kind="int"),
                ),
                key=("id",),
                uniques=(Unique("unique_address", ("address",)),),
                references=(
                    Reference("network_id", "networks", on_delete="set_null"),
                    Reference("instance_id", "instances"),
                ),
                generated=True,
            ),
            up=an_interface,
            keeps=True,
        ),
        Translate(
            "fixed_ips",
            "instance_id",
            into=Field("virtual_interface_id", "virtual_interface_id", kind="int", optional=True),
            through="virtual_interfaces",
            match="instance_id",
            take="id",
            otherwise=None,
            keeps=True,
        ),
        DropField("fixed_ips", "mac_address"),
        DropField(
            "instances",
            "mac_address",
            back=Translate(
                "instances",
                "id",
                into=Field("mac_address", "mac_address", kind="str", optional=True, length=255),
                through="virtual_interfaces",
                match="instance_id",
                take="address",
                otherwise=None,
                keeps=True,
            ),
        ),
        ChangeModel("networks", version=5),
        ChangeModel("fixed_ips", version=4),
        ChangeModel("instances", version=11),
    ),
)
