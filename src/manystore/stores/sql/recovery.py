"""The recovery: what became of a step whose connection broke while it was under way.

Knows tokens and how to look at them; must not know a driver. First nothing that was sent before may be carried out any
more (the fence of each database's connections); then the writer sends the same step, with the same tokens, once more;
where that is refused, the tokens that are stored now decide. See store/outcome.py.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ...errors import Closed, ManystoreError, OutcomeUnknown, Unavailable
from ...store.outcome import UNKNOWN, Trace, is_done
from ...store.protocol import Change, Check, Delete, Insert, Patch, Wait, Written
from .connections import Connection
from .reader import Reader
from .schemas import Known

_PAUSE = 0.05
_UNASKED = "the connection broke during a commit, and the database cannot be asked what became of it"


class Broken(Exception):
    """The connection broke while a step was under way. committing: the last that was sent may have been carried out."""

    def __init__(self, lost: Connection, *, committing: bool) -> None:
        super().__init__(lost, committing)
        self.lost = lost
        self.committing = committing


class Recovery:
    """Finds out about one step. patience: seconds for which a new connection is tried."""

    def __init__(self, reader: Reader, known: Known, wait: Wait, patience: float) -> None:
        self._reader = reader
        self._known = known
        self._wait = wait
        self._patience = patience

    def fenced(self, broken: Broken) -> Connection:
        """Give a new connection, once nothing sent on the lost one can be carried out any more.

        Raises OutcomeUnknown, or Unavailable when nothing had been told to commit.
        """
        connections = self._reader.connections
        connections.forget()  # all of one server: what broke one of them broke the others
        if broken.committing and not connections.can_fence:
            raise OutcomeUnknown(_UNASKED)
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return connections.fence(broken.lost)
            except Closed:
                raise
            except Unavailable as reason:
                if time.monotonic() >= deadline:
                    if broken.committing:
                        raise OutcomeUnknown(_UNASKED) from reason
                    raise
                self._wait(_PAUSE)

    def unknown(self) -> OutcomeUnknown:
        """Make the error for what cannot be decided."""
        return OutcomeUnknown(UNKNOWN)

    def settled(self, changes: Sequence[Change], refused: ManystoreError) -> Written:
        """Say what became of the first sending, when the second was refused."""
        rows = {at: self._stored(change) for at, change in enumerate(changes) if not isinstance(change, Check)}
        if not rows:
            raise refused  # nothing but checks: the second answer is as good as the first
        done = is_done([_trace(changes[at], row) for at, row in rows.items()])
        if done is None:
            raise OutcomeUnknown(UNKNOWN) from refused
        if not done:
            raise refused
        return Written([self._record(change, rows.get(at)) for at, change in enumerate(changes)], 1)

    def _stored(self, change: Any) -> Any:
        mutation = self._known.mutation(change.collection)
        found = self._reader.rows(*mutation.record(mutation.key_of(change)), "")
        return found[0] if found else None

    def _record(self, change: Change, row: Any) -> Any:
        if not isinstance(change, Patch) or change.codec is None:
            return None
        width = len(change.collection.fields)
        if row is None or row[width] != change.revision:
            raise OutcomeUnknown("the connection broke; the change was made, but what it made has been overwritten")
        return change.codec.load(row[: width + 2])


def is_guarded(changes: Sequence[Change]) -> bool:
    """Tell whether a step that was carried out is refused when it is sent again: by a token that is no more, or a key.

    A step of nothing but patches and deletions of whatever is there is not.
    """
    return any(
        isinstance(change, Insert) or (not isinstance(change, Check) and change.expected is not None)
        for change in changes
    )


def _trace(change: Any, row: Any) -> Trace:
    now, before = (None, None) if row is None else (row[-3], row[-1])
    ours = None if isinstance(change, Delete) else change.revision
    expected = None if isinstance(change, Insert) else change.expected
    return Trace(ours, expected, now, before)
