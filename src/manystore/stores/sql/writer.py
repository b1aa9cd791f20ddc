"""The writer: one change goes as one guarded statement, several go in one transaction.

Knows connections and when a write counts as made; hope.py and step.py know the order and the rules. A step that others'
locks undid is begun again after a random pause, until the database's timeout. recovery.py says what became of one whose
connection broke.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NoReturn

from ...errors import EpochChanged, ManystoreError, NotFound, OutOfBounds, Unavailable, WriteRefused
from ...store.protocol import Change, Check, Wait, Written
from .connections import Connection
from .hope import Hope
from .reader import Reader, changed
from .recovery import Broken, Recovery, is_guarded
from .schemas import Known
from .step import Again, Retry, Step

_PAUSE, _LONGEST_PAUSE = 0.002, 0.1
_UNDONE = "other writers kept this one from being carried out; nothing was written"
_REFUSALS = (WriteRefused, NotFound, OutOfBounds, EpochChanged)


class Writer:
    """Writes to one database. patience: seconds for which a step is begun again that others' locks undid."""

    def __init__(self, reader: Reader, wait: Wait, patience: float) -> None:
        self._reader = reader
        self._connections = reader.connections
        self._dialect = reader.dialect
        self._errors = reader.dialect.errors
        self._known: Known | None = None
        self._wait = wait
        self._patience = patience
        self._begin = (self._dialect.begin, ())
        self._begin_look = (self._dialect.begin_look, ())

    def write(self, changes: Sequence[Change], epoch: str) -> Written:
        """Carry out all changes in one atomic step, or none."""
        if not changes:
            return Written([], 0)
        known = self._known
        if known is None or known.epoch != epoch:
            known = self._learn(epoch)
        try:
            return self._once(changes, known)
        except Again:
            return self._until_made(changes, known)
        except Broken as broken:
            return self._recovered(changes, known, broken)

    def _learn(self, epoch: str) -> Known:
        catalog = self._reader.catalog()
        if catalog is None or catalog.epoch != epoch:
            raise changed()
        self._known = known = Known(catalog, self._reader.layout)
        return known

    def _until_made(self, changes: Sequence[Change], known: Known) -> Written:
        """Begin a step again that others undid."""
        deadline = time.monotonic() + self._patience
        for attempt in count():
            self._wait(random.uniform(0, min(_LONGEST_PAUSE, _PAUSE * 2**attempt)))
            try:
                return self._once(changes, known)
            except Again:
                if time.monotonic() >= deadline:
                    break
            except Broken as broken:
                return self._recovered(changes, known, broken)
        raise Unavailable(_UNDONE)

    def _recovered(self, changes: Sequence[Change], known: Known, broken: Broken) -> Written:
        """Send a step once more whose connection broke, and see what became of the first sending."""
        recovery = Recovery(self._reader, known, self._wait, self._patience)
        self._connections.put(recovery.fenced(broken))
        if broken.committing and not is_guarded(changes):
            return recovery.settled(changes, recovery.unknown())  # sent again, it might be carried out twice
        try:
            return self._again(changes, known)
        except Broken as second:
            if second.committing or broken.committing:
                raise recovery.unknown() from second
            raise Unavailable("the connection broke twice; nothing was written") from second
        except Again as undone:
            if not broken.committing:
                raise Unavailable(_UNDONE) from undone
            return recovery.settled(changes, Unavailable(_UNDONE))
        except _REFUSALS as refused:
            if not broken.committing:
                raise
            return recovery.settled(changes, refused)

    def _again(self, changes: Sequence[Change], known: Known) -> Written:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._once(changes, known)
            except Again:
                if time.monotonic() >= deadline:
                    raise
                self._wait(random.uniform(0, _LONGEST_PAUSE))

    def _once(self, changes: Sequence[Change], known: Known) -> Written:
        if len(changes) == 1:
            change = changes[0]
            if not isinstance(change, Check):
                bound = known.mutation(change.collection).alone(change, known.epoch)
                if bound is not None:
                    return self._alone(change, bound, known) or self._thoroughly(changes, known)
        return self._hopefully(changes, known) or self._thoroughly(changes, known)

    def _alone(self, change: Any, bound: Any, known: Known) -> Written | None:
        """Make one change with one statement; None when something stands in its way, whatever it is."""
        codec = getattr(change, "codec", None)
        row: Any = None
        connection = self._connections.take()
        try:
            cursor = connection.execute(*bound)
            if codec is None:
                made = cursor.rowcount == 1
            else:
                row = next(iter(cursor.fetchall()), None)
                made = row is not None
        except self._errors as error:
            if self._dialect.verdict(error) != "taken":
                self._give_up(connection, error, known, committing=True)
            made = False
        except BaseException:
            self._connections.drop(connection)
            raise
        self._connections.put(connection)
        if not made:
            return None
        return Written([None if codec is None else codec.load(row)], 1)

    def _hopefully(self, changes: Sequence[Change], known: Known) -> Written | None:
        """Send everything at once, and commit when all is as hoped; None when it is not."""
        hope = Hope(known, changes, self._reader.epoch_text)

        def run(connection: Connection) -> list[Any] | None:
            answers = connection.send([self._opening(changes), *hope.texts])[1:]
            return hope.records(changes, answers) if hope.fits(answers) else None

        records = self._transaction(run, known)
        trips = hope.waits + 1 if self._dialect.remote else 1
        return None if records is None else Written(records, trips)

    def _thoroughly(self, changes: Sequence[Change], known: Known) -> Written:
        try:
            return self._step(changes, known, one_by_one=False)
        except Retry:
            return self._step(changes, known, one_by_one=True)

    def _step(self, changes: Sequence[Change], known: Known, *, one_by_one: bool) -> Written:
        trips = 0

        def run(connection: Connection) -> list[Any]:
            nonlocal trips
            step = Step(connection, known, changes, one_by_one=one_by_one)
            connection.execute(*self._opening(changes))
            self._compare(connection, known.epoch)
            records = step.run()
            if self._dialect.remote:
                self._compare(connection, known.epoch)  # by now no other can come into force before the commit
            trips = step.trips + 4 if self._dialect.remote else 1
            return records

        return Written(self._transaction(run, known), trips)

    def _opening(self, changes: Sequence[Change]) -> Any:
        return self._begin if any(not isinstance(change, Check) for change in changes) else self._begin_look

    def _compare(self, connection: Connection, epoch: str) -> None:
        found = connection.execute(self._reader.epoch_text, ()).fetchall()
        if not found or found[0][0] != epoch:
            raise changed()

    def _transaction(self, run: Callable[[Connection], Any], known: Known) -> Any:
        """Run something that begins a transaction, and commit it unless it gives None or raises."""
        connection = self._connections.take()
        committing = False
        try:
            records = run(connection)
            if records is not None:
                committing = True
                connection.execute("COMMIT", ())
        except (ManystoreError, Again, Retry):
            self._roll_back(connection)
            raise
        except self._errors as error:
            if not committing and self._dialect.verdict(error) == "taken":
                self._roll_back(connection)
                return None
            self._give_up(connection, error, known, committing=committing)
        except BaseException:
            self._connections.drop(connection)
            raise
        if records is None:
            self._roll_back(connection)
        else:
            self._connections.put(connection)
        return records

    def _give_up(self, connection: Connection, error: Exception, known: Known, *, committing: bool) -> NoReturn:
        """Raise what an error of the driver comes to."""
        verdict = self._dialect.verdict(error)
        if verdict == "again":
            self._roll_back(connection)
            raise Again from error
        self._connections.drop(connection)  # which rolls back
        if verdict == "broken":
            raise Broken(connection, committing=committing) from error
        if verdict == "missing":
            self._reader.confirm(known.epoch)  # one that the catalog has lost since
        raise self._dialect.translate(error, writing=committing) from error

    def _roll_back(self, connection: Connection) -> None:
        try:
            connection.end()
        except self._errors:
            self._connections.drop(connection)
        else:
            self._connections.put(connection)
