"""Tables: what a collection, its indexes, the catalog and the slots look like in an SQL database.

Knows schemas and SQLAlchemy's tables; must not know plans, changes or connections. The columns of ours: docs/format.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, cast

from sqlalchemy import Column, ColumnElement, MetaData, Table
from sqlalchemy import Index as TableIndex

from ...errors import NotADatabase
from ...schema.catalog import Catalog
from ...schema.schema import Collection, Field, Schema
from .dialect import LONG, Dialect
from .keeping import kept

REVISION, PREVIOUS, VERSION, EXTRAS = "_revision", "_previous", "_version", "_extras"
CATALOG = "_manystore"
CATALOG_COLUMNS = {"format", "epoch", "catalog"}
WRITERS = "_manystore_writer"
ANY_SIGN = "sign "  # where the name of an epoch's sign comes in a statement; no name ends in a space
_EPOCH, _TEXT = Field("epoch", "epoch", "str", length=16), Field("text", "text", "str")
_SEEN = Field("seen", "seen", "datetime")


class Layout:
    """The tables of one database. prefix: stands before each table's name."""

    def __init__(self, prefix: str, dialect: Dialect) -> None:
        self.prefix = prefix
        self.dialect = dialect
        self.key: Hashable = (dialect.key, prefix)
        """What two layouts have in common whose tables are alike."""
        self.catalog: Table = kept((self.key, CATALOG), self._catalog)
        self.writers: Table = kept((self.key, WRITERS), self._writers)
        self._kept: dict[tuple[int, str], tuple[Collection, Table]] = {}

    def _catalog(self) -> Table:
        # epoch stands before the catalog's long text: reading it touches the row's first page only.
        return Table(
            self._name(self.prefix + CATALOG),
            MetaData(),
            Column("format", LONG, nullable=False),
            Column("epoch", self.dialect.column_type(_EPOCH, indexed=True), nullable=False),
            Column("catalog", self.dialect.column_type(_TEXT, indexed=False), nullable=False),
            **self.dialect.table_options(),
        )

    def _writers(self) -> Table:
        """Make the table with one row for each step under way (slot.py), for where a reply can be lost."""
        return Table(
            self._name(self.prefix + WRITERS),
            MetaData(),
            Column("name", LONG, primary_key=True, autoincrement=False),
            Column("number", LONG, nullable=False),
            Column("seen", self.dialect.column_type(_SEEN, indexed=False), nullable=False),
            **self.dialect.table_options(rewritten=True),
        )

    @property
    def epoch_text(self) -> str:
        """Give the SELECT of the epoch that is in force."""
        return f"SELECT epoch FROM {self.dialect.quoted(self.catalog.name)}"

    def sign(self, epoch: str) -> str:
        """Name the sign of an epoch (sign.py)."""
        return short(f"{self.catalog.name}.{epoch}", self.dialect.longest_name)

    def signed(self, value: int) -> str:
        """Write what gives a value where some epoch's sign is there; "": there are no signs."""
        return self.dialect.signed.format(sign=self.dialect.quoted(ANY_SIGN), value=value)

    @property
    def sign_comment(self) -> str:
        """Give what tells this database's signs from others."""
        return f"epoch of {self.catalog.name}"

    def sign_creation(self, name: str) -> str:
        """Write what makes a sign of that name."""
        return f"CREATE SEQUENCE IF NOT EXISTS {self.dialect.quoted(name)} NOCACHE COMMENT = '{self.sign_comment}'"

    def table(self, collection: Collection, stored: str | None = None) -> Table:
        """Give the table of a collection. stored: the name that its records are kept under, where that is another's."""
        # By identity: to hash a collection means to hash all its fields. The entry keeps the collection, so no other
        # object can come by the same id.
        place = (id(collection), stored or collection.stored)
        kept = self._kept.get(place)
        if kept is None:
            kept = self._kept[place] = (collection, self._table(collection, place[1]))
        return kept[1]

    def table_name(self, collection: Collection) -> str:
        """Give the name of a collection's table."""
        return self._name(self.prefix + collection.stored)

    def tables(self, *schemas: Schema | None) -> list[str]:
        """Give the names of the tables that some schemas say of, the catalog's first."""
        names = {self.table_name(c) for schema in schemas if schema is not None for c in schema.collections}
        return [self.catalog.name, *sorted(names)]

    def tables_of(self, *catalogs: Catalog) -> list[str]:
        """Give the names of all tables that some catalogs know of, their own first."""
        return self.tables(*(s for c in catalogs for s in (c.base, c.head, c.stored, c.older)))

    def creation(self, catalog: Catalog) -> Iterator[str]:
        """Give the statements that make all tables and indexes that a catalog keeps, the catalog's own table first."""
        create = self.dialect.creation
        yield from create(self.catalog, ())
        if self.dialect.remote:
            yield from create(self.writers, ())
        for collection in catalog.kept.collections:
            yield from create(self.table(collection), self.indexes(collection, catalog))
        if self.dialect.signed:
            yield self.sign_creation(self.sign(catalog.epoch))

    def indexes(self, collection: Collection, catalog: Catalog, table: Table | None = None) -> list[TableIndex]:
        """Give the indexes that a catalog wants on a collection, by name: all that are not absent.

        table: what stands there, if it is not yet like the collection's.
        """
        made = self._indexes(collection, self.table(collection) if table is None else table)
        wanted = [index for part, number, index in made if catalog.state(collection.name, part, number) != "absent"]
        return sorted(wanted, key=lambda index: str(index.name))

    def _name(self, name: str) -> str:
        return short(self.dialect.table_name(name), self.dialect.longest_name)

    def _table(self, collection: Collection, stored: str) -> Table:
        indexed = indexed_fields(collection)
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
            self._name(self.prefix + stored),
            MetaData(),
            *columns,
            *self.own_columns(collection),
            **self.dialect.table_options(),
        )

    def own_columns(self, collection: Collection) -> Iterator[Column[Any]]:
        """Give the columns of ours that stand beside a collection's fields."""
        yield Column(REVISION, LONG, nullable=False)
        yield Column(PREVIOUS, LONG)
        yield Column(VERSION, LONG, nullable=False)
        if EXTRAS not in collection.columns:  # while a window is open, programs of the head read and write it
            yield Column(EXTRAS, self.dialect.column_type(_TEXT, indexed=False))
        yield from self.dialect.further_columns(collection)

    def _indexes(self, collection: Collection, table: Table) -> Iterator[tuple[str, int, TableIndex]]:
        """Give each index with the part and the generation that its state goes by."""
        leading = {collection.key[0]}
        longest = self.dialect.longest_name
        for index in collection.indexes:
            flags = dict(zip(index.fields, index.descending, strict=True))
            flags |= {name: False for name in collection.key if name not in flags}
            terms = [self._term(table, collection, name, descending=flag) for name, flag in flags.items()]
            columns = [column_of(table, collection, name) for name in flags]
            name = index_name(table.name, index.name, index.generation, longest)
            yield index.name, index.generation, self.dialect.index(name, terms, columns)
            leading.add(index.fields[0])
        for unique in collection.uniques:
            columns = [column_of(table, collection, name) for name in unique.fields]
            name = index_name(table.name, unique.name, unique.generation, longest)
            if unique.among == "live" and collection.live is not None:
                made = self.dialect.live_index(name, table, columns, column_of(table, collection, collection.live))
            else:
                made = TableIndex(name, *columns, unique=True)
            yield unique.name, unique.generation, made
        for reference in collection.references:
            # What a delete looks for among the referrers. An index or a key that begins with it does as well.
            if reference.field not in leading:
                name = short(f"{table.name}.{reference.field}.reference", longest)
                column = column_of(table, collection, reference.field)
                yield f"{reference.field}.reference", 1, self.dialect.index(name, [column], [column])

    def _term(self, table: Table, collection: Collection, name: str, *, descending: bool) -> ColumnElement[Any]:
        optional = collection.field(name).optional
        return self.dialect.ordered(column_of(table, collection, name), descending=descending, optional=optional)


def column_of(table: Table, collection: Collection, field: str) -> Column[Any]:
    """Give the column of a field."""
    found: Column[Any] = table.c[collection.field(field).column]
    return found


def copied(column: Column[Any]) -> Column[Any]:
    """Give a column that belongs to no table yet."""
    made: Column[Any] = cast("Any", column)._copy()  # noqa: SLF001 - the public one is deprecated; Alembic calls this
    return made


def index_name(table: str, name: str, generation: int, longest: int) -> str:
    """Name an index. Names of collections and indexes hold no dot, so this one can't be met twice."""
    return short(f"{table}.{name}" if generation == 1 else f"{table}.{name}.{generation}", longest)


def short(name: str, longest: int) -> str:
    """Give a name that the database takes: of one too long, its beginning and a hash of the whole."""
    if len(name) <= longest:
        return name
    return f"{name[: longest - 17]}.{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def halted(epoch: str) -> str:
    """Give what stands in the catalog's row instead of its epoch while tables are between two shapes."""
    return "~" + epoch[1:]


def refuse_foreign(tables: Mapping[str, Iterable[str]]) -> None:
    """Raise NotADatabase for tables, with the names of their columns, of which none is a catalog."""
    if tables and not any(CATALOG_COLUMNS.issubset(found) for name, found in tables.items() if name.endswith(CATALOG)):
        raise NotADatabase("the database holds tables that manystore did not make; it was left untouched")


def indexed_fields(collection: Collection) -> set[str]:
    """Give the fields that stand in a key, an index, a unique or a reference."""
    found = set(collection.key)
    for index in collection.indexes:
        found.update(index.fields)
    for unique in collection.uniques:
        found.update(unique.fields)
    return found | {reference.field for reference in collection.references}
