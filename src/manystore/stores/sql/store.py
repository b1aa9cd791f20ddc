"""The SQL store: `sqlite:///file.db`, the outer waist over a file of SQLite's.

Knows the parts and puts them together: location.py looks at the file, reading.py and writer.py do the work.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sqlalchemy import insert, update

from ...errors import URLError
from ...query.capabilities import Capabilities
from ...query.plan import CATALOG, Plan
from ...schema.catalog import Catalog
from ...schema.operation import CreateDatabase, Operation, ReplaceCatalog
from ...store.protocol import Change, Form, Kind, Read, Values, Wait, Written
from .connections import Connection, Connections
from .dialect import FORMS, Statement, parameter
from .location import examine, file_of
from .reader import Reader, changed
from .reading import Reading
from .tables import Layout
from .translate import DRIVER_ERRORS, translate
from .writer import Writer

_POOL, _TIMEOUT = 16, 5
_ATTEMPTS = 20


class SQLStore:
    """One database in one file."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        native_filter=True, native_aggregate=True, persistent=True, shared=True
    )
    forms: ClassVar[Mapping[Kind, Form]] = FORMS

    def __init__(self, connections: Connections, layout: Layout) -> None:
        self._connections = connections
        self._layout = layout
        self._reader = Reader(connections, layout)
        self._writer = Writer(self._reader)
        self._kept = ("sql", layout.prefix)  # under which a plan keeps what was compiled for it

    @classmethod
    def open(cls, url: Any, /, *, wait: Wait) -> SQLStore:
        """Open the file that a URL names; it need not be there yet, but its directory must.

        Options: timeout (seconds that a writer waits for another), durability (full, or off: a commit may be lost, and
        the file damaged, when the machine dies), pool (how many idle connections are kept).
        """
        del wait  # the database itself waits for other writers, as long as timeout says
        url.allow("timeout", "durability", "pool")
        durability = url.options.get("durability", "full")
        if url.hosts:
            raise URLError("sqlite: three slashes stand before a file's name, as in sqlite:///file.db")
        if durability not in ("full", "off"):
            raise URLError("sqlite: the option durability takes full or off")
        path = file_of(url.path)
        timeout, kept = url.option("timeout", _TIMEOUT), url.option("pool", _POOL)
        examine(path)
        connections = Connections(path, timeout=timeout, durable=durability == "full", kept=int(kept))
        return cls(connections, Layout(url.prefix))

    def read(
        self,
        plan: Plan,
        values: Values,
        *,
        epoch: str,
        limit: int | None = None,
        after: Values | None = None,
        cap: int | None = None,
    ) -> Read:
        """Run a plan."""
        reading = plan.compiled.get(self._kept)
        if reading is None:
            if plan is CATALOG:
                found = self._reader.catalog()
                return Read([] if found is None else [found], 0, 1)
            reading = plan.compiled[self._kept] = Reading(plan, self._reader)
        result: Read = reading.run(values, epoch, limit, after, cap)
        return result

    def write(self, changes: Sequence[Change], *, epoch: str) -> Written:
        """Carry out all changes in one atomic step."""
        return self._writer.write(changes, epoch)

    def alter(self, operation: Operation) -> None:
        """Carry out an operation on the stored schema."""
        connection = self._connections.opened(create=True)
        try:
            self._use_log(connection)
            connection.execute("BEGIN IMMEDIATE")
            if isinstance(operation, ReplaceCatalog):
                self._replace(connection, operation)
            elif self._is_new(connection):
                self._create(connection, operation)
            connection.execute("COMMIT")
        except DRIVER_ERRORS as error:
            raise translate(error, writing=True) from error
        finally:
            self._connections.drop(connection)

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()

    def _use_log(self, connection: Connection) -> None:
        """Turn the file to its write-ahead log, in which readers and the writer do not wait for each other."""
        for attempt in range(_ATTEMPTS):
            try:
                connection.execute("PRAGMA journal_mode=WAL").fetchall()
            except sqlite3.OperationalError:
                # Two programs that make one file at the same time: this statement, alone of all, does not wait.
                if attempt == _ATTEMPTS - 1:
                    raise
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            else:
                return

    def _is_new(self, connection: Connection) -> bool:
        found = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return not connection.execute(found, (self._layout.catalog.name,)).fetchall()

    def _create(self, connection: Connection, operation: CreateDatabase) -> None:
        catalog: Catalog = operation.catalog
        for text in self._layout.creation(catalog.head):
            connection.execute(text)
        row = insert(self._layout.catalog).values(format=parameter("f"), epoch=parameter("e"), catalog=parameter("c"))
        statement = Statement(row, {"f": 0, "e": 1, "c": 2}, 3)
        connection.execute(statement.text, statement.bind([catalog.format, catalog.epoch, catalog.encode().decode()]))

    def _replace(self, connection: Connection, operation: ReplaceCatalog) -> None:
        table, catalog = self._layout.catalog, operation.catalog
        row = {"format": parameter("f"), "epoch": parameter("e"), "catalog": parameter("c")}
        built = update(table).where(table.c.epoch == parameter("x")).values(row)
        statement = Statement(built, {"f": 0, "e": 1, "c": 2, "x": 3}, 4)
        values = [catalog.format, catalog.epoch, catalog.encode().decode(), operation.expected]
        if connection.execute(statement.text, statement.bind(values)).rowcount != 1:
            raise changed()
