"""A store whose user dies before and after each of its steps, once each: whoever goes on is cut off everywhere.

Knows the outer waist, and of key-value stores the verb that changes things; must not know what the steps are for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from manystore.schema.operation import Altered, Operation


class Cut(Exception):
    """What ends a program in the midst of its work."""


class CutEverywhere:
    """A Store. Each step raises Cut the first time, not carried out, and the second time, carried out; then it works.

    cuts: how often it did.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._seen = Counter[Any]()
        self.cuts = 0

    def __getattr__(self, name: str) -> Any:
        """Give what the store has."""
        return getattr(self._store, name)

    def alter(self, operation: Operation) -> Altered:
        """Carry out an operation, or die."""
        found: Altered = self._cut(_named(operation), lambda: self._store.alter(operation))
        return found

    def write(self, changes: Any, *, epoch: str) -> Any:
        """Write, or die."""
        return self._cut(tuple(map(_changed, changes)), lambda: self._store.write(changes, epoch=epoch))

    def _cut(self, step: Any, work: Callable[[], Any]) -> Any:
        self._seen[step] += 1
        times = self._seen[step]
        if times > 2:
            return work()
        if times == 2:
            work()
        self.cuts += 1
        raise Cut


def _named(operation: Any) -> Any:
    """Tell one step of a deployer from the others, such that it is the same when it is given again."""
    catalog = getattr(operation, "catalog", None)
    phase = catalog and (catalog.phase, tuple(sorted(catalog.indexes.items())), catalog.closed)
    return type(operation), getattr(operation, "collection", ""), repr(getattr(operation, "after", "")), phase


def _changed(change: Any) -> Any:
    values = getattr(change, "values", None) or change.key
    return type(change), change.collection.name, values[0]


class CutCommits:
    """A KeyValue whose user dies at its n-th commit, before it is carried out or after."""

    def __init__(self, kv: Any, number: int, *, after: bool) -> None:
        self._kv = kv
        self._left = number
        self._after = after

    def __getattr__(self, name: str) -> Any:
        """Give what the store has."""
        return getattr(self._kv, name)

    def commit(self, *args: Any, **named: Any) -> Any:
        """Commit, or die."""
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Cut
        done = self._kv.commit(*args, **named)
        if self._left == 0:
            raise Cut
        return done
