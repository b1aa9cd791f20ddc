"""Rewriting: what a window makes of whole collections that no lens leads over, from the records that are there.

Knows windows, and records by the names of fields, in primitives as JSON has them; must not know stores. Whoever carries
a window out brings `read`, and puts what comes out under the next generation of each collection, while nobody writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Any

import msgspec

from ..schema.schema import Collection, Schema
from .culprit import Culprit
from .lens import Record, unchanged
from .operation import refuse
from .pin import Pin
from .trace import Read, Run, Trace
from .window import Window

EXTRAS = "_extras"


class Rewriting(msgspec.Struct, frozen=True, dict=True):
    """What a window copies, of what, and the records that come out. What is looked up or grouped is held in memory.

    read gives the records of a collection of the base by its fields, in the order of their keys, the same at each call.
    Beside those, a record may hold fields that the head adds with a constant, and its complement under EXTRAS. Refuses
    a window in which new programs could have changed, before the copying, what records are made of.
    """

    window: Window

    @cached_property
    def _trace(self) -> Trace:
        return Trace(self.window)

    @cached_property
    def copied(self) -> dict[str, str]:
        """Give the collections of the head that are made anew, those that others refer to first, and why each is.

        Those that a lens cannot lead over, and all that refer to one: a reference leads to a generation.
        """
        head = self.window.head
        reasons = {name: line.reason for name, line in self._trace.lines.items() if line.reason}
        reasons |= {name: reason for name, reason in self.window.closed.items() if name in head and name not in reasons}
        todo = list(reasons)
        while todo:
            name = todo.pop()
            for referrer, _ in head.referrers(name):
                if referrer.name not in reasons and self._sources(referrer.name):
                    reasons[referrer.name] = f"refers to {name}, which is copied"
                    todo.append(referrer.name)
        return {name: reasons[name] for name in _targets_first(head, reasons)}

    @cached_property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """Give the collections of the base that each copied one is made of."""
        return {name: self._sources(name) for name in self.copied}

    def _sources(self, name: str) -> tuple[str, ...]:
        pin = self.window.pins.get(name)
        return tuple(sorted(self._trace.lines[name].sources)) if pin is None else (pin.base.name,)

    @cached_property
    def closed(self) -> tuple[str, ...]:
        """Name the collections of the base that must take no writes while records are copied."""
        return tuple(sorted(set(chain(*self.sources.values()))))

    def records(self, read: Read) -> Iterator[tuple[str, Record]]:
        """Give the records of all copied collections, each with its key: the head's name, and by the head's fields."""
        for name in self.copied:
            for record in self._made(name)(read):
                yield name, record

    def _made(self, name: str) -> Run:
        pin = self.window.pins.get(name)
        return self._trace.lines[name].run(self.window.head) if pin is None else _through(pin)

    def seeds(self) -> tuple[tuple[str, Record], ...]:
        """Give what Seed steps insert where no record has its key: the head's name, and by the head's fields.

        A key that is counted up may be missing. What is put into a collection that is rewritten comes with records().
        """
        return tuple(
            (name, record)
            for name, line in self._trace.lines.items()
            for seeded in line.seeded
            for record in seeded.run(self.window.head)(_nothing)
        )

    def preconditions(self, read: Read) -> None:
        """Raise MigrationRefused, with the sentence of a Precondition, when the records do not allow the window."""
        for operation, run in self._trace.preconditions:
            operation.check(run(read))

    def rehearse(self, read: Read) -> None:
        """Make all records and keep none: raise what would stop the copying half-way.

        ValueRefused for a value that stops it, MigrationRefused for a key or the values of a unique that come twice,
        and for a function that fails. Holds the keys and values of one collection in memory.
        """
        culprit = Culprit(read, self.window.base)
        for name in self.copied:
            held = _Held(self.window.head.collection(name))
            with culprit.named():
                for record in self._made(name)(culprit.read):
                    held.take(record)

    @cached_property
    def led(self) -> tuple[str, ...]:
        """Name the collections of the head whose records functions lead over where they are."""
        pins = self.window.pins.items()
        led = (name for name, pin in pins if any(lens.head and lens.up is not unchanged for lens in pin.derived))
        return tuple(sorted(name for name in led if name not in self.copied))

    def rehearse_led(self, read: Read) -> None:
        """Lead all their records over and keep none: raise what would stop the sweep half-way, as rehearse does."""
        culprit = Culprit(read, self.window.base)
        for name in self.led:
            with culprit.named():
                for _ in _through(self.window.pins[name])(culprit.read):
                    pass


class _Held:
    """The keys and the values of uniques that a collection's records have had so far."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.claims = [("key", collection.key, "all"), *((u.name, u.fields, u.among) for u in collection.uniques)]
        self.values: list[set[Any]] = [set() for _ in self.claims]

    def take(self, record: Record) -> None:
        """Hold a record's; refuse what another has."""
        there = self.collection
        for (name, fields, among), held in zip(self.claims, self.values, strict=True):
            values = tuple(record[field] for field in fields)
            if None in values or (among == "live" and there.live is not None and record[there.live]):
                continue
            if values in held:
                shown = ", ".join(map(str, values))
                refuse(f"{there.name}: two records would have the {name} {shown}; nothing was changed")
            held.add(values)


def _nothing(name: str) -> Iterable[Record]:
    del name
    return ()


def _through(pin: Pin) -> Run:
    """Read a collection of the base as new programs see it, by its pin."""
    columns = {f.name: f.column for f in pin.head.fields if f.column in pin.absent}
    columns |= {f.name: f.column for f in pin.base.fields}

    def seen(record: Record) -> Record:
        stored = {columns[name]: value for name, value in record.items() if name in columns}
        head = pin.load(stored, record.get(EXTRAS))
        return {f.name: head.get(f.column) for f in pin.head.fields}

    return lambda read: map(seen, read(pin.base.name))


def _targets_first(schema: Schema, names: Iterable[str]) -> list[str]:
    """Order collections so that each comes after those that it refers to; those in a circle come by name."""
    left = {name: {r.target for r in schema.collection(name).references} - {name} for name in sorted(names)}
    ordered = list[str]()
    while left:
        found = next((name for name, targets in left.items() if not targets & left.keys()), next(iter(left)))
        del left[found]
        ordered.append(found)
    return ordered
