"""MultiRead: children lists and values of many znodes in one request, all as they are at one moment (ZooKeeper 3.6).

kazoo has no such request; this one goes through its private `_call`, so its version is pinned.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from kazoo.exceptions import EXCEPTIONS

Node: TypeAlias = tuple[bytes, int, int]  # value, version, number of children

_DATA, _CHILDREN, _ERROR = 4, 8, -1
_NO_NODE = -101
_HEAD = struct.Struct("!iBi")
_INT = struct.Struct("!i")
_STAT = struct.Struct("!32xi20xi8x")  # version and number of children; the rest is of no use here
_DATA_HEAD, _CHILDREN_HEAD = _HEAD.pack(_DATA, 0, -1), _HEAD.pack(_CHILDREN, 0, -1)
_END = _HEAD.pack(-1, 1, -1)


class Found(NamedTuple):
    """What a MultiRead gives: one list and one node for each that was asked for, None where there is none."""

    lists: list[list[str] | None]
    nodes: list[Node | None]


class MultiRead:
    """One request: the children of some paths, and the values of others."""

    type = 22

    def __init__(self, nodes: Sequence[str], lists: Sequence[str] = ()) -> None:
        self._nodes = nodes
        self._lists = lists

    def serialize(self) -> bytes:
        """Write the request."""
        parts: list[bytes] = []
        for head, paths in ((_CHILDREN_HEAD, self._lists), (_DATA_HEAD, self._nodes)):
            for path in paths:
                name = path.encode()
                parts += (head, _INT.pack(len(name)), name, b"\0")
        parts.append(_END)
        return b"".join(parts)

    def deserialize(self, buffer: bytes, offset: int) -> Found | Exception:
        """Read the answer; give an error of the server's instead of raising it, since kazoo would log that."""
        lists: list[list[str] | None] = []
        nodes: list[Node | None] = []
        into: list[Any] = lists
        wanted = len(self._lists)
        while True:
            kind, is_done, _ = _HEAD.unpack_from(buffer, offset)
            offset += 9
            if is_done:
                return Found(lists, nodes)
            if len(lists) == wanted:
                into = nodes
            (number,) = _INT.unpack_from(buffer, offset)
            offset += 4
            if kind == _ERROR:
                if number != _NO_NODE:
                    return EXCEPTIONS[number]()
                into.append(None)
            elif kind == _DATA:
                end = offset + max(number, 0)
                into.append((buffer[offset:end], *_STAT.unpack_from(buffer, end)))
                offset = end + 68
            else:
                names, offset = _names(buffer, offset, number)
                into.append(names)

    def __repr__(self) -> str:
        return f"MultiRead({len(self._lists)} lists, {len(self._nodes)} nodes)"  # a log of kazoo's shows no names


def _names(buffer: bytes, offset: int, number: int) -> tuple[list[str], int]:
    names: list[str] = []
    unpack = _INT.unpack_from
    for _ in range(number):
        start = offset + 4
        offset = start + unpack(buffer, offset)[0]
        names.append(buffer[start:offset].decode())
    return names, offset
