"""Window: the way from one schema to another, whole: what each collection's records are on the way, and what it costs.

Knows operations, lenses and pins; must not know files or stores. Programs of base and head are one window apart,
however many migrations lie between.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import msgspec

from ..errors import MigrationRefused
from ..schema.schema import Collection, Schema
from .lens import Lens, compose
from .model_operation import CreateModel, DropModel, RenameModel
from .operation import Manner, Operation
from .pin import Pin
from .rewrite_operation import rewritten


class Step(msgspec.Struct, frozen=True):
    """One operation, and the schemas before and after it."""

    operation: Operation
    before: Schema
    after: Schema


class Window(msgspec.Struct, frozen=True, dict=True):
    """Two schemas and the steps between them. secret: the database's, for keyed hashes."""

    base: Schema
    head: Schema
    steps: tuple[Step, ...]
    secret: bytes = b""

    @classmethod
    def of(cls, base: Schema, operations: Iterable[Operation], secret: bytes = b"") -> Window:
        """Open a window over some operations; raise MigrationRefused, which names the operation that does not fit."""
        steps, schema = list[Step](), base
        for number, operation in enumerate(operations, 1):
            try:
                after = operation.apply(schema)
            except MigrationRefused as reason:
                raise MigrationRefused(f"operation {number}, {operation.title()}: {reason}") from None
            steps.append(Step(operation, schema, after))
            schema = after
        _check_references(schema)
        return cls(base, schema, tuple(steps), secret)

    @cached_property
    def pins(self) -> dict[str, Pin]:
        """Give a pin for each collection of the head whose records have a base shape, by its name in the head.

        One that did not change has no lenses. Those that are new, or rewritten as a whole, are not among them.
        Refuses a window in which a place is still to be filled in.
        """
        if (open_step := next((step for step in self.steps if step.operation.unfilled()), None)) is not None:
            places = ", ".join(open_step.operation.unfilled())
            raise MigrationRefused(f"{open_step.operation.title()}: fill in {places}")
        ways = {name: (name, list[Lens]()) for name in (c.name for c in self.base.collections)}
        for step in self.steps:
            operation, name = step.operation, _collection(step.operation)
            if isinstance(operation, RenameModel) and operation.to_collection is not None and name in ways:
                ways[operation.to_collection] = ways.pop(name)
            elif isinstance(operation, (CreateModel, DropModel)) or rewritten(operation):
                ways.pop(name, None)
            elif name in ways:
                ways[name][1].extend(operation.lenses(step.before, self.secret))
        bases = {now: (self.base.collection(first), lenses) for now, (first, lenses) in ways.items()}
        return {
            now: Pin(there, self.head.collection(now), compose(there.name, there.columns, lenses))
            for now, (there, lenses) in bases.items()
            if now in self.head
        }

    @cached_property
    def manners(self) -> tuple[Manner, ...]:
        """Say of each step how it goes beside running programs."""
        return tuple(step.operation.manner(step.before) for step in self.steps)

    @cached_property
    def closed(self) -> dict[str, str]:
        """Give the collections of the head that must be closed for writes meanwhile, and why."""
        reasons = {
            _collection_after(step.operation): step.operation.title()
            for step, manner in zip(self.steps, self.manners, strict=True)
            if manner is Manner.CLOSED
        }
        for name, pin in self.pins.items():
            columns = changed_columns(pin)
            if touched := [f for f in pin.head.key if pin.head.field(f).column in columns]:
                reasons.setdefault(name, f"the key's {touched[0]} changes")
            for unique in pin.head.uniques:
                if touched := [f for f in unique.fields if pin.head.field(f).column in columns]:
                    reasons.setdefault(name, f"{touched[0]} changes, and {unique.name} is over it")
            for reference in pin.head.references:
                if pin.head.field(reference.field).column in columns:
                    reasons.setdefault(name, f"{reference.field} changes, and refers to {reference.target}")
        return reasons

    @property
    def manner(self) -> Manner:
        """Say how the whole goes beside running programs: as its worst part does."""
        return Manner.CLOSED if self.closed else max(self.manners, default=Manner.SIDE_BY_SIDE)

    @property
    def lost(self) -> tuple[str, ...]:
        """Say what is gone for good once the window is contracted."""
        return tuple(filter(None, (step.operation.lost(step.before) for step in self.steps)))

    def inverse(self) -> tuple[Operation, ...] | None:
        """Give the operations that lead back; None when one of them cannot be turned round."""
        found = [step.operation.inverse(step.before) for step in reversed(self.steps)]
        return None if None in found else tuple(operation for part in found for operation in part or ())


def changed_columns(pin: Pin) -> frozenset[str]:
    """Give the head columns whose values are not simply those of a base column, nor a constant in old records."""
    changed = set[str]()
    for lens in pin.lenses:
        if lens.name not in {additive.name for additive in pin.additive}:
            changed |= set(lens.head) - {head for _, head in lens.same}
    return frozenset(changed)


def _collection(operation: Operation) -> str:
    named = getattr(operation, "collection", "")
    return named.name if isinstance(named, Collection) else str(named)


def _collection_after(operation: Operation) -> str:
    if isinstance(operation, RenameModel) and operation.to_collection:
        return operation.to_collection
    into = getattr(operation, "into", None)
    return into.name if isinstance(into, Collection) else _collection(operation)


def _check_references(schema: Schema) -> None:
    for collection in schema.collections:
        for reference in collection.references:
            where = f"{collection.name}.{reference.field}"
            target = schema.collection(reference.target) if reference.target in schema else None
            if target is None:
                raise MigrationRefused(f"{where}: refers to {reference.target}, which is not there")
            mine, theirs = collection.field(reference.field), target.field(target.key[0])
            if len(target.key) > 1 or (mine.kind, mine.scale) != (theirs.kind, theirs.scale):
                raise MigrationRefused(f"{where}: is {mine.kind}, but the key of {target.name} is {theirs.kind}")
