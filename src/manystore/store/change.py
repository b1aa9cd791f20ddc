"""Change: what every store asks of one: in which turn it comes, which record it names, what a Step of a Patch makes.

Knows the waist's words (protocol.py); must not know stores.
"""

from __future__ import annotations

from typing import Any

from ..errors import OutOfBounds
from ..schema.schema import Field
from .protocol import Change, Check, Delete, Insert, Patch, Replace, Step, Values

RANKS: dict[type[Any], int] = {Check: 0, Delete: 1, Replace: 2, Patch: 2, Insert: 3}
"""The turn in which each kind is judged, and carried out."""
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


def key_of(change: Change) -> Values:
    """Give the key of the record that a change names."""
    if isinstance(change, (Insert, Replace)):
        return tuple([change.values[place] for place in change.collection.key_positions])
    return change.key


def shown_key(key: Values) -> Any:
    """Give a key as a message shows it."""
    return key[0] if len(key) == 1 else key


def added(step: Step, field: Field, before: int | None, model: str) -> int:
    """Give the sum; None counts as 0. Raise OutOfBounds when it leaves the step's bounds or what the field holds."""
    after = (before or 0) + step.by
    if (step.low is not None and after < step.low) or (step.high is not None and after > step.high):
        raise OutOfBounds(model, step.field, "the sum would leave the bounds given")
    most = 10**field.digits - 1 if field.kind == "decimal" and field.digits is not None else _INT_MAX
    least = -most if field.kind == "decimal" else _INT_MIN
    if not least <= after <= most:
        raise OutOfBounds(model, step.field, "the sum is longer than the field may be")
    return after
