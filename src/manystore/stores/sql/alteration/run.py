"""A run: statements carried out on a connection one after the other, or only noted down, to be shown.

Knows connections and texts; must not know what the statements are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..connections import Bound, Connection
from ..dialect import Dialect, Row
from ..inspection import Tables


class Run:
    """One operation's way through a database. connection: None where there is none; then every question finds nothing.

    statements: the texts of all changes; blocking: others wait while one of them lasts.
    """

    def __init__(self, dialect: Dialect, connection: Connection | None, *, only_notes: bool = False) -> None:
        self.dialect = dialect
        self.statements: list[str] = []
        self.blocking = False
        self._connection = connection
        self._does = connection is not None and not only_notes

    def do(self, text: str, bound: Sequence[Any] = (), *, blocking: bool = False) -> int:
        """Carry a change out; give how many rows it changed."""
        # Where parameters are written with it, a percent sign stands twice in a text.
        self.statements.append(text.replace("%%", "%") if self.dialect.sql.paramstyle == "format" else text)
        self.blocking = self.blocking or blocking
        if not self._does or self._connection is None:
            return 0
        return int(self._connection.execute(text, tuple(bound)).rowcount)

    @property
    def connection(self) -> Connection:
        """Give the connection, to what must know how it answers."""
        assert self._connection is not None
        return self._connection

    @property
    def is_offline(self) -> bool:
        """Tell whether there is nothing to ask."""
        return self._connection is None

    @property
    def is_noting(self) -> bool:
        """Tell whether nothing is carried out."""
        return not self._does

    def set(self, text: str) -> None:
        """Carry out what is none of the operation's changes, as the beginning of a transaction."""
        if text and self._does and self._connection is not None:
            self._connection.execute(text, ())

    def ask(self, text: str, bound: Sequence[Any] = ()) -> list[Row]:
        """Run a SELECT."""
        if self._connection is None:
            return []
        rows: list[Row] = self._connection.execute(text, tuple(bound)).fetchall()
        return rows

    def found(self, built: Any) -> list[Row]:
        """Run a SELECT that SQLAlchemy wrote, without parameters from outside."""
        statement = self.dialect.statement(built, {}, 0)
        return self.ask(statement.text, statement.bind([]))

    def send(self, batch: Sequence[Bound]) -> list[Any]:
        """Carry out many changes with one wait, if the driver can."""
        if not self._does or self._connection is None:
            return []
        return list(self._connection.send(batch))

    def inspected(self, names: Iterable[str]) -> Tables:
        """Look at some tables."""
        return {} if self._connection is None else self.dialect.inspected(self.ask_cursor, names)

    def ask_cursor(self, text: str, bound: Sequence[Any]) -> Any:
        """Run a SELECT and give the driver's cursor."""
        return self.connection.execute(text, bound)
