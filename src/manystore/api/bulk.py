"""Bulk work outside a transaction: a series of atomic steps within the limit, which tells how far it got.

Knows mappers, changes and limits; writing.py calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

from ..errors import Closed, Conflict, EpochChanged, ManystoreError, NotFound, OutcomeUnknown, Unavailable
from ..model.slotted import REVISION
from ..query.predicate import Predicate
from ..store.protocol import Change, Delete
from .mapper import Mapper
from .reading import Reading
from .undo import Undo

_TRIES = 100
_FINAL = (Closed, EpochChanged, OutcomeUnknown, Unavailable)
"""Errors that smaller steps would meet as well, or after which nobody knows what was written."""


class Bulk:
    """Bulk work on one model."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._engine = reading.engine
        self._mapper: Mapper = reading.mapper

    def create(self, records: Sequence[Any], restore: Undo) -> None:
        """Store new records; all are checked before the first is written."""
        try:
            changes = [self._mapper.insert(record) for record in records]
            steps = list(self._steps(changes))
        except BaseException:
            restore.undo()
            raise
        done, joined = 0, self._engine.joined_steps(self._mapper.collection)
        try:
            for at in range(0, len(steps), joined):
                for step in self._created(steps[at : at + joined]):
                    for change in step:
                        object.__setattr__(records[done], REVISION, change.revision)  # type: ignore[union-attr]
                        done += 1
        except ManystoreError as error:
            restore.undo(done, records)
            raise _told(error, "create_all", done, len(records)) from None

    def _created(self, steps: Sequence[list[Change]]) -> Iterator[Sequence[Change]]:
        """Carry out some steps, all in one if the store takes them so; give what is stored as soon as it is.

        How far a bulk create gets is decided by its steps, on every store alike. So when all in one are refused, which
        leaves nothing written, they are carried out one by one.
        """
        joined = list(chain.from_iterable(steps))
        if len(steps) > 1 and self._is_created(joined):
            yield joined
            return
        for step in steps:
            self._engine.write(step, "create_all")
            yield step

    def _is_created(self, joined: Sequence[Change]) -> bool:
        """Carry out several steps as one; False when that is refused."""
        try:
            self._engine.write(joined, "create_all")
        except _FINAL:
            raise
        except ManystoreError:
            return False  # one of the steps meets it again, or it has gone
        return True

    def update(self, where: Predicate, sets: dict[str, Any], *, scan: bool, operation: str = "update_where") -> int:
        """Set fields of every match; a record that changed meanwhile is looked at again."""
        mapper, clock = self._mapper, self._engine.clock

        def change(record: Any) -> Change:
            mapper.weigh(record, sets)
            stamped = {**mapper.stamps(mapper.updated, clock), **sets}
            return mapper.patch(mapper.codec.key(record), stamped, expected=getattr(record, REVISION))

        return self._each(where, change, operation, scan=scan)

    def delete(self, where: Predicate, operation: str, *, scan: bool) -> int:
        """Delete every match for good; a record that changed meanwhile is looked at again."""
        mapper = self._mapper

        def change(record: Any) -> Change:
            return Delete(mapper.collection, mapper.codec.key(record), getattr(record, REVISION))

        return self._each(where, change, operation, scan=scan)

    def _each(self, where: Predicate, change: Callable[[Any], Change], operation: str, *, scan: bool) -> int:
        found, plan, values = self._reading.read_rows(where, operation, scan=scan)
        assert plan.matches is not None
        done, start = 0, 0
        for step in self._steps([change(record) for record in found]):
            records = found[start : start + len(step)]
            start += len(step)
            try:
                try:
                    self._engine.write(step, operation)
                    done += len(step)
                except (Conflict, NotFound):
                    for record in records:
                        done += self._again(record, plan.matches, values, change, operation)
            except ManystoreError as error:
                raise _told(error, operation, done, len(found)) from None
        return done

    def _again(
        self, record: Any, matches: Callable[..., bool], values: Any, change: Callable[[Any], Change], operation: str
    ) -> int:
        """Do one record by itself, reading it anew while others change it; 1 when done, 0 when it no longer matches."""
        present = record
        for _ in range(_TRIES):
            try:
                self._engine.write([change(present)], operation)
            except (Conflict, NotFound):
                try:
                    present = Reading.one(self._reading, self._mapper.key_of(record), operation, deleted="any")
                except NotFound:
                    return 0
                if not matches(present, values):
                    return 0
            else:
                return 1
        raise Conflict(self._mapper.name, self._mapper.key_of(record))

    def _steps(self, changes: Sequence[Change]) -> Iterator[list[Change]]:
        """Cut changes into steps that the limit allows."""
        limits, step, operations, size = self._engine.limits, list[Change](), 0, 0
        weigh = self._engine.weight
        for change in changes:
            cost, weight = weigh(change)
            if step and (operations + cost > limits.operations or size + weight > limits.bytes):
                yield step
                step, operations, size = [], 0, 0
            if cost > limits.operations or weight > limits.bytes:
                self._engine.check_size([change])
            step.append(change)
            operations, size = operations + cost, size + weight
        if step:
            yield step


def _told(error: ManystoreError, operation: str, done: int, of: int) -> ManystoreError:
    error.done = done
    error.add_note(f"{operation}: {done:,} of {of:,} done before this")
    return error
