"""Slots: keys of a writer's own, one for each commit under way. By them a commit whose reply was lost is decided.

Each commit compares its slot and writes it anew. So one look at the slot tells for good whether the commit was carried
out, and writing the slot shuts out a commit that may still be on its way. The slots of a process hang on a lease: they
go with the process, and none is ever used after its lease. Knows nothing of checks or records.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from contextlib import suppress
from threading import Lock

from ...errors import StoreError
from .etcd_cluster import Cluster
from .etcd_messages import CREATE, EQUAL, VALUE, Compare, LeaseGrant, LeaseRevoke, Message, Op, Put, Range, Txn
from .etcd_translate import LeaseLost

_SECONDS, _MOST_SECONDS = (
    600,
    1_000_000,
)  # of a lease; the second half is for commits that are under way when it is replaced
_CLOSED = b"closed"


class Slot:
    """A key that one commit uses at a time. stored: the number it holds, 0 before it is made; sent: the last tried."""

    __slots__ = ("key", "lease", "sent", "stored", "until")

    def __init__(self, key: bytes, lease: int, until: float) -> None:
        self.key = key
        self.lease = lease
        self.until = until
        self.stored = self.sent = 0

    def compare(self, compare: Message) -> None:
        """Fill a compare that holds as long as nobody has written the slot since."""
        compare.Clear()
        compare.key = self.key
        if self.stored == 0:
            compare.target = CREATE
        else:
            compare.target, compare.value = VALUE, b"%d" % self.stored

    def write(self, put: Message) -> None:
        """Fill a put that writes the slot anew. With the lease, it fails once that has run out."""
        self.sent += 1
        put.key, put.value, put.lease = self.key, b"%d" % self.sent, self.lease


class Slots:
    """The slots of one store in this process."""

    def __init__(self, cluster: Cluster, space: str) -> None:
        self._cluster = cluster
        self._space = space
        self._seconds = int(min(_MOST_SECONDS, max(_SECONDS, 8 * cluster.timeout)))
        self._renew()

    def _renew(self) -> None:
        self._lock = Lock()
        self._pid = os.getpid()
        self._free: deque[Slot] = deque()
        self._leases: list[int] = []
        self._until = 0.0

    def take(self) -> Slot:
        """Give a slot to use alone; hand it back once the commit was answered, otherwise drop it."""
        if self._pid != os.getpid():
            self._renew()
        now = time.monotonic()
        with suppress(IndexError):
            while (slot := self._free.pop()).until <= now:
                pass
            return slot
        with self._lock:
            if self._until <= now:
                granted = self._cluster.ask("LeaseGrant", LeaseGrant(TTL=self._seconds))
                self._leases = [*self._leases[-1:], granted.ID]
                self._until = now + self._seconds / 2
            return Slot(f"{self._space}{secrets.token_hex(8)}".encode(), self._leases[-1], self._until)

    def done(self, slot: Slot) -> None:
        """Take back a slot whose commit was carried out."""
        slot.stored = slot.sent
        self.give(slot)

    def give(self, slot: Slot) -> None:
        """Take back a slot whose commit was answered."""
        if slot.until == self._until:
            self._free.append(slot)

    def lose(self, slot: Slot) -> None:
        """Take note that a slot's lease is gone; the next commit gets a new one."""
        with self._lock:
            if slot.until == self._until:
                self._until = 0.0

    def settle(self, slot: Slot, seconds: float) -> bool | None:
        """Tell whether the commit that used this slot was carried out; after a no, it never will be.

        None when the slot is gone with its lease. The slot must not be used again: this write may itself come late.
        """
        mine = Compare(result=EQUAL, target=VALUE, key=slot.key, value=b"%d" % slot.sent)
        shut = Op(request_put=Put(key=slot.key, value=_CLOSED, lease=slot.lease))
        try:
            return bool(self._cluster.ask("Txn", Txn(compare=[mine], failure=[shut]), seconds=seconds).succeeded)
        except LeaseLost:
            self.lose(slot)
            return None

    def holds(self, slot: Slot) -> bool:
        """Tell whether the commit that used this slot was carried out, when an answer to it did come."""
        kvs = self._cluster.ask("Txn", Txn(success=[Op(request_range=Range(key=slot.key))])).responses
        return [kv.value for kv in kvs[0].response_range.kvs] == [b"%d" % slot.sent]

    def close(self) -> None:
        """Take the leases back, and with them the slots; when that fails, they run out by themselves."""
        if self._pid == os.getpid():
            for lease in self._leases:
                with suppress(StoreError):
                    self._cluster.ask("LeaseRevoke", LeaseRevoke(ID=lease), seconds=min(1.0, self._cluster.timeout))
            self._leases = []
