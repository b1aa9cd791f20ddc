"""The recovery: what became of a step whose connection broke while it was under way.

Knows slots, tokens and how to look at them; must not know a driver. First nothing that was sent before may be carried
out any more (the fence of each database's connections); then the step's slot tells whether it was (slot.py) or, where
that is as good as always enough, the tokens of the record that it changes (store/outcome.py): a lone save is spared the
price of a slot. After a no the step never will be carried out, so the writer sends it again like a new one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ...errors import OutcomeUnknown, Unavailable
from ...store.outcome import UNKNOWN, Trace, is_done
from ...store.protocol import Change, Check, Patch, Replace, Wait
from .connections import Connection
from .reader import Reader
from .schemas import Known
from .slot import Slot, Slots

_PAUSE = 0.05
_UNASKED = "the connection broke during a commit, and the database cannot be asked what became of it"
_OVERWRITTEN = "the connection broke; the change was made, but what it made has been overwritten"
_UNREAD = "the connection broke; the change was made, but what it made cannot be read"


class Broken(Exception):
    """The connection broke while a step was under way. committing: the last that was sent may have been carried out."""

    def __init__(self, lost: Connection, *, committing: bool) -> None:
        super().__init__(lost, committing)
        self.lost = lost
        self.committing = committing


class Recovery:
    """Finds out about steps. patience: seconds for which a new connection is tried."""

    def __init__(self, reader: Reader, slots: Slots, wait: Wait, patience: float) -> None:
        self._reader = reader
        self._connections = reader.connections
        self._slots = slots
        self._wait = wait
        self._patience = patience

    def is_done(self, broken: Broken, changes: Sequence[Change], known: Known, slot: Slot | None) -> bool:
        """Tell whether a step was carried out; after a no it never will be.

        Raises OutcomeUnknown, or Unavailable when nothing had been told to commit.
        """
        self._connections.forget()  # all of one server: what broke one of them broke the others
        deadline = time.monotonic() + self._patience
        while True:
            try:
                found = self._asked(broken, changes, known, slot)
            except Unavailable as reason:
                if time.monotonic() >= deadline:
                    if broken.committing:
                        raise OutcomeUnknown(_UNASKED) from reason
                    raise
                self._wait(_PAUSE)
            else:
                if found is None:
                    raise OutcomeUnknown(UNKNOWN)
                return found

    def _asked(self, broken: Broken, changes: Sequence[Change], known: Known, slot: Slot | None) -> bool | None:
        connections = self._connections
        connection = connections.fence(broken.lost) if connections.can_fence else connections.opened()
        found: bool | None = False
        if broken.committing:
            try:
                found = _by_tokens(connection, changes, known) if slot is None else self._slots.holds(connection, slot)
            except known.dialect.errors as error:
                connections.drop(connection)
                raise Unavailable(_UNASKED) from error
        connections.put(connection)
        # Without a fence a no may still become a yes.
        return None if broken.committing and not found and not connections.can_fence else found

    def records(self, changes: Sequence[Change], known: Known) -> list[Any]:
        """Give what write gives, for a step that was carried out."""
        return [self._record(change, known) for change in changes]

    def _record(self, change: Change, known: Known) -> Any:
        if not isinstance(change, Patch) or change.codec is None:
            return None
        try:
            rows = self._reader.rows(*known.mutation(change.collection).record(change.key), "")
        except Unavailable as reason:
            raise OutcomeUnknown(_UNREAD) from reason
        width = len(change.collection.fields)
        if not rows or rows[0][width] != change.revision:
            raise OutcomeUnknown(_OVERWRITTEN)
        return change.codec.load(rows[0][: width + 2])


def needs_slot(changes: Sequence[Change]) -> bool:
    """Tell whether only a slot says for certain what became of a step.

    A change of one record that had to have a certain token, and that stays, is told by the tokens that the record has
    then, unless others write it twice meanwhile. A step of nothing but checks may be sent again in any case.
    """
    change = changes[0]
    if len(changes) == 1 and isinstance(change, (Replace, Patch)):
        return change.expected is None
    return not all(isinstance(change, Check) for change in changes)


def _by_tokens(connection: Connection, changes: Sequence[Change], known: Known) -> bool | None:
    change = changes[0]
    if not isinstance(change, (Replace, Patch)):
        return False
    mutation = known.mutation(change.collection)
    rows = connection.execute(*mutation.record(mutation.key_of(change))).fetchall()
    return is_done([Trace(change.revision, change.expected, row[-3], row[-1]) for row in rows])
