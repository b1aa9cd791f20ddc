"""Migration: a named list of operations that follows others. A file of a history holds one, as `migration`.

Knows operations and windows; must not know files or stores.
"""

from __future__ import annotations

import msgspec

from ..errors import MigrationRefused
from ..schema.schema import Schema
from .operation import Operation
from .window import Window


class Migration(msgspec.Struct, frozen=True):
    """One migration. name: its file's, without .py. after: what it follows. replaces: what it was squashed from."""

    name: str
    operations: tuple[Operation, ...] = ()
    after: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()

    def window(self, before: Schema, secret: bytes = b"") -> Window:
        """Give the way that it leads; raise MigrationRefused, which names it, when it does not fit."""
        try:
            return Window.of(before, self.operations, secret)
        except MigrationRefused as reason:
            raise MigrationRefused(f"{self.name}: {reason}") from None

    def apply(self, before: Schema) -> Schema:
        """Give the schema after it."""
        return self.window(before).head

    def problems(self, before: Schema) -> tuple[str, ...]:
        """Say what is not right about it though it can be applied: places to fill in, versions that should rise."""
        found = [
            f"{self.name}: {operation.title()}: fill in {', '.join(places)}"
            for operation in self.operations
            if (places := operation.unfilled())
        ]
        if found:
            return tuple(found)
        window = self.window(before)
        for name, pin in window.pins.items():
            if pin.lenses and pin.head.version <= pin.base.version:
                version = pin.base.version + 1
                found.append(
                    f"{self.name}: the records of {pin.head.model} change shape, so their version must rise: "
                    f'ChangeModel("{name}", version={version}), and @model(version={version})'
                )
        return tuple(found)
