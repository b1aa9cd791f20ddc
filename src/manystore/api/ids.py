"""Generated keys: unique numbers from 1, handed out from blocks that a counter record reserves.

The same on every store, so that a key is known before its record is committed. Unique, not ordered across programs; a
program that ends leaves a gap. Blocks double while they are in use.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from ..errors import Conflict, Duplicate, NotFound, OutOfBounds, Unavailable, ValueRefused
from ..model.types import INT_MAX
from ..query.plan import Plan
from ..query.planner import Query, plan
from ..schema.catalog import Catalog
from ..schema.system import COUNTERS
from ..store.protocol import Change, Insert, Patch, Read, Step, Values, Written
from ..store.revision import new_revision

_LARGEST_BLOCK = 1024
_TRIES = 100


class Calls(Protocol):
    """What is needed of an engine: its catalog, and its two ways to the store."""

    catalog: Catalog

    def read(self, plan: Plan, values: Values, operation: str) -> Read:
        """Run a plan."""
        ...

    def write(self, changes: Sequence[Change], operation: str) -> Written:
        """Carry out changes in one atomic step."""
        ...


class _CounterCodec:
    """Reads a counter as a pair (next, revision)."""

    dumps = (None, None)

    def load(self, row: Sequence[Any]) -> tuple[int, int]:
        return row[1], row[2]

    def decode(self, data: bytes) -> tuple[int, int]:
        stored = msgspec.json.decode(data)
        return stored["next"], int(stored["_revision"], 16)


class _Block:
    __slots__ = ("end", "next", "size")

    def __init__(self) -> None:
        self.next, self.end, self.size = 1, 1, 1


class Ids:
    """The blocks of one database; thread-safe."""

    def __init__(self, engine: Calls) -> None:
        self._engine = engine
        self._blocks: dict[str, _Block] = {}
        self._lock = threading.Lock()
        self._codec = _CounterCodec()

    def take(self, collection: str, number: int = 1) -> range:
        """Give a run of new keys, as many as asked."""
        with self._lock:
            block = self._blocks.get(collection) or self._blocks.setdefault(collection, _Block())
            if block.end - block.next < number:
                block.size = min(block.size * 2, _LARGEST_BLOCK)
                wanted = max(block.size, number)
                block.next = self._reserve(collection, wanted)
                block.end = block.next + wanted
            first = block.next
            block.next += number
            return range(first, first + number)

    def pass_over(self, collection: str, key: int) -> None:
        """Take note of a key that a caller chose himself: no later key may be the same."""
        with self._lock:
            block = self._blocks.setdefault(collection, _Block())
            if block.next <= key < block.end:
                block.next = key + 1
            if key >= block.end:
                self._raise_to(collection, min(key + 1, INT_MAX))

    def _reserve(self, collection: str, number: int) -> int:
        """Move the counter on by number; give what it was."""
        step = Step("next", number)
        for _ in range(_TRIES):
            patch = Patch(COUNTERS, (collection,), new_revision(), steps=(step,), codec=self._codec)
            try:
                after: int = self._engine.write([patch], "reserve ids").records[0][0]
                return after - number
            except OutOfBounds:
                raise ValueRefused(collection, "key", "all generated keys are used up") from None
            except NotFound:
                if self._start(collection, 1 + number):
                    return 1
        raise Unavailable(f"{collection}: no keys could be reserved")

    def _start(self, collection: str, first: int) -> bool:
        """Make the counter; False when somebody else did in the meantime."""
        try:
            self._engine.write([Insert(COUNTERS, (collection, first), new_revision())], "reserve ids")
        except Duplicate:
            return False
        return True

    def _raise_to(self, collection: str, floor: int) -> None:
        made = plan(Query(COUNTERS, ("eq", "name")), self._engine.catalog)
        made.codec = self._codec
        made.matches = lambda _, __: True
        for _ in range(_TRIES):
            found = self._engine.read(made, (collection,), "reserve ids").rows
            if not found:
                self._start(collection, floor)
                continue
            after, revision = found[0]
            if after >= floor:
                return
            patch = Patch(COUNTERS, (collection,), new_revision(), sets=(("next", floor),), expected=revision)
            try:
                self._engine.write([patch], "reserve ids")
            except Conflict:
                continue
            return
        raise Unavailable(f"{collection}: its counter could not be raised")
