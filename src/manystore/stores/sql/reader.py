"""The reader: runs SELECTs on a connection of the stack, and asks for the epoch where no row has proven it.

Knows connections and the catalog's table; must not know plans. reading.py says what is run.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

from ...errors import EpochChanged
from ...schema.catalog import Catalog
from .connections import Connections
from .tables import Layout
from .translate import DRIVER_ERRORS, is_missing_table, translate

Row: TypeAlias = tuple[Any, ...]


def changed() -> EpochChanged:
    """Make the error that says that another epoch is in force."""
    return EpochChanged("the catalog changed since it was read")


class Reader:
    """Runs SELECTs."""

    def __init__(self, connections: Connections, layout: Layout) -> None:
        self.connections = connections
        self.layout = layout
        self._epoch = f'SELECT epoch FROM "{layout.catalog.name}"'
        self._catalog = f'SELECT catalog FROM "{layout.catalog.name}"'

    def rows(self, text: str, bound: Sequence[Any], epoch: str) -> list[Row]:
        """Run a SELECT and give all its rows."""
        connections = self.connections
        connection = connections.take()
        try:
            found: list[Row] = connection.execute(text, bound).fetchall()
        except DRIVER_ERRORS as error:
            connections.drop(connection)
            self._refuse(error, epoch)
        except BaseException:
            connections.drop(connection)
            raise
        connections.put(connection)
        return found

    def row(self, text: str, bound: Sequence[Any], epoch: str) -> Row | None:
        """Run a SELECT that gives one row at most."""
        connections = self.connections
        connection = connections.take()
        try:
            found: Row | None = connection.execute(text, bound).fetchone()
        except DRIVER_ERRORS as error:
            connections.drop(connection)
            self._refuse(error, epoch)
        except BaseException:
            connections.drop(connection)
            raise
        connections.put(connection)
        return found

    def confirm(self, epoch: str) -> None:
        """Raise EpochChanged unless this epoch is in force. Epochs never come back, so then it was all along."""
        found = self.rows(self._epoch, (), "")
        if not found or found[0][0] != epoch:
            raise changed()

    def catalog(self) -> Catalog | None:
        """Read the stored catalog; None where there is no database yet."""
        if not os.path.exists(self.connections.path):
            self.connections.check_open()
            return None
        connection = self.connections.take()
        try:
            found: Row | None = connection.execute(self._catalog).fetchone()
        except DRIVER_ERRORS as error:
            self.connections.drop(connection)
            if is_missing_table(error):
                return None
            raise translate(error) from error
        self.connections.put(connection)
        return None if found is None else Catalog.decode(found[0])

    def _refuse(self, error: sqlite3.Error | sqlite3.Warning | OverflowError, epoch: str) -> NoReturn:
        # A table that is not there may be one that the catalog has lost since.
        if epoch and is_missing_table(error):
            self.confirm(epoch)
        raise translate(error) from error
