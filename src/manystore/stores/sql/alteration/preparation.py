"""Preparation: what is wanted beside what is there, and the statements between them.

Declarative, so that a run that was cut off anywhere is finished by running it again: only what is missing is made.
Nothing is taken away that programs of the base use. Knows what is wanted and inspected tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Column, literal_column
from sqlalchemy import Index as TableIndex

from ....errors import MigrationRefused
from ....schema.catalog import Catalog
from ....schema.schema import Collection
from ..inspection import LiveColumn, LiveTable
from ..tables import Layout
from .ddl import DDL, LiveType, MySQLDDL, SQLiteDDL, ddl_of
from .refusal import duplicates, too_long
from .run import Run
from .wanted import Wanted, column_names, is_ordered

AnyColumn: TypeAlias = Column[Any]


def prepare(
    run: Run, layout: Layout, catalog: Catalog, tables: Sequence[Wanted], live: Mapping[str, LiveTable]
) -> None:  # fmt: skip
    """Make what is wanted and is not there. tables: of the catalog; live: the tables that are there."""
    is_open = catalog.phase not in ("raised", "swept")
    _Preparation(run, layout, live, is_open=is_open).all(tables)


class _Preparation:
    def __init__(self, run: Run, layout: Layout, live: Mapping[str, LiveTable], *, is_open: bool) -> None:
        self._run = run
        self._is_open = is_open
        self._layout = layout
        self._dialect = layout.dialect
        self._ddl: DDL = ddl_of(layout.dialect)
        self._live = dict(live)

    def all(self, tables: Sequence[Wanted]) -> None:
        self._run.set(self._ddl.hasty)
        for table in tables:
            live = self._live.get(table.name)
            if live is None:
                self._make(table)
            else:
                self._live[table.name] = self._columns(table, live)
        # A build waits for transactions that began before it, however long they take.
        self._run.set(self._ddl.patient)
        for table in tables:
            live = self._live.get(table.name)
            if live is not None:
                self._indexes(table, live)

    def _make(self, table: Wanted) -> None:
        self._run.do(self._ddl.make_table(table.table()))
        for _, index in table.indexes():
            self._run.do(self._ddl.make_index(index, beside=False))

    def _columns(self, table: Wanted, live: LiveTable) -> LiveTable:
        """Change a table's columns; give what the table then is like, as far as its indexes ask for it."""
        missing, loose, parts, longer = list[AnyColumn](), list[AnyColumn](), list[str](), set[str]()
        for column in table.columns:
            there = live.column(column.name)
            if there is None:
                missing.append(column)
            elif self._is_short(table, column, there):
                longer.add(column.name)
            elif column.nullable and not there.nullable:
                loose.append(column)
        if loose and isinstance(self._ddl, SQLiteDDL):
            self._rebuild(self._ddl, table, live, {column.name for column in loose})
        elif isinstance(self._ddl, MySQLDDL):
            parts = self._modified(self._ddl, table, live, longer, loose)
        else:
            parts = [self._ddl.loosen(table.name, column) for column in loose]
        for text in self._ddl.together(table.name, [*self._ddl.added(table.name, missing), *parts]):
            self._run.do(text)
        columns = [msgspec.structs.replace(c, type="") if c.name in longer else c for c in live.columns]
        return msgspec.structs.replace(live, columns=tuple(columns))

    def _is_short(self, table: Wanted, column: AnyColumn, there: LiveColumn) -> bool:
        """Tell whether MariaDB or MySQL have to change a column's type, for longer values or for a unique over it."""
        if not self._dialect.sized:
            return False
        if there.type.startswith("long"):
            return not self._dialect.is_long(column.type) and column.name in _in_uniques(table)
        if there.length is None or not there.type.startswith("var"):
            return False
        if self._dialect.is_long(column.type):
            # Text of any length is in no index as a whole: one that an older schema still has comes first.
            return not any(there.name in index.columns for index in self._live[table.name].indexes)
        return (getattr(column.type, "length", None) or 0) > there.length

    def _modified(
        self, ddl: MySQLDDL, table: Wanted, live: LiveTable, longer: set[str], loose: list[AnyColumn]
    ) -> list[str]:  # fmt: skip
        as_live, parts = table.table(live), list[str]()
        for column in table.columns:
            there = live.column(column.name)
            if there is not None and column.name in longer:
                self._run.blocking = True  # it makes all rows anew
                if there.type.startswith("long"):
                    length = getattr(column.type, "length", None) or 0
                    too_long(self._run, table.collections[0], as_live, column.name, length)
                parts.append(ddl.modify(table.name, column, nullable=bool(column.nullable or there.nullable)))
        return parts + [ddl.modify(table.name, as_live.c[column.name], nullable=True) for column in loose]

    def _rebuild(self, ddl: SQLiteDDL, table: Wanted, live: LiveTable, loose: set[str]) -> None:
        texts = indexes_of(self._run, live.name)
        if self._run.is_offline:
            texts = [ddl.make_index(index, beside=False) for _, index in table.indexes() if live.index(str(index.name))]
        columns = [live_column(live, c, nullable=c.name in loose or c.nullable) for c in live.columns]
        for text in [*ddl.rebuild(live.name, columns, [c.name for c in live.columns]), *texts]:
            self._run.do(text, blocking=True)

    def _indexes(self, table: Wanted, live: LiveTable) -> None:
        for collection, index in table.indexes(live):
            there = live.index(str(index.name))
            if there is not None and there.is_valid:
                is_same = there.columns == column_names(index) and there.unique == bool(index.unique)
                # Until the raise, what programs of the base read in order comes first.
                is_same = is_same and (self._is_open or is_ordered(there, index))
                if is_same or collection is not table.collections[0]:
                    continue
            if there is not None:
                # A build that was cut off, or an index over what an older schema meant by that name.
                self._run.do(self._ddl.drop_index(table.name, there.name, beside=True))
            self._make_index(collection, index)

    def _make_index(self, collection: Collection, index: TableIndex) -> None:
        try:
            self._run.do(self._ddl.make_index(index, beside=True), blocking=self._ddl.rebuilds)
        except self._dialect.errors as error:
            if self._dialect.verdict(error) != "taken":
                raise
            refused = duplicates(self._run, self._layout, collection, index)
            if self._ddl.leaves_broken:
                name = str(index.name)
                self._run.do(self._ddl.drop_index(self._layout.table_name(collection), name, beside=True))
            reason = f"{collection.model}: {index.name} cannot be made of the records that are there"
            raise refused or MigrationRefused(reason) from error


def _in_uniques(table: Wanted) -> set[str]:
    return {c.field(name).column for c in table.collections for unique in c.uniques for name in unique.fields}


def indexes_of(run: Run, table: str, without: frozenset[str] = frozenset()) -> list[str]:
    """Give the texts that made the indexes of a table of SQLite, but for some."""
    rows = run.ask("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql > '' AND tbl_name = ?", (table,))
    return [text for name, text in rows if name not in without]


def live_column(
    live: LiveTable, column: LiveColumn, *, name: str = "", nullable: bool, has_default: bool = True
) -> AnyColumn:  # fmt: skip
    """Give a column of SQLite as it is, but for its name and what it may hold."""
    return Column(
        name or column.name,
        LiveType(column.type),
        primary_key=column.name in live.key,
        nullable=nullable and column.name not in live.key,
        autoincrement=False,
        server_default=literal_column(column.default) if column.default is not None and has_default else None,
    )
