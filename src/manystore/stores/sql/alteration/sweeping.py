"""Sweeping: records of the older shape get the columns that only the kept one has, page by page, in key order.

Knows tables and primitives; what the values are the operation's `lift` says. A record keeps its revision; one that
somebody changed meanwhile is left alone, since whoever wrote it wrote the kept shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, literal_column, or_, select, update

from ....schema.catalog import Catalog
from ....schema.operation import Progress, Sweep
from ....schema.schema import Collection
from ....store.binding import Turn, binder, loader
from ..dialect import Clause, Row, Statement, parameter
from ..reader import Reader, changed
from ..tables import EXTRAS, REVISION, VERSION, Layout, halted
from .run import Run

_BYTES = 1_000_000  # about how many go to the server at once


class Sweeping:
    """The sweep of one collection under one epoch. It is kept from page to page: to make it takes as long as a page."""

    def __init__(self, reader: Reader, catalog: Catalog, name: str) -> None:
        self.epoch = catalog.epoch
        self.name = name
        self._epoch_text = reader.epoch_text
        self._dialect = reader.dialect
        self._layout: Layout = reader.layout
        self._is_due = catalog.older is not None and name in catalog.older and name in catalog.kept
        if self._is_due and catalog.older is not None:
            self._older, self._kept = catalog.older.collection(name), catalog.kept.collection(name)
            self._is_due = self._older.stored == self._kept.stored  # else all its records were made anew
        if self._is_due:
            self._learn(self._older, self._kept)

    def _learn(self, older: Collection, kept: Collection) -> None:
        forms = self._dialect.forms
        self._table = self._layout.table(older)
        fields = [field for field in older.fields if field.column != EXTRAS]
        new = [field for field in kept.fields if field.column not in older.columns and field.column != EXTRAS]
        names = [field.name for field in fields]
        self._key = [names.index(name) for name in older.key]
        self._columns = [field.column for field in fields]
        self._loads: list[Turn | None] = [loader(field, forms) for field in fields]
        pairs = zip(self._columns, self._loads, strict=True)
        self._turned = [(column, turn) for column, turn in pairs if turn is not None]
        self._which = itemgetter(*self._key, -1)  # of a row: its key, and its revision
        self._new = [field.column for field in new]
        self._binds = [(at, turn) for at, turn in enumerate(binder(field, forms) for field in new) if turn is not None]
        self._statements: dict[bool, Statement] = {}

    def page(self, run: Run, operation: Sweep) -> Progress:
        """Rewrite the next records."""
        if not self._is_due or (operation.after is None and self._is_halted(run)):
            return Progress(0)
        if not self._new:
            self._mark(run)
            return Progress(0)
        statement = self._update
        if run.is_noting:
            run.do(statement.text)
            return Progress(0)
        self._compare(run)
        rows = self._rows(run, operation)
        # The values of an UPDATE stand in the pool in the order in which its text has them.
        changes = [(statement.text, self._lifted(row, operation)) for row in rows]
        for batch in _batches(changes) if self._dialect.remote else [changes]:
            self._write(run, batch)
        is_last = len(rows) < operation.limit
        return Progress(len(rows), None if is_last else self._key_of(rows[-1]))

    def _is_halted(self, run: Run) -> bool:
        """Tell whether a contraction was begun and cut off. It came after all sweeping, and nobody has written since.

        `down` sweeps before it contracts, so that is what it begins with when it is given again.
        """
        return self._dialect.remote and not run.is_noting and run.ask(self._epoch_text) == [(halted(self.epoch),)]

    def _mark(self, run: Run) -> None:
        """Where nothing but the version changes, set it.

        To older programs a higher one is unknown; and on a way back, records of the version that it leads to would be
        taken for swept ones.
        """
        table = self._table
        version, extras = table.c[VERSION], table.c[EXTRAS]
        wanted: ColumnElement[Any] = literal_column(str(self._kept.version))
        built = update(table).where(extras.is_not(None)).values({extras: literal_column("NULL")})
        if self._kept.version != self._older.version:
            built = update(table).where(version != wanted).ordered_values((version, wanted), (extras, _NULL))
        statement = self._dialect.statement(built, {}, 0)
        self._write(run, [(statement.text, statement.bind([]))])

    def _rows(self, run: Run, operation: Sweep) -> Sequence[Row]:
        """Read a page: the older shape's columns, `_extras` and the revision."""
        bound: list[Any] = []
        if operation.after is not None:
            turns = [binder(self._older.field(name), self._dialect.forms) for name in self._older.key]
            bound = [v if turn is None else turn(v) for turn, v in zip(turns, operation.after, strict=True)]
        statement = self._statements.get(bool(bound))
        if statement is None:
            statement = self._statements[bool(bound)] = self._select(len(bound))
        return run.ask(statement.text, statement.bind([*bound, operation.limit]))

    def _select(self, after: int) -> Statement:
        """Write the SELECT of a page. after: of how many parts the key before it is, 0 if there is none."""
        table = self._table
        where: list[Clause] = [table.c[VERSION] != literal_column(str(self._kept.version))]
        keys = [table.c[self._older.field(name).column] for name in self._older.key]
        if after:
            where.append(_beyond(keys))
        columns = [table.c[column] for column in self._columns]
        built = select(*columns, table.c[EXTRAS], table.c[REVISION]).where(*where).order_by(*keys)
        places = {**{f"after{at}": at for at in range(after)}, "most": after}
        return self._dialect.statement(built.limit(parameter("most")), places, len(places))

    @cached_property
    def _update(self) -> Statement:
        """Write the UPDATE of one record."""
        there = self._layout.table(self._kept)
        names = [f"new{at}" for at in range(len(self._new))]
        values: list[tuple[Any, Any]] = [
            (there.c[column], parameter(name)) for column, name in zip(self._new, names, strict=True)
        ]
        wanted: ColumnElement[Any] = literal_column(str(self._kept.version))
        values += [(there.c[VERSION], wanted), (there.c[EXTRAS], _NULL)]
        keys = [f"key{at}" for at in range(len(self._older.key))]
        columns = [there.c[self._older.field(field).column] for field in self._older.key]
        is_it = [column == parameter(name) for column, name in zip(columns, keys, strict=True)]
        built = update(there).where(*is_it, there.c[REVISION] == parameter("now")).ordered_values(*values)
        places = {name: at for at, name in enumerate([*names, *keys, "now"])}
        return self._dialect.statement(built, places, len(places))

    def _lifted(self, row: Row, operation: Sweep) -> tuple[Any, ...]:
        """Give the values of one record's UPDATE."""
        columns = dict(zip(self._columns, row, strict=False))
        for column, load in self._turned:
            if columns[column] is not None:
                columns[column] = load(columns[column])
        extras = row[-2]
        complement = None if extras is None else msgspec.json.decode(extras)
        made = [*map(operation.lift(columns, complement).get, self._new)]
        for at, bind in self._binds:
            if made[at] is not None:
                made[at] = bind(made[at])
        return (*made, *self._which(row))

    def _key_of(self, row: Row) -> list[Any]:
        found = [(row[place], self._loads[place]) for place in self._key]
        return [value if load is None else load(value) for value, load in found]

    def _compare(self, run: Run) -> None:
        found = run.ask(self._epoch_text)
        if not found or found[0][0] != self.epoch:
            raise changed()

    def _write(self, run: Run, batch: Sequence[tuple[str, Any]]) -> None:
        if run.is_noting:
            run.do(batch[0][0])
        elif batch:
            run.set(self._dialect.begin)
            run.send(self._many(batch))
            # After the changes: what waits for their tables to put another catalog in force comes after this step.
            self._compare(run)
            run.set("COMMIT")

    @cached_property
    def _update_many(self) -> str | None:
        """Write the UPDATE of many records, where there is one."""
        there = self._layout.table(self._kept)
        write = self._dialect.quoted
        fixed = f"{write(VERSION)} = {self._kept.version}, {write(EXTRAS)} = NULL"
        keys = [self._older.field(field).column for field in self._older.key]
        return self._dialect.update_many(there, self._new, fixed, [*keys, REVISION])

    def _many(self, batch: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
        text = self._update_many if self._new and len(batch) > 1 else None
        if text is not None:
            return [(text, tuple(map(list, zip(*(bound for _, bound in batch), strict=True))))]
        if self._dialect.rows_a_statement == (0,):  # the driver takes many by itself
            return [(batch[0][0], [bound for _, bound in batch])]
        return list(batch)


_NULL: ColumnElement[Any] = literal_column("NULL")


def _beyond(columns: Sequence[ColumnElement[Any]]) -> Clause:
    """Write that a key comes after another; the first part is what the primary key's index serves."""
    clauses: list[Clause] = []
    for at, column in enumerate(columns):
        same = [columns[place] == parameter(f"after{place}") for place in range(at)]
        clauses.append(and_(*same, column > parameter(f"after{at}")))
    return and_(columns[0] >= parameter("after0"), or_(*clauses))


def _batches(changes: Sequence[tuple[str, Any]]) -> Iterator[list[tuple[str, Any]]]:
    batch, size = list[tuple[str, Any]](), 0
    for change in changes:
        batch.append(change)
        size += len(change[0]) + sum(len(part) if isinstance(part, (str, bytes)) else 20 for part in change[1])
        if size > _BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
