"""Record form: between the values that a store binds and the primitives that lenses take, for one collection.

Knows fields and the forms that a store asks for; must not know lenses or stores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..model.types import Kind
from ..schema.schema import Collection, Field
from ..store.binding import Turn, binder, loader
from ..store.protocol import Form, Values
from .lens import Record

EXTRAS = Field("_extras", "_extras", "json", optional=True)  # the complement, as a field that stores keep


class RecordForm:
    """Turns values that a store binds into primitives by column, as JSON has them, and back."""

    def __init__(self, collection: Collection, forms: Mapping[Kind, Form]) -> None:
        self.columns = collection.columns
        self._takes = [loader(field, forms) for field in collection.fields]
        self._gives = [binder(field, forms) for field in collection.fields]
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
