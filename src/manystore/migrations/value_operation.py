"""Operations on values within a record: fill, map through a table, split a field into several, merge several into one.

Knows schemas and lenses; must not know stores. All go side by side, through functions both ways.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ValueRefused
from ..schema.schema import Collection, Field, Schema
from .field_operation import KeyedHash, check_sources
from .lens import Columns, Lens, ThroughMany, Values, unchanged
from .operation import (
    FILL_IN,
    Manner,
    Operation,
    absent,
    changed,
    find,
    find_field,
    held,
    holder,
    lowered,
    refuse,
    replaced,
)
from .primitive import quick, refusal


class Fill(Operation, frozen=True):
    """Give a field that holds None a value: a constant, or what compute gives for the fields in sources.

    compute may be a KeyedHash, which needs no sources.
    """

    collection: str
    field: str
    value: Any = None
    compute: Any = None
    sources: tuple[str, ...] = ()

    def apply(self, before: Schema) -> Schema:
        """Look that it fits; the schema stays."""
        field, where = find_field(before, self.collection, self.field), f"{self.collection}.{self.field}"
        if not field.optional:
            refuse(f"{where}: is never None, so there is nothing to fill")
        if self.compute is None and self.value is None:
            refuse(f"{where}: give the value that it is filled with, or compute")
        if self.compute is None and self.value is not FILL_IN and (reason := refusal(field, self.value)):
            refuse(f"{where}: the value is refused: {reason}")
        check_sources(before, self.collection, self.field, self.sources)
        return before

    def manner(self, before: Schema) -> Manner:
        """A pair of functions."""
        return Manner.UP_AND_DOWN

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Leave the values."""
        return ()

    def lost(self, before: Schema) -> str:
        """Say what is no longer told apart."""
        return f"which values of {find(before, self.collection).model}.{self.field} were None"

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """The field, together with the sources of its value."""
        there, field = find(before, self.collection), find_field(before, self.collection, self.field)
        names = there.key if isinstance(self.compute, KeyedHash) else self.sources
        columns = tuple(there.field(name).column for name in names)

        def up(values: Values) -> Values:
            if values[-1] is not None:
                return values
            if self.compute is None:
                return (*values[:-1], self.value)
            if isinstance(self.compute, KeyedHash):
                value = self.compute.made(secret, there.model, field.name, values[:-1])
            else:
                value = self.compute(*values[:-1])
            return (*values[:-1], held(there.model, field, value))

        whole = (*columns, field.column)
        return (Lens(self.collection, whole, whole, up, unchanged, tuple((c, c) for c in columns)),)

    def title(self) -> str:
        """Say what it does."""
        return f"fill {self.collection}.{self.field}"


class MapValues(Operation, frozen=True):
    """Turn values of a field, or rows of values of several, into others by a table. What it doesn't name stays.

    up: old to new; keys and values are tuples when there are several fields. down: new to old; up turned round when it
    is not given, which needs each new value to come once.
    """

    collection: str
    fields: tuple[str, ...]
    up: Mapping[Any, Any]
    down: Mapping[Any, Any] | None = None

    def apply(self, before: Schema) -> Schema:
        """Look that the table fits; the schema stays."""
        fields = [find_field(before, self.collection, name) for name in self.fields]
        where = f"{self.collection}.{', '.join(self.fields)}"
        if not fields or len(set(self.fields)) < len(fields):
            refuse(f"{self.collection}: a map names at least one field, and none twice")
        if self.unfilled():
            return before
        for rows in (self._rows(self.up), self._rows(self.down or {})):
            for row in (*rows, *rows.values()):
                if len(row) != len(fields):
                    refuse(f"{where}: the table has a row of {len(row)} values for {len(fields)} fields")
                for field, value in zip(fields, row, strict=True):
                    if reason := refusal(field, value):
                        refuse(f"{where}: a value of the table is refused: {reason}")
        if self.down is None and self._merged():
            refuse(f"{where}: several old values may become {self._merged()[0]}; give down")
        return before

    def _rows(self, table: Mapping[Any, Any]) -> dict[Values, Values]:
        if len(self.fields) > 1:
            return {tuple(old): tuple(new) for old, new in table.items()}
        return {(old,): (new,) for old, new in table.items()}

    def _merged(self) -> list[str]:
        """Name the new values that several old ones become; one that the table leaves alone stays itself."""
        rows = self._rows(self.up)
        news = list(rows.values())
        twice = {new for new in news if new not in rows or news.count(new) > 1}
        return sorted(", ".join(map(str, new)) for new in twice)

    def manner(self, before: Schema) -> Manner:
        """A pair of tables."""
        return Manner.UP_AND_DOWN

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Map back."""
        return (MapValues(self.collection, self.fields, self._back(), self.up),)

    def _back(self) -> Mapping[Any, Any]:
        return {new: old for old, new in self.up.items()} if self.down is None else self.down

    def lost(self, before: Schema) -> str:
        """Say which values are no longer told apart."""
        merged = self._merged()
        return f"which of several old values became {'; '.join(merged)}" if merged else ""

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """The fields as one group."""
        columns = tuple(find_field(before, self.collection, name).column for name in self.fields)
        up, down = self._rows(self.up), self._rows(self._back())
        return (Lens(self.collection, columns, columns, lambda row: up.get(row, row), lambda row: down.get(row, row)),)

    def title(self) -> str:
        """Say what it does."""
        return f"map values of {self.collection}.{', '.join(self.fields)}"


class SplitField(Operation, frozen=True):
    """Replace a field by several. up takes its value and gives a tuple of theirs; down takes theirs and gives it."""

    collection: str
    field: str
    into: tuple[Field, ...]
    up: Any
    down: Any

    def apply(self, before: Schema) -> Schema:
        """Replace it, in its place."""
        there, old = find(before, self.collection), find_field(before, self.collection, self.field)
        return _regrouped(before, there, (old,), self.into)

    def manner(self, before: Schema) -> Manner:
        """A pair of functions."""
        return Manner.UP_AND_DOWN

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Merge them."""
        old = find_field(before, self.collection, self.field)
        return (MergeFields(self.collection, tuple(f.name for f in self.into), old, self.down, self.up),)

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """One column to several."""
        there, old = find(before, self.collection), find_field(before, self.collection, self.field)
        return (
            Lens(
                self.collection,
                (old.column,),
                tuple(field.column for field in self.into),
                _several(there, self.into, self.up),
                lambda values: (lowered(there.model, old, self.down(*values)),),
                many=_several_of_many(there, self.into, self.up),
            ),
        )

    def title(self) -> str:
        """Say what it does."""
        return f"split {self.collection}.{self.field} into {', '.join(f.name for f in self.into)}"


class MergeFields(Operation, frozen=True):
    """Replace several fields by one. up takes their values and gives its; down gives a tuple of theirs."""

    collection: str
    fields: tuple[str, ...]
    into: Field
    up: Any
    down: Any

    def apply(self, before: Schema) -> Schema:
        """Replace them, in the place of the first."""
        there = find(before, self.collection)
        old = tuple(find_field(before, self.collection, name) for name in self.fields)
        return _regrouped(before, there, old, (self.into,))

    def manner(self, before: Schema) -> Manner:
        """A pair of functions."""
        return Manner.UP_AND_DOWN

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Split it."""
        old = tuple(find_field(before, self.collection, name) for name in self.fields)
        return (SplitField(self.collection, self.into.name, old, self.down, self.up),)

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """Several columns to one."""
        there = find(before, self.collection)
        fields = tuple(there.field(name) for name in self.fields)

        def up(values: Values) -> Values:
            return (held(there.model, self.into, self.up(*values)),)

        def down(values: Values) -> Values:
            made = zip(fields, self.down(*values), strict=True)
            return tuple(lowered(there.model, field, value) for field, value in made)

        all_held, columns = holder(there.model, self.into), tuple(field.column for field in fields)

        def many(given: Columns, number: int) -> Columns:
            del number
            return [all_held(list(map(self.up, *given)))]

        return (Lens(self.collection, columns, (self.into.column,), up, down, many=many),)

    def title(self) -> str:
        """Say what it does."""
        return f"merge {self.collection}.{', '.join(self.fields)} into {self.into.name}"


def _several(there: Collection, fields: tuple[Field, ...], function: Any) -> Callable[[Values], Values]:
    fit = quick(*fields)

    def up(values: Values) -> Values:
        made = tuple(function(*values))
        if len(made) != len(fields):
            raise ValueRefused(there.model, fields[0].name, f"its migration makes {len(made)} of {len(fields)} values")
        if fit(made):
            return made
        return tuple(held(there.model, field, value) for field, value in zip(fields, made, strict=True))

    return up


def _several_of_many(there: Collection, fields: tuple[Field, ...], function: Any) -> ThroughMany:
    holders = [holder(there.model, field) for field in fields]

    def many(columns: Columns, number: int) -> Columns:
        made = zip(*map(function, *columns), strict=True) if number else [()] * len(fields)
        return [all_held(values) for all_held, values in zip(holders, made, strict=True)]

    return many


def _regrouped(before: Schema, there: Collection, old: tuple[Field, ...], new: tuple[Field, ...]) -> Schema:
    """Put new fields in the place of the first of some old ones, which nothing else may name."""
    names = {field.name for field in old}
    if not old or not new or any(len({f.name for f in side}) < len(side) for side in (old, new)):
        refuse(f"{there.name}: a split or a merge names at least one field on each side, and none twice")
    used = [*there.key, *(n for i in there.indexes for n in i.fields), *(n for u in there.uniques for n in u.fields)]
    used += [there.live or "", there.scope or "", *(r.field for r in there.references)]
    if taken := sorted(names & set(used)):
        refuse(f"{there.name}.{taken[0]}: is used by a key, index, unique, reference, scope or soft deletion")
    rest = [field for field in there.fields if field.name not in names]
    for field in new:
        absent(rest, field.name, there.name)
        if field.column.lower() in (f.column.lower() for f in rest):
            refuse(f"{there.name}.{field.name}: there is a column {field.column} already")
    place = there.fields.index(old[0])
    first = [field for field in there.fields[:place] if field.name not in names]
    return replaced(before, changed(there, fields=(*first, *new, *rest[len(first) :])))
