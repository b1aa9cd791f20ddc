"""The writer: one change goes as one guarded statement, several go in one transaction.

Knows connections and when a write counts as made; step.py knows the order and the rules. A transaction begins with
BEGIN IMMEDIATE: one that reads first and writes then would be refused at once when another writer came between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NoReturn

from ...errors import ManystoreError
from ...store.protocol import Change, Check, Delete, Insert, Patch, Replace, Written
from .connections import Connection
from .mutation import Mutation
from .reader import Reader, changed
from .schemas import Known
from .step import Retry, Step
from .translate import DRIVER_ERRORS, is_missing_table, translate


class Writer:
    """Writes to one database."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._connections = reader.connections
        self._known: Known | None = None
        self._epoch = f'SELECT epoch FROM "{reader.layout.catalog.name}"'

    def write(self, changes: Sequence[Change], epoch: str) -> Written:
        """Carry out all changes in one atomic step, or none."""
        known = self._known
        if known is None or known.epoch != epoch:
            known = self._learn(epoch)
        if len(changes) == 1:
            change = changes[0]
            if not isinstance(change, Check):
                made = self._alone(change, known.mutation(change.collection), epoch)
                if made is not None:
                    return made
        elif not changes:
            return Written([], 0)
        return self._step(changes, known)

    def _learn(self, epoch: str) -> Known:
        catalog = self._reader.catalog()
        if catalog is None or catalog.epoch != epoch:
            raise changed()
        self._known = known = Known(catalog, self._reader.layout)
        return known

    def _alone(self, change: Insert | Replace | Patch | Delete, mutation: Mutation, epoch: str) -> Written | None:
        """Make one change with one statement; None when something stands in its way, whatever it is."""
        returning = False
        if isinstance(change, Insert):
            text, bound = mutation.insert(change, epoch)
        elif isinstance(change, Replace):
            text, bound = mutation.replace(change, epoch)
        elif isinstance(change, Patch):
            text, bound = mutation.patch(change, epoch)
            returning = change.codec is not None
        else:
            text, bound = mutation.delete(change, epoch)
        rows: list[tuple[Any, ...]] = []
        connection = self._connections.take()
        try:
            cursor = connection.execute(text, bound)
            if returning:
                rows = cursor.fetchall()
                made = len(rows) == 1
            else:
                made = cursor.rowcount == 1
        except sqlite3.IntegrityError:
            made = False
        except DRIVER_ERRORS as error:
            self._connections.drop(connection)
            self._refuse(error, epoch)
        except BaseException:
            self._connections.drop(connection)
            raise
        self._connections.put(connection)
        if not made:
            return None
        if returning:
            assert isinstance(change, Patch)
            return Written([change.codec.load(rows[0])], 1)
        return Written([None], 1)

    def _refuse(self, error: sqlite3.Error | sqlite3.Warning | OverflowError, epoch: str) -> NoReturn:
        # A table that is not there may be one that the catalog has lost since.
        if is_missing_table(error):
            self._reader.confirm(epoch)
        raise translate(error, writing=True) from error

    def _step(self, changes: Sequence[Change], known: Known) -> Written:
        connection = self._connections.take()
        try:
            written = self._transaction(connection, changes, known)
        except ManystoreError:
            self._roll_back(connection)
            raise
        except DRIVER_ERRORS as error:
            self._connections.drop(connection)  # which rolls back
            if is_missing_table(error):
                self._reader.confirm(known.epoch)
            raise translate(error) from error
        except BaseException:
            self._connections.drop(connection)
            raise
        self._connections.put(connection)
        return written

    def _transaction(self, connection: Connection, changes: Sequence[Change], known: Known) -> Written:
        writes = any(not isinstance(change, Check) for change in changes)
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        step = Step(connection, known, changes)
        try:
            self._begin(connection, begin, known.epoch)
            records = step.run()
        except Retry:
            connection.execute("ROLLBACK")
            step = Step(connection, known, changes, one_by_one=True)
            self._begin(connection, begin, known.epoch)
            records = step.run()
        try:
            connection.execute("COMMIT")
        except DRIVER_ERRORS as error:
            raise translate(error, writing=True) from error
        return Written(records, step.trips + 3)

    def _begin(self, connection: Connection, begin: str, epoch: str) -> None:
        connection.execute(begin)
        found = connection.execute(self._epoch).fetchall()
        if not found or found[0][0] != epoch:
            raise changed()

    def _roll_back(self, connection: Connection) -> None:
        try:
            if connection.raw.in_transaction:
                connection.execute("ROLLBACK")
        except DRIVER_ERRORS:
            self._connections.drop(connection)
        else:
            self._connections.put(connection)
