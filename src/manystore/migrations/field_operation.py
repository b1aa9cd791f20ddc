"""Operations on fields: add, drop, rename. What changes a field's definition is in change_operation.py.

Knows schemas and lenses; must not know stores. Functions given by a migration file take primitives as JSON has them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from itertools import repeat, starmap
from typing import Any, Literal
from uuid import UUID

import msgspec

from ..schema.schema import Collection, Field, Schema
from .lens import Columns, Lens, ThroughMany, Values, unchanged
from .model_operation import Arrange
from .operation import FILL_IN, Manner, Operation, absent, changed, find, find_field, held, holder, refuse, replaced
from .primitive import quick, refusal


class KeyedHash(msgspec.Struct, frozen=True):
    """A value as good as random that is the same at each try: made of the database's secret and the record's key.

    form: "uuid", or "hex" for 32 hex digits.
    """

    form: Literal["uuid", "hex"] = "uuid"

    def made(self, secret: bytes, model: str, field: str, key: Values) -> str:
        """Make the value of one record."""
        said = msgspec.json.encode([model, field, list(key)])
        digest = hmac.new(secret, said, hashlib.sha256).digest()[:16]
        return str(UUID(bytes=digest, version=4)) if self.form == "uuid" else digest.hex()


class AddField(Operation, frozen=True):
    """Add a field. Records made before hold default, or what compute gives for the values of the fields in sources.

    compute may be a KeyedHash, which needs no sources.
    """

    collection: str
    field: Field
    default: Any = None
    compute: Any = None
    sources: tuple[str, ...] = ()

    def apply(self, before: Schema) -> Schema:
        """Add it at the end."""
        there, field = find(before, self.collection), self.field
        absent(there.fields, field.name, self.collection)
        if field.column.lower() in (column.lower() for column in there.columns):
            refuse(f"{self.collection}.{field.name}: there is a column {field.column} already")
        check_sources(before, self.collection, field.name, self.sources)
        if self.compute is None and self.default is not FILL_IN and (reason := refusal(field, self.default)):
            refuse(f"{self.collection}.{field.name}: records made before would hold a wrong default: {reason}")
        return replaced(before, changed(there, fields=(*there.fields, field)))

    def manner(self, before: Schema) -> Manner:
        """Constants go side by side."""
        return Manner.SIDE_BY_SIDE if self.compute is None else Manner.UP_AND_DOWN

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Drop it."""
        return (DropField(self.collection, self.field.name, self.default, self.compute, self.sources),)

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """A column more; a computed one hangs together with its sources."""
        there = find(before, self.collection)
        if self.compute is None:
            return (Lens(self.collection, (), (self.field.column,), lambda _: (self.default,), lambda _: ()),)
        columns, make = _computed(there, self.field, self.compute, self.sources, secret)
        pairs = tuple((column, column) for column in columns)
        many = None if isinstance(self.compute, KeyedHash) else _with_last_of_many(there, self.field, self.compute)
        head = (*columns, self.field.column)
        return (Lens(self.collection, columns, head, _with_last(make), _without_last, pairs, many),)

    def title(self) -> str:
        """Say what it does."""
        return f"add field {self.collection}.{self.field.name}"


class DropField(Operation, frozen=True):
    """Drop a field. In new records older programs see stand_in, or what compute gives for the fields in sources.

    back: what makes it again on the way back, a Translate that keeps its source, where its values went elsewhere.
    """

    collection: str
    field: str
    stand_in: Any = None
    compute: Any = None
    sources: tuple[str, ...] = ()
    back: Operation | None = None

    def apply(self, before: Schema) -> Schema:
        """Leave it out."""
        there, gone = find(before, self.collection), find_field(before, self.collection, self.field)
        users = [f"the index {i.name}" for i in there.indexes if gone.name in i.fields]
        users += [f"the unique {u.name}" for u in there.uniques if gone.name in u.fields]
        users += ["a reference" for r in there.references if r.field == gone.name]
        users += ["the key"] * (gone.name in there.key) + ["the scope"] * (gone.name == there.scope)
        users += ["soft deletion"] * (gone.name == there.live)
        if users:
            refuse(f"{self.collection}.{gone.name} is still used by {', '.join(users)}")
        check_sources(before, self.collection, gone.name, self.sources)
        if self.compute is None and self.stand_in is not FILL_IN and (reason := refusal(gone, self.stand_in)):
            refuse(f"{self.collection}.{gone.name}: give the stand_in that older programs see: {reason}")
        return replaced(before, changed(there, fields=tuple(f for f in there.fields if f.name != gone.name)))

    def manner(self, before: Schema) -> Manner:
        """Its stand-in is the way down."""
        return Manner.UP_AND_DOWN

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Add it again, with the stand-in in each record, or what brings its values back."""
        field = find_field(before, self.collection, self.field)
        order = tuple(f.name for f in find(before, self.collection).fields)
        added = self.back or AddField(self.collection, field, self.stand_in, self.compute, self.sources)
        return (added,) if order[-1] == field.name else (added, Arrange(self.collection, "fields", order))

    def lost(self, before: Schema) -> str:
        """Say that its values are, but for those that stand elsewhere."""
        which = "all values" if self.back is None else "values that stand nowhere else"
        return f"{which} of {find(before, self.collection).model}.{self.field}"

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """A column less."""
        there, gone = find(before, self.collection), find_field(before, self.collection, self.field)
        if self.compute is None:
            return (Lens(self.collection, (gone.column,), (), lambda _: (), lambda _: (self.stand_in,)),)
        columns, make = _computed(there, gone, self.compute, self.sources, secret)
        pairs = tuple((column, column) for column in columns)
        return (
            Lens(
                self.collection,
                (*columns, gone.column),
                columns,
                _without_last,
                _with_last(make),
                pairs,
                _without_last_of_many,
            ),
        )

    def title(self) -> str:
        """Say what it does."""
        return f"drop field {self.collection}.{self.field}"


class RenameField(Operation, frozen=True):
    """Give a field another name. Its column takes the new name too, unless column says what it is called then.

    With the old column nothing that is stored moves. Indexes and uniques keep their own names.
    """

    collection: str
    field: str
    name: str
    column: str | None = None

    def apply(self, before: Schema) -> Schema:
        """Rename it wherever it is named."""
        there, old = find(before, self.collection), find_field(before, self.collection, self.field)
        column = self.column or self.name
        if self.name != old.name:
            absent(there.fields, self.name, self.collection)
        elif column == old.column:
            refuse(f"{self.collection}.{self.name}: is called that already")
        if any(f.column.lower() == column.lower() for f in there.fields if f is not old):
            refuse(f"{self.collection}.{self.name}: there is a column {column} already")
        field = msgspec.structs.replace(old, name=self.name, column=column)
        return replaced(before, _renamed(there, old, field))

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Rename it back."""
        return (
            RenameField(self.collection, self.name, self.field, find_field(before, self.collection, self.field).column),
        )

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """The same value under another name; none when its column stays."""
        old, column = find_field(before, self.collection, self.field).column, self.column or self.name
        if old == column:
            return ()
        return (Lens(self.collection, (old,), (column,), unchanged, unchanged, ((old, column),)),)

    def title(self) -> str:
        """Say what it does."""
        return f"rename field {self.collection}.{self.field} to {self.name}"


def check_sources(before: Schema, collection: str, field: str, sources: tuple[str, ...]) -> None:
    """Refuse sources of a computed value that are not there, come twice, or are the field itself."""
    for name in sources:
        find_field(before, collection, name)
    if field in sources or len(set(sources)) < len(sources):
        refuse(f"{collection}.{field}: its sources are other fields, each once")


def _renamed(there: Collection, old: Field, new: Field) -> Collection:
    def names(fields: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new.name if name == old.name else name for name in fields)

    replace = msgspec.structs.replace
    return changed(
        there,
        fields=tuple(new if f is old else f for f in there.fields),
        key=names(there.key),
        indexes=tuple(replace(i, fields=names(i.fields)) for i in there.indexes),
        uniques=tuple(replace(u, fields=names(u.fields)) for u in there.uniques),
        references=tuple(replace(r, field=new.name) if r.field == old.name else r for r in there.references),
        live=new.name if there.live == old.name else there.live,
        scope=new.name if there.scope == old.name else there.scope,
    )


def _with_last(make: Callable[[Values], Any]) -> Callable[[Values], Values]:
    def with_last(values: Values) -> Values:
        return (*values, make(values))

    return with_last


def _with_last_of_many(there: Collection, field: Field, compute: Any) -> ThroughMany:
    all_held = holder(there.model, field)

    def many(columns: Columns, number: int) -> Columns:
        rows = zip(*columns, strict=True) if columns else repeat((), number)
        made: list[Any] = list(starmap(compute, rows))
        return [*columns, all_held(made)]

    return many


def _without_last(values: Values) -> Values:
    return values[:-1]


def _without_last_of_many(columns: Columns, number: int) -> Columns:
    del number
    return columns[:-1]


def _computed(
    there: Collection, field: Field, compute: Any, sources: tuple[str, ...], secret: bytes
) -> tuple[tuple[str, ...], Callable[[Values], Any]]:
    """Give the columns that a computed value hangs on, and how it is made of their values."""
    names = there.key if isinstance(compute, KeyedHash) else sources
    columns = tuple(there.field(name).column for name in names)
    if isinstance(compute, KeyedHash):
        return columns, lambda values: held(there.model, field, compute.made(secret, there.model, field.name, values))
    fits = quick(field)

    def make(values: Values) -> Any:
        value = compute(*values)
        return value if fits((value,)) else held(there.model, field, value)

    return columns, make
