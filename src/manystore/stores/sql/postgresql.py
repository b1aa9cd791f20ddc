"""PostgreSQL: `postgresql://user:password@host/database`. Its types, its locks, what its errors mean, how it is opened.

Knows psycopg; must not know plans or changes. Everything runs under READ COMMITTED: each statement sees what was
committed when it began, so what must not change after a look is locked first and looked at in a later statement.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar

import psycopg
from psycopg.types.numeric import Int8Dumper
from sqlalchemy import (
    BIGINT,
    BOOLEAN,
    DATE,
    TEXT,
    TIMESTAMP,
    UUID,
    Column,
    ColumnElement,
    Table,
    all_,
    any_,
    cast,
    func,
    literal_column,
)
from sqlalchemy import Index as TableIndex
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, DOUBLE_PRECISION, aggregate_order_by
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.types import TypeEngine

from ...errors import Corrupted, ManystoreError, NotADatabase, OutcomeUnknown, StoreError, Unavailable, URLError
from ...schema.catalog import Catalog
from ...schema.operation import ReplaceCatalog
from ...schema.schema import Field
from ...store.protocol import Form, Kind, Wait
from .connections import Answer, Bound, Connection, Connections, split_host
from .dialect import AS_JSON, Clause, Dialect, Row, Verdict, parameter
from .store import SQLStore
from .tables import refuse_foreign

_POOL, _TIMEOUT, _CONNECT_TIMEOUT = 16, 30, 10
_PAUSE = 0.02
_LOCK_TIMEOUT = 2_000  # ms: longer than the second after which an autovacuum gives way
_PREPARED = 1000  # kept statements, a connection
_TYPES: dict[Kind, TypeEngine[Any]] = {
    "bool": BOOLEAN(),
    "int": BIGINT(),
    "decimal": BIGINT(),
    "float": DOUBLE_PRECISION(),
    "bytes": BYTEA(),
    "datetime": TIMESTAMP(timezone=True),
    "date": DATE(),
    "uuid": UUID(),
}
_NATIVE = Form(native=True)


class PostgreSQL(Dialect):
    """PostgreSQL."""

    sql = PGDialect(paramstyle="numeric_dollar")
    forms: ClassVar[Mapping[Kind, Form]] = {"json": AS_JSON, "datetime": _NATIVE, "date": _NATIVE, "uuid": _NATIVE}
    errors = (psycopg.Error, psycopg.Warning)
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
    begin_look = begin
    false = literal_column("false")
    returning = True
    savepoints = True

    def column_type(self, field: Field, *, indexed: bool) -> TypeEngine[Any]:
        """Give the type of a field's column. Text compares by code point, whatever the database's own collation."""
        del indexed
        return _TYPES.get(field.kind) or TEXT(collation="C")

    def live_index(self, name: str, table: Table, columns: Sequence[Column[Any]], flag: Column[Any]) -> TableIndex:
        """Make the index of a unique among the live."""
        del table
        return TableIndex(name, *columns, unique=True, postgresql_where=flag == self.false)

    def ordered(self, column: ColumnElement[Any], *, descending: bool, optional: bool) -> ColumnElement[Any]:
        """Write a term of an order or of an index. None comes last here if nothing is said, and first from the end."""
        if not optional:
            return column.desc() if descending else column
        return column.desc().nulls_last() if descending else column.asc().nulls_first()

    def listed(self, members: list[Any], kind: Kind) -> tuple[int, list[Any]]:
        """Give the values of an `in` as one array: one statement serves all lengths."""
        del kind
        return -1, [members]

    def among(self, column: ColumnElement[Any], names: str, size: int) -> tuple[Clause, Clause]:
        """Write that a column is among some values, and that it is not."""
        del size
        member = TEXT() if isinstance(column.type, TEXT) else column.type
        values = cast(parameter(names.format(0)), ARRAY(member))
        return column == any_(values), column != all_(values)

    def least(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Write the least value of a group."""
        return self._first(column, column.asc()) if kind in ("bool", "bytes", "uuid") else func.min(column)

    def greatest(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Write the greatest value of a group."""
        in_order = column.desc().nulls_last()
        return self._first(column, in_order) if kind in ("bool", "bytes", "uuid") else func.max(column)

    def _first(self, column: ColumnElement[Any], order: Any) -> ColumnElement[Any]:
        # There is no min or max of these kinds.
        return func.array_agg(aggregate_order_by(column, order), type_=ARRAY(column.type))[1]

    def float_sum(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Write the floats of a group: the database's own sum is rounded on its way."""
        return func.array_agg(column).filter(column.is_not(None))

    def float_of(self, found: Any, number: int) -> float:
        """Add floats up."""
        del number
        return math.fsum(found or ())

    def pointed(self, built: Any) -> Any:
        """Let a SELECT keep its rows from being deleted until the transaction ends."""
        return built.with_for_update(read=True, key_share=True)

    def placeholder(self, number: int) -> str:
        """Write the place of a statement's parameter."""
        return f"${number}"

    def verdict(self, error: Exception) -> Verdict:
        """Say what an error means for what goes on."""
        state = getattr(error, "sqlstate", None)
        if state is None:
            return "broken" if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) else "other"
        if state in _MISSING:
            return "missing"
        if state in (_CANCELED, _LOCK_NOT_AVAILABLE):
            return "again" if state == _LOCK_NOT_AVAILABLE else "other"
        return _CLASSES.get(state[:2], "other")

    def translate(self, error: Exception, *, writing: bool = False) -> ManystoreError:
        """Give the error to raise."""
        return translate(error, writing=writing)


class Silent(psycopg.OperationalError):
    """The server gave no answer within the time that the URL allows."""


def _within(gen: Generator[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
    """Let a wait for the server end. psycopg looks in here several times a second while nothing comes."""
    deadline = time.monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise Silent("no answer from the server")
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value


class Raw(psycopg.Connection[Row]):
    """psycopg's connection, with an end to each wait."""

    limit = math.inf

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        """Wait for what a generator asks of the server."""
        return super().wait(_within(gen, self.limit), *args, **options)


class ServerConnection(Connection):
    """One open connection and its cursor. backend: the process that serves it, and since when."""

    def __init__(self, raw: Raw, backend: tuple[int, Any]) -> None:
        self.raw = raw
        self.backend = backend
        self.execute = self._cursor().execute

    def _cursor(self) -> Any:
        cursor = psycopg.RawCursor(self.raw)
        cursor.format = psycopg.pq.Format.BINARY
        return cursor

    def send(self, batch: Sequence[Bound]) -> list[Answer]:
        """Run all statements with one wait."""
        with self.raw.pipeline():
            cursors = [self._cursor().execute(text, bound) for text, bound in batch]
        return [(cursor.rowcount, cursor.fetchall() if cursor.description else ()) for cursor in cursors]

    def end(self) -> None:
        """Roll back what is open."""
        if self.raw.pgconn.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self.execute("ROLLBACK", ())

    def close(self) -> None:
        """Close it."""
        self.raw.close()


class Server(Connections):
    """The open connections to one database."""

    def __init__(
        self, target: Mapping[str, Any], setup: str, *, timeout: float, kept: int, prepare: bool, wait: Wait
    ) -> None:
        super().__init__(kept)
        self._wait = wait
        self.can_fence = prepare  # behind a pooler nobody knows which process serves whom
        self._target = target
        self._setup = setup
        self._timeout = timeout
        self._prepare = prepare

    def connect(self) -> ServerConnection:
        """Open a connection."""
        try:
            raw = Raw.connect(**self._target, autocommit=True, prepare_threshold=1 if self._prepare else None)
        except psycopg.Error as error:
            raise _refused(error) from None  # its text may repeat the user, the host and more
        raw.limit = self._timeout * 1.5 + 1  # after the server should have given up by itself
        raw.prepared_max = _PREPARED
        raw.adapters.register_dumper(int, Int8Dumper)
        try:
            found = raw.execute(self._setup)
            while found.nextset():
                pass
            return ServerConnection(raw, (raw.info.backend_pid, found.fetchall()[0][0]))
        except psycopg.Error as error:
            raw.close()
            raise translate(error) from error

    def fence(self, lost: Connection) -> Connection:
        """Give a new connection once the process that served the lost one is gone, and with it what it had begun."""
        assert isinstance(lost, ServerConnection)
        connection = self.opened()
        deadline = time.monotonic() + self._timeout
        try:
            while connection.execute(_END, lost.backend).fetchall():
                if time.monotonic() > deadline:
                    raise Unavailable("the server does not end a connection that broke")
                self._wait(_PAUSE)
        except psycopg.Error as error:
            connection.close()
            raise Unavailable("the server cannot be asked what became of a connection") from error
        except BaseException:
            connection.close()
            raise
        return connection


_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2"
_TABLES = """
SELECT c.relname::text, array(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND starts_with(c.relname::text, $1)
"""
_EXISTING = """
SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname = ANY(CAST($1 AS text[]))
"""


class PostgreSQLStore(SQLStore):
    """One database in one schema of a server."""

    forms = PostgreSQL.forms

    @classmethod
    def open(cls, url: Any, /, *, wait: Wait) -> PostgreSQLStore:
        """Connect to the database that a URL names.

        Options: timeout (seconds for one statement), pool (idle connections kept), durability (full, or off: a commit
        may be lost when the server dies), schema, prepare (on, or off behind a pooler that shares connections between
        transactions), and of libpq sslmode, sslrootcert, connect_timeout, target_session_attrs, application_name.
        """
        url.allow("timeout", "pool", "durability", "schema", "prepare", *_LIBPQ)
        options = url.options
        for name, words in (("durability", ("full", "off")), ("prepare", ("on", "off"))):
            if options.get(name, words[0]) not in words:
                raise URLError(f"{url.scheme}: the option {name} takes {words[0]} or {words[1]}")
        timeout, kept = url.option("timeout", _TIMEOUT), url.option("pool", _POOL)
        if not timeout:
            raise URLError(f"{url.scheme}: the option timeout takes a number above 0")
        setup = [f"SET statement_timeout = {max(1, int(timeout * 1000))}"]
        setup += ["SET default_transaction_isolation = 'read committed'", "SET TIME ZONE 'UTC'"]
        setup += ["SET synchronous_commit = off"] if options.get("durability") == "off" else []
        if "schema" in options:
            setup.append(f"SET search_path = {PostgreSQL().quoted(options['schema'])}")
        setup.append("SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        server = Server(
            _target(url, timeout), "; ".join(setup), timeout=timeout, kept=int(kept),
            prepare=options.get("prepare") != "off", wait=wait,
        )  # fmt: skip
        _examine(server, url.prefix)
        return cls(server, PostgreSQL(), url.prefix, wait=wait, patience=timeout)

    def _create(self, connection: Connection, catalog: Catalog) -> None:
        execute = connection.execute
        execute(self._dialect.begin, ())
        lock = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.' || $1, 0))"
        execute(lock, (self._layout.catalog.name,))
        if not execute(_EXISTING, ([self._layout.catalog.name],)).fetchall():
            for text in self._layout.creation(catalog.head):
                execute(text, ())
            self._store_first(connection, catalog)
        execute("COMMIT", ())

    def _replace(self, connection: Connection, operation: ReplaceCatalog) -> None:
        # Nobody who writes under the old epoch is under way when all tables are locked, and whoever comes then begins
        # his statement, and his look at the epoch, when they are free again.
        execute = connection.execute
        execute(self._dialect.begin, ())
        execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT}", ())
        names = {n for s in (operation.catalog.base, operation.catalog.head) for n in self._layout.tables(s)}
        found = execute(_EXISTING, (sorted(names - {self._layout.catalog.name}),)).fetchall()
        if found:
            tables = ", ".join(self._dialect.quoted(name) for (name,) in sorted(found))
            execute(f"LOCK TABLE {tables} IN SHARE MODE", ())
        self._exchange(connection, operation)
        execute("COMMIT", ())


_LIBPQ = ("sslmode", "sslrootcert", "connect_timeout", "target_session_attrs", "application_name")


def _target(url: Any, timeout: float) -> dict[str, Any]:
    """Give what psycopg connects to."""
    places = [(host.strip("[]"), port) for host, port in map(split_host, url.hosts)]
    target: dict[str, Any] = {name: url.options[name] for name in _LIBPQ if name in url.options}
    url.option("connect_timeout", _CONNECT_TIMEOUT)  # refuses what is no number
    target.setdefault("connect_timeout", _CONNECT_TIMEOUT)
    target.setdefault("application_name", "manystore")
    target |= {"tcp_user_timeout": int(timeout * 1500), "client_encoding": "UTF8"}
    target["host"] = ",".join(host for host, _ in places) or None
    target["port"] = ",".join(port or "5432" for _, port in places) or None
    target |= {"user": url.user, "password": url.password, "dbname": url.path or None}
    return {name: value for name, value in target.items() if value is not None}


def _examine(server: Server, prefix: str) -> None:
    """Look at the schema without changing it; raise NotADatabase when it holds what manystore did not make."""
    connection = server.opened()
    try:
        encoding, schema = connection.execute("SELECT getdatabaseencoding(), current_schema()::text", ()).fetchall()[0]
        if encoding != "UTF8":
            raise URLError(f"postgresql: the database's encoding is {encoding}; it must be UTF8")
        if schema is None:
            raise URLError("postgresql: there is no such schema; create it first")
        refuse_foreign(dict(connection.execute(_TABLES, (prefix,)).fetchall()))
    except psycopg.Error as error:
        connection.close()
        raise translate(error) from error
    except BaseException:
        connection.close()
        raise
    server.put(connection)


# -- errors: what SQLSTATEs become --

_CANCELED, _LOCK_NOT_AVAILABLE = "57014", "55P03"
_MISSING = {"42P01", "42703", "3F000", "0A000"}  # 0A000: a kept statement's rows would have another type now
_CLASSES: dict[str, Verdict] = {"08": "broken", "57": "broken", "40": "again", "23": "taken"}
_STATES = {
    _CANCELED: Unavailable("the server took longer than the URL's timeout allows"),
    _LOCK_NOT_AVAILABLE: Unavailable("another program holds a lock for longer than the URL's timeout allows"),
    "25006": Unavailable("the server takes no writes: it is a standby"),
    "42501": StoreError("the user lacks a privilege that the call needs"),
    "42P07": NotADatabase("a table of that name, which manystore did not make, is there already"),
    "XX001": Corrupted("the database is damaged"),
    "XX002": Corrupted("an index of the database is damaged"),
}
_STATE_CLASSES = {
    "08": Unavailable("the connection to the server broke"),
    "22": StoreError("a value is none that its column takes"),
    "23": Corrupted("a constraint of the database refuses what the catalog allows"),
    "40": Unavailable("the server undid the call because of what others do"),
    "53": Unavailable("the server is out of connections, memory or disk"),
    "54": StoreError("a value or a statement is larger than the database takes"),
    "57": Unavailable("the server is being stopped"),
    "58": Unavailable("the server's machine failed"),
}
_CONNECTING = (  # what libpq says, in English, when it has no SQLSTATE to give
    ("authentication failed", "the server refuses the user or the password"),
    ("no password supplied", "the server asks for a password"),
    ("role ", "the server refuses the user or the password"),
    ("pg_hba", "the server lets nobody in from here with that user, database or encryption"),
    ("database ", "there is no such database; create it first"),
    ("certificate", "the server's certificate is refused"),
    ("SSL", "server and client do not agree on encryption"),
    ("session is", "no server has the properties that target_session_attrs asks for"),
    ("too many", "the server is out of connections"),
    ("timeout", "the server does not answer"),
)


def translate(error: Exception, *, writing: bool = False) -> ManystoreError:
    """Give the error to raise. writing: a commit may have been under way."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
            if writing:
                return OutcomeUnknown("the connection to the server broke while the step was being written")
            return Unavailable("the connection to the server broke")
        return StoreError(f"the driver refuses the call ({type(error).__name__})")
    found = _STATES.get(state) or _STATE_CLASSES.get(state[:2])
    if found is None and state in _MISSING:
        return Corrupted("the tables are not those that the catalog names")
    return StoreError(f"the database refuses the call ({state})") if found is None else type(found)(*found.args)


def _refused(error: psycopg.Error) -> ManystoreError:
    """Say why there is no connection."""
    if isinstance(error, psycopg.ProgrammingError):
        return URLError("postgresql: an option of the connection has a wrong value")
    said = str(error)
    reason = next((words for part, words in _CONNECTING if part in said), "the server cannot be reached")
    return Unavailable(f"postgresql: {reason}")
