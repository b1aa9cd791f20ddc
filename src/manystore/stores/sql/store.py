"""The SQL store: the outer waist over tables, the same for every SQL database.

Knows the parts and puts them together; what differs from one database to another is in sqlite.py, postgresql.py and
mysql.py, each of which has a subclass that opens a URL.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from sqlalchemy import insert, update

from ...errors import EpochChanged, Unavailable
from ...query.capabilities import Capabilities
from ...query.plan import CATALOG, Plan
from ...schema.adoption import Adopt, Survey
from ...schema.catalog import Catalog
from ...schema.operation import (
    Altered,
    Contract,
    CreateDatabase,
    Explain,
    Operation,
    Prepare,
    ReplaceCatalog,
    Sweep,
    Words,
)
from ...schema.schema import Schema
from ...store.protocol import Change, Form, Kind, Read, Values, Wait, Written
from .connections import Connection, Connections
from .dialect import Dialect, parameter
from .reader import Reader, changed
from .reading import Reading
from .tables import Layout
from .writer import Writer

_LONGEST_PAUSE = 0.1


class Busy(Exception):
    """Another program alters the tables at this moment."""


class SQLStore(ABC):
    """One database. patience: seconds for which something is tried again that others keep from being done."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        native_filter=True, native_aggregate=True, persistent=True, shared=True, fixed_columns=True, joined_steps=16
    )
    forms: ClassVar[Mapping[Kind, Form]]

    def __init__(self, connections: Connections, dialect: Dialect, prefix: str, *, wait: Wait, patience: float) -> None:
        self._connections = connections
        self._dialect = dialect
        self._layout = Layout(prefix, dialect)
        self._reader = Reader(connections, self._layout)
        self._writer = Writer(self._reader, wait, patience)
        self._wait = wait
        self._patience = patience
        self._kept = (type(self), prefix)  # under which a plan keeps what was compiled for it

    @classmethod
    @abstractmethod
    def open(cls, url: Any, /, *, wait: Wait) -> SQLStore:
        """Open the database that a URL names."""

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
        try:
            result: Read = reading.run(values, epoch, limit, after, cap)
        except EpochChanged:
            self._reader.check_whole(epoch)
            raise
        return result

    def write(self, changes: Sequence[Change], *, epoch: str) -> Written:
        """Carry out all changes in one atomic step."""
        try:
            return self._writer.write(changes, epoch)
        except EpochChanged:
            self._reader.check_whole(epoch)
            raise

    def alter(self, operation: Operation) -> Altered:
        """Carry out an operation on the stored schema."""
        if isinstance(operation, (Survey, Adopt)):
            return self._take_over(operation)
        deadline = time.monotonic() + self._patience
        while True:
            # The first page of a sweep may be all of it, and take its time; the others are like any write.
            is_brief = isinstance(operation, Sweep) and operation.after is not None
            connection = self._connections.take() if is_brief else self._altering()
            done = False
            try:
                result = self._altered(connection, operation)
                done = is_brief
                return result
            except self._dialect.errors as error:
                if self._dialect.verdict(error) not in ("again", "stale"):
                    raise self._dialect.translate(error, writing=True) from error
                if time.monotonic() >= deadline:
                    raise Unavailable("other programs kept the catalog from being changed; it was not") from error
            except Busy as busy:
                if time.monotonic() >= deadline:
                    raise Unavailable("another program changes the tables and does not come to an end") from busy
            finally:
                (self._connections.put if done else self._connections.drop)(connection)
            self._wait(random.uniform(0, _LONGEST_PAUSE))

    def _take_over(self, operation: Survey | Adopt) -> Altered:
        """Look at tables that manystore did not make, or adopt them."""
        from .adoption import take_over  # noqa: PLC0415 - for what is done once in a database's life, if at all

        connection = self._connections.opened()
        try:
            layout = Layout(self._layout.prefix, self._dialect)
            return take_over(self._connections, connection, layout, operation, self._wait)
        except self._dialect.errors as error:
            raise self._dialect.translate(error) from error
        finally:
            self._connections.drop(connection)

    def _altered(self, connection: Connection, operation: Operation) -> Altered:
        match operation:
            case CreateDatabase():
                self._create(connection, operation.catalog)
                return None
            case ReplaceCatalog():
                self._replace(connection, operation)
                return None
            case Explain():
                words: Words = self._carrier.explain(connection, operation)
                return words
            case Prepare() | Contract():
                # What is made takes its time; two that make the same would find each other's half-made things.
                self._alone(connection)
                return self._carried(connection, operation)
            case _:
                return self._carried(connection, operation)

    def _carried(self, connection: Connection, operation: Any) -> Altered:
        def exchange(expected: str, catalog: Catalog) -> None:
            self._exchange(connection, ReplaceCatalog(expected, catalog))

        result: Altered = self._carrier.carry(connection, operation, exchange)
        return result

    @cached_property
    def _carrier(self) -> Any:
        return self._alteration().Carrier(self._reader)

    @staticmethod
    def _alteration() -> Any:
        from .alteration import carrying  # noqa: PLC0415 - it loads Alembic, 0.1 s that no other verb needs

        return carrying

    @classmethod
    def offline(
        cls,
        scheme: str,
        older: Schema,
        catalog: Catalog,
        further: Schema | None = None,
        then: Catalog | None = None,
        *,
        prefix: str = "",
    ) -> tuple[str, ...]:
        """Give the statements from the tables of a schema to those of a catalog and of what will be kept further.

        Nothing is connected to. then: the last catalog of the window, whose Contract is given as well.
        """
        layout = Layout(prefix, cls._dialect_of(scheme))
        statements: tuple[str, ...] = cls._alteration().offline(layout, older, catalog, further, then)
        return statements

    def close(self) -> None:
        """Close every connection."""
        self._writer.close()
        self._connections.close()

    def _altering(self) -> Connection:
        """Open a connection for alter alone."""
        return self._connections.opened()

    @abstractmethod
    def _alone(self, connection: Connection) -> None:
        """Keep other programs from altering tables until this connection closes; raise Busy while one does."""

    @classmethod
    @abstractmethod
    def _dialect_of(cls, scheme: str) -> Dialect:
        """Give the dialect that a URL's scheme means."""

    @abstractmethod
    def _create(self, connection: Connection, catalog: Catalog) -> None:
        """Make all tables and store the first catalog, if there is none; safe beside others that do the same."""

    @abstractmethod
    def _replace(self, connection: Connection, operation: ReplaceCatalog) -> None:
        """Put another catalog in force such that no write of the old epoch is carried out afterwards."""

    def _store_first(self, connection: Connection, catalog: Catalog) -> None:
        """Store the first catalog."""
        row = {"format": parameter("f"), "epoch": parameter("e"), "catalog": parameter("c")}
        statement = self._dialect.statement(insert(self._layout.catalog).values(row), {"f": 0, "e": 1, "c": 2}, 3)
        values = [catalog.format, catalog.epoch, catalog.encode().decode()]
        connection.execute(statement.text, statement.bind(values))

    def _exchange(self, connection: Connection, operation: ReplaceCatalog) -> None:
        """Compare the epoch and store another catalog; raise EpochChanged when another one is in force."""
        table, catalog = self._layout.catalog, operation.catalog
        row = {"format": parameter("f"), "epoch": parameter("e"), "catalog": parameter("c")}
        built = update(table).where(table.c.epoch == parameter("x")).values(row)
        statement = self._dialect.statement(built, {"f": 0, "e": 1, "c": 2, "x": 3}, 4)
        values = [catalog.format, catalog.epoch, catalog.encode().decode(), operation.expected]
        if connection.execute(statement.text, statement.bind(values)).rowcount != 1:
            raise changed()
