"""The course of an event: one of Nova's transactions after the other, from wherever the journal stands.

Each transaction also moves the journal on, so a replay that was killed knows which ones are done, and finds in the
journal the ids that the later ones need. Must not know what the transactions do. Nothing here prints or waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, TypeVar

from manystore import Conflict

from .database import Nova
from .exception import ReplayRefused
from .meter import Meter
from .model.journal import Journal
from .trace import Row

R = TypeVar("R")
# A step commits one transaction, or goes to another step, or finishes the event.
Step = Callable[[Row], None]
Found = Mapping[str, Any]  # what a transaction learned, by the journal's words
_FINISHED: Found = {
    "step": 0,
    "instance_id": None,
    "compute_node_id": None,
    "fixed_ip": None,
    "floating_ip": None,
    "volume_id": None,
    "volume_number": 0,
}


class Course:
    """Takes an event through its steps."""

    def __init__(self, db: Nova, journal: Journal, meter: Meter) -> None:
        self.db = db
        self.journal = journal
        self._meter = meter
        self._began, self._before = time.perf_counter(), journal.milliseconds
        self._uncounted = 0  # operations since the last commit
        self._steps: Sequence[Step] = ()

    @property
    def instance_id(self) -> int:
        """Give the instance in work."""
        assert self.journal.instance_id is not None
        return self.journal.instance_id

    @property
    def fixed_ip(self) -> str:
        """Give the fixed ip of the instance in work."""
        assert self.journal.fixed_ip is not None
        return self.journal.fixed_ip

    @property
    def floating_ip(self) -> str:
        """Give the floating ip of the instance in work."""
        assert self.journal.floating_ip is not None
        return self.journal.floating_ip

    @property
    def volume_id(self) -> int:
        """Give the volume in work."""
        assert self.journal.volume_id is not None
        return self.journal.volume_id

    def walk(self, steps: Sequence[Step], row: Row) -> None:
        """Take an event to its end, from the step that the journal names."""
        event, self._steps = self.journal.event, steps
        while self.journal.event == event:
            steps[self.journal.step](row)

    def go_to(self, step: Step) -> None:
        """Go on with another step; what led here is in the store, so a resumed replay comes the same way."""
        self.journal = replace(self.journal, step=self._steps.index(step))

    def go_past(self, step: Step) -> None:
        """Go on with what comes after a step."""
        self.journal = replace(self.journal, step=self._steps.index(step) + 1)

    def drop(self) -> None:
        """Go on with the next event, of which nothing is written."""
        self.journal = replace(self.journal, event=self.journal.event + 1)

    def read(self, operation: str, read: Callable[[], R]) -> R:
        """Run one of Nova's operations that reads only."""
        self._uncounted += 1
        with self._meter.measure(operation):
            return read()

    def commit(
        self,
        operation: str,
        work: Callable[[Nova], Found | None],
        *,
        finished: bool = False,
        to: Step | None = None,
        past: Step | None = None,
        **changes: Any,
    ) -> None:
        """Run one of Nova's transactions and move the journal on, both in one atomic step.

        The next step is `to`, or what comes after `past`, else what comes after this one.
        """
        self._uncounted += 1
        before, tries = self.journal, 0
        milliseconds = self._before + round((time.perf_counter() - self._began) * 1000)
        last = before.step if past is None else self._steps.index(past)
        step = last + 1 if to is None else self._steps.index(to)
        onward: Found = {**_FINISHED, "event": before.event + 1} if finished else {"step": step}

        def attempt(tx: Nova) -> Journal:
            nonlocal tries
            tries += 1
            if tries > 1:
                self._check_alone(tx)
            after = copy(before)
            after.operations, after.milliseconds = before.operations + self._uncounted, milliseconds
            for name, value in {**changes, **(work(tx) or {}), **onward}.items():
                setattr(after, name, value)
            return tx.journal.save(after)

        with self._meter.measure(operation):
            try:
                self.journal = self.db.retrying(attempt)
            except Conflict as lost:
                raise ReplayRefused(reason=f"the store is too busy: {lost}") from None
        self._uncounted = 0

    def note(self, **onward: Any) -> None:
        """Write the journal alone; onward: as for commit."""
        self.commit("journal.save", _nothing, **onward)

    def _check_alone(self, tx: Nova) -> None:
        """Refuse to go on when another replay has moved the journal: the two would do everything twice."""
        there, mine = tx.peek.journal.get(self.journal.id), self.journal
        if (there.operations, there.milliseconds) != (mine.operations, mine.milliseconds):
            raise ReplayRefused(reason="another replay is at work on this store")


def _nothing(_: Nova) -> None:
    """Do nothing beside the journal."""
