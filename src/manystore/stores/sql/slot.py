"""Slots: rows of a writer's own, one for each step under way. By them a step whose reply was lost is decided.

A step also writes a number of its own into its slot, in the same transaction. So once nothing that was sent before can
be carried out any more (the fence of each database's connections), one look at the row tells for good whether the step
was. A row that nobody has written for a day is taken for one of a program that is gone. Knows rows and numbers; must
not know changes.
"""

from __future__ import annotations

import os
import secrets
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from .connections import Bound, Connection, Connections
from .dialect import Row
from .tables import Layout

_OLD, _MOST = "INTERVAL '1' DAY", 1000  # rows that are cleaned away at a time
_SECONDS = 1.0  # for which a closing store waits


class Slot:
    """A row that one step uses at a time. number: what the last try writes there; is_stored: the row was made."""

    __slots__ = ("is_stored", "name", "number")

    def __init__(self) -> None:
        self.name = secrets.randbits(63)
        self.number = 0
        self.is_stored = False

    def anew(self) -> tuple[int, int]:
        """Give the name, and a number for the next try."""
        self.number += 1
        return self.name, self.number


class Slots:
    """The slots of one store in this process."""

    def __init__(self, layout: Layout) -> None:
        dialect = self._dialect = layout.dialect
        self._table = table = dialect.quoted(layout.writers.name)
        old = f"seen < {dialect.now} - {_OLD}"
        self._mark = self._mark_text(1, "")
        self._look = f"SELECT number FROM {table} WHERE name = {dialect.placeholder(1)}"
        self._old = f"SELECT name FROM {table} WHERE {old} LIMIT {_MOST}"
        self._delete = f"DELETE FROM {table} WHERE name IN"
        self._is_old = old
        self._marked: dict[str, str] = {}
        self.can_run_alone = bool(dialect.marked)  # run_alone may be called
        self._renew()

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._free: deque[Slot] = deque()

    def take(self) -> Slot:
        """Give a slot to use alone; hand it back once nothing that writes it can still be under way."""
        if self._pid != os.getpid():
            self._renew()  # a child has slots of its own
        with suppress(IndexError):
            return self._free.pop()
        return Slot()

    def give(self, slot: Slot) -> None:
        """Take back a slot."""
        self._free.append(slot)

    def mark(self, slot: Slot) -> Bound:
        """Write the statement that marks a transaction as this try of a step."""
        return self._mark, slot.anew()

    def run_alone(self, connection: Connection, bound: Bound, slot: Slot, *, returning: bool) -> Sequence[Row]:
        """Run a statement that changes one record and, if it does, mark that, in one atomic step and with one wait.

        Gives the row that the statement gives (returning), or any; no row: it changed nothing.
        """
        text, values = bound
        marked = self._marked.get(text) or self._marked_text(text, len(values), returning=returning)
        cursor = connection.repeat(marked, (*values, *slot.anew()))
        if returning:
            rows: Sequence[Row] = cursor.fetchall()
            return rows
        return [()] * cursor.rowcount if self._dialect.returning else [()]

    def _marked_text(self, text: str, size: int, *, returning: bool) -> str:
        dialect = self._dialect
        made, giving = (" FROM made", " RETURNING 1") if dialect.returning else ("", "")
        mark = self._mark_text(size + 1, made)
        if returning:
            marked = dialect.marked_row.format(text=text, mark=mark)
        else:
            marked = dialect.marked.format(text=text + giving, mark=mark)
        self._marked[text] = marked
        return marked

    def _mark_text(self, first: int, made: str) -> str:
        name, number = map(self._dialect.placeholder, (first, first + 1))
        return self._dialect.mark.format(table=self._table, name=name, number=number, made=made)

    def holds(self, connection: Connection, slot: Slot) -> bool | None:
        """Tell whether the last try that used this slot was carried out; None when the slot is gone."""
        found = connection.execute(self._look, (slot.name,)).fetchall()
        if not found and slot.is_stored:
            return None
        return bool(found) and found[0][0] == slot.number

    def clean(self, connections: Connections) -> None:
        """Delete rows of programs that are gone."""
        connection = connections.take()
        try:
            if old := connection.execute(self._old, ()).fetchall():
                names = ", ".join([str(name) for (name,) in old])
                connection.execute(f"{self._delete} ({names}) AND {self._is_old}", ())
        except self._dialect.errors:
            connections.drop(connection)  # they can wait
        except BaseException:
            connections.drop(connection)
            raise
        else:
            connections.put(connection)

    def close(self, connections: Connections) -> None:
        """Delete the rows of all slots that nobody uses; when that fails, they are cleaned away some day."""
        names = [str(slot.name) for slot in list(self._free) if slot.is_stored] if self._pid == os.getpid() else []
        self._renew()
        connection = connections.spare() if names else None
        if connection is not None:
            with suppress(*self._dialect.errors):
                connection.hurry(_SECONDS)
                connection.execute(f"{self._delete} ({', '.join(names)})", ())
            connections.drop(connection)
