"""Migration: a named list of operations that follows others. A file of a history holds one, as `migration`.

Knows operations and windows; must not know files or stores.
"""

from __future__ import annotations

import msgspec

from ..errors import MigrationRefused
from ..schema.schema import Collection, Schema
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
        led = {name: pin.base for name, pin in window.pins.items() if pin.lenses}
        for name, there in sorted((_led_back(window) | led).items()):
            head, version = window.head.collection(name), there.version + 1
            if head.version < version:
                found.append(
                    f"{self.name}: the records of {head.model} change shape, so their version must rise: "
                    f'ChangeModel("{name}", version={version}), and @model(version={version})'
                )
        return tuple(found)


def _led_back(window: Window) -> dict[str, Collection]:
    """Give the collections of the base whose records change shape on the way back, by their names in the head."""
    try:
        pins = Window.of(window.head, window.inverse() or ()).pins
    except MigrationRefused:
        return {}  # there is none; `down` says why
    return {
        pin.base.name: window.base.collection(name) for name, pin in pins.items() if pin.lenses and name in window.base
    }
