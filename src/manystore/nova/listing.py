"""The listing of Nova's interface: how each operation reads, on the store at hand.

Access paths are not foretold: each operation is called on a sample cloud in that store, within a transaction that is
given up at its end, so that the next one finds the same cloud; what it read is noted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from manystore import Call, Duplicate, ManystoreError

from .compat.call import Call as Function
from .context import get_admin_context
from .database import Nova
from .interface import OPERATIONS
from .operation import Operation
from .sample import Sample

_SCAN = "scan of "
_OWN = "_"  # what the collections begin with that manystore keeps for itself, as its counters


@dataclass(frozen=True, slots=True)
class Walk:
    """What an operation read. steps: (collection, access) in order; round_trips: waits for these and for new ids.

    error: the name of the error that it ended in, if any.
    """

    steps: tuple[tuple[str, str], ...]
    round_trips: int
    error: str | None = None

    @property
    def scans(self) -> tuple[str, ...]:
        """Give the collections that were read from end to end."""
        return tuple(collection for collection, access in self.steps if access.startswith(_SCAN))


class NotEmpty(ManystoreError):
    """The store where the sample cloud was to be holds one already, or something else of Nova's."""


class _GivenUp(Exception):
    """Ends a transaction without a commit."""


def walks(url: str, operations: Iterable[Operation] = OPERATIONS, *, prefix: str = "") -> dict[str, Walk]:
    """Call operations on a sample cloud in an empty store; give what each read, by its function of 2011.

    Raises NotEmpty.
    """
    calls: list[Call] = []
    with Nova.connect(url, prefix=prefix, on_call=calls.append) as db:
        try:
            sample = Sample(db)
        except Duplicate:
            raise NotEmpty(f"{url.partition(':')[0]}: the sample cloud needs an empty store") from None
        return {operation.function: _walk(db, operation, sample, calls) for operation in operations}


def _walk(db: Nova, operation: Operation, sample: Sample, calls: list[Call]) -> Walk:
    error = None
    calls.clear()
    try:
        with db.transaction() as tx:
            Function(operation, tx.for_context)(get_admin_context(), *sample.arguments(operation))
            raise _GivenUp
    except _GivenUp:
        pass
    except ManystoreError as failed:
        error = type(failed).__name__
    reads = [call for call in calls if call.access]
    steps = dict.fromkeys((call.collection, call.access) for call in reads if not call.collection.startswith(_OWN))
    return Walk(tuple(steps), sum(call.round_trips for call in reads), error)
