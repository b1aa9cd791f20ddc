"""Writes that most likely meet nothing unforeseen: new records, records anew that move at most entries, and checks.

They go straight to a commit, in half the time that the bookkeeping of step.py takes. Whatever else there is, and
whatever a check refuses, is left to a Step, which finds out.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import EpochChanged
from ...schema.encoding import NONE
from ...store.protocol import Change, Insert, Replace
from ...store.protocol import Check as Expect
from .protocol import Absent, Check, Exists, Key, KeyValue, Put, Same, token_of
from .shape import Keeper, Shape
from .step import CHANGED


def try_hopefully(
    kv: KeyValue, keeper: Keeper, changes: Sequence[Change], stored: dict[Key, bytes | None]
) -> tuple[int, bool]:
    """Try to write changes; give the trips and whether it is done.

    When not: what was read and may go on to be used is in stored; without that, a check failed, or nothing was tried.
    """
    hopeful, replaced = _Hopeful(), list[tuple[Replace, Shape]]()
    keys: list[Key] = []
    collection, shape = changes[0].collection, keeper.shape(changes[0].collection)
    for change in changes:
        if change.collection is not collection:
            collection, shape = change.collection, keeper.shape(change.collection)
        if type(change) is Insert:
            if not hopeful.insert(change, shape):
                return 0, False
        elif type(change) is Replace and not change.require and shape.older is None:
            replaced.append((change, shape))
            keys.append((shape.space, shape.name(change.values)))
        elif type(change) is Expect:
            hopeful.expect(change, shape)
        else:
            return 0, False
    if keys:
        got = kv.get(keys)
        if got.epoch != keeper.epoch:
            raise EpochChanged(CHANGED)
        if not hopeful.replace_all(replaced, keys, got.values):
            stored.update(zip(keys, got.values, strict=True))
            return 1, False
    is_done = kv.commit(hopeful.all_checks(), hopeful.puts, hopeful.deletes, epoch=keeper.epoch) is None
    return (2 if keys else 1), is_done


class _Hopeful:
    """The checks and puts of one hopeful commit."""

    __slots__ = ("_taken", "_targets", "checks", "deletes", "puts")

    def __init__(self) -> None:
        self._taken: set[Key] = set()  # keys and claims of the new records
        self._targets: list[Key] = []
        self.checks: list[Check] = []
        self.puts: list[Put] = []
        self.deletes: list[Key] = []

    def insert(self, change: Insert, shape: Shape) -> bool:
        """Take a new record; say no when another of this commit has its key or one of its claims."""
        upkeep, space, name = shape.upkeep, shape.space, shape.name(change.values)
        checks, puts, taken, key = self.checks, self.puts, self._taken, (space, name)
        if key in taken:
            return False
        taken.add(key)
        data, watched = shape.inserted(change.values, f"{change.revision:016x}")
        texts = upkeep.texts(watched, name)
        checks.append(Absent(key))
        puts.append((space, name, data))
        puts += upkeep.entries(texts)
        for claim in upkeep.claims:
            if (claimed := claim.name(texts)) is not None:
                held = (claim.space, claimed)
                if held in taken:
                    return False
                taken.add(held)
                checks.append(Absent(held))
                puts.append((*held, name.encode()))
        for pointer in upkeep.pointers:
            if (target := texts[pointer.place]) != NONE:
                self._targets.append((pointer.targets, target))
                puts.append((pointer.space, target + pointer.tail + name, b""))
        return True

    def expect(self, change: Expect, shape: Shape) -> None:
        """Take a check of a record that was read."""
        self.checks.append(Same((shape.space, shape.upkeep.key_text(change.key)), f"{change.expected:016x}"))

    def replace_all(
        self, replaced: Sequence[tuple[Replace, Shape]], keys: Sequence[Key], found: Sequence[bytes | None]
    ) -> bool:
        """Take records anew; say no when one is not what was expected, or a claim or reference of it moves."""
        for (change, shape), key, data in zip(replaced, keys, found, strict=True):
            token = f"{change.expected:016x}"
            if data is None or token_of(data) != token:
                return False
            new, was, will = shape.replaced(data, change.values, (f"{change.revision:016x}", token))
            if was != will:
                moves = shape.upkeep.moves(was, will, key[1])
                if moves is None:
                    return False
                self.deletes += moves[0]
                self.puts += moves[1]
            self.checks.append(Same(key, token, shape.seen(data)))
            self.puts.append((*key, new))
        return True

    def all_checks(self) -> list[Check]:
        """Give the checks, with those that the targets of new records are there, but for what this commit makes."""
        if not self._targets:
            return self.checks
        taken = self._taken
        return [*self.checks, *[Exists(key) for key in dict.fromkeys(self._targets) if key not in taken]]
