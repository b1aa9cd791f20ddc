"""Writing over any key-value store: tries at one atomic step, until it is done or something of the caller's is wrong.

A check that fails says only that somebody was faster or that the write is refused; a thorough try tells which.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from ...errors import NotFound, OutOfBounds, Unavailable, WriteRefused
from ...store.protocol import Change, Wait, Written
from .claim import judge_claims
from .hopeful import try_hopefully
from .protocol import Key, KeyValue
from .referrers import Referrers
from .shape import Keeper
from .step import Raced, Step

_TRIES = 100
_AT_ONCE = 2  # tries without a pause between them: most races have two runners
_SHORTEST_WAIT, _LONGEST_WAIT = 0.0005, 0.05


def write(kv: KeyValue, keeper: Keeper, changes: Sequence[Change], wait: Wait) -> Written:
    """Carry out all changes in one commit, or raise what store/protocol.py says."""
    stored: dict[Key, bytes | None] = {}
    trips, is_done = try_hopefully(kv, keeper, changes, stored)
    if is_done:
        return Written([None] * len(changes), trips)
    is_thorough = trips > 0 and not stored
    for attempt in range(_TRIES):
        if attempt > _AT_ONCE:
            wait(random.uniform(0, min(_LONGEST_WAIT, _SHORTEST_WAIT * 2**attempt)))
        step = Step(kv, keeper, changes, stored, is_thorough=is_thorough)
        try:
            _prepare(step)
        except Raced:
            is_done = False
        except (WriteRefused, NotFound, OutOfBounds):
            if step.is_sure and step.is_settled():
                raise
            is_done = False
        else:
            is_done = kv.commit(step.checks, step.puts, step.deletes, epoch=keeper.epoch) is None
            trips += 1
        trips += step.trips
        if is_done:
            return Written(step.results(), trips)
        is_thorough, stored = True, {}
    raise Unavailable(f"other writers were faster {_TRIES} times; nothing was written")


def _prepare(step: Step) -> None:
    step.open()
    if step.gone:
        Referrers(step).apply()
    if step.is_thorough:
        step.look_ahead()
    step.judge_references()
    step.close()
    judge_claims(step)
