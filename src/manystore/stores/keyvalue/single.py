"""The two commonest writes, one new record and one record anew, by a way of their own: what a hopeful Step would do.

A way of half the time, because a single record that meets nothing unforeseen needs none of a step's bookkeeping.
"""

from __future__ import annotations

from ...errors import EpochChanged
from ...schema.encoding import NONE
from ...store.protocol import Change, Insert, Replace
from .protocol import Absent, Check, Exists, Key, KeyValue, Put, Same, token_of
from .shape import Keeper
from .step import CHANGED


def try_single(kv: KeyValue, keeper: Keeper, change: Change, stored: dict[Key, bytes | None]) -> tuple[int, bool]:
    """Try to write one change; give the trips and whether it is done.

    When not: what was read and may go on to be used is in stored; without that, a check failed, or nothing was tried.
    """
    if isinstance(change, Insert):
        return 1, _insert(kv, keeper, change)
    if isinstance(change, Replace) and not change.require:
        return _replace(kv, keeper, change, stored)
    return 0, False


def _insert(kv: KeyValue, keeper: Keeper, change: Insert) -> bool:
    """Try to write one new record."""
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
    """Try to write one record anew that moves no entry; otherwise leave it, as read, in stored."""
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
