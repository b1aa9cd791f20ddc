"""The outcome of a commit whose connection broke: carried out, not carried out, or not to be told.

Every record keeps the token of the write before the last one, so one overwrite by others hides nothing. Knows the inner
waist; must not know a driver. A store fences first, so that what it sent before cannot be carried out later; then calls
`settle`, which sends the same commit once more and, where that is refused, looks at the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import EpochChanged, OutcomeUnknown
from .protocol import CATALOG, Absent, Check, Key, Put, Same, Values, previous_of, token_of

UNKNOWN = "the connection broke during a commit, and others have written since: whether it was carried out is unknown"


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
    is_done = _is_done(get, checks, puts, deletes)
    if is_done is None:
        raise OutcomeUnknown(UNKNOWN)
    if is_done:
        return None
    if changed is not None:
        raise changed
    return failing


def _is_done(
    get: Callable[[Sequence[Key]], Values], checks: Sequence[Check], puts: Sequence[Put], deletes: Sequence[Key]
) -> bool | None:
    """Tell whether a commit was carried out, by what is stored now; None when that does not tell. One step decides all.

    Told yes: a record has our token, or was overwritten once since. Told no: a record that we would have changed still
    has the token we checked, or was overwritten once by somebody who saw it.
    """
    written = {(space, name): value for space, name, value in puts if space[:2] in ("r:", "c:")}
    gone = [key for key in deletes if key[0][:2] == "r:" and key not in written]
    if not written and not gone:
        return False  # nothing but checks: the second answer is as good as the first
    keys = [*written, *gone]
    stored = dict(zip(keys, get(keys).values, strict=True))
    expected = {check.key: check.token for check in checks if isinstance(check, Same)}
    for key, value in written.items():
        now = stored[key]
        if key == CATALOG:
            if now == value:
                return True
        elif now is not None and token_of(value) in (token_of(now), previous_of(now)):
            return True
    for key in keys:
        now, token = stored[key], expected.get(key)
        if now is not None and token is not None and token in (token_of(now), previous_of(now)):
            return False
    is_first = any(isinstance(check, Absent) and check.key == CATALOG for check in checks)
    return False if is_first or CATALOG in written else None
