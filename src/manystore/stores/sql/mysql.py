"""MariaDB and MySQL: `mariadb://user:password@host/database`, `mysql://`, and how they are opened and altered.

Knows PyMySQL; must not know plans or changes. Everything runs under READ COMMITTED: each statement sees what was
committed when it began. What the databases call things is in mysql_dialect.py.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from ssl import SSLContext
from typing import Any, ClassVar, cast

import pymysql
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions

from ...errors import ManystoreError, Unavailable, URLError
from ...schema.catalog import Catalog
from ...schema.operation import ReplaceCatalog
from ...store.protocol import Wait
from .connections import Answer, Connection, Connections, Sent, readable, split_host
from .mysql_cursor import Cursor, PreparingCursor, Values, written
from .mysql_dialect import BROKEN, MARK, NO_SUCH_THREAD, MySQL, number_of, translate
from .sign import Signs
from .store import Busy, SQLStore
from .tables import CATALOG, CATALOG_COLUMNS, refuse_foreign

_POOL, _TIMEOUT, _CONNECT_TIMEOUT = 16, 30, 10
_PAUSE = 0.02
_LONG = 7 * 86_400.0  # s
_LOCK = "SELECT GET_LOCK(CONCAT(LEFT(MD5(DATABASE()), 16), %s), %s)"
_LOCK_TIMEOUT = 2  # s
_AT_ONCE = 1_000_000  # characters sent at once; a server may be set to take no more than some millions


class Session(pymysql.connections.Connection):
    """PyMySQL's connection. One that takes TLS if offered, and trusts whoever offers it, reads no certificates.

    PyMySQL would read all that the machine knows for each connection, which takes longer than all else: 25 ms.
    """

    _trusting: ClassVar[SSLContext | None] = None

    def _create_ssl_ctx(self, sslp: Any) -> SSLContext:
        create: Any = super()._create_ssl_ctx  # type: ignore[misc]
        if sslp:
            return cast("SSLContext", create(sslp))
        if Session._trusting is None:
            Session._trusting = cast("SSLContext", create(sslp))
        return Session._trusting


class ServerConnection(Connection):
    """One open connection and its cursor. thread: what serves it on the server, and whom, as the server names both."""

    def __init__(self, raw: Any, thread: tuple[int, str]) -> None:
        self.raw = raw
        self.thread = thread
        self._cursor: Any = raw.cursor(PreparingCursor if is_mariadb(raw) else Cursor)
        self._socket = raw._sock.fileno()  # noqa: SLF001 - PyMySQL shows it nowhere else
        self.execute = self._cursor.run

    def repeat(self, text: str, bound: Values) -> Any:
        """Run a statement that may come again with other values."""
        return self._cursor.repeat(text, bound)

    def send(self, batch: Sequence[Sent]) -> list[Answer]:
        """Run all statements with one wait: as one text of several, or some where that might be too long."""
        escape: Any = self.raw.escape
        answers: list[Answer] = []
        texts, size = list[str](), 0
        for text, bound in batch:
            whole = written(text, bound, escape)
            if texts and size + len(whole) > _AT_ONCE:
                answers += self._answers(texts)
                texts, size = [], 0
            texts.append(whole)
            size += len(whole)
        answers += self._answers(texts)
        return answers

    def _answers(self, texts: Sequence[str]) -> Iterator[Answer]:
        self.waits += 1
        cursor: Any = self._cursor
        cursor.execute("; ".join(texts))
        yield cursor.rowcount, cursor.fetchall()
        while cursor.nextset():
            yield cursor.rowcount, cursor.fetchall()

    def is_stale(self) -> bool:
        """Tell whether the server has hung up."""
        return readable(self._socket)

    def hurry(self, seconds: float) -> None:
        """Wait no longer than that for each answer to come."""
        self.raw._read_timeout = seconds  # noqa: SLF001 - PyMySQL takes it only when it connects

    def close(self) -> None:
        """Close it."""
        try:
            self.raw.close()
        except pymysql.Error:
            return  # it was closed or broken before


class Server(Connections):
    """The open connections to one database. scheme: the URL's, which errors of connecting begin with."""

    def __init__(self, scheme: str, target: Mapping[str, Any], *, timeout: float, kept: int, wait: Wait) -> None:
        super().__init__(kept)
        self._scheme = scheme
        self._wait = wait
        self._timeout = timeout
        self._target = target

    def connect(self) -> ServerConnection:
        """Open a connection."""
        try:
            raw: Any = Session(**self._target)
        except pymysql.Error as error:
            raise _refused(self._scheme, error) from None  # its text may repeat the user, the host and more
        except (OSError, RuntimeError, ValueError) as error:
            raise _refused(self._scheme, error) from None
        try:
            cursor = raw.cursor()
            cursor.execute(self._setup(is_mariadb(raw)))
            while cursor.nextset():
                pass
            (thread,) = cursor.fetchall()
        except pymysql.Error as error:
            raw.close()
            raise translate(error) from error
        return ServerConnection(raw, thread)

    def _setup(self, mariadb: bool) -> str:  # noqa: FBT001 - one caller
        seconds = max(1, math.ceil(self._timeout))
        own = f"max_statement_time = {self._timeout}, in_predicate_conversion_threshold = 0"
        if not mariadb:
            own = f"max_execution_time = {int(self._timeout * 1000)}"
        return (
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; "
            f"SET sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = {seconds}, "
            f"lock_wait_timeout = {seconds}, group_concat_max_len = 4294967295, {own}; "
            "SELECT id, host FROM information_schema.processlist WHERE id = CONNECTION_ID()"
        )

    def fence(self, lost: Connection) -> Connection:
        """Give a new connection once the thread that served the lost one is gone, and with it what it had begun."""
        assert isinstance(lost, ServerConnection)
        connection = self.opened()
        deadline = time.monotonic() + self._timeout
        look = "SELECT 1 FROM information_schema.processlist WHERE id = %s AND host = %s"
        try:
            while connection.execute(look, lost.thread).fetchall():
                if time.monotonic() > deadline:
                    raise Unavailable("the server does not end a connection that broke")
                try:
                    connection.execute("KILL CONNECTION %s", lost.thread[:1])
                except pymysql.Error as error:
                    if number_of(error) != NO_SUCH_THREAD:
                        raise
                self._wait(_PAUSE)
        except pymysql.Error as error:
            connection.close()
            raise Unavailable("the server cannot be asked what became of a connection") from error
        except BaseException:
            connection.close()
            raise
        return connection


class MySQLStore(SQLStore):
    """One database of a server."""

    forms = MySQL.forms

    @classmethod
    def open(cls, url: Any, /, *, wait: Wait) -> MySQLStore:
        """Connect to the database that a URL names.

        Options: timeout (seconds for one statement), connect_timeout, pool (idle connections kept), ssl_ca (a file;
        the server's certificate is checked against it), ssl_verify (on, or off: encrypted, but whoever answers).
        """
        url.allow("timeout", "pool", "connect_timeout", "ssl_ca", "ssl_verify")
        timeout, kept = url.option("timeout", _TIMEOUT), url.option("pool", _POOL)
        if not timeout:
            raise URLError(f"{url.scheme}: the option timeout takes a number above 0")
        server = Server(url.scheme, _target(url, timeout), timeout=timeout, kept=int(kept), wait=wait)
        connection = server.connect()
        mariadb = is_mariadb(connection.raw)
        _examine(server, connection, url.prefix, foreign=url.foreign)
        return cls(server, MySQL(is_mariadb=mariadb), url.prefix, wait=wait, patience=timeout)

    @classmethod
    def _dialect_of(cls, scheme: str) -> MySQL:
        return MySQL(is_mariadb=scheme == "mariadb")

    def _altering(self) -> Connection:
        connection = self._connections.opened()
        assert isinstance(self._dialect, MySQL)
        if self._dialect.is_mariadb:
            connection.execute("SET max_statement_time = 0", ())  # tables are large
        connection.hurry(_LONG)
        return connection

    def _alone(self, connection: Connection) -> None:
        if connection.execute(_LOCK, (self._place("alter"), 0)).fetchall() != [(1,)]:
            raise Busy

    def _place(self, purpose: str) -> str:
        return hashlib.sha256(f"{purpose}{self._layout.catalog.name}".encode()).hexdigest()[:32]

    def _create(self, connection: Connection, catalog: Catalog) -> None:
        # A CREATE commits by itself. So one program does it at a time, the catalog's table comes first and says whose
        # the others are, and its row last: whoever finds none begins anew.
        execute, table = connection.execute, self._layout.catalog.name
        if execute(_LOCK, (self._place(""), math.ceil(self._patience))).fetchall() != [(1,)]:
            raise Unavailable("another program is making the database and does not come to an end")
        present = self._present(connection, [*self._layout.tables_of(catalog), self._layout.writers.name])
        if table in present and execute(f"SELECT 1 FROM {self._dialect.quoted(table)}", ()).fetchall():
            return
        if table in present:
            for name in (*present, *Signs(self._layout).present(connection)):
                execute(f"DROP TABLE {self._dialect.quoted(name)}", ())
        for text in self._layout.creation(catalog):
            execute(text, ())
        self._store_first(connection, catalog)

    def _replace(self, connection: Connection, operation: ReplaceCatalog) -> None:
        # Nobody who writes under the old epoch is under way when all tables are locked, and whoever comes then begins
        # his statement, and his look at the epoch, when they are free again.
        execute = connection.execute
        execute(f"SET lock_wait_timeout = {_LOCK_TIMEOUT}", ())
        names = set(self._layout.tables_of(operation.catalog))
        signs, coming = Signs(self._layout), operation.catalog.epoch
        signs.lock(connection, self._present(connection, sorted(names)), coming)
        signs.drop(connection, operation.expected, coming)
        self._exchange(connection, operation)
        execute("UNLOCK TABLES", ())

    def _present(self, connection: Connection, names: Sequence[str]) -> list[str]:
        """Give those of some tables that are there and ours."""
        look = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_comment = %s"
        found = connection.execute(f"{look} AND table_name IN %s ORDER BY table_name", (MARK, tuple(names)))
        return [name for (name,) in found.fetchall()]


def is_mariadb(raw: Any) -> bool:
    """Tell whether the server says that it is MariaDB."""
    return "mariadb" in str(raw.get_server_info()).lower()


def _target(url: Any, timeout: float) -> dict[str, Any]:
    """Give what PyMySQL connects to."""
    if len(url.hosts) != 1:
        raise URLError(f"{url.scheme}: name one host, as in {url.scheme}://user@host/database")
    if not url.path:
        raise URLError(f"{url.scheme}: name a database, as in {url.scheme}://user@host/database")
    host, port = split_host(url.hosts[0])
    silence = timeout * 1.5 + 1  # after the server should have given up by itself
    target: dict[str, Any] = {
        "host": host.strip("[]"),
        "port": int(port or 3306),
        "user": url.user,
        "password": (url.password or "").encode(),
        "database": url.path,
        "charset": "utf8mb4",
        "autocommit": True,
        "client_flag": CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS,
        "conv": _conversions(),
        "connect_timeout": max(1, url.option("connect_timeout", _CONNECT_TIMEOUT)),
        "read_timeout": silence,
        "write_timeout": silence,
    }
    verify = url.options.get("ssl_verify")
    if verify not in (None, "on", "off"):
        raise URLError(f"{url.scheme}: the option ssl_verify takes on or off")
    if verify is not None or "ssl_ca" in url.options:
        checks = verify != "off"
        target["ssl"] = {"ca": url.options.get("ssl_ca"), "check_hostname": checks, "verify_mode": checks}
    return target


def _conversions() -> dict[Any, Any]:
    """Give the driver's conversions, such that values come as the forms want them."""
    found: dict[Any, Any] = dict(conversions)
    for kind in (FIELD_TYPE.DATETIME, FIELD_TYPE.DATE, FIELD_TYPE.TIMESTAMP):
        found[kind] = None
    for kind in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL):
        found[kind] = int  # the type of a sum of ints
    return found


def _examine(server: Server, connection: Connection, prefix: str, *, foreign: bool) -> None:
    """Look at the database without changing it; raise NotADatabase when it holds what manystore did not make."""
    look = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
    columns = "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
    try:
        names = [name for (name,) in connection.execute(look, ()).fetchall() if name.startswith(prefix)]
        tables: dict[str, list[str]] = {name: [] for name in names}
        for name in sorted(names, key=lambda name: name != prefix + CATALOG):
            if name.endswith(CATALOG):
                tables[name] = [column for (column,) in connection.execute(columns, (name,)).fetchall()]
                if CATALOG_COLUMNS.issubset(tables[name]):
                    break
        if not foreign:
            refuse_foreign(tables)
    except pymysql.Error as error:
        connection.close()
        raise translate(error) from error
    except BaseException:
        connection.close()
        raise
    server.put(connection)


# -- errors of connecting --

_CONNECTING = (
    ("CERTIFICATE", "the server's certificate is refused"),
    ("certificate", "the server's certificate is refused"),
    ("SSL", "server and client do not agree on encryption"),
    ("No such file", "the file that ssl_ca names is not there"),
    ("timed out", "the server does not answer"),
)


def _refused(scheme: str, error: Exception) -> ManystoreError:
    """Say why there is no connection."""
    found = translate(error) if isinstance(error, pymysql.Error) and number_of(error) < 2000 else None
    if found is not None and number_of(error) not in BROKEN:
        return type(found)(f"{scheme}: {found}")
    said = str(error)
    reason = next((words for part, words in _CONNECTING if part in said), "the server cannot be reached")
    return Unavailable(f"{scheme}: {reason}")
