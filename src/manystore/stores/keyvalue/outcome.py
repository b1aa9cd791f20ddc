"""The outcome of a commit whose connection broke: carried out, not carried out, or not to be told.

The tokens decide (store/outcome.py). Knows the inner waist; must not know a driver. A store fences first, so that what
it sent before cannot be carried out later; then calls `settle`, which sends the same commit once more and, where that
is refused, looks at the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import EpochChanged, OutcomeUnknown
from ...store.outcome import UNKNOWN, Trace, is_done
from .protocol import CATALOG, Check, Key, Put, Same, Values, previous_of, token_of


class Broken(Exception):
    """The reply to a commit was lost: it may have been carried out, or may still be."""


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
    excludes it.
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
    return is_done([_trace(written.get(key), expected.get(key), stored[key]) for key in keys])


def _trace(ours: bytes | None, expected: str | None, now: bytes | None) -> Trace:
    token = None if ours is None else token_of(ours)
    return (
        Trace(token, expected, None, None) if now is None else Trace(token, expected, token_of(now), previous_of(now))
    )
