"""What a row of the trace asks for, the same on each run: names, amounts, and what else in the full profile.

Knows rows; must not know the database. The trace tells sizes only, so the rest follows from the row's number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias
from uuid import UUID, uuid5

from .trace import Row

Profile: TypeAlias = Literal["basic", "full"]

DEFAULT_GROUP, SECOND_GROUP = "default", "web"
_SPACE = UUID("6f0a2c1e-6c39-4a52-8f4e-0d9b8f6f2011")  # of the uuids that rows' instances get
# One instance of so many gets it.
_FLOATING_IP, _VOLUMES, _SECOND_GROUP, _METADATA = 3, 4, 5, 2


def instance_uuid(row: Row) -> str:
    """Give the uuid of a row's instance: the same on each run, so that an end finds what an arrival made."""
    return str(uuid5(_SPACE, str(row.number)))


def mac_address(row: Row) -> str:
    """Give the MAC address of a row's interface."""
    return "02:16:" + ":".join(f"{byte:02x}" for byte in row.number.to_bytes(4, "big"))


def interface_uuid(row: Row) -> str:
    """Give the uuid of a row's interface."""
    return str(uuid5(_SPACE, mac_address(row)))


def amounts(row: Row) -> Mapping[str, int]:
    """Give what an instance takes of its project's quota."""
    return {"instances": 1, "cores": row.vcpus, "ram": row.memory_mb}


# -- in the full profile --


def wants_floating_ip(row: Row) -> bool:
    """Tell whether an instance gets a floating ip."""
    return row.number % _FLOATING_IP == 0


def wants_second_group(row: Row) -> bool:
    """Tell whether an instance is in its project's second group beside the default one."""
    return row.number % _SECOND_GROUP == 0


def volumes(row: Row) -> int:
    """Give how many volumes an instance gets: none, one or two."""
    return 0 if row.number % _VOLUMES else 1 + row.number // _VOLUMES % 2


def gigabytes(row: Row) -> int:
    """Give the size of each of an instance's volumes."""
    return 10 * (1 + row.number % 5)


def volume_place(row: Row, number: int, hosts: int) -> int:
    """Give which of so many hosts an instance's volume of that number is on."""
    return (row.number // _VOLUMES + number) % hosts


def device_name(number: int) -> str:
    """Give the device that an instance sees its volume of that number as."""
    return f"/dev/vd{chr(ord('b') + number)}"


def metadata(row: Row) -> Mapping[str, str] | None:
    """Give what is pinned to an instance."""
    return None if row.number % _METADATA else {"batch": str(row.batch), "row": str(row.number)}
