"""Addition: what a Step of a Patch makes of a number, worked out in Python for stores that cannot do it themselves."""

from __future__ import annotations

from ..errors import OutOfBounds
from ..schema.schema import Field
from .protocol import Step

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


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
