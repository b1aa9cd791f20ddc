"""Sweeping: records of the older shape get the columns that only the kept one has, page by page, in key order.

Knows tables and primitives; what the values are the operation's `lift` says. A record keeps its revision; one that
somebody changed meanwhile is left alone, since whoever wrote it wrote the kept shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, literal_column, or_, select, update

from ....schema.catalog import Catalog
from ....schema.operation import Progress, Sweep
from ....schema.schema import Collection
from ..dialect import Clause, Row, Statement, parameter
from ..primitive import Turn, binder, loader
from ..reader import Reader, changed
from ..tables import EXTRAS, REVISION, VERSION, Layout
from .run import Run

_BYTES = 1_000_000  # about how many go to the server at once


def sweep(run: Run, reader: Reader, catalog: Catalog, operation: Sweep) -> Progress:
    """Carry one page out."""
    name, older = operation.collection, catalog.older
    if older is None or name not in older or name not in catalog.kept:
        return Progress(0)
    before, kept = older.collection(name), catalog.kept.collection(name)
    if before.stored != kept.stored:
        return Progress(0)  # all its records were made anew
    return _Sweeping(run, reader, before, kept).page(operation)


class _Sweeping:
    def __init__(self, run: Run, reader: Reader, older: Collection, kept: Collection) -> None:
        self._run = run
        self._epoch_text = reader.epoch_text
        self._dialect = reader.dialect
        self._layout: Layout = reader.layout
        self._older = older
        self._kept = kept
        self._table = reader.layout.table(older)
        forms = self._dialect.forms
        self._fields = [field for field in older.fields if field.column != EXTRAS]
        self._new = [f for f in kept.fields if f.column not in older.columns and f.column != EXTRAS]
        names = [field.name for field in self._fields]
        self._key = [names.index(name) for name in older.key]
        self._loads: list[Turn | None] = [loader(field, forms) for field in self._fields]
        self._binds: list[Turn | None] = [binder(field, forms) for field in self._new]

    def page(self, operation: Sweep) -> Progress:
        """Rewrite the next records."""
        if not self._new:
            self._mark(operation.epoch)
            return Progress(0)
        if self._run.is_noting:
            self._run.do(self._statement().text)
            return Progress(0)
        self._compare(operation.epoch)
        rows = self._rows(operation)
        statement = self._statement()
        changes = [(statement.text, statement.bind(self._lifted(row, operation))) for row in rows]
        for batch in _batches(changes):
            self._write(batch, operation.epoch)
        is_last = len(rows) < operation.limit
        return Progress(len(rows), None if is_last else self._key_of(rows[-1]))

    def _mark(self, epoch: str) -> None:
        """Where nothing but the version changes, set it if it falls: to older programs a higher one is unknown."""
        table = self._table
        version, extras = table.c[VERSION], table.c[EXTRAS]
        wanted: ColumnElement[Any] = literal_column(str(self._kept.version))
        built = update(table).where(extras.is_not(None)).values({extras: literal_column("NULL")})
        if self._kept.version < self._older.version:
            built = update(table).where(version > wanted).ordered_values((version, wanted), (extras, _NULL))
        statement = self._dialect.statement(built, {}, 0)
        self._write([(statement.text, statement.bind([]))], epoch)

    def _rows(self, operation: Sweep) -> Sequence[Row]:
        """Read a page: the older shape's columns, `_extras` and the revision."""
        table = self._table
        columns = [table.c[field.column] for field in self._fields]
        where: list[Clause] = [table.c[VERSION] != literal_column(str(self._kept.version))]
        keys = [self._older.field(name) for name in self._older.key]
        bound: list[Any] = []
        if operation.after is not None:
            turns = [binder(field, self._dialect.forms) for field in keys]
            bound = [v if t is None else t(v) for t, v in zip(turns, operation.after, strict=True)]
            where.append(_beyond([table.c[field.column] for field in keys]))
        order = [table.c[field.column] for field in keys]
        built = select(*columns, table.c[EXTRAS], table.c[REVISION]).where(*where).order_by(*order)
        places = {f"after{at}": at for at in range(len(bound))}
        places["most"] = len(bound)
        statement = self._dialect.statement(built.limit(parameter("most")), places, len(places))
        return self._run.ask(statement.text, statement.bind([*bound, operation.limit]))

    def _statement(self) -> Statement:
        """Write the UPDATE of one record."""
        there = self._layout.table(self._kept)
        names = [f"new{at}" for at in range(len(self._new))]
        values: list[tuple[Any, Any]] = [
            (there.c[field.column], parameter(name)) for field, name in zip(self._new, names, strict=True)
        ]
        wanted: ColumnElement[Any] = literal_column(str(self._kept.version))
        values += [(there.c[VERSION], wanted)]
        values += [(there.c[EXTRAS], _NULL)] if EXTRAS in there.c else []
        keys = [f"key{at}" for at in range(len(self._older.key))]
        is_it = [
            there.c[self._older.field(field).column] == parameter(name)
            for field, name in zip(self._older.key, keys, strict=True)
        ]
        built = update(there).where(*is_it, there.c[REVISION] == parameter("now")).ordered_values(*values)
        places = {name: at for at, name in enumerate([*names, *keys, "now"])}
        return self._dialect.statement(built, places, len(places))

    def _lifted(self, row: Row, operation: Sweep) -> list[Any]:
        """Give the values of one record's UPDATE."""
        *values, extras, revision = row
        raw = {
            field.column: value if value is None or load is None else load(value)
            for field, load, value in zip(self._fields, self._loads, values, strict=True)
        }
        lifted = operation.lift(raw, None if extras is None else msgspec.json.decode(extras))
        made = [
            value if value is None or bind is None else bind(value)
            for value, bind in ((lifted.get(f.column), bind) for f, bind in zip(self._new, self._binds, strict=True))
        ]
        return [*made, *(values[place] for place in self._key), revision]

    def _key_of(self, row: Row) -> list[Any]:
        found = [(row[place], self._loads[place]) for place in self._key]
        return [value if load is None else load(value) for value, load in found]

    def _compare(self, epoch: str) -> None:
        found = self._run.ask(self._epoch_text)
        if not found or found[0][0] != epoch:
            raise changed()

    def _write(self, batch: Sequence[tuple[str, Any]], epoch: str) -> None:
        if self._run.is_noting:
            self._run.do(batch[0][0])
            return
        self._run.set(self._dialect.begin)
        # After the changes: what waits for their tables to put another catalog in force comes after this step.
        self._run.send(self._many(batch))
        self._compare(epoch)
        self._run.set("COMMIT")

    def _many(self, batch: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
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
