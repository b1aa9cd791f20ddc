"""Sweeping: records of the older shape get the columns that only the kept one has, page by page, in key order.

Knows tables and primitives; what the values are the operation's `lift` says. A record keeps its revision; one that
somebody changed meanwhile is left alone, since whoever wrote it wrote the kept shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from operator import add
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, and_, literal_column, or_, select, update

from ....schema.catalog import Catalog
from ....schema.operation import Columns, Many, Progress, Sweep
from ....schema.schema import Collection
from ....store.binding import Turn, binder, loader
from ..connections import Answer, Bound
from ..dialect import Clause, Row, Statement, parameter
from ..reader import Reader, changed
from ..tables import EXTRAS, REVISION, VERSION, Layout, halted
from .run import Run

Values: TypeAlias = Sequence[Any]  # of one column
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
        self._keys = [older.field(name).column for name in older.key]
        fields = [field for field in older.fields if field.column != EXTRAS]
        new = [field for field in kept.fields if field.column not in older.columns and field.column != EXTRAS]
        self._columns = tuple(field.column for field in fields)
        self._loads = {field.column: loader(field, forms) for field in fields}
        self._new = [field.column for field in new]
        self._binds = [binder(field, forms) for field in new]
        self._statements: dict[tuple[bool, tuple[str, ...]], Statement] = {}

    def page(self, run: Run, operation: Sweep) -> Progress:
        """Rewrite the next records."""
        if not self._is_due or (operation.after is None and self._is_halted(run)):
            return Progress(0)
        if not self._new:
            self._mark(run)
            return Progress(0)
        if run.is_noting:
            run.do(self._update.text)
            return Progress(0)
        many, columns = operation.many, self._columns
        if many is not None:
            columns = tuple(column for column in columns if column in many.takes or column in self._keys)
        rows = self._rows(run, operation, columns)
        if many is not None and any(row[-2] is not None for row in rows):
            many, columns = None, self._columns  # what stands in a complement may belong to any column
            rows = self._rows(run, operation, columns)
        if not rows:
            return Progress(0)
        found = dict(zip(columns, zip(*rows, strict=True), strict=False))
        new = self._one_by_one(rows, operation) if many is None else self._at_once(found, len(rows), many)
        keys = [found[column] for column in self._keys]
        for batch in self._batches([*new, *keys, [row[-1] for row in rows]]):
            self._write(run, batch)
        if len(rows) < operation.limit:
            return Progress(len(rows))
        ends = zip(self._keys, keys, strict=True)
        return Progress(len(rows), [_turned(values[-1:], self._loads[column])[0] for column, values in ends])

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
        if run.is_noting:
            run.do(statement.text)
        else:
            self._write(run, [(statement.text, statement.bind([]))])

    def _rows(self, run: Run, operation: Sweep, columns: tuple[str, ...]) -> Sequence[Row]:
        """Read a page: some of the older shape's columns, `_extras` and the revision."""
        bound: list[Any] = []
        if operation.after is not None:
            turns = [binder(self._older.field(name), self._dialect.forms) for name in self._older.key]
            bound = [v if turn is None else turn(v) for turn, v in zip(turns, operation.after, strict=True)]
        which = (bool(bound), columns)
        statement = self._statements.get(which)
        if statement is None:
            statement = self._statements[which] = self._select(len(bound), columns)
        epochs, (_, rows) = run.send(
            [(self._epoch_text, ()), (statement.text, statement.bind([*bound, operation.limit]))]
        )
        self._compare(epochs)
        return list(rows)

    def _select(self, after: int, columns: Sequence[str]) -> Statement:
        """Write the SELECT of a page. after: of how many parts the key before it is, 0 if there is none."""
        table = self._table
        where: list[Clause] = [table.c[VERSION] != literal_column(str(self._kept.version))]
        keys = [table.c[column] for column in self._keys]
        if after:
            where.append(_beyond(keys))
        wanted = [table.c[column] for column in columns]
        built = select(*wanted, table.c[EXTRAS], table.c[REVISION]).where(*where).order_by(*keys)
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

    def _at_once(self, found: Columns, number: int, many: Many) -> list[Values]:
        """Give the new columns of records without a complement."""
        given = {column: _turned(found[column], self._loads[column]) for column in many.takes}
        made = many.made(given, number)
        return [_turned(made[column], bind) for column, bind in zip(self._new, self._binds, strict=True)]

    def _one_by_one(self, rows: Sequence[Row], operation: Sweep) -> list[Values]:
        """Give the new columns of any records."""
        loads = [(column, load) for column, load in self._loads.items() if load is not None]
        made = list[Row]()
        for row in rows:
            columns = dict(zip(self._columns, row, strict=False))
            for column, load in loads:
                if columns[column] is not None:
                    columns[column] = load(columns[column])
            complement = None if row[-2] is None else msgspec.json.decode(row[-2])
            made.append(tuple(map(operation.lift(columns, complement).get, self._new)))
        return [_turned(values, bind) for values, bind in zip(zip(*made, strict=True), self._binds, strict=True)]

    def _compare(self, answer: Answer) -> None:
        found = answer[1]
        if not found or found[0][0] != self.epoch:
            raise changed()

    def _write(self, run: Run, batch: Sequence[Bound]) -> None:
        # The epoch comes after the changes: what waits for their tables to put another in force comes after this step.
        self._compare(run.send([(self._dialect.begin, ()), *batch, (self._epoch_text, ())])[-1])
        run.set("COMMIT")

    @cached_property
    def _writes_many(self) -> Callable[[Sequence[Values]], Bound] | None:
        """Give what makes the UPDATE of many records, where there is one."""
        there = self._layout.table(self._kept)
        fixed = {VERSION: str(self._kept.version), EXTRAS: "NULL"}
        return self._dialect.update_many(there, self._new, fixed, [*self._keys, REVISION])

    def _batches(self, columns: Sequence[Values]) -> Iterator[Sequence[Bound]]:
        """Give what writes the values of all records, in texts that go to the server at once.

        columns: in the order in which the text of an UPDATE has them.
        """
        text, many = self._update.text, self._writes_many
        if not self._dialect.remote:
            yield [(text, list(zip(*columns, strict=True)))]
            return
        for part in _parts(columns, 0 if many else len(text)):
            yield [(text, row) for row in zip(*part, strict=True)] if many is None else [many(part)]


_NULL: ColumnElement[Any] = literal_column("NULL")


def _beyond(columns: Sequence[ColumnElement[Any]]) -> Clause:
    """Write that a key comes after another; the first part is what the primary key's index serves."""
    clauses: list[Clause] = []
    for at, column in enumerate(columns):
        same = [columns[place] == parameter(f"after{place}") for place in range(at)]
        clauses.append(and_(*same, column > parameter(f"after{at}")))
    return and_(columns[0] >= parameter("after0"), or_(*clauses))


def _turned(values: Values, turn: Turn | None) -> Values:
    return values if turn is None else [value if value is None else turn(value) for value in values]


def _parts(columns: Sequence[Values], least: int) -> Iterator[Sequence[Values]]:
    """Cut columns into parts of about _BYTES. least: of each record."""
    sizes = [least + 20 * len(columns)] * len(columns[0])
    for values in columns:
        if {str, bytes}.intersection(map(type, values)):
            lengths = [len(value) if isinstance(value, (str, bytes)) else 0 for value in values]
            sizes = list(map(add, sizes, lengths))
    start = size = 0
    for place, more in enumerate(sizes):
        size += more
        if size > _BYTES:
            yield [values[start : place + 1] for values in columns]
            start, size = place + 1, 0
    if start < len(sizes):
        yield [values[start:] for values in columns]
