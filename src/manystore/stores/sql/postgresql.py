"""PostgreSQL: `postgresql://user:password@host/database`, and how it is opened and altered.

Knows psycopg; must not know plans or changes. Everything runs under READ COMMITTED: each statement sees what was
committed when it began, so what must not change after a look is locked first and looked at in a later statement. What
the database calls things is in postgresql_dialect.py, how statements are run in postgresql_connection.py.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

import psycopg
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper

from ...errors import ManystoreError, Unavailable, URLError
from ...schema.catalog import Catalog
from ...schema.operation import ReplaceCatalog
from ...store.protocol import Wait
from .connections import Connection, Connections, split_host
from .postgresql_connection import Raw, ServerConnection
from .postgresql_dialect import PostgreSQL, translate
from .store import Busy, SQLStore
from .tables import refuse_foreign

_POOL, _TIMEOUT, _CONNECT_TIMEOUT = 16, 30, 10
_PAUSE = 0.02
_LONG = 7 * 86_400.0  # s
_LOCK_TIMEOUT = 2_000  # ms: longer than the second after which an autovacuum gives way


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
            raw = Raw.connect(**self._target, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            raise _refused(error) from None  # its text may repeat the user, the host and more
        raw.limit = self._timeout * 1.5 + 1  # after the server should have given up by itself
        raw.adapters.register_dumper(int, Int8BinaryDumper)  # for COPY, which takes no other width
        raw.adapters.register_dumper(int, Int8Dumper)
        try:
            found: Any = cast("Any", raw).execute(self._setup)
            while found.nextset():
                pass
            backend = (raw.info.backend_pid, found.fetchall()[0][0])
            return ServerConnection(raw, backend, prepare=self._prepare)
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
        _examine(server, url.prefix, foreign=url.foreign)
        return cls(server, PostgreSQL(), url.prefix, wait=wait, patience=timeout)

    @classmethod
    def _dialect_of(cls, scheme: str) -> PostgreSQL:
        del scheme
        return PostgreSQL()

    def _altering(self) -> Connection:
        connection = self._connections.opened()
        connection.execute("SET statement_timeout = 0", ())  # tables are large
        connection.hurry(_LONG)
        return connection

    def _alone(self, connection: Connection) -> None:
        # It is tried for, not waited for: who waits holds a snapshot, and a concurrent build waits for that.
        lock = "SELECT pg_try_advisory_lock(hashtextextended(current_schema() || '.alter.' || $1, 0))"
        if connection.execute(lock, (self._layout.catalog.name,)).fetchall() != [(True,)]:
            raise Busy

    def _create(self, connection: Connection, catalog: Catalog) -> None:
        run = connection.execute
        run(self._dialect.begin, ())
        lock = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.' || $1, 0))"
        run(lock, (self._layout.catalog.name,))
        if not run(_EXISTING, ([self._layout.catalog.name],)).fetchall():
            for text in self._layout.creation(catalog):
                run(text, ())
            self._store_first(connection, catalog)
            # Each read joins its only row, of which nobody would tell the planner: it is too small for autovacuum.
            run(f"ANALYZE {self._dialect.quoted(self._layout.catalog.name)}", ())
        run("COMMIT", ())

    def _replace(self, connection: Connection, operation: ReplaceCatalog) -> None:
        # Nobody who writes under the old epoch is under way when all tables are locked, and whoever comes then begins
        # his statement, and his look at the epoch, when they are free again.
        run = connection.execute
        run(self._dialect.begin, ())
        run(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT}", ())
        names = set(self._layout.tables_of(operation.catalog))
        found = run(_EXISTING, (sorted(names - {self._layout.catalog.name}),)).fetchall()
        if found:
            tables = ", ".join(self._dialect.quoted(name) for (name,) in sorted(found))
            run(f"LOCK TABLE {tables} IN SHARE MODE", ())
        self._exchange(connection, operation)
        run("COMMIT", ())


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


def _examine(server: Server, prefix: str, *, foreign: bool) -> None:
    """Look at the schema without changing it; raise NotADatabase when it holds what manystore did not make."""
    connection = server.opened()
    try:
        encoding, schema = connection.execute("SELECT getdatabaseencoding(), current_schema()::text", ()).fetchall()[0]
        if encoding != "UTF8":
            raise URLError(f"postgresql: the database's encoding is {encoding}; it must be UTF8")
        if schema is None:
            raise URLError("postgresql: there is no such schema; create it first")
        if not foreign:
            refuse_foreign(dict(connection.execute(_TABLES, (prefix,)).fetchall()))
    except psycopg.Error as error:
        connection.close()
        raise translate(error) from error
    except BaseException:
        connection.close()
        raise
    server.put(connection)


# -- errors of connecting --

_CONNECTING = (  # what libpq says, in English, when it has no SQLSTATE to give
    ("authentication failed", "the server refuses the user or the password"),
    ("no password supplied", "the server asks for a password"),
    ('role "', "the server refuses the user or the password"),
    ("pg_hba", "the server lets nobody in from here with that user, database or encryption"),
    ("database system is", "the server lets nobody in while it starts, recovers or ends"),
    ('database "', "there is no such database; create it first"),
    ("certificate", "the server's certificate is refused"),
    ("SSL", "server and client do not agree on encryption"),
    ("session is", "no server has the properties that target_session_attrs asks for"),
    ("too many", "the server is out of connections"),
    ("timeout", "the server does not answer"),
)


def _refused(error: psycopg.Error) -> ManystoreError:
    """Say why there is no connection."""
    said = str(error)
    if isinstance(error, psycopg.ProgrammingError) or "invalid" in said:
        return URLError("postgresql: an option of the connection has a wrong value")
    reason = next((words for part, words in _CONNECTING if part in said), "the server cannot be reached")
    return Unavailable(f"postgresql: {reason}")
