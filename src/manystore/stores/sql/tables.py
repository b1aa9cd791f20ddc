"""Tables: what a collection, its indexes, the catalog and the slots look like in an SQL database.

Knows schemas and SQLAlchemy's tables; must not know plans, changes or connections. The columns of ours: docs/format.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, MetaData, Table
from sqlalchemy import Index as TableIndex
from sqlalchemy.schema import CreateIndex, CreateTable

from ...errors import NotADatabase
from ...schema.schema import Collection, Field, Schema
from .dialect import LONG, Dialect

REVISION, PREVIOUS, VERSION, EXTRAS = "_revision", "_previous", "_version", "_extras"
CATALOG = "_manystore"
CATALOG_COLUMNS = {"format", "epoch", "catalog"}
WRITERS = "_manystore_writer"
_EPOCH, _TEXT = Field("epoch", "epoch", "str", length=16), Field("text", "text", "str")
_SEEN = Field("seen", "seen", "datetime")


class Layout:
    """The tables of one database. prefix: stands before each table's name."""

    def __init__(self, prefix: str, dialect: Dialect) -> None:
        self.prefix = prefix
        self.dialect = dialect
        # epoch stands before the catalog's long text: reading it touches the row's first page only.
        self.catalog = Table(
            self._name(prefix + CATALOG),
            MetaData(),
            Column("format", LONG, nullable=False),
            Column("epoch", dialect.column_type(_EPOCH, indexed=True), nullable=False),
            Column("catalog", dialect.column_type(_TEXT, indexed=False), nullable=False),
            **dialect.table_options(),
        )
        # One row for each step under way (slot.py); only where a reply can be lost.
        self.writers = Table(
            self._name(prefix + WRITERS),
            MetaData(),
            Column("name", LONG, primary_key=True, autoincrement=False),
            Column("number", LONG, nullable=False),
            Column("seen", dialect.column_type(_SEEN, indexed=False), nullable=False),
            **dialect.table_options(rewritten=True),
        )
        self._kept: dict[int, tuple[Collection, Table]] = {}

    def table(self, collection: Collection) -> Table:
        """Give the table of a collection."""
        # By identity: to hash a collection means to hash all its fields. The entry keeps the collection, so no other
        # object can come by the same id.
        kept = self._kept.get(id(collection))
        if kept is None:
            kept = self._kept[id(collection)] = (collection, self._table(collection))
        return kept[1]

    def tables(self, schema: Schema) -> list[str]:
        """Give the names of the tables that a schema says of, the catalog's first."""
        return [self.catalog.name, *(self.table(collection).name for collection in schema.collections)]

    def creation(self, schema: Schema) -> Iterator[str]:
        """Give the statements that make all tables and indexes of a schema, the catalog's table first."""
        write = self.dialect.ddl_text
        yield write(CreateTable(self.catalog))
        if self.dialect.remote:
            yield write(CreateTable(self.writers))
        for collection in schema.collections:
            table = self.table(collection)
            yield write(CreateTable(table))
            for index in sorted(self._indexes(collection, table), key=lambda made: str(made.name)):
                yield write(CreateIndex(index))

    def _name(self, name: str) -> str:
        return short(self.dialect.table_name(name), self.dialect.longest_name)

    def _table(self, collection: Collection) -> Table:
        indexed = _indexed(collection)
        columns: list[Column[Any]] = [
            Column(
                field.column,
                self.dialect.column_type(field, indexed=field.name in indexed),
                primary_key=field.name in collection.key,
                nullable=field.optional,
                autoincrement=False,
            )
            for field in collection.fields
        ]
        return Table(
            self._name(self.prefix + collection.name),
            MetaData(),
            *columns,
            Column(REVISION, LONG, nullable=False),
            Column(PREVIOUS, LONG),
            Column(VERSION, LONG, nullable=False),
            Column(EXTRAS, self.dialect.column_type(_TEXT, indexed=False)),
            *self.dialect.further_columns(collection),
            **self.dialect.table_options(),
        )

    def _indexes(self, collection: Collection, table: Table) -> Iterator[TableIndex]:
        leading = {collection.key[0]}
        longest = self.dialect.longest_name
        for index in collection.indexes:
            flags = dict(zip(index.fields, index.descending, strict=True))
            flags |= {name: False for name in collection.key if name not in flags}
            terms = [self._term(table, collection, name, descending=flag) for name, flag in flags.items()]
            columns = [column_of(table, collection, name) for name in flags]
            yield self.dialect.index(index_name(table.name, index.name, index.generation, longest), terms, columns)
            leading.add(index.fields[0])
        for unique in collection.uniques:
            columns = [column_of(table, collection, name) for name in unique.fields]
            name = index_name(table.name, unique.name, unique.generation, longest)
            if unique.among == "live" and collection.live is not None:
                yield self.dialect.live_index(name, table, columns, column_of(table, collection, collection.live))
            else:
                yield TableIndex(name, *columns, unique=True)
        for reference in collection.references:
            # What a delete looks for among the referrers. An index or a key that begins with it does as well.
            if reference.field not in leading:
                name = short(f"{table.name}.{reference.field}.reference", longest)
                yield TableIndex(name, column_of(table, collection, reference.field))

    def _term(self, table: Table, collection: Collection, name: str, *, descending: bool) -> ColumnElement[Any]:
        optional = collection.field(name).optional
        return self.dialect.ordered(column_of(table, collection, name), descending=descending, optional=optional)


def column_of(table: Table, collection: Collection, field: str) -> Column[Any]:
    """Give the column of a field."""
    found: Column[Any] = table.c[collection.field(field).column]
    return found


def index_name(table: str, name: str, generation: int, longest: int) -> str:
    """Name an index. Names of collections and indexes hold no dot, so this one can't be met twice."""
    return short(f"{table}.{name}" if generation == 1 else f"{table}.{name}.{generation}", longest)


def short(name: str, longest: int) -> str:
    """Give a name that the database takes: of one too long, its beginning and a hash of the whole."""
    if len(name) <= longest:
        return name
    return f"{name[: longest - 17]}.{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def refuse_foreign(tables: Mapping[str, Iterable[str]]) -> None:
    """Raise NotADatabase for tables, with the names of their columns, of which none is a catalog."""
    if tables and not any(CATALOG_COLUMNS.issubset(found) for name, found in tables.items() if name.endswith(CATALOG)):
        raise NotADatabase("the database holds tables that manystore did not make; it was left untouched")


def _indexed(collection: Collection) -> set[str]:
    found = set(collection.key)
    for index in collection.indexes:
        found.update(index.fields)
    for unique in collection.uniques:
        found.update(unique.fields)
    return found | {reference.field for reference in collection.references}
