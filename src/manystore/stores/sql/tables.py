"""Tables: what a collection, its indexes and the catalog look like in an SQL database.

Knows schemas and SQLAlchemy's tables; must not know plans, changes or connections. The columns of ours: docs/format.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import TEXT, Column, ColumnElement, MetaData, Table, literal_column
from sqlalchemy import Index as TableIndex
from sqlalchemy.schema import CreateIndex, CreateTable

from ...schema.schema import Collection, Schema
from .dialect import LONG, column_type, ddl_text, table_name

REVISION, PREVIOUS, VERSION, EXTRAS = "_revision", "_previous", "_version", "_extras"
CATALOG = "_manystore"


class Layout:
    """The tables of one database in a file. prefix: stands before each table's name."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        # epoch stands before the catalog's long text: reading it touches the row's first page only.
        self.catalog = Table(
            prefix + CATALOG,
            MetaData(),
            Column("format", LONG, nullable=False),
            Column("epoch", TEXT, nullable=False),
            Column("catalog", TEXT, nullable=False),
        )
        self._kept: dict[int, tuple[Collection, Table]] = {}

    def table(self, collection: Collection) -> Table:
        """Give the table of a collection."""
        # By identity: to hash a collection means to hash all its fields. The entry keeps the collection, so no other
        # object can come by the same id.
        kept = self._kept.get(id(collection))
        if kept is None:
            kept = self._kept[id(collection)] = (collection, _table(collection, self.prefix))
        return kept[1]

    def creation(self, schema: Schema) -> Iterator[str]:
        """Give the statements that make all tables and indexes of a schema, the catalog's table last."""
        for collection in schema.collections:
            table = self.table(collection)
            yield ddl_text(CreateTable(table))
            for index in sorted(_indexes(collection, table), key=lambda made: str(made.name)):
                yield ddl_text(CreateIndex(index))
        yield ddl_text(CreateTable(self.catalog))


def column_of(table: Table, collection: Collection, field: str) -> Column[Any]:
    """Give the column of a field."""
    found: Column[Any] = table.c[collection.field(field).column]
    return found


def index_name(table: str, name: str, generation: int) -> str:
    """Name an index. Names of collections and indexes hold no dot, so this one can't be met twice."""
    return f"{table}.{name}" if generation == 1 else f"{table}.{name}.{generation}"


def _table(collection: Collection, prefix: str) -> Table:
    columns: list[Column[Any]] = [
        Column(
            field.column,
            column_type(field.kind),
            primary_key=field.name in collection.key,
            nullable=field.optional,
            autoincrement=False,
        )
        for field in collection.fields
    ]
    return Table(
        table_name(collection.name, prefix),
        MetaData(),
        *columns,
        Column(REVISION, LONG, nullable=False),
        Column(PREVIOUS, LONG),
        Column(VERSION, LONG, nullable=False),
        Column(EXTRAS, TEXT),
    )


def _indexes(collection: Collection, table: Table) -> Iterator[TableIndex]:
    leading = {collection.key[0]}
    for index in collection.indexes:
        terms: list[ColumnElement[Any]] = []
        for name, descending in zip(index.fields, index.descending, strict=True):
            column = column_of(table, collection, name)
            terms.append(column.desc() if descending else column)
        terms += [column_of(table, collection, name) for name in collection.key if name not in index.fields]
        yield TableIndex(index_name(table.name, index.name, index.generation), *terms)
        leading.add(index.fields[0])
    for unique in collection.uniques:
        columns = [column_of(table, collection, name) for name in unique.fields]
        where = None
        if unique.among == "live" and collection.live is not None:
            where = column_of(table, collection, collection.live) == literal_column("0")
        name = index_name(table.name, unique.name, unique.generation)
        yield TableIndex(name, *columns, unique=True, sqlite_where=where)
    for reference in collection.references:
        # What a delete looks for among the referrers. An index or a key that begins with it does as well.
        if reference.field not in leading:
            yield TableIndex(f"{table.name}.{reference.field}.reference", column_of(table, collection, reference.field))
