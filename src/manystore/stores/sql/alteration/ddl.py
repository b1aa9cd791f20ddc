"""DDL: the statements that change a table, one database's way each, written by Alembic's constructs.

Knows SQLAlchemy's columns and indexes; must not know catalogs or connections. Alembic is asked for texts only: it needs
no connection for that, so the same statements are run, explained and printed offline.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from alembic.ddl.base import AddColumn, ColumnDefault, ColumnName, ColumnNullable, DropColumn, RenameTable
from alembic.ddl.mysql import MySQLChangeColumn, MySQLModifyColumn
from sqlalchemy import Column, MetaData, Table
from sqlalchemy import Index as TableIndex
from sqlalchemy.schema import CreateIndex, CreateTable, DropIndex, DropTable
from sqlalchemy.types import TypeEngine

from ..dialect import Dialect
from ..tables import copied

_REBUILT = ".rebuilt"


class DDL(ABC):
    """Statements of one database."""

    rebuilds: ClassVar[bool] = False
    """A column's nullability and its going mean a new table."""
    begin: ClassVar[str] = ""
    commit: ClassVar[str] = ""
    """Around a preparation with its look at what is there, where that is one transaction."""
    hasty: ClassVar[str] = ""
    patient: ClassVar[str] = ""
    """Say how long a lock is waited for: while others wait behind the one who waits, or else."""
    leaves_broken: ClassVar[bool] = False
    """An index whose build was refused is there nevertheless."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def write(self, element: Any) -> str:
        """Write one construct."""
        return self.dialect.ddl_text(element)

    def added(self, table: str, columns: Iterable[Column[Any]]) -> list[str]:
        """Add columns, each by a statement."""
        return [self.write(AddColumn(table, _attached(table, column))) for column in columns]

    @abstractmethod
    def loosen(self, table: str, column: Column[Any]) -> str:
        """Let a column hold None."""

    def make_index(self, index: TableIndex, *, beside: bool) -> str:
        """Make an index. beside: others go on writing, where that can be had."""
        del beside
        return self.write(CreateIndex(index))

    def drop_index(self, table: str, name: str, *, beside: bool = False) -> str:
        """Drop an index."""
        del beside
        return self.write(DropIndex(_index(table, name)))

    def make_table(self, table: Table) -> str:
        """Make a table."""
        return self.write(CreateTable(table))

    def drop_table(self, name: str) -> str:
        """Drop a table that is there."""
        return self.write(DropTable(Table(name, MetaData())))

    def together(self, table: str, texts: Sequence[str]) -> list[str]:
        """Make one ALTER TABLE of several, where the database takes that."""
        if len(texts) < 2:
            return list(texts)
        beginning = f"ALTER TABLE {self.dialect.quoted(table)} "
        loose = f"ALTER TABLE {self.dialect.sql.identifier_preparer.quote(table)} "
        return [beginning + ", ".join([text.removeprefix(loose).removeprefix(beginning) for text in texts])]


class SQLiteDDL(DDL):
    """SQLite: one column at a time is added; all else is a new table."""

    rebuilds = True
    begin, commit = "BEGIN IMMEDIATE", "COMMIT"

    def together(self, table: str, texts: Sequence[str]) -> list[str]:
        """Leave them apart."""
        del table
        return list(texts)

    def loosen(self, table: str, column: Column[Any]) -> str:
        """Refuse: that takes a rebuild."""
        raise NotImplementedError(f"{table}.{column.name}")

    def rebuild(self, table: str, columns: Sequence[Column[Any]], sources: Sequence[str]) -> list[str]:
        """Make a table anew with other columns, each filled from a column of the old one; its indexes are gone then."""
        quoted = self.dialect.quoted
        made = Table(table + _REBUILT, MetaData(), *columns)
        into = ", ".join(quoted(column.name) for column in columns)
        out = ", ".join(map(quoted, sources))
        return [
            self.make_table(made),
            f"INSERT INTO {quoted(made.name)} ({into}) SELECT {out} FROM {quoted(table)}",
            self.drop_table(table),
            self.write(RenameTable(made.name, table)),
        ]


class PostgreSQLDDL(DDL):
    """PostgreSQL: nearly all is a change of its own catalog; indexes are made while others write."""

    hasty, patient = "SET lock_timeout = 2000", "SET lock_timeout = 0"
    leaves_broken = True

    def loosen(self, table: str, column: Column[Any]) -> str:
        """Let a column hold None."""
        return self.write(ColumnNullable(table, column.name, True, existing_type=column.type))

    def tighten(self, table: str, column: str) -> str:
        """Let a column hold None no more."""
        return self.write(ColumnNullable(table, column, False))

    def forget_default(self, table: str, column: str) -> str:
        """Take a column's default away; rows that were given it keep it."""
        return self.write(ColumnDefault(table, column, None))

    def drop(self, table: str, column: str) -> str:
        """Drop a column."""
        return self.write(DropColumn(table, Column(column)))

    def rename(self, table: str, old: str, new: str) -> str:
        """Rename a column."""
        return self.write(ColumnName(table, old, new))

    def make_index(self, index: TableIndex, *, beside: bool) -> str:
        """Make an index."""
        text = self.write(CreateIndex(index))
        return text.replace("INDEX ", "INDEX CONCURRENTLY ", 1) if beside else text

    def drop_index(self, table: str, name: str, *, beside: bool = False) -> str:
        """Drop an index."""
        text = self.write(DropIndex(_index(table, name)))
        return text.replace("INDEX ", "INDEX CONCURRENTLY ", 1) if beside else text


class MySQLDDL(DDL):
    """MariaDB and MySQL: each statement commits, so that a table's changes go into one."""

    hasty, patient = "SET lock_wait_timeout = 2", "SET lock_wait_timeout = 31536000"

    def loosen(self, table: str, column: Column[Any]) -> str:
        """Let a column hold None."""
        return self.modify(table, column, nullable=True)

    def modify(self, table: str, column: Column[Any], *, nullable: bool, comment: str | None = None) -> str:
        """Give a column another type, default or nullability; what is not said is gone."""
        default = None if column.server_default is None else getattr(column.server_default, "arg", None)
        return self.write(
            MySQLModifyColumn(
                table, column.name, type_=column.type, nullable=nullable, default=default, comment=comment
            )
        )

    def change(self, table: str, old: str, column: Column[Any], *, nullable: bool) -> str:
        """Rename a column; columns that pass their names around do it in one statement."""
        return self.write(
            MySQLChangeColumn(
                table, old, newname=column.name, type_=column.type, nullable=nullable, default=None, comment=None
            )
        )

    def drop(self, table: str, column: str) -> str:
        """Drop a column."""
        return self.write(DropColumn(table, Column(column)))

    def make_index(self, index: TableIndex, *, beside: bool) -> str:
        """Make an index."""
        text = self.write(CreateIndex(index))
        return f"{text} ALGORITHM=INPLACE LOCK=NONE" if beside else text

    def index_part(self, index: TableIndex) -> str:
        """Write the making of an index as a part of an ALTER TABLE."""
        text = self.write(CreateIndex(index))
        head, _, terms = text.partition(" ON ")
        assert index.table is not None
        name = self.dialect.sql.identifier_preparer.quote(index.table.name)
        return f"{head.replace('CREATE', 'ADD', 1)} {terms.removeprefix(name).strip()}"


_WAYS: dict[str, type[DDL]] = {"sqlite": SQLiteDDL, "postgresql": PostgreSQLDDL, "mysql": MySQLDDL}


def ddl_of(dialect: Dialect) -> DDL:
    """Give the way of a database."""
    return _WAYS[dialect.sql.name](dialect)


class LiveType(TypeEngine[Any]):
    """A column's type as the database wrote it, for a column that is made anew as it is."""

    __visit_name__ = "user_defined"

    def __init__(self, text: str) -> None:
        self.text = text

    def get_col_spec(self, **_: Any) -> str:
        """Write the type."""
        return self.text


def _attached(table: str, column: Column[Any]) -> Column[Any]:
    """Give a copy of a column in a table of its own, which the compiler looks at."""
    made = copied(column)
    Table(table, MetaData(), made)
    return made


def _index(table: str, name: str) -> TableIndex:
    column: Column[Any] = Column("_")
    made = TableIndex(name, column)
    Table(table, MetaData(), column)
    return made
