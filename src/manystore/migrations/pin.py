"""Pin: how a program of the head schema reads and writes records that stay in the base shape while a window is open.

Knows records as JSON values and lenses; must not know stores. Part 1.3 of the protocol, in pure functions: a record's
base columns are what programs of the base read and write; what they can't say goes into the complement beside them,
guarded by the base values that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeAlias

import msgspec

from ..errors import ManystoreError, Pinned
from ..schema.schema import Collection
from .failure import failure_of, key_of, keyed
from .lens import Lens, Record, Values, all_same, taken

Complement: TypeAlias = dict[str, Any]  # by a lens's name: [base values, head values]; what `_extras` holds


class Pin(msgspec.Struct, frozen=True, dict=True):
    """One collection in an open window. base, head: its shapes; lenses: what lies between, each column in one at most.

    A record is its columns alone, without the members that begin with an underscore.
    """

    base: Collection
    head: Collection
    lenses: tuple[Lens, ...]

    @cached_property
    def additive(self) -> tuple[Lens, ...]:
        """Give the lenses of new columns with constant defaults: such a value is stored under its own name."""
        return tuple(lens for lens in self.lenses if not lens.base and not set(lens.head) & set(self.base.columns))

    @cached_property
    def absent(self) -> Record:
        """Give what a new column holds in a record that lacks it, as every record of a program of the base does."""
        return {
            column: value
            for lens in self.additive
            for column, value in zip(lens.head, lens.up(()), strict=True)
        }  # fmt: skip

    @cached_property
    def _plain(self) -> tuple[str, ...]:
        inside = {column for lens in self.lenses for column in lens.base}
        return tuple(column for column in self.base.columns if column not in inside)

    @cached_property
    def derived(self) -> tuple[Lens, ...]:
        """Give the other lenses."""
        return tuple(lens for lens in self.lenses if lens.name not in self._additive_names)

    @cached_property
    def _additive_names(self) -> frozenset[str]:
        return frozenset(lens.name for lens in self.additive)

    def load(self, stored: Mapping[str, Any], complement: Mapping[str, Any] | None = None) -> Record:
        """Give a stored record's head columns."""
        record = {column: stored[column] for column in self._plain if column in stored}
        for column, default in self.absent.items():
            record[column] = stored.get(column, default)
        for lens in self.derived:
            record.update(zip(lens.head, self._seen(lens, stored, complement), strict=True))
        return record

    def _seen(self, lens: Lens, stored: Mapping[str, Any], complement: Mapping[str, Any] | None) -> Values:
        """Give a lens's head values: those of the complement if its base values are still the stored ones."""
        values = taken(stored, lens.base)
        kept = complement.get(lens.name) if complement else None
        if kept is not None and all_same(kept[0], values):
            return tuple(kept[1])
        return self._up(lens, values, self.base, stored)

    def _up(self, lens: Lens, values: Values, shape: Collection, record: Mapping[str, Any]) -> Values:
        """Take values up; where a function fails, say of which record that is, by its columns in a shape."""
        try:
            return lens.up(values)
        except ManystoreError as ours:
            raise keyed(ours, key_of(shape, record)) from ours.__context__
        except Exception as error:
            raise failure_of(self.base, self.head, lens, key_of(shape, record), error) from error

    def put(
        self, new: Mapping[str, Any], stored: Mapping[str, Any] | None, complement: Mapping[str, Any] | None = None
    ) -> tuple[Record, Complement]:
        """Give what is stored for a record's head columns: the base shape, and the complement.

        stored, complement: what stands there now, None for a new record. Stored columns that this program does not
        know are kept. Raises Pinned for a value that the base cannot hold.
        """
        record = dict(stored or {})
        beside = dict(complement or {})
        record.update((column, new[column]) for column in self._plain)
        before = None if stored is None else self.load(stored, complement)
        for lens in self.lenses:
            values = taken(new, lens.head)
            if before is not None and all_same(taken(before, lens.head), values):
                continue  # what is stored stays as it is, be it "02" where the head reads 2
            if lens.name in self._additive_names:
                record.update(zip(lens.head, values, strict=True))
                continue
            base = self._down(lens, values, new)
            record.update(zip(lens.base, base, strict=True))
            beside.pop(lens.name, None)
            if not all_same(self._up(lens, base, self.head, new), values):
                beside[lens.name] = [list(base), list(values)]
        return record, beside

    def _down(self, lens: Lens, values: Values, new: Mapping[str, Any]) -> Values:
        try:
            return lens.down(values)
        except Pinned as pinned:  # it names the field as it was called somewhere on the way
            name = next((f.name for f in self.head.fields if f.column in lens.head), pinned.field)
            raise Pinned(self.head.model, name, pinned.reason) from pinned.__cause__
        except ManystoreError as ours:
            raise keyed(ours, key_of(self.head, new)) from ours.__context__
        except Exception as error:
            raise failure_of(self.base, self.head, lens, key_of(self.head, new), error) from error

    def lift(self, stored: Mapping[str, Any], complement: Mapping[str, Any] | None = None) -> Record:
        """Give a record of the base shape in the head's, for the sweep: with the columns that nobody knows, too."""
        gone = {column for lens in self.lenses for column in lens.base}
        unknown = {column: value for column, value in stored.items() if column not in gone}
        return unknown | self.load(stored, complement)

    def lower(self, record: Mapping[str, Any]) -> Record:
        """Give a head record's base columns: what programs of the base would see of it."""
        made = {column: record[column] for column in self._plain}
        for lens in self.lenses:
            made.update(zip(lens.base, lens.down(taken(record, lens.head)), strict=True))
        return made
