"""The outcome of an atomic step whose answer was lost, by the tokens that are stored now.

Every record keeps the token of the write before its last, so one overwrite by others hides nothing. Knows tokens only.
A store first makes sure that what it sent cannot be carried out any more. Then it asks here, at once or when the same
step, sent once more, was refused. One record that tells decides for the whole step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

UNKNOWN = "the connection broke during a commit, and others have written since: whether it was carried out is unknown"


class Trace(msgspec.Struct, frozen=True):
    """One record that a step would write or delete. ours: the token it would get, None for a deletion.

    expected: the token it had to have, None for any or none. now, before: the stored record's token and the one before
    it; both None where there is no record.
    """

    ours: Any
    expected: Any
    now: Any
    before: Any


def is_done(traces: Iterable[Trace]) -> bool | None:
    """Tell whether a step was carried out; None when its records do not tell.

    Yes: a record has our token, or was overwritten once since. No: a record that we would have changed still has the
    token that it had to have, or was overwritten once by somebody who saw that. A deletion that finds no record, and a
    creation that finds another's, tell nothing.
    """
    found = [trace for trace in traces if trace.now is not None]
    if any(trace.ours is not None and trace.ours in (trace.now, trace.before) for trace in found):
        return True
    if any(trace.expected is not None and trace.expected in (trace.now, trace.before) for trace in found):
        return False
    return None
