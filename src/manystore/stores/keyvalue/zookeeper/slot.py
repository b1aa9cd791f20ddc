"""Slots: nodes of a writer's own, one for each commit under way. By them a commit whose reply was lost is decided.

Each commit that writes sets its slot at the version it had before. So one look tells for good whether the commit was
carried out, and closing the slot shuts out a commit that may still be on its way. The slots of a process are ephemeral:
they go with its session, and a commit whose slot is not there is refused. Knows nothing of checks or records.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from contextlib import suppress

from ....errors import StoreError, Unavailable
from ..outcome import Broken
from .link import UNSURE, Link
from .multi import Multi
from .nodes import Nodes
from .translate import BAD_VERSION, NO_NODE, NODE_EXISTS, translate_code

_CLOSED = b"closed"


class Slot:
    """A node that one commit uses at a time. version: what it was before; session: that it goes with."""

    __slots__ = ("path", "session", "version")

    def __init__(self, path: str) -> None:
        self.path = path
        self.session: int | None = None
        self.version = 0

    def write(self, multi: Multi) -> None:
        """Add to a step what writes the slot, unless somebody has written it since."""
        multi.put(self.path, b"", self.version)


class Slots:
    """The slots of one store in this process."""

    def __init__(self, link: Link, nodes: Nodes, timeout: float) -> None:
        self._link = link
        self._nodes = nodes
        self._timeout = timeout
        self._free: deque[Slot] = deque()

    def take(self) -> Slot:
        """Give a slot to use alone; hand it back once the commit was answered, otherwise drop it."""
        session = self._link.session
        with suppress(IndexError):
            while (slot := self._free.pop()).session != session:
                pass
            return slot
        return self._made()

    def _made(self) -> Slot:
        until = time.monotonic() + self._timeout
        while True:
            slot = Slot(f"{self._nodes.slots}/{secrets.token_hex(8)}")
            step = self._link.step()
            step.create(slot.path, is_ephemeral=True)
            try:
                failed = self._link.write(step)
            except Broken:
                if time.monotonic() >= until:
                    raise Unavailable("the connection broke before the commit was sent") from None
                continue
            if failed is None:
                slot.session = self._link.session
                return slot
            if failed.code != NO_NODE:
                raise translate_code(failed.code)
            self._make_room()

    def _make_room(self) -> None:
        """Make the node above all slots. Those above it are mostly there, and may be others' to make."""
        step = self._link.step()
        step.create(self._nodes.slots)
        failed = self._link.tidy(step)
        if failed is not None and failed.code == NO_NODE:
            self._link.make([*self._nodes.above(), self._nodes.slots])
        elif failed is not None and failed.code not in (UNSURE, NODE_EXISTS):
            raise translate_code(failed.code)

    def give(self, slot: Slot) -> None:
        """Take back a slot whose commit was answered."""
        self._free.append(slot)

    def ask(self, slot: Slot) -> bool | None:
        """Tell whether the commit that used this slot was carried out; after a no, it never will be.

        None when the slot is gone with its session. The slot must not be used again.
        """
        until = time.monotonic() + self._timeout
        while True:
            step = self._link.step()
            step.put(slot.path, _CLOSED, slot.version)
            try:
                failed = self._link.write(step)
                break
            except Broken:
                if time.monotonic() >= until:
                    raise
        is_done: bool | None = False
        if failed is not None and failed.code == BAD_VERSION:
            (node,) = self._link.read((slot.path,)).nodes
            is_done = None if node is None else node[0] != _CLOSED  # it was closed when this was asked before
        elif failed is not None:
            if failed.code != NO_NODE:
                raise translate_code(failed.code)
            return None
        step = self._link.step()
        step.delete(slot.path)
        with suppress(StoreError):  # it goes with the session
            self._link.tidy(step)
        return is_done
