"""Upward: the sweep's way from a record of the older shape to the kept one, a function generated for each collection.

Knows pins; must not know stores. A record without a complement, which is nearly every one, goes straight through the
lenses, together with many others where a store can; the others go by Pin.lift.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from ..errors import ManystoreError
from ..generated import function
from ..schema.operation import Columns, Many
from .failure import failure_of
from .lens import Record, unchanged
from .pin import Pin

One: TypeAlias = Callable[[Record, Record | None], Record]


class Lift(msgspec.Struct, frozen=True):
    """Both ways: one(columns, complement) of a record, and many records without a complement."""

    one: One
    many: Many


def upward(pin: Pin, physical: Mapping[str, str] | None) -> Lift:
    """Make a lift. physical: where columns are fixed, the columns to make, by those of the head.

    Where they are not, all of a record is made; columns that neither shape knows are kept.
    """
    if physical is None:
        return Lift(_Free(pin).made(), _many(pin, {column: column for column in pin.head.columns}))
    return Lift(_Fixed(pin, physical).made(), _many(pin, physical))


def _many(pin: Pin, physical: Mapping[str, str]) -> Many:
    """Make the way of many. physical: the columns to make, by those of the head."""
    stays = {base for lens in pin.derived for base, head in lens.same if base == head}
    lenses = [lens for lens in pin.derived if not physical.keys().isdisjoint(lens.head)]
    gives = {column for lens in lenses for column in lens.head} - stays
    takes = {column: None for lens in lenses for column in lens.base}
    takes |= {column: None for column in physical if column not in gives}

    def made(columns: Columns, number: int) -> Columns:
        there = dict(columns)
        for lens in lenses:
            try:
                results = lens.up_many([columns[column] for column in lens.base], number)
            except ManystoreError:
                raise
            except Exception as error:  # of which record it is shows when they go one by one
                raise failure_of(pin.base, pin.head, lens, None, error) from error
            there.update((c, result) for c, result in zip(lens.head, results, strict=True) if c in gives)
        return {stored: there[column] for column, stored in physical.items()}

    return Many(tuple(takes), made)


class _Free:
    """The source of a lift that changes what of a record changes. It holds places only, never a name or a value."""

    take = "pop"

    def __init__(self, pin: Pin) -> None:
        self.names: dict[str, Any] = {}
        self.pin = pin
        self.results: dict[str, str] = {}
        self.calls = [self._call(number, lens) for number, lens in enumerate(pin.derived)]

    def name(self, value: Any) -> str:
        """Give what a column or a default is called in the source."""
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def _call(self, number: int, lens: Any) -> str:
        """Write the call of a lens. All come before any result is put: another's base may be called like it."""
        made = [f"h{number}_{place}" for place in range(len(lens.head))]
        stays = {base for base, head in lens.same if base == head}
        self.results.update((c, name) for c, name in zip(lens.head, made, strict=True) if c not in stays)
        takes = [(self.name(column), "get" if column in stays else self.take) for column in lens.base]
        given = "".join(f"{take}({name}, None), " for name, take in takes)
        made_of = f"({given})" if lens.up is unchanged else f"{self.name(lens.up)}(({given}))"
        return f" [{', '.join(made)}] = {made_of}"

    def made(self) -> One:
        """Compile it."""
        lines = [
            "def made(stored, complement=None):",
            " if complement: return whole(stored, complement)",
            " try:",
            *(f" {line}" for line in self.lines()),
            " except Exception: new = None",
            # By the slow way it is known which function fails, and of which record.
            " return whole(stored, complement) if new is None else new",
        ]
        names: dict[str, Any] = {**self.names, "whole": self.whole}
        return function("upward", "\n".join(lines), names)

    def lines(self) -> list[str]:
        """Write what makes the new record."""
        absent = [(self.name(column), self.name(default)) for column, default in self.pin.absent.items()]
        return [
            " get = stored.get; new = stored.copy(); pop = new.pop",
            *self.calls,
            *(f" if {column} not in new: new[{column}] = {default}" for column, default in absent),
            *(f" new[{self.name(column)}] = {result}" for column, result in self.results.items()),
        ]

    def whole(self, stored: Record, complement: Record | None) -> Record:
        """Lift a record by its pin, with its complement."""
        return self.pin.lift(stored, complement)


class _Fixed(_Free):
    """The source of a lift that gives some of the head's columns alone, by the names of the columns that hold them."""

    take = "get"

    def __init__(self, pin: Pin, physical: Mapping[str, str]) -> None:
        super().__init__(pin)
        self._physical = physical

    def lines(self) -> list[str]:
        """Write what makes the new record."""
        pairs = [f"{self.name(there)}: {self._value(column)}" for column, there in self._physical.items()]
        return [" get = stored.get", *self.calls, f" new = {{{', '.join(pairs)}}}"]

    def _value(self, column: str) -> str:
        if column in self.results:
            return self.results[column]
        if column in self.pin.absent:
            return f"get({self.name(column)}, {self.name(self.pin.absent[column])})"
        return f"stored[{self.name(column)}]"

    def whole(self, stored: Record, complement: Record | None) -> Record:
        """Lift a record by its pin, with its complement."""
        lifted = self.pin.lift(stored, complement)
        return {there: lifted[column] for column, there in self._physical.items()}
