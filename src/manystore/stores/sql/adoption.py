"""Adoption: foreign tables looked through, and copied record by record into tables of ours.

Knows schemas, what was found, and SQL; must not know models. takeover.py holds the database still and lets names change
hands; schema/soundness.py judges the records.

Each table is copied, even one whose columns are like ours: every record gets a revision, so every row is written anew
in any case, and there is one way to test instead of two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import MetaData, Table, insert
from sqlalchemy.schema import CreateIndex, CreateTable

from ...schema.adoption import Adopt, Adopted, FoundTable, Survey, Surveyed, shape_differences
from ...schema.schema import Collection, Field, Schema
from ...schema.soundness import Soundness
from ...schema.system import COUNTERS
from ...store.binding import Turn, binder
from ...store.protocol import Form, Kind, Wait
from ...store.revision import new_revision
from .connections import Bound, Connection, Connections
from .dialect import Dialect, Statement, parameter
from .survey import reading, survey
from .tables import EXTRAS, PREVIOUS, REVISION, VERSION, Layout
from .takeover import Takeover, takeover_of

_PAGE = 500  # rows that are read at a time
_BATCH = 100  # rows that are written with one wait
_BYTES = 2_000_000  # of them, at most, so that a server takes it as one text


def take_over(
    connections: Connections, connection: Connection, layout: Layout, operation: Survey | Adopt, wait: Wait
) -> Surveyed | Adopted:
    """Carry out an operation on tables that manystore did not make."""
    if isinstance(operation, Survey):
        return survey(connection.execute, layout.dialect)
    return Adoption(takeover_of(connections, connection, layout.dialect, wait), layout, operation).run()


class Adoption:
    """One adoption. layout: of its own, since the indexes of its tables are made once."""

    def __init__(self, takeover: Takeover, layout: Layout, operation: Adopt) -> None:
        self._takeover = takeover
        self._layout = layout
        self._dialect: Dialect = takeover.dialect
        self._operation = operation
        self._schema: Schema = operation.catalog.kept
        self._tables = {c.name: layout.table(c) for c in self._schema.collections}

    def run(self) -> Adopted:
        """Look, and adopt unless only a look is asked for; what is adopted already is finished."""
        takeover = self._takeover
        if self._is_ours():
            left = 0 if self._operation.is_dry else takeover.clear([t.name for t in self._tables.values()])
            steps = ("removed the old tables, which an adoption that was cut off had left",) if left else ()
            return Adopted(steps, is_ours=True)
        takeover.begin_look()
        try:
            found = survey(takeover.connection.execute, self._dialect)
            soundness = Soundness(self._schema, self._operation.fill)
            differences = self._look(found, soundness, None)
        finally:
            takeover.end_look()
        if not differences and not self._operation.is_dry:
            soundness = Soundness(self._schema, self._operation.fill)
            differences = self._carry_out(found, soundness)
        if differences:
            return Adopted(differences=tuple(differences))
        return Adopted(
            tuple(self._steps(found, soundness)), tuple(self._notes(found)), (), sum(soundness.counts.values())
        )

    def _is_ours(self) -> bool:
        """Tell whether there is a catalog."""
        name = self._layout.catalog.name
        if name not in self._dialect.inspected(self._takeover.connection.execute, [name]):
            return False
        return bool(self._takeover.run(f"SELECT 1 FROM {self._dialect.quoted(name)}").fetchall())

    def _look(self, found: Surveyed, soundness: Soundness, sink: _Sink | None) -> list[str]:
        """Say all that keeps the tables from being taken; hand each record that is well to the sink."""
        said = shape_differences(self._schema, found, self._operation.new, self._layout.prefix)
        for collection in self._schema.collections:
            table = found.table(self._layout.prefix + collection.name)
            if table is not None and collection.name not in said:
                soundness.begin(collection)
                self._read(collection, table, soundness, sink)
        names = [table.name for table in self._tables.values() if found.table(table.name) is not None]
        return (
            [line for lines in said.values() for line in lines]
            + soundness.sentences()
            + self._takeover.obstacles(names)
        )

    def _read(self, collection: Collection, table: FoundTable, soundness: Soundness, sink: _Sink | None) -> None:
        keys = [self._dialect.quoted(column) for column in table.key]
        missing = " OR ".join(f"{key} IS NULL" for key in keys)
        name = self._dialect.quoted(table.name)
        ((count,),) = self._takeover.run(f"SELECT count(*) FROM {name} WHERE {missing}").fetchall()
        if count:
            soundness.find(f"{collection.name}: keys are null").add("", count)
        for row in self._rows(collection, table):
            values = soundness.take(collection, row)
            if values is not None and sink is not None:
                sink.add(collection, values)
        if sink is not None:
            sink.flush()

    def _rows(self, collection: Collection, table: FoundTable) -> Iterator[list[Any]]:
        """Give the rows, in the order of the fields and of the key, page by page."""
        database = self._dialect.sql.name
        found = [field for f in collection.fields if (field := table.field(f.column)) is not None]
        ways = [reading(field, self._dialect.quoted(field.name), database) for field in found]
        turns = [(place, turn) for place, (_, turn) in enumerate(ways) if turn is not None]
        columns = ", ".join(text for text, _ in ways)
        after: list[Any] | None = None
        while True:
            text, bound = self._page(table, columns, after)
            page = [list(row) for row in self._takeover.connection.execute(text, bound).fetchall()]
            if page:
                after = [page[-1][place] for place in collection.key_positions]
            for row in page:
                for place, turn in turns:
                    row[place] = None if row[place] is None else turn(row[place])
                yield row
            if len(page) < _PAGE:
                return

    def _page(self, table: FoundTable, columns: str, after: list[Any] | None) -> tuple[str, tuple[Any, ...]]:
        """Write the statement of the page behind a key."""
        quoted = [self._dialect.quoted(column) for column in table.key]
        bound: list[Any] = []

        def place(value: Any) -> str:
            bound.append(value)
            return self._takeover.placeholder(len(bound))

        where = ""
        if after is not None:
            parts = [
                " AND ".join(
                    [f"{quoted[i]} = {place(after[i])}" for i in range(at)] + [f"{quoted[at]} > {place(after[at])}"]
                )
                for at in range(len(quoted))
            ]
            where = f" WHERE ({') OR ('.join(parts)})"
        name = self._dialect.quoted(table.name)
        return f"SELECT {columns} FROM {name}{where} ORDER BY {', '.join(quoted)} LIMIT {_PAGE}", tuple(bound)

    def _carry_out(self, found: Surveyed, soundness: Soundness) -> list[str]:
        """Adopt; give what has come between since the look, if anything has."""
        takeover = self._takeover
        making = self._making()
        old = [table.name for table in self._tables.values() if found.table(table.name) is not None]
        sign, write = self._sign(), self._dialect.ddl_text
        names = {name: table.name for name, table in making.items()} | sign
        made = [*names.values()]
        creation = [write(CreateTable(table)) for table in making.values()]
        try:
            takeover.begin(old, made, [*creation, *map(self._layout.sign_creation, sign.values())])
            tables = {name: making[table.name] for name, table in self._tables.items()}
            sink = _Sink(takeover, tables, self._dialect.forms)
            now = survey(takeover.connection.execute, self._dialect)
            if differences := self._look(now, soundness, sink):
                takeover.abandon(made)
                return differences
            for name in sorted(soundness.greatest):
                sink.add(COUNTERS, [name, soundness.greatest[name] + 1])
            sink.flush()
            self._finish(making)
            takeover.swap(old, names, self._bound(now))
        except BaseException:
            with suppress(*self._dialect.errors):  # the first error counts; the next adoption cleans up as well
                takeover.abandon(made)
            raise
        return []

    def _making(self) -> dict[str, Table]:
        """Give the tables to make, by the names they are to have: ours, with indexes, under the names of the making."""
        layout = self._layout
        tables = [layout.catalog, *([layout.writers] if self._dialect.remote else [])]
        for collection in self._schema.collections:
            table = self._tables[collection.name]
            layout.indexes(collection, self._operation.catalog)  # they hang on the table from then on
            tables.append(table)
        return {table.name: table.to_metadata(MetaData(), name=self._takeover.making(table.name)) for table in tables}

    def _sign(self) -> dict[str, str]:
        """Give the name of the epoch's sign, where there are signs, with what it is called while it is made."""
        layout = self._layout
        if not self._dialect.signed:
            return {}
        return {layout.sign(self._operation.catalog.epoch): self._takeover.making(layout.sign("sign"))}

    def _finish(self, making: Mapping[str, Table]) -> None:
        """Make the indexes, and put the catalog in its table."""
        for table in making.values():
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                self._takeover.run(self._dialect.ddl_text(CreateIndex(index)))
        catalog = self._operation.catalog
        row = {"format": parameter("f"), "epoch": parameter("e"), "catalog": parameter("c")}
        built = insert(making[self._layout.catalog.name]).values(row)
        statement = self._dialect.statement(built, {"f": 0, "e": 1, "c": 2}, 3)
        values = [catalog.format, catalog.epoch, catalog.encode().decode()]
        self._takeover.connection.execute(statement.text, statement.bind(values))

    def _bound(self, found: Surveyed) -> list[tuple[str, Any]]:
        """Give the foreign keys that lead from or to a table that is taken over."""
        ours = {table.name for table in self._tables.values()}
        return [(t.name, r) for t in found.tables for r in t.references if t.name in ours or r.target in ours]

    def _steps(self, found: Surveyed, soundness: Soundness) -> Iterator[str]:
        for collection in self._schema.collections:
            if collection.is_system:
                continue
            if collection.name in self._operation.new:
                yield f"{collection.name}: made, empty"
                continue
            indexes = len(collection.indexes) + len(collection.uniques)
            counter = soundness.greatest.get(collection.name)
            yield (
                f"{collection.name}: {soundness.counts[collection.name]:,} records"
                + (f", {indexes} index{'' if indexes == 1 else 'es'}" if indexes else "")
                + (f", keys from {counter + 1:,} on" if counter is not None else "")
            )

    def _notes(self, found: Surveyed) -> Iterator[str]:
        ours = {self._tables[collection.name].name: collection for collection in self._schema.collections}
        for name, reference in self._bound(found):
            fields = ", ".join(reference.fields)
            yield f"{name}: the foreign key {fields} to {reference.target} goes; manystore keeps references by itself"
        for table in found.tables:
            if (collection := ours.get(table.name)) is None:
                yield f"{table.name}: stays as it is; no model has it"
                continue
            yield from (f"{table.name}: the trigger {trigger} goes" for trigger in table.triggers)
            yield from _left_out(table, collection)


def _left_out(table: FoundTable, collection: Collection) -> Iterator[str]:
    """Tell of uniques and indexes that the table has and the model has not, but for those of its foreign keys."""
    uniques, indexes = (
        {tuple(collection.field(name).column for name in part.fields) for part in parts}
        for parts in (collection.uniques, collection.indexes)
    )
    kept = {frozenset(fields) for fields in (*uniques, table.key)}
    served = {*uniques, *indexes, table.key, *(reference.fields for reference in table.references)}
    for index in table.indexes:
        if index.unique and frozenset(index.fields) not in kept:
            yield f"{table.name}: the unique {index.name} over {', '.join(index.fields)} goes; the model has none such"
        elif not index.unique and index.fields not in served:
            yield f"{table.name}: the index {index.name} over {', '.join(index.fields)} goes; the model has none such"


class _Sink:
    """Writes records into the tables that are being made, some at a time."""

    def __init__(self, takeover: Takeover, tables: Mapping[str, Table], forms: Mapping[Kind, Form]) -> None:
        self._takeover = takeover
        self._tables = tables
        self._forms = forms
        self._ways: dict[str, tuple[Statement, list[Turn | None]]] = {}
        self._batch: list[Bound] = []
        self._size = 0

    def add(self, collection: Collection, values: Sequence[Any]) -> None:
        """Take a record's primitives, in the order of the fields."""
        statement, dumps = self._ways.get(collection.name) or self._way(collection)
        bound = [
            value if dump is None or value is None else dump(value) for dump, value in zip(dumps, values, strict=True)
        ]
        bound += [new_revision(), None, collection.version, None]
        self._batch.append((statement.text, statement.bind(bound)))
        self._size += sum(len(value) for value in bound if isinstance(value, (str, bytes)))
        if len(self._batch) >= _BATCH or self._size >= _BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if self._batch:
            self._takeover.connection.send(self._batch)
            self._batch, self._size = [], 0

    def _way(self, collection: Collection) -> tuple[Statement, list[Turn | None]]:
        names = [*collection.columns, REVISION, PREVIOUS, VERSION, EXTRAS]
        places = {f"v{at}": at for at in range(len(names))}
        built = insert(self._tables[collection.name]).values(
            {name: parameter(f"v{at}") for at, name in enumerate(names)}
        )
        statement = self._takeover.dialect.statement(built, places, len(names))
        made = self._ways[collection.name] = (statement, [self._dump(field) for field in collection.fields])
        return made

    def _dump(self, field: Field) -> Turn | None:
        return None if field.kind == "bytes" else binder(field, self._forms)  # bytes stay what they are here
