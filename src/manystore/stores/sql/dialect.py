"""The dialect: all that differs from one SQL database to another, as one value that the other files ask.

Knows SQLAlchemy's compiler; must not know plans, changes or a driver. A further SQL database is a file like sqlite.py,
postgresql.py or mysql.py: a Dialect, connections, and a store's class for the entry point.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, ClassVar, Literal, TypeAlias, cast

import msgspec
from sqlalchemy import BIGINT, BindParameter, Column, ColumnElement, Table, bindparam, func, literal_column
from sqlalchemy import Index as TableIndex
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

from ...errors import ManystoreError
from ...schema.schema import Collection, Field
from ...store.protocol import Form, Kind
from .inspection import Execute, Tables

Row: TypeAlias = tuple[Any, ...]
Clause: TypeAlias = ColumnElement[bool]
Verdict: TypeAlias = Literal["broken", "taken", "again", "stale", "missing", "other"]
"""What a driver's error means for what goes on. broken: the connection is gone, and what was sent last may or may not
have been carried out; taken: a constraint, or marked, refused the statement; again: all was rolled back because of
others' locks; stale: this connection, and others that are idle, know the tables as they were; missing: a table or a
column is not there; other: only the translation matters."""
LONG = BIGINT
HALF = 32  # bits: where a sum of 64-bit ints would stop at 64 bits on its way, ints are added up in two halves
AS_JSON = Form(dump=lambda value: msgspec.json.encode(value).decode(), load=msgspec.json.decode)
"""JSON as text: the names of an object keep their order, as they do on every store."""


class Dialect(ABC):
    """One SQL database. What is not abstract here holds where nothing else is said."""

    sql: ClassVar[Any]
    """SQLAlchemy's dialect, for compiling only."""
    forms: ClassVar[Mapping[Kind, Form]]
    errors: ClassVar[tuple[type[Exception], ...]]
    """All that a call of the driver raises."""
    begin: ClassVar[str]
    """Begins a transaction that writes."""
    begin_look: ClassVar[str]
    """Begins one that only compares."""
    false: ClassVar[ColumnElement[Any]] = literal_column("0")
    remote: ClassVar[bool] = True
    """Other writers come between two statements, and each answer is waited for."""
    returning: ClassVar[bool] = False
    """An UPDATE can give the row it made."""
    savepoints: ClassVar[bool] = False
    """A refused statement spoils its transaction unless a savepoint stands before it."""
    own_guards: ClassVar[bool] = True
    """An UPDATE may look at its own table in its condition."""
    ordered_subqueries: ClassVar[bool] = True
    """Rows leave a limited subquery in the subquery's order."""
    now: ClassVar[str] = ""
    mark: ClassVar[str] = ""
    marked: str = ""
    marked_row: str = ""
    """Of slot.py, where replies get lost. mark: writes a slot's row, be it there or not. marked: one statement of one
    that changes a record and a mark; where nothing was changed it changes no row, or raises "taken". "": no such.
    marked_row: the same of a statement that gives the record that it made."""
    signed: str = ""
    """Of sign.py: gives {value}, in a statement that fails as "missing" unless {sign} is there. "": no such."""
    longest_name: ClassVar[int] = 63
    cased: ClassVar[bool] = False
    """Columns may have names that differ in case alone."""
    rows_a_statement: ClassVar[tuple[int, ...]] = (64, 8, 1)
    """How many rows one INSERT takes, the largest first; (0,): the driver takes many by itself."""
    copied_from: ClassVar[float] = math.inf
    """From how many rows on they are copied in, in less time but with three waits more."""

    @property
    def key(self) -> Hashable:
        """Give what two dialects have in common that write the same texts."""
        return type(self)

    # -- tables --

    @abstractmethod
    def column_type(self, field: Field, *, indexed: bool) -> TypeEngine[Any]:
        """Give the type of a field's column."""

    def table_name(self, name: str) -> str:
        """Name a table."""
        return name

    def table_options(self, *, rewritten: bool = False) -> dict[str, Any]:
        """Give what SQLAlchemy's Table takes beside its columns. rewritten: its rows change all the time."""
        del rewritten
        return {}

    sized: ClassVar[bool] = False
    """Indexed text has a type with a length; all other has one that lies beside its row, and is called long."""

    def is_long(self, kind: TypeEngine[Any]) -> bool:
        """Tell whether a type is long; an index holds only its beginning."""
        del kind
        return False

    def long_type(self, kind: TypeEngine[Any]) -> TypeEngine[Any]:
        """Give the type that an indexed column has while it is not indexed."""
        return kind

    def lengthened(self, kind: TypeEngine[Any], length: int) -> TypeEngine[Any]:
        """Give the type of an indexed column with another length."""
        del length
        return kind

    def default_text(self, kind: TypeEngine[Any], text: str) -> str:
        """Write a column's default."""
        del kind
        return text

    def further_columns(self, collection: Collection) -> Iterator[Column[Any]]:
        """Give columns that the database needs beside those of the format."""
        del collection
        return iter(())

    def live_only(self, table: Table, flag: ColumnElement[Any]) -> Clause:
        """Write the condition under which the index of a unique among the live serves."""
        del table
        return flag == self.false

    @abstractmethod
    def live_index(self, name: str, table: Table, columns: Sequence[Column[Any]], flag: Column[Any]) -> TableIndex:
        """Make the index of a unique among the live."""

    def index(self, name: str, terms: Sequence[ColumnElement[Any]], columns: Sequence[Column[Any]]) -> TableIndex:
        """Make an index of terms, which are columns, some of them descending."""
        del columns
        return TableIndex(name, *terms)

    @abstractmethod
    def inspected(self, execute: Execute, names: Iterable[str] | None = None) -> Tables:
        """Look at what tables the database has, or at those of some names."""

    # -- expressions --

    def ordered(self, column: ColumnElement[Any], *, descending: bool, optional: bool) -> ColumnElement[Any]:
        """Write a term of an order or of an index: None first when ascending, last when descending."""
        del optional
        return column.desc() if descending else column

    def sorting(self, columns: Sequence[ColumnElement[Any]]) -> str:
        """Give what stands before a statement that may have to sort by these columns."""
        del columns
        return ""

    @abstractmethod
    def listed(self, members: list[Any], kind: Kind) -> tuple[int, list[Any]]:
        """Give the values of an `in`, at least one, as parameters, and the size that among is told; below 0: one."""

    @abstractmethod
    def among(self, column: ColumnElement[Any], names: str, size: int) -> tuple[Clause, Clause]:
        """Write that a column is among some values, and that it is not. names: of the parameters, with a place in."""

    def least(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Write the least value of a group."""
        del kind
        return func.min(column)

    def greatest(self, column: ColumnElement[Any], kind: Kind) -> ColumnElement[Any]:
        """Write the greatest value of a group."""
        del kind
        return func.max(column)

    def whole_sum(self, column: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        """Write the sum of a group's ints, which may pass 64 bits on its way, as columns for whole_of."""
        return [func.sum(column)]

    def whole_of(self, parts: Iterator[Any]) -> int:
        """Make a sum of what whole_sum gave."""
        return int(next(parts) or 0)

    @abstractmethod
    def float_sum(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Write the sum of a group's floats, as a column for float_of."""

    @abstractmethod
    def float_of(self, found: Any, number: int) -> float:
        """Make a sum, rounded once, of what float_sum gave; number: how many floats there are."""

    def shared(self, built: Any) -> Any:
        """Let a SELECT hold its rows as they are until the transaction ends."""
        return built.with_for_update(read=True)

    def pointed(self, built: Any) -> Any:
        """Let a SELECT keep its rows from being deleted until the transaction ends."""
        return built.with_for_update(read=True)

    # -- errors --

    @abstractmethod
    def verdict(self, error: Exception) -> Verdict:
        """Say what an error of the driver means for what goes on."""

    @abstractmethod
    def translate(self, error: Exception, *, writing: bool = False) -> ManystoreError:
        """Give the error to raise. writing: a commit may have been under way. No message holds a value."""

    # -- text --

    def placeholder(self, number: int) -> str:
        """Write the place of a statement's parameter, numbered from 1."""
        del number
        return "%s"

    def quoted(self, name: str) -> str:
        """Write a name."""
        quoted: str = self.sql.identifier_preparer.quote_identifier(name)
        return quoted

    def update_many(
        self, table: Table, sets: Sequence[str], fixed: Mapping[str, str], held: Sequence[str]
    ) -> Callable[[Sequence[Sequence[Any]]], tuple[str, Sequence[Any]]] | None:
        """Give what makes one UPDATE of many rows of their values, column by column; None where each takes its own.

        sets, held: the columns that get values, and those that must have theirs. fixed: what else is set.
        """
        del table, sets, fixed, held
        return None

    def ddl_text(self, element: Any) -> str:
        """Write a CREATE statement."""
        return str(element.compile(dialect=self.sql)).strip()

    def creation(self, table: Table, indexes: Sequence[TableIndex]) -> Iterator[str]:
        """Give the statements that make a table with its indexes."""
        yield self.ddl_text(CreateTable(table))
        for index in indexes:
            yield self.ddl_text(CreateIndex(index))

    def statement(self, element: Executable, places: Mapping[str, int], size: int) -> Statement:
        """Compile a statement. places: each parameter's place in the pool; size: how long the pool is."""
        compiled = cast("SQLCompiler", cast("ClauseElement", element).compile(dialect=self.sql))
        names: list[str] = list(compiled.positiontup or ())
        constants: Mapping[str, Any] = compiled.params
        loose = [name for name in dict.fromkeys(names) if name not in places]
        every = {**places, **{name: size + at for at, name in enumerate(loose)}}
        return Statement(compiled.string, [every[name] for name in names], tuple([constants[name] for name in loose]))


def parameter(name: str) -> BindParameter[Any]:
    """Make a parameter of a statement."""
    made: BindParameter[Any] = bindparam(name)
    return made


def _picker(places: list[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda pool: tuple([pool[place] for place in places])


class Statement:
    """A statement's text, and which value of a pool goes to which place in it."""

    __slots__ = ("constants", "pick", "text")

    def __init__(self, text: str, places: list[int], constants: tuple[Any, ...]) -> None:
        self.text = text
        self.constants = constants  # they are put behind the pool
        self.pick = _picker(places)

    def bind(self, pool: list[Any]) -> tuple[Any, ...]:
        """Put the pool's values in the order of the statement's parameters."""
        if self.constants:
            pool = [*pool, *self.constants]
        return self.pick(pool)
