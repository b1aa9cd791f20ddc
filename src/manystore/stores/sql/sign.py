"""Signs: on MariaDB an epoch has a sign while it is in force, a sequence that is called after it.

A statement that names a sequence opens it first, fails when there is none, and keeps it from being dropped until its
step has ended. That is all of the comparison of an epoch, for a sixth of what it takes to read the catalog's row. Only
who puts another epoch in force touches signs: it makes the next one before anybody can know of it, and drops the old
one under locks, before the catalog changes. Without its sign an epoch may still be in force: then the row is read, as
on databases that have no signs. Knows texts; must not know changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from .connections import Connection
from .reader import changed
from .tables import Layout, halted

_TRIES = 5
_PRESENT = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_comment = %s"


class Signs:
    """The signs of one database, as its deployer handles them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._dialect = layout.dialect
        self._has = bool(layout.dialect.signed)
        self._locked: list[str] = []

    def lock(self, connection: Connection, tables: Sequence[str], coming: str) -> None:
        """Make the sign of a coming epoch; lock some tables and all signs."""
        for attempt in range(_TRIES):
            self._locked = self._made(connection, coming) if self._has else []
            names = [self._dialect.quoted(name) for name in (*tables, *self._locked)]
            try:
                connection.execute(f"LOCK TABLES {', '.join(f'{name} WRITE' for name in names)}", ())
                return
            except self._dialect.errors as error:
                if self._dialect.verdict(error) != "missing" or attempt == _TRIES - 1:
                    raise  # else another deployer has dropped a sign meanwhile

    def _made(self, connection: Connection, coming: str) -> list[str]:
        connection.execute(self._layout.sign_creation(self._layout.sign(coming)), ())
        return self.present(connection)

    def present(self, connection: Connection) -> list[str]:
        """Give the names of all signs that are there."""
        rows = connection.execute(_PRESENT, (self._layout.sign_comment,)).fetchall()
        return [name for (name,) in rows]

    def drop(self, connection: Connection, expected: str, coming: str) -> None:
        """Drop all signs that are locked but the coming one's; raise EpochChanged unless an epoch is in force."""
        found = connection.execute(self._layout.epoch_text, ()).fetchall()
        if not found or found[0][0] not in (expected, halted(expected)):
            raise changed()
        for name in self._locked:
            if name != self._layout.sign(coming):
                connection.execute(f"DROP SEQUENCE {self._dialect.quoted(name)}", ())
