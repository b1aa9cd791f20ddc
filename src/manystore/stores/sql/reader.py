"""The reader: runs SELECTs on a connection of the stack, and asks for the epoch where no row has proven it.

Knows connections and the catalog's table; must not know plans. reading.py says what is run. A read whose connection
broke is sent once more on a new one: it changes nothing, and the server may just have been started anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from ...errors import EpochChanged, Unavailable
from ...schema.catalog import Catalog
from .connections import Connection, Connections
from .dialect import Dialect, Row
from .tables import Layout, halted


def changed() -> EpochChanged:
    """Make the error that says that another epoch is in force."""
    return EpochChanged("the catalog changed since it was read")


class Reader:
    """Runs SELECTs."""

    def __init__(self, connections: Connections, layout: Layout) -> None:
        self.connections = connections
        self.layout = layout
        self.dialect: Dialect = layout.dialect
        self._errors = self.dialect.errors
        table = self.dialect.quoted(layout.catalog.name)
        self.epoch_text = layout.epoch_text  # once: it goes with every step
        self._catalog = f"SELECT catalog FROM {table}"

    def rows(self, text: str, bound: Sequence[Any], epoch: str) -> list[Row]:
        """Run a SELECT and give all its rows."""
        connections = self.connections
        connection = connections.take()
        try:
            found: list[Row] = connection.execute(text, bound).fetchall()
        except self._errors as error:
            found = self._once_more(connection, error, text, bound, epoch)
        except BaseException:
            connections.drop(connection)
            raise
        else:
            connections.put(connection)
        return found

    def row(self, text: str, bound: Sequence[Any], epoch: str) -> Row | None:
        """Run a SELECT that gives one row at most."""
        connections = self.connections
        connection = connections.take()
        try:
            found: Row | None = connection.execute(text, bound).fetchone()
        except self._errors as error:
            return next(iter(self._once_more(connection, error, text, bound, epoch)), None)
        except BaseException:
            connections.drop(connection)
            raise
        connections.put(connection)
        return found

    def confirm(self, epoch: str) -> None:
        """Raise EpochChanged unless this epoch is in force. Epochs never come back, so then it was all along."""
        found = self.rows(self.epoch_text, (), "")
        if not found or found[0][0] != epoch:
            raise changed()

    def check_whole(self, epoch: str) -> None:
        """Raise Unavailable when a catalog's epoch is out of force because its tables are between two shapes."""
        if self.dialect.remote and self.rows(self.epoch_text, (), "") == [(halted(epoch),)]:
            raise Unavailable("the end of a migration is under way, or was cut off and has to be run again")

    def catalog(self) -> Catalog | None:
        """Read the stored catalog; None where there is no database yet."""
        if not self.connections.exists():
            self.connections.check_open()
            return None
        connection = self.connections.take()
        try:
            found: list[Row] = connection.execute(self._catalog, ()).fetchall()
        except self._errors as error:
            if self.dialect.verdict(error) == "missing":
                self.connections.drop(connection)
                return None
            found = self._once_more(connection, error, self._catalog, (), "")
        else:
            self.connections.put(connection)
        return Catalog.decode(found[0][0]) if found else None

    def _once_more(self, lost: Connection, error: Exception, text: str, bound: Sequence[Any], epoch: str) -> list[Row]:
        self.connections.drop(lost)
        verdict = self.dialect.verdict(error)
        if verdict == "missing" and epoch:
            # Under this epoch all is there; what the connection kept of the statement may be older than the table.
            self.confirm(epoch)
        elif verdict not in ("broken", "again", "stale"):
            self._refuse(error, epoch)
        self.connections.forget()
        connection = self.connections.opened()
        try:
            found: list[Row] = connection.execute(text, bound).fetchall()
        except self._errors as second:
            self.connections.drop(connection)
            self._refuse(second, epoch)
        except BaseException:
            self.connections.drop(connection)
            raise
        self.connections.put(connection)
        return found

    def _refuse(self, error: Exception, epoch: str) -> NoReturn:
        # A table that is not there may be one that the catalog has lost since.
        if epoch and self.dialect.verdict(error) == "missing":
            self.confirm(epoch)
        raise self.dialect.translate(error) from error
