"""The diagnosis: why a statement changed no record, or was refused, in the words of store/protocol.py.

Asks in the transaction in which it happened, so that what it finds is what stood in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ...errors import Conflict, Duplicate, ManystoreError, NotFound, OutOfBounds
from ...store.change import shown_key
from ...store.protocol import Delete, Insert, Patch, Replace, Values
from .dialect import Row
from .mutation import Bound, Mutation, bounds

Ask: TypeAlias = Callable[[Bound], Row | None]
Named: TypeAlias = Insert | Replace | Patch | Delete


def refusal(change: Named, mutation: Mutation, ask: Ask) -> ManystoreError | None:
    """Say why this change alone cannot be made; None when only a unique can stand in its way."""
    key, model = mutation.key_of(change), change.collection.model
    if isinstance(change, Insert):
        taken = ask(mutation.fields_of(key, ()))
        return Duplicate(model, change.collection.key) if taken else None
    steps = change.steps if isinstance(change, Patch) else ()
    fields = [*(name for name, _ in change.require), *(step.field for step in steps)]
    row = ask(mutation.fields_of(key, fields))
    if row is None:
        return Conflict(model, shown_key(key)) if isinstance(change, Replace) else NotFound(model, shown_key(key))
    revision, stored = row[0], dict(zip(fields, row[1:], strict=True))
    if any(stored[name] != value for name, value in change.require):
        return NotFound(model, shown_key(key))
    if change.expected is not None and revision != change.expected:
        return Conflict(model, shown_key(key))
    for step in steps:
        lowest, highest = bounds(change.collection.field(step.field), step)
        if not lowest <= (stored[step.field] or 0) <= highest:
            return OutOfBounds(model, step.field, "the sum is out of bounds")
    return None


def taken(change: Named, mutation: Mutation, ask: Ask) -> Duplicate | None:
    """Give the first unique, in declared order, whose tuple another record holds."""
    collection, key = change.collection, mutation.key_of(change)
    values = _values_after(change, mutation, key, ask)
    for unique in mutation.uniques:
        claimed = tuple([values[collection.positions[name]] for name in unique.fields])
        if None in claimed:
            continue
        if unique.among == "live" and collection.live is not None and values[collection.positions[collection.live]]:
            continue
        if ask(mutation.holder(unique, claimed, key)):
            return Duplicate(collection.model, unique.fields)
    # Of one over columns that this program does not know, nothing more is to be found out from here.
    return Duplicate(collection.model, mutation.unseen[0].fields) if mutation.unseen else None


def _values_after(change: Named, mutation: Mutation, key: Values, ask: Ask) -> Sequence[Any]:
    if isinstance(change, (Insert, Replace)):
        return change.values
    names = [field.name for field in change.collection.fields]
    row = ask(mutation.fields_of(key, names)) or (None, *(None for _ in names))
    stored = dict(zip(names, row[1:], strict=True))
    if isinstance(change, Patch):
        stored |= dict(change.sets)
        stored |= {step.field: (stored[step.field] or 0) + step.by for step in change.steps}
    return list(stored.values())
