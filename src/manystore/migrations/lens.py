"""Lens: a named group of base columns beside a group of head columns, and the pure functions between them.

Knows columns and primitives as JSON has them (docs/format.md); must not know schemas or stores. Lenses of operations
that follow each other are composed into the lenses of the whole way. pin.py reads and writes records through them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, TypeAlias

import msgspec

Values: TypeAlias = tuple[Any, ...]
Through: TypeAlias = Callable[[Values], Values]
Columns: TypeAlias = Sequence[Sequence[Any]]  # the values of many records, column by column
ThroughMany: TypeAlias = Callable[[Columns, int], Columns]
Record: TypeAlias = dict[str, Any]


def unchanged(values: Values) -> Values:
    """Give the values as they are: both ways of a rename."""
    return values


class Lens(msgspec.Struct, frozen=True):
    """Base columns, head columns, and the functions between their values, both ways; each takes and gives a tuple.

    Both are pure: no clock, no I/O, no randomness. collection: its stored name before the operation. same: pairs of a
    base and a head column whose values never differ, so a filter on the head column may be put to the base column.
    many: does what up does for the base columns of so many records, where there is a quicker way than one by one.
    """

    collection: str
    base: tuple[str, ...]
    head: tuple[str, ...]
    up: Through
    down: Through
    same: tuple[tuple[str, str], ...] = ()
    many: ThroughMany | None = None

    def up_many(self, columns: Columns, number: int) -> Columns:
        """Do what up does for so many records: base columns to head columns."""
        if self.up is unchanged:
            return columns
        if self.many is not None:
            return self.many(columns, number)
        return one_by_one(self, columns, number)

    @property
    def name(self) -> str:
        """What the complement calls it: its head columns."""
        return ",".join(self.head)


def one_by_one(lens: Lens, columns: Columns, number: int) -> Columns:
    """Take many records through a lens, each by itself."""
    rows = zip(*columns, strict=True) if columns else repeat((), number)
    return list(zip(*map(lens.up, rows), strict=True)) if lens.head and number else [()] * len(lens.head)


class _Chain(msgspec.Struct, frozen=True):
    """Lenses one after the other, whose columns hang together."""

    base: tuple[str, ...]
    head: tuple[str, ...]
    steps: tuple[Lens, ...]

    def up(self, values: Values) -> Values:
        there = dict(zip(self.base, values, strict=True))
        for step in self.steps:
            made = step.up(tuple(there.pop(column) for column in step.base))
            there.update(zip(step.head, made, strict=True))
        return tuple(there[column] for column in self.head)

    def many(self, columns: Columns, number: int) -> Columns:
        there = dict(zip(self.base, columns, strict=True))
        for step in self.steps:
            made = step.up_many([there.pop(column) for column in step.base], number)
            there.update(zip(step.head, made, strict=True))
        return [there[column] for column in self.head]

    def down(self, values: Values) -> Values:
        there = dict(zip(self.head, values, strict=True))
        for step in reversed(self.steps):
            made = step.down(tuple(there.pop(column) for column in step.head))
            there.update(zip(step.base, made, strict=True))
        return tuple(there[column] for column in self.base)


class _Group:
    """Columns that hang together so far: those at the base, those now, and the places of the lenses between."""

    def __init__(self, base: tuple[str, ...]) -> None:
        self.base = base
        self.now = base
        self.steps: list[int] = []


def compose(collection: str, columns: Iterable[str], lenses: Iterable[Lens]) -> tuple[Lens, ...]:
    """Make the lenses of a whole way from those of its operations, in order; columns: those at its beginning.

    Columns that no lens touches belong to none of them.
    """
    steps = tuple(lenses)
    groups = [_Group((column,)) for column in columns]
    for place, lens in enumerate(steps):
        joined = [group for group in groups if set(group.now) & set(lens.base)]
        whole = _Group(tuple(column for group in joined for column in group.base))
        kept = tuple(column for group in joined for column in group.now if column not in lens.base)
        whole.now = (*kept, *lens.head)
        whole.steps = sorted({place, *(number for group in joined for number in group.steps)})
        first = groups.index(joined[0]) if joined else len(groups)
        groups = [group for group in groups if group not in joined]
        groups.insert(min(first, len(groups)), whole)
    touched = [group for group in groups if group.steps and (group.base or group.now)]
    return tuple(_composed(collection, group, [steps[place] for place in group.steps]) for group in touched)


def _composed(collection: str, group: _Group, steps: list[Lens]) -> Lens:
    if len(steps) == 1 and (steps[0].base, steps[0].head) == (group.base, group.now):
        return msgspec.structs.replace(steps[0], collection=collection)
    chain = _Chain(group.base, group.now, tuple(steps))
    pairs = _same_pairs(group.base, steps)
    return Lens(collection, group.base, group.now, chain.up, chain.down, pairs, chain.many)


def _same_pairs(base: tuple[str, ...], steps: list[Lens]) -> tuple[tuple[str, str], ...]:
    """Follow each base column through the steps, as far as its values stay."""
    now = {column: column for column in base}
    for step in steps:
        pairs = dict(step.same)
        now = {
            first: pairs.get(column, column)
            for first, column in now.items()
            if column in pairs or column not in step.base
        }
    return tuple(now.items())


def same(one: Any, other: Any) -> bool:
    """Tell whether two primitives are one value. True is not 1; within JSON values 1 is not 1.0 either."""
    if one.__class__ in (dict, list) or other.__class__ in (dict, list):
        return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
    return bool(one == other) and (one.__class__ is bool) == (other.__class__ is bool)


def all_same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Tell whether the primitives of two rows are the same, one by one."""
    return len(one) == len(other) and all(map(same, one, other))


def taken(record: Mapping[str, Any], columns: Iterable[str]) -> Values:
    """Give a record's values of some columns; one that it lacks is null."""
    return tuple(record.get(column) for column in columns)
