"""Ordered spaces: entries in buckets, each holding those from its lower bound to that of the next.

A bucket is a node `<lower bound>~<random>`; its value says which bucket comes next, and whether it is frozen while its
entries move. Whoever puts or deletes an entry checks the version of that value in the same step; whoever moves entries
changes it. So a list of buckets may be kept for as long as one likes: who uses an old one is told, and looks again.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from ....errors import Corrupted
from ....store.protocol import Wait
from .link import Link
from .multiread import Node
from .nodes import Nodes

_OPEN, _FROZEN = b"open\n", b"frozen\n"
_RANDOM = random.SystemRandom()
LOOK_AFTER = 32  # entries that this program adds to or takes from a bucket before it looks again how full it is


def named(low: str) -> str:
    """Make the name of a new bucket; no other ever had it, so a deleted one is never taken for a new one."""
    return f"{low}~{_RANDOM.getrandbits(32):08x}"


def state(following: str, *, frozen: bool = False) -> bytes:
    """Write the value of a bucket."""
    return (_FROZEN if frozen else _OPEN) + following.encode()


def state_of(value: bytes) -> tuple[bool, str]:
    """Read the value of a bucket: whether it is frozen, and the name of the next one, or nothing."""
    word, mark, following = value.partition(b"\n")
    if word + mark not in (_OPEN, _FROZEN):
        raise Corrupted("a bucket's value cannot be read")
    return word + mark == _FROZEN, following.decode()


class Bucket:
    """What is known of one bucket. version: None until it was looked at; count: about how many entries it has."""

    __slots__ = ("changes", "count", "low", "name", "path", "version")

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.low = name.rpartition("~")[0]
        self.path = path
        self.version: int | None = None
        self.count = 0
        self.changes = 0

    def take(self, node: Node) -> None:
        """Take note of what was read."""
        self.version, self.count, self.changes = node[1], node[2], 0


class Directory:
    """The buckets of a space in order, as they were at one moment."""

    __slots__ = ("buckets", "lows")

    def __init__(self, path: str, names: Iterable[str]) -> None:
        self.buckets = sorted((Bucket(name, f"{path}/{name}") for name in names), key=lambda bucket: bucket.low)
        self.lows = [bucket.low for bucket in self.buckets]

    def home(self, name: str) -> Bucket:
        """Give the bucket that a name belongs to."""
        return self.buckets[bisect_right(self.lows, name) - 1]

    def place(self, name: str) -> int:
        """Give the place of that bucket."""
        return bisect_right(self.lows, name) - 1

    def end(self, high: str) -> int:
        """Give the place after the last bucket that may hold names below a bound."""
        return bisect_left(self.lows, high)

    def following(self, place: int) -> str:
        """Give the name of the bucket after one."""
        return self.buckets[place + 1].name if place + 1 < len(self.buckets) else ""


class Buckets:
    """The directories that this program knows."""

    def __init__(self, link: Link, nodes: Nodes, wait: Wait) -> None:
        self.link = link
        self.nodes = nodes
        self.wait = wait
        self._known: dict[str, Directory] = {}

    def directory(self, space: str) -> Directory | None:
        """Give the buckets of a space; None when it has none yet."""
        known = self._known.get(space)
        if known is None:
            path = self.nodes.space(space)
            names = self.link.read((), (path,)).lists[0]
            if not names:
                return None
            known = self._known[space] = Directory(path, names)
        return known

    def forget(self, space: str) -> None:
        """Look again at the next use."""
        self._known.pop(space, None)

    def made(self, space: str) -> Directory:
        """Give the buckets of a space, making the first when there is none."""
        while (known := self.directory(space)) is None:
            path = self.nodes.space(space)
            self.link.make([path])
            # Two programs must not both make a first bucket, so they race for one name: the only one not random.
            first = self.link.step()
            first.create(f"{path}/~{0:08x}", state(""))
            self.link.tidy(first)
        return known

    def look(self, buckets: Sequence[Bucket]) -> list[Node | None]:
        """Read the state of some buckets."""
        return self.link.read([bucket.path for bucket in buckets]).nodes
