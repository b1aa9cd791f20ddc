"""IPv6 addresses that follow from an interface's MAC address, as RFC 2462 makes them.

Knows addresses only. Nova stores no IPv6 address of an instance: it is worked out from the network's range each time.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, IPv6Interface

_UNIVERSAL = 0x02 << 56  # the bit of an interface's identifier that is turned round
_MIDDLE = 0xFFFE  # what is put between the halves of a MAC address
_MAC = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}")


def to_global(prefix: str, mac: str, project_id: str | None) -> str:
    """Give the IPv6 address of the interface with a MAC address in a network's range, such as "fd00::/64".

    project_id: part of the signature of 2011 for ways to number interfaces by project; RFC 2462 does not number so,
    and the address is the same for each.
    Raises ValueError when one of them cannot be read.
    """
    del project_id
    number = _mac_number(mac)
    high, low = number >> 24, number & 0xFFFFFF
    identifier = (high << 40 | _MIDDLE << 24 | low) ^ _UNIVERSAL
    return str(IPv6Address(int(IPv6Interface(prefix).ip) | identifier))


def to_mac(address: str) -> str:
    """Give the MAC address that an IPv6 address was made of, as "02:16:3e:00:00:01"; raise ValueError."""
    identifier = (int(IPv6Address(address)) & (1 << 64) - 1) ^ _UNIVERSAL
    if identifier >> 24 & 0xFFFF != _MIDDLE:
        raise ValueError(f"{address} was not made of a MAC address")
    number = identifier >> 40 << 24 | identifier & 0xFFFFFF
    return ":".join(f"{byte:02x}" for byte in number.to_bytes(6, "big"))


def _mac_number(mac: str) -> int:
    if not _MAC.fullmatch(mac):
        raise ValueError(f"{mac} is no MAC address")
    return int.from_bytes(bytes(int(part, 16) for part in mac.split(":")), "big")
