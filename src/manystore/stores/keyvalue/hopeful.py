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
from .entries import Upkeep, Watched
from .protocol import Absent, Check, Exists, Key, KeyValue, Put, Same, token_of
from .shape import Keeper, Shape
from .step import CHANGED


def try_hopefully(
    kv: KeyValue, keeper: Keeper, changes: Sequence[Change], stored: dict[Key, bytes | None]
) -> tuple[int, bool]:
    """Try to write changes; give the trips and whether it is done.

    When not: what was read and may go on to be used is in stored; without that, a check failed, or nothing was tried.
    """
    replaced: list[tuple[Replace, Shape]] = []
    keys: list[Key] = []
    hopeful = _Hopeful(keeper)
    for change in changes:
        if type(change) is Insert:
            if not hopeful.insert(change):
                return 0, False
        elif type(change) is Replace and not change.require:
            shape = keeper.shape(change.collection)
            replaced.append((change, shape))
            keys.append((shape.space, shape.name(change.values)))
        elif type(change) is Expect:
            hopeful.expect(change)
        else:
            return 0, False
    trips = 1
    if keys:
        got = kv.get(keys)
        if got.epoch != keeper.epoch:
            raise EpochChanged(CHANGED)
        for (change, shape), key, data in zip(replaced, keys, got.values, strict=True):
            if not hopeful.replace(change, shape, key, data):
                stored.update(zip(keys, got.values, strict=True))
                return 1, False
        trips = 2
    return trips, kv.commit(hopeful.all_checks(), hopeful.puts, hopeful.deletes, epoch=keeper.epoch) is None


class _Hopeful:
    """The checks and puts of one hopeful commit."""

    __slots__ = ("_keeper", "_taken", "_targets", "checks", "deletes", "puts")

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._taken: set[Key] = set()  # keys and claims of the new records
        self._targets: list[Key] = []
        self.checks: list[Check] = []
        self.puts: list[Put] = []
        self.deletes: list[Key] = []

    def insert(self, change: Insert) -> bool:
        """Take a new record; say no when another of this commit has its key or one of its claims."""
        shape = self._keeper.shape(change.collection)
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

    def expect(self, change: Expect) -> None:
        """Take a check of a record that was read."""
        shape = self._keeper.shape(change.collection)
        self.checks.append(Same((shape.space, shape.upkeep.key_text(change.key)), f"{change.expected:016x}"))

    def replace(self, change: Replace, shape: Shape, key: Key, data: bytes | None) -> bool:
        """Take a record anew; say no when it is not what was expected, or when more than an entry of it moves."""
        token = f"{change.expected:016x}"
        if data is None or token_of(data) != token:
            return False
        new, was, will = shape.replaced(data, change.values, (f"{change.revision:016x}", token))
        if was != will and not self._move(shape.upkeep, key[1], was, will):
            return False
        self.checks.append(Same(key, token))
        self.puts.append((*key, new))
        return True

    def _move(self, upkeep: Upkeep, name: str, was: Watched, will: Watched) -> bool:
        """Move the entries of a record; say no when a claim or a reference of it moves."""
        before, after = upkeep.texts(was, name), upkeep.texts(will, name)
        if any(claim.name(before) != claim.name(after) for claim in upkeep.claims):
            return False
        if any(before[pointer.place] != after[pointer.place] for pointer in upkeep.pointers):
            return False
        for old, new in zip(upkeep.entries(before), upkeep.entries(after), strict=True):
            if old != new:
                self.deletes.append(old[:2])
                self.puts.append(new)
        return True

    def all_checks(self) -> list[Check]:
        """Give the checks, with those that the targets of new records are there, but for what this commit makes."""
        if not self._targets:
            return self.checks
        taken = self._taken
        return [*self.checks, *[Exists(key) for key in dict.fromkeys(self._targets) if key not in taken]]
