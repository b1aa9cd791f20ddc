"""What MariaDB and MySQL call things: types, conditions, locks, and what their errors mean.

Knows PyMySQL's errors; must not know plans, changes or connections. mysql.py opens the databases. What the two servers
differ in is told by the server itself; only MariaDB is run by the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar

import pymysql
from sqlalchemy import Column, ColumnElement, Computed, Table, func, literal_column
from sqlalchemy import Index as TableIndex
from sqlalchemy.dialects.mysql import (
    BIGINT,
    CHAR,
    DATE,
    DATETIME,
    DOUBLE,
    LONGBLOB,
    LONGTEXT,
    TINYINT,
    VARBINARY,
    VARCHAR,
)
from sqlalchemy.dialects.mysql.base import MySQLDialect
from sqlalchemy.schema import CreateIndex
from sqlalchemy.types import TypeEngine

from ...errors import Corrupted, ManystoreError, NotADatabase, OutcomeUnknown, StoreError, Unavailable
from ...schema.schema import Collection, Field
from ...store.protocol import Form, Kind
from .dialect import AS_JSON, Clause, Dialect, Verdict, parameter
from .inspection import Execute, Tables, inspect_mysql

_INDEXED_TEXT, _INDEXED_BYTES = 255, 255
_LIVE = "_live"
MARK = "manystore"  # the comment of each table that is ours
_ASCII: dict[Kind, int] = {"ip": 33, "network": 37}
_TYPES: dict[Kind, TypeEngine[Any]] = {
    "bool": TINYINT(),
    "int": BIGINT(),
    "decimal": BIGINT(),
    "float": DOUBLE(),
    "datetime": DATETIME(fsp=6),
    "date": DATE(),
}
_DATETIME = Form(dump=lambda text: f"{text[:10]} {text[11:26]}", load=lambda text: f"{text[:10]}T{text[11:]}Z")


_KEY_BYTES = 3072
# More than a whole record by the portable limit; the buffer has to hold 15 of them.
_SORTING = "SET STATEMENT max_sort_length = 1000000, sort_buffer_size = 16777216 FOR "
# One text with one answer; MySQL has such blocks in stored programs only. Four statements take half as long again.
_MARKED = (
    "BEGIN NOT ATOMIC START TRANSACTION; {text}; "
    "IF ROW_COUNT() = 0 THEN SIGNAL SQLSTATE '45000'; END IF; {mark}; COMMIT; END"
)


class MySQL(Dialect):
    """MariaDB, or MySQL. collation: of text, such that it compares by code point and counts each space."""

    sql: ClassVar[Any] = MySQLDialect(paramstyle="format")
    forms: ClassVar[Mapping[Kind, Form]] = {"bool": Form(load=bool), "json": AS_JSON, "datetime": _DATETIME}
    errors = (pymysql.Error, pymysql.Warning)
    begin = "START TRANSACTION"
    begin_look = begin
    own_guards = False
    sized = True
    now = "UTC_TIMESTAMP()"
    mark = (
        "INSERT INTO {table} (name, number, seen) VALUES ({name}, {number}, UTC_TIMESTAMP()) "
        "ON DUPLICATE KEY UPDATE number = VALUES(number), seen = VALUES(seen)"
    )
    ordered_subqueries = False

    def __init__(self, *, is_mariadb: bool) -> None:
        self.is_mariadb = is_mariadb
        self.marked = _MARKED if is_mariadb else ""
        self.signed = "COALESCE(LASTVAL({sign}), {value})" if is_mariadb else ""
        self.collation = "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"

    @property
    def key(self) -> Hashable:
        """Give what two dialects have in common that write the same texts."""
        return type(self), self.is_mariadb

    def column_type(self, field: Field, *, indexed: bool) -> TypeEngine[Any]:
        """Give the type of a field's column. Long text lies beside its row, of which 65,535 bytes is the most."""
        kind = field.kind
        if kind in _TYPES:
            return _TYPES[kind]
        if kind == "bytes":
            return VARBINARY(field.length or _INDEXED_BYTES) if indexed else LONGBLOB()
        if kind == "uuid":
            return CHAR(36, charset="ascii", collation="ascii_bin")
        if kind in _ASCII:
            return VARCHAR(_ASCII[kind], charset="ascii", collation="ascii_bin")
        if indexed:
            return VARCHAR(field.length or _INDEXED_TEXT, charset="utf8mb4", collation=self.collation)
        return LONGTEXT(charset="utf8mb4", collation=self.collation)

    def is_long(self, kind: TypeEngine[Any]) -> bool:
        """Tell whether a type lies beside its row; an index holds only its beginning."""
        return isinstance(kind, (LONGTEXT, LONGBLOB))

    def long_type(self, kind: TypeEngine[Any]) -> TypeEngine[Any]:
        """Give the type that an indexed column has while it is not indexed."""
        return (
            LONGBLOB()
            if isinstance(kind, (VARBINARY, LONGBLOB))
            else LONGTEXT(charset="utf8mb4", collation=self.collation)
        )

    def lengthened(self, kind: TypeEngine[Any], length: int) -> TypeEngine[Any]:
        """Give the type of an indexed column with another length."""
        if isinstance(kind, VARCHAR):
            return VARCHAR(length, charset=kind.charset, collation=kind.collation)
        return VARBINARY(length) if isinstance(kind, VARBINARY) else kind

    def default_text(self, kind: TypeEngine[Any], text: str) -> str:
        """Write a column's default: MySQL takes one of long text only as an expression."""
        return f"({text})" if self.is_long(kind) and not self.is_mariadb else text

    def table_options(self, *, rewritten: bool = False) -> dict[str, Any]:
        """Give what a table has beside its columns."""
        del rewritten
        return {"comment": MARK, "mysql_engine": "InnoDB", "mysql_row_format": "DYNAMIC"}

    def further_columns(self, collection: Collection) -> Iterator[Column[Any]]:
        """Give the column that is null in deleted records: an index over it is unique among the live."""
        if collection.live is not None and any(unique.among == "live" for unique in collection.uniques):
            flag = self.quoted(collection.field(collection.live).column)
            yield Column(_LIVE, TINYINT(), Computed(f"CASE WHEN {flag} = 0 THEN 1 END", persisted=True))

    def live_only(self, table: Table, flag: ColumnElement[Any]) -> Clause:
        """Write the condition under which the index of a unique among the live serves."""
        if _LIVE not in table.c:  # the unique is newer than what the program knows of the table
            return flag == self.false
        live: ColumnElement[Any] = table.c[_LIVE]
        return live == literal_column("1")

    def live_index(self, name: str, table: Table, columns: Sequence[Column[Any]], flag: Column[Any]) -> TableIndex:
        """Make the index of a unique among the live."""
        del flag
        return TableIndex(name, *columns, table.c[_LIVE], unique=True)

    def index(self, name: str, terms: Sequence[ColumnElement[Any]], columns: Sequence[Column[Any]]) -> TableIndex:
        """Make an index; of one that may be too wide, only the beginnings of the widest columns.

        That is no matter of what is found: the server looks at the rows, and an order is asked for in any case.
        """
        widths = {column.name: _width(column.type) for column in columns}
        # Text that an index is made over while older programs still write it long.
        lengths = {column.name: _INDEXED_TEXT for column in columns if self.is_long(column.type)}
        while sum(widths.values()) > _KEY_BYTES:
            widest = max(widths, key=lambda name: widths[name])
            widths[widest] //= 2
            lengths[widest] = widths[widest] // 4
        return TableIndex(name, *columns, mysql_length=lengths) if lengths else TableIndex(name, *terms)

    def creation(self, table: Table, indexes: Sequence[TableIndex]) -> Iterator[str]:
        """Give one statement for a table and its indexes: each that came later would make the table anew."""
        (text,) = super().creation(table, ())
        columns, end, options = text.rpartition("\n)")
        yield ", \n\t".join([columns, *(self._part(table, index) for index in indexes)]) + end + options

    def _part(self, table: Table, index: TableIndex) -> str:
        """Write an index as a part of its table."""
        place = f" ON {self.sql.identifier_preparer.format_table(table)} "
        name, _, terms = self.ddl_text(CreateIndex(index)).partition(place)
        return f"{name.removeprefix('CREATE ')} {terms}"

    def inspected(self, execute: Execute, names: Iterable[str] | None = None) -> Tables:
        """Look at what tables the database has, or at those of some names."""
        return inspect_mysql(execute, names)

    def sorting(self, columns: Sequence[ColumnElement[Any]]) -> str:
        """Let the whole of a long text count in an order: without this only its first 1,024 bytes do."""
        is_long = any(isinstance(column.type, (LONGTEXT, LONGBLOB)) for column in columns)
        return _SORTING if is_long and self.is_mariadb else ""

    def listed(self, members: list[Any], kind: Kind) -> tuple[int, list[Any]]:
        """Give the values of an `in` as one parameter: the driver writes them out."""
        del kind
        return -1, [tuple(members)]

    def among(self, column: ColumnElement[Any], names: str, size: int) -> tuple[Clause, Clause]:
        """Write that a column is among some values, and that it is not."""
        del size
        values = parameter(names.format(0))
        return column.bool_op("IN")(values), column.bool_op("NOT IN")(values)

    def update_many(
        self, table: Table, sets: Sequence[str], fixed: Mapping[str, str], held: Sequence[str]
    ) -> Callable[[Sequence[Sequence[Any]]], tuple[str, Sequence[Any]]] | None:
        """Give what makes one UPDATE of many rows, of a join with a list of them; MySQL has no such lists."""
        if not self.is_mariadb:
            return None
        names = [f"v{at}" for at in range(len(sets) + len(held))]
        same = [_as_it_is(table.c[column], name) for column, name in zip(held, names[len(sets) :], strict=True)]
        given = ", ".join([*names[: len(sets)], *same])
        own = [f"t.{self.quoted(column)} = v.{name}" for column, name in zip((*sets, *held), names, strict=True)]
        values = ", ".join(own[: len(sets)] + [f"t.{self.quoted(name)} = {value}" for name, value in fixed.items()])
        # The list comes first, and each of its rows finds its own by the key: no other row is looked at or locked.
        begin = f"UPDATE (WITH v ({', '.join(names)}) AS (VALUES "
        join = f"STRAIGHT_JOIN {self.quoted(table.name)} AS t FORCE INDEX (PRIMARY) ON {' AND '.join(own[len(sets) :])}"
        end = f") SELECT {given} FROM v) AS v {join} SET {values}"
        row = f"({', '.join(['%s'] * len(names))})"
        return lambda columns: (
            f"{begin}{', '.join([row] * len(columns[0]))}{end}",
            list(chain.from_iterable(zip(*columns, strict=True))),
        )

    def float_sum(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Write the floats of a group: the database's own sum is rounded on its way."""
        return func.group_concat(column.op("SEPARATOR")(literal_column("' '")))

    def float_of(self, found: Any, number: int) -> float:
        """Add floats up."""
        parts = (found or "").split()
        if len(parts) != number:
            raise StoreError("a group holds more floats than the server's max_allowed_packet lets it add up")
        return math.fsum(map(float, parts))

    def shared(self, built: Any) -> Any:
        """Let a SELECT hold its rows as they are until the transaction ends."""
        return built.with_for_update(read=True)

    def verdict(self, error: Exception) -> Verdict:
        """Say what an error means for what goes on."""
        number = number_of(error)
        if number in BROKEN:
            return "broken"
        if number in _AGAIN:
            return "again"
        if number in _MISSING:
            return "missing"
        return "taken" if isinstance(error, pymysql.IntegrityError) or number in _TAKEN else "other"

    def translate(self, error: Exception, *, writing: bool = False) -> ManystoreError:
        """Give the error to raise."""
        return translate(error, writing=writing)


def _as_it_is(column: Column[Any], name: str) -> str:
    """Write a value of a list as a column of a table has it, so that the column's index finds it."""
    kind = column.type
    if isinstance(kind, (VARCHAR, CHAR)):
        return f"CONVERT({name} USING {kind.charset}) COLLATE {kind.collation} AS {name}"
    if isinstance(kind, (DATETIME, DATE)):
        return f"CAST({name} AS {'DATE' if isinstance(kind, DATE) else 'DATETIME(6)'}) AS {name}"
    return name


def _width(kind: TypeEngine[Any]) -> int:
    """Give the most bytes that a column takes of an index's entry."""
    if isinstance(kind, (LONGTEXT, LONGBLOB)):
        return 2 + _INDEXED_TEXT * 4
    if isinstance(kind, VARCHAR):
        return 2 + (kind.length or 0) * (1 if kind.charset == "ascii" else 4)
    return 2 + (kind.length or 0) if isinstance(kind, VARBINARY) else 40


# -- errors: what the servers' numbers become --

NO_SUCH_THREAD = 1094
BROKEN = {
    0,
    1053,
    1077,
    1079,
    1080,
    1152,
    1158,
    1159,
    1160,
    1161,
    1184,
    1927,
    2000,
    2006,
    2013,
    2014,
    2027,
    2055,
    4031,
}
_AGAIN = {1020, 1205, 1213, 1412, 1614, 3572}
_MISSING = {1049, 1051, 1054, 1146, 1109, 4091}
_TAKEN = {1022, 1062, 1169, 1586, 4025, 3819, 1644}  # the last: what _MARKED raises
_REASONS = (
    ({1044, 1045, 1698, 1251, 2059}, Unavailable("the server refuses the user or the password")),
    ({1049}, Unavailable("there is no such database; create it first")),
    ({1040, 1203, 1226}, Unavailable("the server is out of connections")),
    ({1969, 3024, 1317}, Unavailable("the server took longer than the URL's timeout allows")),
    ({1020, 1205, 1213, 1412, 1614, 3572}, Unavailable("the server undid the call because of what others do")),
    ({1021, 1037, 1038, 1041, 1114, 1135, 1637}, Unavailable("the server is out of memory, disk or threads")),
    ({1036, 1290, 1836, 1792}, Unavailable("the server takes no writes")),
    ({1142, 1143, 1227, 1370}, StoreError("the user lacks a privilege that the call needs")),
    ({1050}, NotADatabase("a table of that name, which manystore did not make, is there already")),
    ({1034, 1035, 1194, 1195, 1712}, Corrupted("the database is damaged")),
    ({1051, 1054, 1109, 1146, 4091}, Corrupted("the tables are not those that the catalog names")),
    ({1118, 1153, 1301, 1406, 1071, 1390}, StoreError("a value or a statement is larger than the database takes")),
)


def number_of(error: Exception) -> int:
    """Give the server's or the driver's number for an error; 0 where it has none: then the connection is of no use."""
    first = error.args[0] if error.args else 0
    if isinstance(first, int):
        return first
    return 0 if isinstance(error, (pymysql.OperationalError, pymysql.InterfaceError, pymysql.InternalError)) else -1


def translate(error: Exception, *, writing: bool = False) -> ManystoreError:
    """Give the error to raise. writing: a commit may have been under way."""
    number = number_of(error)
    if number in BROKEN:
        if writing:
            return OutcomeUnknown("the connection to the server broke while the step was being written")
        return Unavailable("the connection to the server broke")
    for numbers, found in _REASONS:
        if number in numbers:
            return type(found)(*found.args)
    if number in _TAKEN or isinstance(error, pymysql.IntegrityError):
        return Corrupted("a constraint of the database refuses what the catalog allows")
    if isinstance(error, pymysql.DataError):
        return StoreError("a value is none that its column takes")
    return StoreError(f"the database refuses the call ({number if number > 0 else type(error).__name__})")
