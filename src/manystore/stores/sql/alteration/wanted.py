"""What tables, columns and indexes have to be there: the kept schema's, and those of the one that is to be kept next.

Knows catalogs and the layout; must not know what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, MetaData, Table, literal_column
from sqlalchemy import Index as TableIndex
from sqlalchemy.types import TypeEngine

from ....schema.catalog import Catalog
from ....schema.schema import Collection, Field, Schema
from ..dialect import Dialect
from ..inspection import LiveColumn, LiveIndex, LiveTable
from ..primitive import literal
from ..tables import EXTRAS, Layout, copied, indexed_fields


class Wanted:
    """One table. kept: the collection as it is kept now; ahead: as it will be, or None; one of both is there."""

    def __init__(self, layout: Layout, catalog: Catalog, kept: Collection | None, ahead: Collection | None) -> None:
        self.collections = [collection for collection in (kept, ahead) if collection is not None]
        first = self.collections[0]
        self.name = layout.table_name(first)
        self.model = first.model
        self.columns = _columns(layout, catalog, first, ahead)
        self._layout = layout
        self._catalog = catalog

    def table(self, live: LiveTable | None = None) -> Table:
        """Give the table, with types that hold what the live one's do."""
        dialect = self._layout.dialect
        made = [copied(column) for column in self.columns]
        for column in made:
            there = None if live is None else live.column(column.name)
            if there is not None:
                column.type = live_type(dialect, there, column.type)
        return Table(self.name, MetaData(), *made, **dialect.table_options())

    def supposed(self) -> LiveTable:
        """Give the table as an inspection would, were it there, but for what types have beside their names."""
        there = self.table()
        indexes = tuple(supposed_index(index) for _, index in self.indexes())
        columns = tuple(map(self._supposed, there.columns))
        return LiveTable(self.name, columns, tuple(c.name for c in there.primary_key.columns), indexes)

    def _supposed(self, column: Column[Any]) -> LiveColumn:
        text: str = self._layout.dialect.sql.type_compiler_instance.process(column.type)
        return LiveColumn(
            column.name,
            text.lower() if self._layout.dialect.sized else text,
            bool(column.nullable),
            default_of(column),
            getattr(column.type, "length", None),
            column.computed is not None,
            collation=getattr(column.type, "collation", None),
        )

    def indexes(self, live: LiveTable | None = None) -> list[tuple[Collection, TableIndex]]:
        """Give all indexes, each with the collection that wants it; the kept one's word comes first."""
        table = self.table(live)
        made: dict[str, tuple[Collection, TableIndex]] = {}
        for collection in self.collections:
            for index in self._layout.indexes(collection, self._catalog, table):
                made.setdefault(str(index.name), (collection, index))
        return list(made.values())


def wanted(layout: Layout, catalog: Catalog, further: Schema | None) -> Iterator[Wanted]:
    """Give all tables that a catalog's kept schema and a further one need."""
    kept = {layout.table_name(c): c for c in catalog.kept.collections}
    ahead = {layout.table_name(c): c for c in further.collections} if further is not None else {}
    for name in sorted({**kept, **ahead}):
        yield Wanted(layout, catalog, kept.get(name), ahead.get(name))


def column_names(index: TableIndex) -> tuple[str, ...]:
    """Give the names of an index's columns in their order."""
    return tuple(column.name for column in index.columns)


def supposed_index(index: TableIndex) -> LiveIndex:
    """Give an index as an inspection would, were it there, but for what a condition says."""
    where = any(str(word).endswith("_where") and given is not None for word, given in index.kwargs.items())
    return LiveIndex(str(index.name), column_names(index), bool(index.unique), "" if where else None)


def is_ordered(live: LiveIndex, wanted: TableIndex) -> bool:
    """Tell whether an index has None where it is wanted; that changes with what its columns may hold."""
    return not live.orders or live.orders == tuple(map(_order, wanted.expressions))


def _order(term: Any) -> int:
    text = str(term)
    descends = " DESC" in text
    return descends + 2 * ("NULLS FIRST" in text or (descends and "NULLS LAST" not in text))


def default_of(column: Column[Any]) -> str | None:
    """Give the text of a column's default."""
    default = None if column.computed is not None else getattr(column.server_default, "arg", None)
    return None if default is None else str(default)


def _columns(layout: Layout, catalog: Catalog, first: Collection, ahead: Collection | None) -> list[Column[Any]]:
    absent: Mapping[str, Any] = catalog.absent.get(first.name, {})
    others = {} if ahead is None or ahead is first else {field.column: field for field in ahead.fields}
    indexed = {first.field(name).column for name in indexed_fields(first)}
    if ahead is not None:
        indexed |= {ahead.field(name).column for name in indexed_fields(ahead)}
    made: dict[str, Column[Any]] = {}
    for field in first.fields:
        other = others.get(field.column)
        nullable = field.optional or (other is not None and other.optional)
        kinds = [
            layout.dialect.column_type(f, indexed=field.column in indexed) for f in (field, other) if f is not None
        ]
        default = _default(layout, field, absent.get(field.column), kinds[0])
        is_key = field.name in first.key
        made[field.column] = _column(field.column, _longest(kinds), default, is_key=is_key, nullable=nullable)
    for column, field in others.items():
        if column not in made and column != EXTRAS:
            kind = layout.dialect.column_type(field, indexed=column in indexed)
            made[column] = _column(column, kind, None, is_key=False, nullable=True)
    for collection in (first, ahead):
        if collection is not None:
            for own in layout.own_columns(collection):
                made.setdefault(own.name, own)
    return list(made.values())


def _column(name: str, kind: TypeEngine[Any], default: Any, *, is_key: bool, nullable: bool) -> Column[Any]:
    return Column(
        name, kind, primary_key=is_key, nullable=nullable and not is_key, autoincrement=False, server_default=default
    )


def _default(layout: Layout, field: Field, primitive: Any, kind: TypeEngine[Any]) -> Any:
    if primitive is None:
        return None
    dialect = layout.dialect
    text: ColumnElement[Any] = literal_column(
        dialect.default_text(kind, literal(field, primitive, dialect.forms, dialect.sql.name))
    )
    return text


def _longest(kinds: list[TypeEngine[Any]]) -> TypeEngine[Any]:
    return max(kinds, key=lambda kind: getattr(kind, "length", None) or 0)


def live_type(dialect: Dialect, live: LiveColumn, wanted: TypeEngine[Any]) -> TypeEngine[Any]:
    """Give a type that is wanted, or the live one's where that holds longer values, which may be there."""
    if not dialect.sized:
        return wanted
    if live.type.startswith("long"):
        return dialect.long_type(wanted)
    length = getattr(wanted, "length", None)
    if length is None or live.length is None or live.length <= length:
        return wanted
    return dialect.lengthened(wanted, live.length)
