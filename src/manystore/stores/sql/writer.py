"""The writer: one change goes as one guarded statement, several go in one transaction.

Knows connections and when a write counts as made; hope.py and step.py know the order and the rules. A step that others'
locks undid is begun again after a random pause, until the database's timeout. Each marks its slot (slot.py), by which
recovery.py says what became of one whose connection broke.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NoReturn

from ...errors import ManystoreError, OutcomeUnknown, Unavailable
from ...store.protocol import Change, Check, Wait, Written
from .connections import Bound, Connection
from .hope import Hope
from .reader import Reader, changed
from .recovery import Broken, Recovery, needs_slot
from .schemas import Known
from .slot import Slot, Slots
from .step import Again, Retry, Step

_PAUSE, _LONGEST_PAUSE = 0.002, 0.1
_SENDINGS = 2
_UNDONE = "other writers kept this one from being carried out; nothing was written"
_BROKEN = "the connection broke twice; nothing was written"


class Writer:
    """Writes to one database. patience: seconds for which a step is begun again that others' locks undid."""

    def __init__(self, reader: Reader, wait: Wait, patience: float) -> None:
        self._reader = reader
        self._connections = reader.connections
        self._dialect = reader.dialect
        self._errors = reader.dialect.errors
        self._known: Known | None = None
        self._slots = Slots(reader.layout)
        self._recovery = Recovery(reader, self._slots, wait, patience)
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
        if not self._dialect.remote or not needs_slot(changes):
            return self._sent(changes, known, None)
        slot = self._slots.take()
        try:
            written = self._sent(changes, known, slot)
        except OutcomeUnknown:
            raise  # something that writes the slot may still be under way
        except ManystoreError:
            self._slots.give(slot)
            raise
        slot.is_stored = True
        self._slots.give(slot)
        return written

    def close(self) -> None:
        """Leave no slots behind."""
        self._slots.close(self._connections)

    def _learn(self, epoch: str) -> Known:
        catalog = self._reader.catalog()
        if catalog is None or catalog.epoch != epoch:
            raise changed()
        if self._dialect.remote:
            self._slots.clean(self._connections)
        self._known = known = Known(catalog, self._reader.layout)
        return known

    def _sent(self, changes: Sequence[Change], known: Known, slot: Slot | None) -> Written:
        """Send a step, and once more when its connection broke and it was not carried out."""
        for _ in range(_SENDINGS):
            try:
                return self._until_made(changes, known, slot)
            except Broken as broken:
                if self._recovery.is_done(broken, changes, known, slot):
                    return Written(self._recovery.records(changes, known), 1)
        raise Unavailable(_BROKEN)

    def _until_made(self, changes: Sequence[Change], known: Known, slot: Slot | None) -> Written:
        """Begin a step again as long as others undo it."""
        try:
            return self._once(changes, known, slot)
        except Again:
            deadline = time.monotonic() + self._patience
        for attempt in count():
            self._wait(random.uniform(0, min(_LONGEST_PAUSE, _PAUSE * 2**attempt)))
            try:
                return self._once(changes, known, slot)
            except Again:
                if time.monotonic() >= deadline:
                    break
        raise Unavailable(_UNDONE)

    def _once(self, changes: Sequence[Change], known: Known, slot: Slot | None) -> Written:
        if len(changes) == 1 and (slot is None or self._slots.can_run_alone):
            change = changes[0]
            if not isinstance(change, Check):
                bound = known.alone(change)
                if bound is not None:
                    return self._alone(change, bound, known, slot) or self._thoroughly(changes, known, slot)
        return self._hopefully(changes, known, slot) or self._thoroughly(changes, known, slot)

    def _alone(self, change: Any, bound: Bound, known: Known, slot: Slot | None) -> Written | None:
        """Make one change with one statement; None when something stands in its way, whatever it is."""
        codec = getattr(change, "codec", None)
        connection = self._connections.take()
        try:
            if slot is not None:
                rows = self._slots.run_alone(connection, bound, slot, returning=codec is not None)
            else:
                cursor = connection.repeat(*bound)
                rows = [()] * cursor.rowcount if codec is None else cursor.fetchall()
        except self._errors as error:
            verdict = self._dialect.verdict(error)
            if verdict == "missing" and known.is_signed:
                known.is_signed = False  # another epoch is in force, or its deployer died: the catalog's row tells
            elif verdict != "taken":
                self._give_up(connection, error, known, committing=True)
            self._roll_back(connection)
            return None
        except BaseException:
            self._connections.drop(connection)
            raise
        self._connections.put(connection)
        return Written([None if codec is None else codec.load(rows[0])], 1) if rows else None

    def _hopefully(self, changes: Sequence[Change], known: Known, slot: Slot | None) -> Written | None:
        """Send everything at once, and commit when all is as hoped; None when it is not."""
        hope = Hope(known, changes, self._reader.epoch_text)
        batch = [self._opening(changes), *hope.texts, *self._marks(slot)]
        trips = 1

        def run(connection: Connection) -> list[Any] | None:
            nonlocal trips
            before = connection.waits
            answers = connection.send(batch)[1 : 1 + len(hope.texts)]
            trips += connection.waits - before
            return hope.records(changes, answers) if hope.fits(answers) else None

        records = self._transaction(run, known)
        return None if records is None else Written(records, trips)

    def _thoroughly(self, changes: Sequence[Change], known: Known, slot: Slot | None) -> Written:
        try:
            return self._step(changes, known, slot, one_by_one=False)
        except Retry:
            return self._step(changes, known, slot, one_by_one=True)

    def _step(self, changes: Sequence[Change], known: Known, slot: Slot | None, *, one_by_one: bool) -> Written:
        trips = 0

        def run(connection: Connection) -> list[Any]:
            nonlocal trips
            step = Step(connection, known, changes, one_by_one=one_by_one)
            connection.execute(*self._opening(changes))
            self._compare(connection, known.epoch)
            records = step.run()
            if self._dialect.remote:
                # By now no other can come into force before the commit.
                self._compare(connection, known.epoch, self._marks(slot))
            trips = step.trips + 4 if self._dialect.remote else 1
            return records

        return Written(self._transaction(run, known), trips)

    def _opening(self, changes: Sequence[Change]) -> Any:
        return self._begin if any(not isinstance(change, Check) for change in changes) else self._begin_look

    def _marks(self, slot: Slot | None) -> list[Bound]:
        return [] if slot is None else [self._slots.mark(slot)]

    def _compare(self, connection: Connection, epoch: str, marks: Sequence[Bound] = ()) -> None:
        """Raise EpochChanged unless this epoch is in force; run what else goes with the same wait."""
        found = connection.send([*marks, (self._reader.epoch_text, ())])[-1][1]
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
        if verdict == "stale":
            self._connections.forget()
            raise Again from error
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
