"""What PostgreSQL calls things: types, conditions, locks, and what its errors mean.

Knows psycopg's errors; must not know plans, changes or connections. postgresql.py opens the databases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import psycopg
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

from ...errors import Corrupted, ManystoreError, NotADatabase, OutcomeUnknown, StoreError, Unavailable
from ...schema.schema import Field
from ...store.protocol import Form, Kind
from .dialect import AS_JSON, Clause, Dialect, Verdict, parameter
from .inspection import Execute, Tables, inspect_postgresql

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

    sql: ClassVar[Any] = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    forms: ClassVar[Mapping[Kind, Form]] = {"json": AS_JSON, "datetime": _NATIVE, "date": _NATIVE, "uuid": _NATIVE}
    errors = (psycopg.Error, psycopg.Warning)
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
    begin_look = begin
    false = literal_column("false")
    returning = True
    savepoints = True
    cased = True
    copied_from = 64
    now = "now()"
    mark = (
        "INSERT INTO {table} (name, number, seen) SELECT {name}, {number}, now(){made} "
        "ON CONFLICT (name) DO UPDATE SET number = excluded.number, seen = excluded.seen"
    )
    marked = "WITH made AS ({text}) {mark}"
    marked_row = "WITH made AS ({text}), slot AS ({mark}) SELECT * FROM made"

    def table_options(self, *, rewritten: bool = False) -> dict[str, Any]:
        """Give what a table has beside its columns: room beside each row for its next forms, so that no index grows."""
        return {"postgresql_with": {"fillfactor": 20}} if rewritten else {}

    def column_type(self, field: Field, *, indexed: bool) -> TypeEngine[Any]:
        """Give the type of a field's column. Text compares by code point, whatever the database's own collation."""
        del indexed
        return _TYPES.get(field.kind) or TEXT(collation="C")

    def live_index(self, name: str, table: Table, columns: Sequence[Column[Any]], flag: Column[Any]) -> TableIndex:
        """Make the index of a unique among the live."""
        del table
        return TableIndex(name, *columns, unique=True, postgresql_where=flag == self.false)

    def inspected(self, execute: Execute, names: Iterable[str] | None = None) -> Tables:
        """Look at what tables the database has, or at those of some names."""
        return inspect_postgresql(execute, names)

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

    def update_many(
        self, table: Table, sets: Sequence[str], fixed: Mapping[str, str], held: Sequence[str]
    ) -> Callable[[Sequence[Sequence[Any]]], tuple[str, Sequence[Any]]]:
        """Give what makes one UPDATE of many rows, from arrays."""
        kinds = [str(table.c[name].type.compile(self.sql)).partition(" COLLATE")[0] for name in (*sets, *held)]
        arrays = ", ".join(f"{self.placeholder(at)}::{kind}[]" for at, kind in enumerate(kinds, 1))
        names = [f"v{at}" for at in range(len(kinds))]
        own = [self.quoted(name) for name in (*sets, *held)]
        pairs = list(zip(own, names, strict=True))
        values = [f"{column} = v.{name}" for column, name in pairs[: len(sets)]]
        values += [f"{self.quoted(column)} = {value}" for column, value in fixed.items()]
        found = " AND ".join(f"t.{column} = v.{name}" for column, name in pairs[len(sets) :])
        there = f"unnest({arrays}) AS v ({', '.join(names)})"
        text = f"UPDATE {self.quoted(table.name)} AS t SET {', '.join(values)} FROM {there} WHERE {found}"
        return lambda columns: (text, tuple(map(list, columns)))

    def verdict(self, error: Exception) -> Verdict:
        """Say what an error means for what goes on."""
        state = getattr(error, "sqlstate", None)
        if state is None:
            return "broken" if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) else "other"
        if state in _MISSING:
            return "missing"
        if state in (_CANCELED, _LOCK_NOT_AVAILABLE):
            return "again" if state == _LOCK_NOT_AVAILABLE else "other"
        if state == _STALE:
            return "stale"
        return _CLASSES.get(state[:2], "other")

    def translate(self, error: Exception, *, writing: bool = False) -> ManystoreError:
        """Give the error to raise."""
        return translate(error, writing=writing)


# -- errors: what SQLSTATEs become --

_CANCELED, _LOCK_NOT_AVAILABLE = "57014", "55P03"
_MISSING = {"42P01", "42703", "3F000"}
_STALE = "0A000"  # a statement that this connection keeps would give rows of another type: the tables were altered
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
