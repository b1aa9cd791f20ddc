"""Takeover: how a database is held still while foreign tables are copied into ours, and how the names change hands.

Knows what each database can do in one step; must not know schemas. adoption.py says what is copied.

SQLite and PostgreSQL make tables within a transaction, so all of it is one. MariaDB and MySQL commit each CREATE: there
the copies get names of their own, and one RENAME of all tables, the catalog's among them, puts them in the place of
the old ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar, TypeAlias, cast

from ...errors import Unavailable
from ...schema.adoption import FoundReference
from ...store.protocol import Wait
from .connections import Connection, Connections
from .dialect import Dialect
from .tables import short

Bound: TypeAlias = tuple[str, FoundReference]
_ENDLESS = 1_000_000.0  # seconds: more than any copy takes
_PAUSE, _LOOKS = 0.02, 500
_LOCK_SECONDS = 10


class Takeover(ABC):
    """One takeover of some tables. names: the new table's name -> the name that it has while it is made."""

    def __init__(self, connections: Connections, connection: Connection, dialect: Dialect, wait: Wait) -> None:
        self._connections = connections
        self._wait = wait
        self.dialect = dialect
        self.connection = connection
        connection.hurry(_ENDLESS)

    def run(self, text: str) -> Any:
        """Run a statement without values."""
        return self.connection.execute(text, ())

    def quoted(self, name: str) -> str:
        """Write a name."""
        return self.dialect.quoted(name)

    def placeholder(self, number: int) -> str:
        """Write the place of a statement's parameter, numbered from 1."""
        return self.dialect.placeholder(number)

    def making(self, name: str) -> str:
        """Give the name that a table has while it is made."""
        return short(f"{name}.adopting", self.dialect.longest_name)

    def before(self, name: str) -> str:
        """Give the name that an old table has until it is dropped, where it is not dropped at once."""
        return short(f"{name}.before", self.dialect.longest_name)

    @abstractmethod
    def begin_look(self) -> None:
        """Begin to read, such that all tables are seen as they were at one moment."""

    def end_look(self) -> None:
        """End what begin_look began."""
        self.connection.end()

    def obstacles(self, old: Sequence[str]) -> list[str]:
        """Say what keeps old tables from being replaced."""
        del old
        return []

    @abstractmethod
    def begin(self, old: Sequence[str], made: Sequence[str], creation: Sequence[str]) -> None:
        """Keep all others from the old tables, and make the new ones by some statements. made: what those make."""

    @abstractmethod
    def abandon(self, made: Sequence[str]) -> None:
        """Take back what begin did, and what was done since."""

    @abstractmethod
    def swap(self, old: Sequence[str], names: Mapping[str, str], bound: Sequence[Bound]) -> None:
        """Put the new tables in the place of the old ones, once and for all.

        names: of the new ones, as they shall be, each with what it was made as; bound: the foreign keys that lead from
        or to the old ones, each with its table.
        """

    def clear(self, names: Sequence[str]) -> int:
        """Remove old tables that a swap left; give how many there were."""
        del names
        return 0


class FileTakeover(Takeover):
    """Of a SQLite file."""

    def placeholder(self, number: int) -> str:
        """Write the place of a statement's parameter."""
        del number
        return "?"

    def begin_look(self) -> None:
        """Begin to read."""
        raw = cast("Any", self.connection).raw
        raw.text_factory = _text
        self.run("BEGIN")

    def begin(self, old: Sequence[str], made: Sequence[str], creation: Sequence[str]) -> None:
        """Begin the one transaction."""
        del old, made
        cast("Any", self.connection).raw.text_factory = _text
        # Views and foreign keys name the tables, not what they are made of: they must not follow the old ones.
        self._use_log()
        self.run("PRAGMA foreign_keys = OFF")
        self.run("PRAGMA legacy_alter_table = ON")
        self.run("BEGIN IMMEDIATE")
        for text in creation:
            self.run(text)

    def _use_log(self) -> None:
        """Turn the file to its write-ahead log, in a moment in which nobody writes: this statement does not wait."""
        for look in range(_LOOKS):
            try:
                self.run("PRAGMA journal_mode = WAL").fetchall()
            except self.dialect.errors:
                if look == _LOOKS - 1:
                    raise
                self._wait(_PAUSE)
            else:
                return

    def abandon(self, made: Sequence[str]) -> None:
        """Roll back."""
        del made
        self.connection.end()

    def swap(self, old: Sequence[str], names: Mapping[str, str], bound: Sequence[Bound]) -> None:
        """Drop, rename, commit."""
        del bound  # they name tables only, and nothing here minds them
        for name in old:
            self.run(f"DROP TABLE {self.quoted(name)}")
        for name, made in names.items():
            self.run(f"ALTER TABLE {self.quoted(made)} RENAME TO {self.quoted(name)}")
        self.run("COMMIT")


def _text(stored: bytes) -> Any:
    """Read text; what is none stays bytes, so that it is found out as a value, rather than ending the whole."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return stored


_KEY_NAME = "SELECT conname::text FROM pg_constraint WHERE contype = 'p' AND conrelid = CAST($1 AS regclass)"
_VIEWS = """
SELECT DISTINCT v.relname::text
FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = CAST($1 AS regclass) AND v.oid <> d.refobjid
"""


class TransactionTakeover(Takeover):
    """Of a PostgreSQL schema."""

    def begin_look(self) -> None:
        """Begin to read."""
        self.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self.run("SET LOCAL statement_timeout = 0")

    def obstacles(self, old: Sequence[str]) -> list[str]:
        """Name the views, which a table that goes would take along."""
        rows = [
            (name, view) for name in old for (view,) in self.connection.execute(_VIEWS, (self.quoted(name),)).fetchall()
        ]
        return [f"{name}: the view {view} is made of it; drop the view first" for name, view in rows]

    def begin(self, old: Sequence[str], made: Sequence[str], creation: Sequence[str]) -> None:
        """Begin the one transaction."""
        del made
        self.run(self.dialect.begin)
        self.run("SET LOCAL statement_timeout = 0")
        self.run(f"SET LOCAL lock_timeout = {_LOCK_SECONDS * 1000}")
        for name in old:
            self.run(f"LOCK TABLE {self.quoted(name)} IN ACCESS EXCLUSIVE MODE")
        for text in creation:
            self.run(text)

    def abandon(self, made: Sequence[str]) -> None:
        """Roll back."""
        del made
        self.connection.end()

    def swap(self, old: Sequence[str], names: Mapping[str, str], bound: Sequence[Bound]) -> None:
        """Drop, rename, commit."""
        for table, reference in bound:
            self.run(f"ALTER TABLE {self.quoted(table)} DROP CONSTRAINT {self.quoted(reference.name)}")
        for name in old:
            self.run(f"DROP TABLE {self.quoted(name)}")
        for name, made in names.items():
            self.run(f"ALTER TABLE {self.quoted(made)} RENAME TO {self.quoted(name)}")
            for (key,) in self.connection.execute(_KEY_NAME, (self.quoted(name),)).fetchall():
                named = short(f"{name}_pkey", self.dialect.longest_name)
                self.run(f"ALTER INDEX {self.quoted(key)} RENAME TO {self.quoted(named)}")
        self.run("COMMIT")


class RenamingTakeover(Takeover):
    """Of a MariaDB or MySQL database."""

    _BOUND: ClassVar[str] = (
        "SELECT table_name, constraint_name FROM information_schema.referential_constraints "
        "WHERE constraint_schema = DATABASE() AND referenced_table_name IN %s AND table_name NOT IN %s"
    )
    _WAITING: ClassVar[str] = "SELECT state FROM information_schema.processlist WHERE id = %s"

    def begin_look(self) -> None:
        """Begin to read."""
        self._prepare()
        self.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")

    def _prepare(self) -> None:
        self.run("SET time_zone = '+00:00'")  # in which the server then gives what is a TIMESTAMP
        if cast("Any", self.dialect).is_mariadb:
            self.run("SET max_statement_time = 0")
        else:
            self.run("SET max_execution_time = 0")

    def end_look(self) -> None:
        """Roll back."""
        self.run("ROLLBACK")

    def begin(self, old: Sequence[str], made: Sequence[str], creation: Sequence[str]) -> None:
        """Make the new tables, and lock all."""
        self._prepare()
        self._drop(made)  # of one that was cut off
        for text in creation:
            self.run(text)
        self.run(f"SET lock_wait_timeout = {_LOCK_SECONDS}")
        locks = [f"{self.quoted(name)} READ" for name in old] + [f"{self.quoted(name)} WRITE" for name in made]
        self.run("SET autocommit = 0")  # not START TRANSACTION: that would let the locks go
        self.run(f"LOCK TABLES {', '.join(locks)}")

    def _drop(self, names: Sequence[str]) -> None:
        self.run("SET foreign_key_checks = 0")
        self.run(f"DROP TABLE IF EXISTS {', '.join(map(self.quoted, names))}")
        self.run("SET foreign_key_checks = 1")

    def abandon(self, made: Sequence[str]) -> None:
        """Drop the new tables."""
        self.run("ROLLBACK")
        self.run("UNLOCK TABLES")
        self._drop(made)

    def swap(self, old: Sequence[str], names: Mapping[str, str], bound: Sequence[Bound]) -> None:
        """Rename all at once, and drop the old ones.

        RENAME is refused to whoever has locked tables. So another connection asks for it and waits, and then the locks
        are let go. A program that waits as well may write into an old table before it is renamed: then all is undone.
        """
        sums = self._sums(old)
        pairs = [(name, self.before(name)) for name in old] + [(made, name) for name, made in names.items()]
        self.run("COMMIT")
        self.run("SET autocommit = 1")
        del bound  # clear finds them again, also after a death between the two
        text = ", ".join(f"{self.quoted(one)} TO {self.quoted(other)}" for one, other in pairs)
        renaming = self._connections.opened()
        try:
            with ThreadPoolExecutor(1) as thread:
                asked: Future[Any] = thread.submit(renaming.execute, f"RENAME TABLE {text}", ())
                try:
                    self._await(renaming, asked)
                finally:
                    self.run("UNLOCK TABLES")
                asked.result()
        finally:
            self._connections.drop(renaming)
        if self._sums([self.before(name) for name in old]) != sums:
            back = [*names.items()] + [(self.before(name), name) for name in old]
            self.run(f"RENAME TABLE {', '.join(f'{self.quoted(a)} TO {self.quoted(b)}' for a, b in back)}")
            raise Unavailable("another program wrote while the tables changed hands, so they did not: stop it first")
        self.clear(old)

    def _sums(self, tables: Sequence[str]) -> list[Any]:
        """Give a checksum of each table's rows."""
        return [self.run(f"CHECKSUM TABLE {self.quoted(name)}").fetchall()[0][1] for name in tables]

    def _await(self, renaming: Connection, asked: Future[Any]) -> None:
        number = cast("Any", renaming).thread[0]
        for _ in range(_LOOKS):
            states = self.connection.execute(self._WAITING, (number,)).fetchall()
            if asked.done() or "lock" in str(states).lower():
                return
            self._wait(_PAUSE)
        self.connection.execute("KILL CONNECTION %s", (number,))
        raise Unavailable("the server does not take up the renaming of the tables; nothing was changed")

    def clear(self, names: Sequence[str]) -> int:
        """Remove old tables that a swap left."""
        wanted = {self.before(name) for name in names}
        left = sorted(wanted & {row[0] for row in self.run("SHOW TABLES").fetchall()})
        if not left:
            return 0
        rows = self.connection.execute(self._BOUND, (tuple(left), tuple(left))).fetchall()
        for table, key in rows:
            self.run(f"ALTER TABLE {self.quoted(table)} DROP FOREIGN KEY {self.quoted(key)}")
        self._drop(left)
        return len(left)


_KINDS: Mapping[str, type[Takeover]] = {
    "sqlite": FileTakeover,
    "postgresql": TransactionTakeover,
    "mysql": RenamingTakeover,
}


def takeover_of(connections: Connections, connection: Connection, dialect: Dialect, wait: Wait) -> Takeover:
    """Give the way that a database takes."""
    return _KINDS[dialect.sql.name](connections, connection, dialect, wait)
