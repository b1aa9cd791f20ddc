"""Memory: a key-value store on sorted dicts, and the store that `memory://` opens.

`memory://name` is shared by all of one process that open it, until the last of them is closed; `memory://` is private.
A forked child goes on with a copy of its own. Nothing outlives the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import islice
from threading import Lock
from typing import ClassVar
from weakref import WeakSet

from sortedcontainers import SortedList

from ...errors import EpochChanged
from ...query.capabilities import Capabilities
from ...store.protocol import Wait
from ...store.url import StoreURL
from .bulk import Limits
from .layout import GAP, after_all
from .protocol import (
    CATALOG,
    Absent,
    Check,
    Empty,
    Exists,
    Key,
    Page,
    Put,
    Range,
    Same,
    Span,
    Values,
    epoch_of,
    token_of,
)
from .store import KeyValueStore

_ORDERED = ("r:", "i:", "b:")


class Ordered(dict[str, bytes]):
    """A space that is read in order: its values, and beside them its names in order.

    A new name gets its place when the space is next read in order, with all others that came since: most entries are
    written far more often than walked along, and to sort many at once takes less than to look for a place for each.
    """

    __slots__ = ("_new", "_sorted")

    def __init__(self) -> None:
        super().__init__()
        self._sorted: SortedList[str] = SortedList()
        self._new: set[str] = set()

    def put(self, name: str, value: bytes) -> None:
        """Store a value."""
        if name not in self:
            self._new.add(name)
        self[name] = value

    def take(self, name: str) -> None:
        """Delete a value, if it is there."""
        if self.pop(name, None) is None:
            return
        if name in self._new:
            self._new.remove(name)
        else:
            self._sorted.remove(name)

    @property
    def names(self) -> SortedList[str]:
        """Give all names in order."""
        if self._new:
            self._sorted.update(self._new)
            self._new.clear()
        return self._sorted


class Memory:
    """A KeyValue (protocol.py) in this process. Every verb runs under one lock."""

    def __init__(self) -> None:
        self.lock = Lock()
        self._spaces: dict[str, dict[str, bytes] | Ordered] = {}  # Ordered where names are read in order
        self._epoch = ""
        _LIVING.add(self)

    def get(self, keys: Sequence[Key], /, *, follow: str | None = None) -> Values:
        """Read some values, or the records that they name."""
        spaces, lock = self._spaces, self.lock
        lock.acquire()  # a `with` would take half as long again as what stands in it
        try:
            if follow is not None:
                records = spaces.get(follow, {})
                held = [spaces[s].get(name) if s in spaces else None for s, name in keys]
                return Values([owner and records.get(owner.decode()) for owner in held], self._epoch)
            if len(keys) == 1:
                space, name = keys[0]
                return Values([spaces[space].get(name) if space in spaces else None], self._epoch)
            return Values([spaces[s].get(name) if s in spaces else None for s, name in keys], self._epoch)
        finally:
            lock.release()

    def scan(
        self, spans: Sequence[Span], /, *, limit: int | None = None, reverse: bool = False, follow: str | None = None
    ) -> Page:
        """Read names in order, and the records they lead to."""
        with self.lock:
            names = self._names(spans[0], limit, reverse=reverse)
            if len(spans) > 1:
                for span in spans[1:]:
                    names += self._names(span, None if limit is None else limit - len(names), reverse=reverse)
            if follow is None:
                return Page(names, [], self._epoch)
            records = self._spaces.get(follow)
            if records is None:
                return Page(names, [None] * len(names), self._epoch)
            if follow == spans[0].space:
                return Page(names, [records[name] for name in names], self._epoch)
            get = records.get
            # owner_of(name), written out: a call for each name would double the time of a scan.
            return Page(names, [get(name[name.rfind(GAP) + 1 :]) for name in names], self._epoch)

    def commit(
        self, checks: Sequence[Check], puts: Sequence[Put], deletes: Sequence[Key], /, *, epoch: str | None
    ) -> int | None:
        """Delete and put, if the epoch is in force and every check holds."""
        spaces, catalog = self._spaces, CATALOG[0]
        with self.lock:
            if epoch is not None and epoch != self._epoch:
                raise EpochChanged("the catalog changed since the write was made")
            failing = self._failing(checks)
            if failing is not None:
                return failing
            for space, name in deletes:
                held = spaces.get(space)
                if type(held) is Ordered:
                    held.take(name)
                elif held is not None:
                    held.pop(name, None)
            for space, name, value in puts:
                held = spaces.get(space)
                if held is None:
                    held = spaces[space] = Ordered() if space[:2] in _ORDERED else {}
                if type(held) is Ordered:
                    held.put(name, value)
                    continue
                held[name] = value
                if space == catalog:
                    self._epoch = epoch_of(value)
        return None

    def close(self) -> None:
        """Let go of nothing: the data go with the last reference to them."""

    def _names(self, span: Span, limit: int | None, *, reverse: bool = False) -> list[str]:
        held = self._spaces.get(span.space)
        if held is None:
            return []
        if not isinstance(held, Ordered):
            return list(islice(held, limit))  # claims, in no order
        names = held.names.irange(span.low, span.high, inclusive=(True, False), reverse=reverse)
        return list(names if limit is None else islice(names, limit))

    def _failing(self, checks: Sequence[Check]) -> int | None:
        spaces = self._spaces
        for place, check in enumerate(checks):
            # The commonest checks, without a call.
            if type(check) is Absent:
                space, name = check.key
                if space in spaces and name in spaces[space]:
                    return place
            elif type(check) is Same:
                space, name = check.key
                value = spaces[space].get(name) if space in spaces else None
                if value is None:
                    return place
                if not value.startswith(check.head) if check.head else token_of(value) != check.token:
                    return place
            elif not self._holds(check):
                return place
        return None

    def _holds(self, check: Check) -> bool:
        if isinstance(check, Exists):
            space, name = check.key
            return space in self._spaces and name in self._spaces[space]
        if isinstance(check, Empty):
            return not self._names(Span(check.space, check.prefix, after_all(check.prefix)), 1)
        assert isinstance(check, Range)
        return self._names(check.span, len(check.seen) + 1) == list(check.seen)


class MemoryStore(KeyValueStore):
    """The store of `memory://name` and `memory://`."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        native_filter=False, native_aggregate=False, persistent=False, shared=False
    )

    def __init__(
        self, memory: Memory, let_go: Callable[[], None] | None = None, *, wait: Wait, limits: Limits | None = None
    ) -> None:
        super().__init__(memory, wait=wait, limits=limits)
        self._let_go = let_go

    @classmethod
    def open(cls, url: StoreURL, /, *, wait: Wait) -> MemoryStore:
        """Open the memory of a name, or a new one; raise URLError for an option, since there are none."""
        url.allow()
        name = "/".join(part for part in (url.name, url.path, url.prefix) if part)
        if not url.name:
            return cls(Memory(), wait=wait, limits=Limits.of(url))
        return cls(_SHARED.take(name), lambda: _SHARED.let_go(name), wait=wait, limits=Limits.of(url))

    def close(self) -> None:
        """Let go of the memory; the last to do so ends it."""
        if not self._is_closed and self._let_go is not None:
            self._let_go()
        super().close()


class _Shared:
    """The memories of this process that have a name, each with the number of its users."""

    def __init__(self) -> None:
        self.lock = Lock()
        self._held: dict[str, tuple[Memory, int]] = {}

    def take(self, name: str) -> Memory:
        with self.lock:
            memory, users = self._held.get(name) or (Memory(), 0)
            self._held[name] = (memory, users + 1)
            return memory

    def let_go(self, name: str) -> None:
        with self.lock:
            memory, users = self._held.pop(name)
            if users > 1:
                self._held[name] = (memory, users - 1)


_LIVING: WeakSet[Memory] = WeakSet()
_SHARED = _Shared()


class _Fork:
    """Holds every lock while the process forks, so that the child's copies are whole and its locks are free."""

    def __init__(self) -> None:
        self._held: list[Lock] = []

    def begin(self) -> None:
        _SHARED.lock.acquire()
        self._held = [memory.lock for memory in list(_LIVING)]
        for lock in self._held:
            lock.acquire()

    def end(self) -> None:
        for lock in self._held:
            lock.release()
        self._held = []
        _SHARED.lock.release()


_FORK = _Fork()
os.register_at_fork(before=_FORK.begin, after_in_parent=_FORK.end, after_in_child=_FORK.end)
