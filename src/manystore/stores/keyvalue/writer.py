"""Writing over any key-value store: tries at one atomic step, until it is done or something of the caller's is wrong.

A check that fails says only that somebody was faster or that the write is refused; a thorough try tells which.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import EpochChanged, NotFound, OutOfBounds, Unavailable, WriteRefused
from ...schema.encoding import NONE
from ...store.protocol import Change, Insert, Replace, Written
from .claim import judge_claims
from .protocol import Absent, Check, Exists, Key, KeyValue, Put, Same, token_of
from .referrers import Referrers
from .shape import Keeper
from .step import CHANGED, Raced, Step

_TRIES = 100


def write(kv: KeyValue, keeper: Keeper, changes: Sequence[Change]) -> Written:
    """Carry out all changes in one commit, or raise what store/protocol.py says."""
    trips, is_thorough = 0, False
    stored: dict[Key, bytes | None] = {}
    if len(changes) == 1:
        alone = changes[0]
        if isinstance(alone, Insert):
            trips, is_thorough = 1, True
            if _insert(kv, keeper, alone):
                return Written([None], trips)
        elif isinstance(alone, Replace) and not alone.require:
            trips, is_done = _replace(kv, keeper, alone, stored)
            if is_done:
                return Written([None], trips)
    for _ in range(_TRIES):
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


def _insert(kv: KeyValue, keeper: Keeper, change: Insert) -> bool:
    """Try to write one new record, the commonest step of all, by a way of its own: what a hopeful Step would do."""
    shape = keeper.shape(change.collection)
    upkeep, space, name = shape.upkeep, shape.space, shape.name(change.values)
    data, watched = shape.inserted(change.values, f"{change.revision:016x}")
    texts = upkeep.texts(watched, name)
    checks: list[Check] = [Absent((space, name))]
    puts: list[Put] = [(space, name, data)]
    puts += [(entries, "".join(pick(texts)), b"") for entries, pick in upkeep.entries]
    for claim in upkeep.claims:
        if (claimed := claim.name(texts)) is not None:
            checks.append(Absent((claim.space, claimed)))
            puts.append((claim.space, claimed, name.encode()))
    for pointer in upkeep.pointers:
        if (target := texts[pointer.place]) != NONE:
            if pointer.targets != space or target != name:
                checks.append(Exists((pointer.targets, target)))
            puts.append((pointer.space, target + pointer.tail + name, b""))
    return kv.commit(checks, puts, (), epoch=keeper.epoch) is None


def _replace(kv: KeyValue, keeper: Keeper, change: Replace, stored: dict[Key, bytes | None]) -> tuple[int, bool]:
    """Try to write one record anew that moves nothing; give the trips, and whether it is done.

    What was read is left in stored, for the Step that goes on when it is not done.
    """
    shape = keeper.shape(change.collection)
    key = (shape.space, shape.name(change.values))
    got = kv.get((key,))
    if got.epoch != keeper.epoch:
        raise EpochChanged(CHANGED)
    data = got.values[0]
    token = f"{change.expected:016x}"
    if data is not None and token_of(data) == token:
        new, was, will = shape.replaced(data, change.values, (f"{change.revision:016x}", token))
        if was == will:
            is_done = kv.commit((Same(key, token),), ((*key, new),), (), epoch=keeper.epoch) is None
            return 2, is_done
    stored[key] = data
    return 1, False


def _prepare(step: Step) -> None:
    step.open()
    if step.gone:
        Referrers(step).apply()
    if step.is_thorough:
        step.look_ahead()
    step.judge_references()
    step.close()
    judge_claims(step)
