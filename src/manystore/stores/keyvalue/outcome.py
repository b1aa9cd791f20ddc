"""The outcome of a commit whose connection broke: carried out, not carried out, or not to be told.

Knows the inner waist; must not know a driver. There are two ways. A store whose commits each write a slot, a place of
the writer's own, calls `through`: one look at the slot tells, and shuts the commit out if it is still on its way; only
where the slot is gone do the tokens decide (store/outcome.py). A store without slots fences first, so that what it sent
before cannot be carried out later; then it calls `settle`, which sends the same commit once more and, where that is
refused, looks at the tokens. That leaves one case open: a create that others delete in between is made again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import Closed, EpochChanged, OutcomeUnknown, StoreError, Unavailable, URLError
from ...store.outcome import UNKNOWN, Trace, is_done
from .protocol import CATALOG, Check, Key, Put, Same, Values, head_of, previous_of, token_of

NOT_ASKED = "the connection broke during a commit, and the store cannot be asked what became of it"


class Broken(Exception):
    """The reply to a commit was lost: it may have been carried out, or may still be. slot: what the commit wrote to."""

    def __init__(self, slot: Any = None) -> None:
        super().__init__()
        self.slot = slot


def through(
    broken: Broken,
    send: Callable[[], int | None],
    ask: Callable[[Any], bool | None],
    get: Callable[[Sequence[Key]], Values],
    *,
    parts: tuple[Sequence[Check], Sequence[Put], Sequence[Key]],
    seconds: float,
) -> int | None:
    """Give what `commit` gives, of a commit with slots that broke.

    What was not carried out is sent again, for some seconds at most; raises OutcomeUnknown, and whatever `send` does.
    send: raises Broken with the slot when the reply is lost; without one when nothing was to be written. ask: tells by
    a slot whether its commit was carried out, and after a no it never will be; None when the slot is gone, and then it
    never will be from now on.
    """
    until = time.monotonic() + seconds
    while True:
        if broken.slot is not None and _was_carried_out(broken.slot, ask, get, parts):
            return None
        if time.monotonic() >= until:
            raise Unavailable("the store did not answer in time; nothing was written")
        try:
            return send()
        except Broken as error:
            broken = error


def _was_carried_out(
    slot: Any,
    ask: Callable[[Any], bool | None],
    get: Callable[[Sequence[Key]], Values],
    parts: tuple[Sequence[Check], Sequence[Put], Sequence[Key]],
) -> bool:
    try:
        answer = ask(slot)
        if answer is None:
            answer = _decided(get, *parts)
    except OutcomeUnknown:
        raise
    except (Broken, StoreError, URLError, Closed) as error:
        raise OutcomeUnknown(NOT_ASKED) from error
    if answer is None:
        raise OutcomeUnknown(UNKNOWN)
    return answer


def settle(
    again: Callable[[], int | None],
    get: Callable[[Sequence[Key]], Values],
    checks: Sequence[Check],
    puts: Sequence[Put],
    deletes: Sequence[Key],
) -> int | None:
    """Give what `commit` gives, for a commit whose reply was lost; raise OutcomeUnknown or EpochChanged.

    again: sends the same commit once more; it raises Broken when that reply is lost as well. get: as of the waist.
    A create that somebody deletes between the two sendings is made again; an idempotency key in the same commit
    excludes it, and so do slots.
    """
    changed: EpochChanged | None = None
    failing: int | None = None
    try:
        failing = again()
    except EpochChanged as error:
        changed = error
    if failing is None and changed is None:
        return None
    done = _decided(get, checks, puts, deletes)
    if done is None:
        raise OutcomeUnknown(UNKNOWN)
    if done:
        return None
    if changed is not None:
        raise changed
    return failing


def _decided(
    get: Callable[[Sequence[Key]], Values], checks: Sequence[Check], puts: Sequence[Put], deletes: Sequence[Key]
) -> bool | None:
    """Tell whether a commit was carried out, by what is stored now; None when that does not tell."""
    written = {(space, name): value for space, name, value in puts if space[:2] in ("r:", "c:")}
    gone = [key for key in deletes if key[0][:2] == "r:" and key not in written]
    if not written and not gone:
        return False  # nothing but checks: the second answer is as good as the first
    keys = [*written, *gone]
    stored = dict(zip(keys, get(keys).values, strict=True))
    if CATALOG in written:
        return stored[CATALOG] == written[CATALOG]  # each catalog has an epoch of its own
    expected = {check.key: check.token for check in checks if isinstance(check, Same)}
    reshaped = [key for key, value in written.items() if expected.get(key) == token_of(value)]
    if reshaped:
        # Under the same token only the version tells. Nobody else brings a record into another shape than we would.
        return any((now := stored[key]) is not None and now.startswith(head_of(written[key])) for key in reshaped)
    return is_done([_trace(written.get(key), expected.get(key), stored[key]) for key in keys])


def _trace(ours: bytes | None, expected: str | None, now: bytes | None) -> Trace:
    token = None if ours is None else token_of(ours)
    return (
        Trace(token, expected, None, None) if now is None else Trace(token, expected, token_of(now), previous_of(now))
    )
