"""Lease: how a program that writes tells deployers that it is there, by a counter that it moves while it works.

Knows the collection _programs and the store; must not know what leases are judged for (migrations/judge.py). A lease
decides when a deployer asks, never what is right: that is the epoch's task. So nothing here may fail a user's write.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from weakref import WeakSet

from ..errors import EpochChanged, ManystoreError, NotFound
from ..schema.system import PROGRAMS
from ..store.protocol import Delete, Insert, Patch, Step, Store
from ..store.revision import new_revision

INTERVAL = 3.0  # seconds from one move of the counter to the next; less than a deployer watches
_LABEL_LENGTH = 255


def label_of_this_program() -> str:
    """Name the running program for a deployer: what was started, and its process."""
    started = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    ending = f" (process {os.getpid()})"
    # What a store cannot hold, such as a name that is no UTF-8, is shown and not kept.
    started = started.encode("utf-8", "replace").decode().replace("\0", "?")
    return started[: _LABEL_LENGTH - len(ending)] + ending


class Lease:
    """The lease of one open database; thread-safe. A program that only reads has none; a forked child gets its own."""

    def __init__(
        self,
        store: Store,
        schema: str,
        label: Callable[[], str] = label_of_this_program,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Announce nothing yet. schema: the fingerprint of the program's own."""
        self._store = store
        self._schema = schema
        self._label = label
        self._clock = clock
        self._name: str | None = None  # of the record in the store, once it is there
        self._due = float("-inf")
        self._lock = threading.Lock()
        _LIVING.add(self)

    def touch(self, epoch: str) -> None:
        """Say that the program works: at the start of a write, under the epoch that the write is made for."""
        if self._clock() >= self._due:
            self._move(epoch)

    def release(self, epoch: str) -> None:
        """Take the lease away, if that can be done: the program ends."""
        with self._lock:
            name, self._name, self._due = self._name, None, float("inf")
        if name is not None:
            try:
                self._store.write([Delete(PROGRAMS, (name,))], epoch=epoch)
            except ManystoreError:
                return  # a deployer will find that it no longer moves

    def _move(self, epoch: str) -> None:
        if not self._lock.acquire(blocking=False):
            return  # another thread is at it
        try:
            if self._clock() >= self._due:
                self._due = self._clock() + INTERVAL
                self._announce(epoch)
        finally:
            self._lock.release()

    def _announce(self, epoch: str) -> None:
        try:
            if self._name is None or not self._is_moved(self._name, epoch):
                name = f"{new_revision():016x}"
                made = Insert(PROGRAMS, (name, self._schema, self._label(), 1), new_revision())
                self._store.write([made], epoch=epoch)
                self._name = name
        except EpochChanged:
            self._due = float("-inf")  # the write will find the same, and come again under the new one
        except ManystoreError:
            return  # of what lasts, the write tells; and what was not announced is tried again after the interval

    def _is_moved(self, name: str, epoch: str) -> bool:
        try:
            self._store.write([Patch(PROGRAMS, (name,), new_revision(), steps=(Step("counter", 1),))], epoch=epoch)
        except NotFound:
            return False  # a deployer took the program for gone
        return True

    def forget(self) -> None:
        """Let a forked child begin anew: the lease is its parent's."""
        self._lock = threading.Lock()
        self._name = None
        if self._due != float("inf"):
            self._due = float("-inf")


_LIVING: WeakSet[Lease] = WeakSet()


def _after_fork() -> None:
    for lease in list(_LIVING):
        lease.forget()


os.register_at_fork(after_in_child=_after_fork)
