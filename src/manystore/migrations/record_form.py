"""Record form: between the values that a store binds and the primitives that lenses take, for one collection.

Knows fields and the forms that a store asks for; must not know lenses or stores.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..model.types import FieldType, Kind
from ..schema.schema import Collection, Field
from ..store.protocol import Form, Values
from .lens import Record

_PLAIN = Form()
Turn = Callable[[Any], Any]
EXTRAS = Field("_extras", "_extras", "json", optional=True)  # the complement, as a field that stores keep


class RecordForm:
    """Turns values that a store binds into primitives by column, as JSON has them, and back."""

    def __init__(self, collection: Collection, forms: Mapping[Kind, Form]) -> None:
        self.columns = collection.columns
        self._takes = [_take(field, forms.get(field.kind, _PLAIN)) for field in collection.fields]
        self._gives = [_give(field, forms.get(field.kind, _PLAIN)) for field in collection.fields]
        self._place = {field.name: place for place, field in enumerate(collection.fields)}

    def record(self, values: Sequence[Any]) -> Record:
        """Give the primitives of bound values, one for each field in order, by column."""
        return {
            column: value if value is None or take is None else take(value)
            for column, take, value in zip(self.columns, self._takes, values, strict=True)
        }

    def values(self, record: Mapping[str, Any]) -> Values:
        """Give the bound values of primitives by column; of a column that is not there, None."""
        return tuple(
            [
                value if (value := record.get(column)) is None or give is None else give(value)
                for column, give in zip(self.columns, self._gives, strict=True)
            ]
        )

    def take_of(self, column: str) -> Turn | None:
        """Give what makes primitives of a column's bound values; None when they are such."""
        return self._takes[self.columns.index(column)]

    def give_of(self, column: str) -> Turn | None:
        """Give what makes bound values of a column's primitives; None when they are such."""
        return self._gives[self.columns.index(column)]

    def column(self, field: str) -> str:
        """Give the column of a field."""
        return self.columns[self._place[field]]

    def primitive(self, field: str, value: Any) -> Any:
        """Give the primitive of one bound value."""
        take = self._takes[self._place[field]]
        return value if value is None or take is None else take(value)


def _type(field: Field) -> FieldType:
    return FieldType(field.kind, (), field.length, field.digits, field.scale)


def _take(field: Field, form: Form) -> Turn | None:
    kind = _type(field)
    if field.kind == "bytes":
        return lambda value: b64encode(value).decode()
    if not form.native:
        return form.load
    load = form.load
    return kind.dump if load is None else lambda value: kind.dump(load(value))


def _give(field: Field, form: Form) -> Turn | None:
    kind = _type(field)
    if field.kind == "bytes":
        return b64decode
    if not form.native:
        return form.dump
    dump = form.dump
    return kind.load if dump is None else lambda value: dump(kind.load(value))
