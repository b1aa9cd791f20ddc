"""SQLite: `sqlite:///file.db`. What it calls types, how a file is opened and looked at.

Knows sqlite3; must not know plans or changes. SQLite has one writer at a time. What its errors mean is in
sqlite_errors.py.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import quote

from sqlalchemy import BLOB, INTEGER, REAL, TEXT, Column, ColumnElement, Table, func, literal_column, select
from sqlalchemy import Index as TableIndex
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler, SQLiteDialect
from sqlalchemy.types import TypeEngine

from ...errors import ManystoreError, NotADatabase, Unavailable, URLError
from ...schema.catalog import Catalog
from ...schema.operation import ReplaceCatalog
from ...schema.schema import Field
from ...store.protocol import Form, Kind, Wait
from .connections import Answer, Connection, Connections, Sent, takes_many
from .dialect import AS_JSON, HALF, Clause, Dialect, Verdict, parameter
from .inspection import Execute, Tables, inspect_sqlite
from .sqlite_errors import NOTADB, READONLY, translate
from .store import SQLStore
from .tables import CATALOG, CATALOG_COLUMNS

_KEPT_STATEMENTS = 1000  # prepared ones, a connection
_POOL, _TIMEOUT = 16, 5
_ATTEMPTS = 20
_LONG = 4096  # values of an `in`: a statement has some ten thousand parameters at most, so more go as one JSON text
_TYPES: dict[Kind, type[TypeEngine[Any]]] = {
    "bool": INTEGER,
    "int": INTEGER,
    "decimal": INTEGER,
    "float": REAL,
    "bytes": BLOB,
}


class _Compiler(SQLiteCompiler):
    def limit_clause(self, select: Any, **kw: Any) -> str:
        # SQLAlchemy's own adds an OFFSET of zero to each LIMIT, as one more parameter.
        text = ""
        if select._limit_clause is not None:  # noqa: SLF001 - what the method overridden here reads
            text = "\n LIMIT " + self.process(select._limit_clause, **kw)  # noqa: SLF001
        if select._offset_clause is not None:  # noqa: SLF001
            text += " OFFSET " + self.process(select._offset_clause, **kw)  # noqa: SLF001
        return text


def _compiling() -> SQLiteDialect:
    dialect = SQLiteDialect(paramstyle="qmark")
    dialect.statement_compiler = _Compiler
    return dialect


class SQLite(Dialect):
    """SQLite. A statement runs inside this process, and a writer is alone from its first one on."""

    sql = _compiling()
    forms: ClassVar[Mapping[Kind, Form]] = {"bool": Form(load=bool), "json": AS_JSON}
    errors = (sqlite3.Error, sqlite3.Warning, OverflowError)  # OverflowError: an int past 64 bits
    # One that read first and wrote then would be refused at once when another writer came between.
    begin = "BEGIN IMMEDIATE"
    begin_look = "BEGIN"
    remote = False
    returning = True
    longest_name = 1000
    rows_a_statement = (0,)

    def column_type(self, field: Field, *, indexed: bool) -> TypeEngine[Any]:
        """Give the type of a field's column."""
        del indexed
        return _TYPES.get(field.kind, TEXT)()

    def table_name(self, name: str) -> str:
        """Name a table."""
        # This beginning is the database's own; no collection's name begins with an underscore, so nothing else gets it.
        return f"_{name}" if name.lower().startswith("sqlite_") else name

    def live_index(self, name: str, table: Table, columns: Sequence[Column[Any]], flag: Column[Any]) -> TableIndex:
        """Make the index of a unique among the live."""
        del table
        return TableIndex(name, *columns, unique=True, sqlite_where=flag == self.false)

    def inspected(self, execute: Execute, names: Iterable[str] | None = None) -> Tables:
        """Look at what tables the database has, or at those of some names."""
        return inspect_sqlite(execute, names)

    def listed(self, members: list[Any], kind: Kind) -> tuple[int, list[Any]]:
        """Give the values of an `in`, padded to a power of two: few statements serve all lengths."""
        if len(members) > _LONG and kind not in ("float", "bytes"):
            # Of all other kinds SQLite reads back from JSON exactly what was written.
            return -1, [AS_JSON.dump(members) if AS_JSON.dump else members]
        size = 1 << (len(members) - 1).bit_length()
        return size, members + members[-1:] * (size - len(members))

    def among(self, column: ColumnElement[Any], names: str, size: int) -> tuple[Clause, Clause]:
        """Write that a column is among some values, and that it is not."""
        values: Any = [parameter(names.format(at)) for at in range(size)]
        if size < 0:
            values = select(func.json_each(parameter(names.format(0))).table_valued("value").c.value)
        return column.in_(values), column.not_in(values)

    def whole_sum(self, column: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        """Write the sum of a group's ints in two halves."""
        low = column.bitwise_and(literal_column(str((1 << HALF) - 1)))
        return [func.sum(column.bitwise_rshift(literal_column(str(HALF)))), func.sum(low)]

    def whole_of(self, parts: Iterator[Any]) -> int:
        """Make a sum of its halves."""
        high, low = next(parts) or 0, next(parts) or 0
        return int((high << HALF) + low)

    def float_sum(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Write the sum of a group's floats."""
        return func.fsum(column)

    def float_of(self, found: Any, number: int) -> float:
        """Make a sum of what ExactSum gave."""
        del number
        return found or 0.0

    def placeholder(self, number: int) -> str:
        """Write the place of a statement's parameter."""
        del number
        return "?"

    def verdict(self, error: Exception) -> Verdict:
        """Say what an error means for what goes on."""
        if isinstance(error, sqlite3.IntegrityError):
            return "taken"
        is_missing = isinstance(error, sqlite3.OperationalError) and str(error).startswith(("no such", "table "))
        return "missing" if is_missing else "other"

    def translate(self, error: Exception, *, writing: bool = False) -> ManystoreError:
        """Give the error to raise."""
        return translate(error, writing=writing)


class ExactSum:
    """The aggregate fsum(x): the sum of floats, rounded once, whatever their order."""

    def __init__(self) -> None:
        self._values: list[float] = []

    def step(self, value: Any) -> None:
        """Take one value of the group."""
        if value is not None:
            self._values.append(value)

    def finalize(self) -> float:
        """Give the sum."""
        return math.fsum(self._values)


class FileConnection(Connection):
    """One open connection and its cursor, which every statement goes through."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self._cursor = raw.cursor()
        self.execute = self._cursor.execute

    def send(self, batch: Sequence[Sent]) -> list[Answer]:
        """Run all statements."""
        execute, cursor = self.execute, self._cursor
        answers: list[Answer] = []
        for statement in batch:
            if takes_many(statement):
                cursor.executemany(*statement)
            else:
                execute(*statement)
            answers.append((cursor.rowcount, cursor.fetchall()))
        return answers

    def end(self) -> None:
        """Roll back what is open."""
        if self.raw.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        """Close it."""
        # A statement that somebody still holds, be it in a traceback, would keep the transaction and its lock alive.
        with suppress(sqlite3.ProgrammingError):  # it is closed already
            self._cursor.close()
        self.raw.close()


class Files(Connections):
    """The open connections to one file."""

    def __init__(self, path: str, *, timeout: float, durable: bool, kept: int) -> None:
        super().__init__(kept)
        # Whole from the beginning: a program that goes to another directory goes on with the same file.
        self.path = os.path.abspath(path)
        self._timeout = timeout
        self._durable = durable

    def exists(self) -> bool:
        """Tell whether the file is there."""
        return os.path.exists(self.path)

    def connect(self, *, create: bool = False) -> FileConnection:
        """Open a connection."""
        # Without `rwc` a file that vanished is an error, rather than an empty database made in its place.
        uri = f"file:{quote(self.path)}?mode={'rwc' if create else 'rw'}"
        try:
            raw = sqlite3.connect(
                uri,
                uri=True,
                timeout=self._timeout,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_KEPT_STATEMENTS,
            )
        except sqlite3.Error as error:
            raise translate(error) from error
        try:
            raw.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'OFF'}")
            raw.create_aggregate("fsum", 1, cast("Any", ExactSum))
        except sqlite3.Error as error:
            raw.close()
            raise translate(error) from error
        return FileConnection(raw)


class SQLiteStore(SQLStore):
    """One database in one file."""

    forms = SQLite.forms
    _connections: Files

    @classmethod
    def open(cls, url: Any, /, *, wait: Wait) -> SQLiteStore:
        """Open the file that a URL names; it need not be there yet, but its directory must.

        Options: timeout (seconds that a writer waits for another), durability (full, or off: a commit may be lost, and
        the file damaged, when the machine dies), pool (how many idle connections are kept).
        """
        url.allow("timeout", "durability", "pool")
        durability = url.options.get("durability", "full")
        if url.hosts:
            raise URLError("sqlite: three slashes stand before a file's name, as in sqlite:///file.db")
        if durability not in ("full", "off"):
            raise URLError("sqlite: the option durability takes full or off")
        path = _file_of(url.path)
        timeout, kept = url.option("timeout", _TIMEOUT), url.option("pool", _POOL)
        _examine(path, foreign=url.foreign)
        files = Files(path, timeout=timeout, durable=durability == "full", kept=int(kept))
        # The database itself waits for other writers, as long as timeout says.
        return cls(files, SQLite(), url.prefix, wait=wait, patience=timeout)

    def _altering(self) -> Connection:
        self._connections.check_open()
        return self._connections.connect(create=True)

    def _alone(self, connection: Connection) -> None:
        """Do nothing: the transaction that changes tables is alone."""

    @classmethod
    def _dialect_of(cls, scheme: str) -> SQLite:
        del scheme
        return SQLite()

    def _create(self, connection: Connection, catalog: Catalog) -> None:
        self._use_log(connection)
        connection.execute("BEGIN IMMEDIATE")
        found = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        if not connection.execute(found, (self._layout.catalog.name,)).fetchall():
            for text in self._layout.creation(catalog):
                connection.execute(text)
            self._store_first(connection, catalog)
        connection.execute("COMMIT")

    def _replace(self, connection: Connection, operation: ReplaceCatalog) -> None:
        connection.execute("BEGIN IMMEDIATE")
        self._exchange(connection, operation)
        connection.execute("COMMIT")

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


def _file_of(path: str) -> str:
    """Give the file that a URL's path means; raise URLError for what is none."""
    if not path or path == ":memory:":
        raise URLError("sqlite: name a file, as in sqlite:///file.db; for a database in memory there is memory://")
    if os.path.isdir(path):
        raise URLError(f"sqlite: {path} is a directory; name a file in it")
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        raise URLError(f"sqlite: there is no directory {parent}; make it first")
    return path


def _examine(path: str, *, foreign: bool) -> None:
    """Look at the file without changing it; raise NotADatabase when it holds what manystore did not make.

    foreign: that is just what is looked for. SQLite alone may open it: whoever else closes a file takes the locks away
    that this process has on it, and another program, which then believes that it is the last one, removes the log that
    is still in use here.
    """
    try:
        if not os.stat(path).st_size:
            return
    except FileNotFoundError:
        if foreign:
            raise Unavailable(f"there is no file {path}") from None
        return
    except OSError as reason:
        raise Unavailable(f"{path}: {reason.strerror}") from None
    try:
        tables = _tables(path)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == NOTADB:
            raise NotADatabase(f"{path} is no SQLite file; it was left untouched") from None
        raise translate(error) from error
    if (
        tables
        and not foreign
        and not any(columns >= CATALOG_COLUMNS for name, columns in tables.items() if name.endswith(CATALOG))
    ):
        raise NotADatabase(f"{path} holds tables that manystore did not make; it was left untouched")


def _tables(path: str) -> dict[str, set[str]]:
    try:
        return _columns(path, "ro")
    except sqlite3.OperationalError as error:
        # A program died while it wrote: what it left half done must be undone before anybody can read.
        if error.sqlite_errorcode & 0xFF != READONLY:
            raise
        return _columns(path, "rw")


def _columns(path: str, mode: str) -> dict[str, set[str]]:
    connection = sqlite3.connect(f"file:{quote(str(Path(path).absolute()))}?mode={mode}", uri=True)
    try:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = "SELECT name FROM pragma_table_info(?)"
        return {name: {row[0] for row in connection.execute(found, (name,))} for name in names}
    finally:
        connection.close()
