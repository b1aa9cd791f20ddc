"""What Contract changes in one table, worked out before anything is done: names, columns, None, indexes.

Knows schemas and inspected tables; must not know connections. contraction.py carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Column, Table
from sqlalchemy import Index as TableIndex

from ....errors import MigrationRefused
from ....schema.catalog import Catalog
from ....schema.schema import Collection, Field
from ..inspection import LiveColumn, LiveIndex, LiveTable
from ..tables import EXTRAS, PREVIOUS, REVISION, VERSION, Layout, copied
from .wanted import column_names, is_ordered, live_type

AnyColumn: TypeAlias = Column[Any]
_OURS = {REVISION, PREVIOUS, VERSION, EXTRAS}


class Change(msgspec.Struct, frozen=True):
    """One table's. columns: all that stay, by the name that they have now, as they are to be.

    drop, drop_indexes: what goes; make: indexes that are not there; strict: fields whose columns hold None no more,
    with the name that each has now; defaults: columns that forget theirs; add: columns that the database wants anew.
    """

    table: Table
    collection: Collection
    live: LiveTable
    columns: Mapping[str, AnyColumn]
    drop: tuple[str, ...] = ()
    drop_indexes: tuple[str, ...] = ()
    make: tuple[TableIndex, ...] = ()
    strict: tuple[tuple[Field, str], ...] = ()
    add: tuple[AnyColumn, ...] = ()

    @property
    def renamed(self) -> dict[str, str]:
        """Give the columns that get another name, with it."""
        return {old: column.name for old, column in self.columns.items() if old != column.name}

    @property
    def loosened(self) -> list[str]:
        """Give the columns, by their names to come, that may hold None from now on."""
        return [c.name for old, c in self.columns.items() if c.nullable and not self._there(old).nullable]

    @property
    def defaults(self) -> list[str]:
        """Give the columns, by their names to come, that have a default, which nothing needs any more."""
        return [c.name for old, c in self.columns.items() if self._there(old).default is not None]

    @property
    def is_shaped(self) -> bool:
        """Tell whether columns other than by their defaults change."""
        return bool(self.drop or self.renamed or self.strict or self.loosened or self.add)

    def _there(self, old: str) -> LiveColumn:
        found = self.live.column(old)
        assert found is not None
        return found

    def retyped(self, layout: Layout) -> list[str]:
        """Give the columns, by their names now, whose type is another one because an index came or went."""
        dialect = layout.dialect
        if not dialect.sized:
            return []
        return [
            old
            for old, column in self.columns.items()
            if self._there(old).type.startswith("long") != dialect.is_long(column.type)
        ]


def change_of(layout: Layout, now: Catalog, then: Catalog, collection: Collection, live: LiveTable) -> Change:
    """Work out what a table of the catalog in force needs to be one of the next. collection: of the next catalog."""
    kept = now.kept.collection(collection.name) if collection.name in now.kept else collection
    table = layout.table(collection)
    sources = _sources(kept, collection, live)
    columns = {old: _as_it_will_be(layout, table.c[field.column], live, old) for old, field in sources.items()}
    own = {column.name: column for column in layout.own_columns(collection)}
    known = _known_columns(layout, now, collection.name)
    drop = [c.name for c in live.columns if c.name not in columns and c.name not in _OURS | set(own)]
    drop = [name for name in drop if name in known or name.rpartition(".")[0] in known]
    strict = [
        (field, old)
        for old, field in sources.items()
        if not field.optional and field.name not in collection.key and _is_nullable(live, old)
    ]
    names = {old: column.name for old, column in columns.items()}
    wanted = {str(index.name): index for index in layout.indexes(collection, then)}
    stays = {index.name for index in live.indexes if _is_as_wanted(index, wanted.get(index.name), names)}
    ours = _known_indexes(layout, now, collection.name) | set(wanted)
    gone = [i for i in live.indexes if i.name not in stays and (i.name in ours or i.name.startswith(f"{table.name}."))]
    return Change(
        table,
        collection,
        live,
        columns,
        tuple(drop),
        tuple(index.name for index in gone if not index.constraint),
        tuple(index for name, index in wanted.items() if name not in stays),
        tuple(strict),
        tuple(column for name, column in own.items() if live.column(name) is None),
    )


def _sources(kept: Collection, collection: Collection, live: LiveTable) -> dict[str, Field]:
    """Give, by the name that its column has now, each field of the next shape."""
    made: dict[str, Field] = {}
    for field in collection.fields:
        column = kept.field(field.name).column if field.name in kept.positions else field.column
        if live.column(column) is None:
            raise MigrationRefused(f"{collection.model}.{field.name}: its column is not there; Prepare makes it")
        made[column] = field
    return made


def _as_it_will_be(layout: Layout, column: AnyColumn, live: LiveTable, old: str) -> AnyColumn:
    made = copied(column)
    there = live.column(old)
    if there is not None and not there.type.startswith("long"):
        made.type = live_type(layout.dialect, there, column.type)
    return made


def _is_nullable(live: LiveTable, column: str) -> bool:
    found = live.column(column)
    return found is not None and found.nullable


def _is_as_wanted(index: LiveIndex, wanted: TableIndex | None, names: Mapping[str, str]) -> bool:
    if wanted is None or not index.is_valid or index.unique != bool(wanted.unique):
        return False
    is_same = tuple(names.get(name, name) for name in index.columns) == column_names(wanted)
    return is_same and is_ordered(index, wanted)


def _collections(catalog: Catalog, name: str) -> list[Collection]:
    schemas = [s for s in (catalog.base, catalog.head, catalog.stored, catalog.older) if s is not None]
    return [schema.collection(name) for schema in schemas if name in schema]


def _known_columns(layout: Layout, catalog: Catalog, name: str) -> set[str]:
    """Give the columns that any shape in the catalog has: others are nobody's of ours, and stay."""
    return {column.name for c in _collections(catalog, name) for column in layout.table(c).columns} - _OURS


def _known_indexes(layout: Layout, catalog: Catalog, name: str) -> set[str]:
    return {str(index.name) for c in _collections(catalog, name) for index in layout.indexes(c, catalog)}
