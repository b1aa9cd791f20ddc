"""Rewriting: what a window makes of whole collections that no lens leads over, from the records that are there.

Knows windows, and records by the names of fields, in primitives as JSON has them; must not know stores. Whoever carries
a window out brings `read`, and puts what comes out under the next generation of each collection, while nobody writes.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Any, NoReturn, TypeAlias

import msgspec

from ..schema.schema import Collection, Schema
from .lens import Lens, Record, compose
from .model_operation import CreateModel, DropModel, RenameModel
from .operation import Manner, Operation, refuse
from .pin import Pin
from .rewrite_operation import Discard, Gather, Precondition, Seed, Spread, Translate, rewritten
from .window import Step, Window, changed_columns

# Gives the records of a collection of the base, in the order of their keys, the same at each call. Beside the base's
# fields, a record may hold those that the head adds with a constant, and its complement under EXTRAS.
Read: TypeAlias = Callable[[str], Iterable[Record]]
Run: TypeAlias = Callable[[Read], Iterator[Record]]

EXTRAS = "_extras"


class Rewriting(msgspec.Struct, frozen=True, dict=True):
    """What a window copies, of what, and the records that come out. One to one goes by as a stream; only what is looked
    up or grouped is held in memory.

    Refuses a window in which new programs could have changed, before the copying, what records are made of.
    """

    window: Window

    @cached_property
    def _trace(self) -> _Trace:
        return _Trace(self.window)

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

        ValueRefused for a value that stops it, MigrationRefused for a key or the values of a unique that come twice.
        Holds the keys and values of one collection in memory.
        """
        for name in self.copied:
            held = _Held(self.window.head.collection(name))
            for record in self._made(name)(read):
                held.take(record)


class _Line:
    """One collection on its way: a run that gives records of a shape, and lenses from that shape to where it is now."""

    def __init__(self, name: str, shape: Collection, start: Run, sources: Iterable[str] = ()) -> None:
        self.name = name  # as it is called now
        self.shape = shape
        self.start = start
        self.sources = frozenset(sources)
        self.base = next(iter(self.sources), None)  # what it was in the base; None where it is new
        self.lenses: list[Lens] = []
        self.reason = ""  # why it is made anew; empty while it is not
        self.seeded: list[_Line] = []  # what was put into it, on the same way
        self.keyless = False  # whether its run gives records whose keys are still to be counted up

    def run(self, schema: Schema) -> Run:
        """Give the run to its shape in a schema, which is the one now."""
        shape, now, start = self.shape, schema.collection(self.name), self.start
        if not self.lenses and [f.name for f in shape.fields] == [f.name for f in now.fields]:
            return start
        pin = Pin(shape, now, compose(shape.name, shape.columns, self.lenses))

        def run(read: Read) -> Iterator[Record]:
            return (_seen(pin, record) for record in start(read))

        return run

    def settle(self, schema: Schema) -> Run:
        """Let the line begin here, and give its run so far."""
        run = self.run(schema)
        self.shape, self.start, self.lenses = schema.collection(self.name), run, []
        return run


class _Trace:
    """All collections, walked through a window's steps in order."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.pins = {pin.base.name for pin in window.pins.values()}
        self.lines = {c.name: _Line(c.name, c, _reading(c), [c.name]) for c in window.base.collections}
        self.preconditions: list[tuple[Precondition, Run]] = []
        for step in window.steps:
            self.go(step)

    def go(self, step: Step) -> None:
        """Take one step."""
        operation, before = step.operation, step.before
        if isinstance(operation, CreateModel):
            shape = operation.collection
            self.lines[shape.name] = _Line(shape.name, shape, _none)
        elif isinstance(operation, (DropModel, Discard)):
            del self.lines[operation.collection]
        elif isinstance(operation, RenameModel):
            self.rename(operation)
        elif isinstance(operation, Precondition):
            self.preconditions.append((operation, self.lines[operation.collection].run(before)))
        elif isinstance(operation, Seed):
            self.seed(operation, before)
        elif isinstance(operation, Translate):
            self.translate(operation, step)
        elif isinstance(operation, (Spread, Gather)):
            self.reshape(operation, before)
        else:
            self.lead(operation, before)

    def lead(self, operation: Operation, before: Schema) -> None:
        """Lead a line on by the lenses of an operation, if it has any."""
        line = self.lines[str(getattr(operation, "collection", ""))]
        lenses = operation.lenses(before, self.window.secret)
        for part in (line, *line.seeded):
            part.lenses.extend(lenses)
        if operation.manner(before) is Manner.CLOSED:
            line.reason = line.reason or operation.title()

    def rename(self, operation: RenameModel) -> None:
        """Give a line its new name; only a new name for what is stored moves the records."""
        line = self.lines.pop(operation.collection)
        name = operation.to_collection or operation.collection
        if name != operation.collection:
            line.reason = line.reason or operation.title()
        for part in (line, *line.seeded):
            part.name = name
        self.lines[name] = line

    def seed(self, operation: Seed, before: Schema) -> None:
        """Put records beside those that are there, unless their keys are taken."""
        line, there = self.lines[operation.collection], before.collection(operation.collection)
        names = [f.name for f in there.fields]
        seeds = [
            {name: record.get(name) for name in names if name in record or name not in there.key}
            for record in operation.records
        ]
        line.keyless = line.keyless or any(name not in record for record in seeds for name in there.key)
        line.start = _joined(line.settle(before), seeds, there.key)
        line.seeded.append(_Line(line.name, there, lambda read: iter([dict(record) for record in seeds])))

    def read(self, line: _Line, before: Schema, fields: Iterable[str], what: str) -> Run:
        """Give a line's run so far, to be read for another collection; refuse what could have been changed meanwhile.

        While a window is open, new programs write the head's values of a collection with a pin: those are not what its
        base fields become on the way.
        """
        there = before.collection(line.name)
        pin = Pin(line.shape, there, compose(line.shape.name, line.shape.columns, line.lenses))
        changed = changed_columns(pin) | set(pin.absent)
        found = next((name for name in fields if there.field(name).column in changed), None)
        if found is not None and line.base in self.pins:
            _one_by_one(f"{what} is made of {line.name}.{found}, which changes in the same window")
        if line.keyless:
            _one_by_one(f"{what} is made of {line.name}, and records are put there whose keys are not known yet")
        return line.run(before)

    def translate(self, operation: Translate, step: Step) -> None:
        """Look values up in another line."""
        before, line = step.before, self.lines[operation.collection]
        wanted, match, take = self.lines[operation.through], operation.match, operation.take
        through = self.read(wanted, before, (match, take), operation.collection)
        if line.keyless:
            _one_by_one(f"records are put into {line.name} whose keys are not known yet")
        start, order = line.settle(before), _order(before.collection(operation.through))

        def run(read: Read) -> Iterator[Record]:
            found = _table(through(read), match, take, order)
            return (operation.translated(before, record, found.get) for record in start(read))

        line.shape, line.start, line.seeded = step.after.collection(line.name), run, []
        line.sources |= wanted.sources
        line.reason = line.reason or operation.title()

    def reshape(self, operation: Spread | Gather, before: Schema) -> None:
        """Make records of another shape."""
        line, into = self.lines[operation.collection], operation.into
        if rewritten(operation):
            del self.lines[operation.collection]
            start = line.run(before)
            if line.keyless:
                _one_by_one(f"records are put into {line.name} whose keys are not known yet")
        else:
            start = self.read(line, before, before.collection(line.name).positions, into.name)
        new = _Line(into.name, into, _counted(_reshaping(operation, start, before), into), line.sources)
        new.base, new.reason = None, operation.title()
        self.lines[into.name] = new


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


def _one_by_one(reason: str) -> NoReturn:
    refuse(f"{reason}: go migration by migration, up to each in turn")


def _none(read: Read) -> Iterator[Record]:
    del read
    return iter(())


def _nothing(name: str) -> Iterable[Record]:
    del name
    return ()


def _reading(collection: Collection) -> Run:
    """Read a collection of the base, without what its records hold beside its fields."""
    name, names = collection.name, [f.name for f in collection.fields]
    return lambda read: ({field: record.get(field) for field in names} for record in read(name))


def _through(pin: Pin) -> Run:
    """Read a collection of the base as new programs see it, by its pin."""
    columns = {f.name: f.column for f in pin.head.fields if f.column in pin.absent}
    columns |= {f.name: f.column for f in pin.base.fields}

    def seen(record: Record) -> Record:
        stored = {columns[name]: value for name, value in record.items() if name in columns}
        head = pin.load(stored, record.get(EXTRAS))
        return {f.name: head.get(f.column) for f in pin.head.fields}

    return lambda read: map(seen, read(pin.base.name))


def _seen(pin: Pin, record: Record) -> Record:
    """Give a record by the names of a pin's base by those of its head."""
    head = pin.load({f.column: record[f.name] for f in pin.base.fields if f.name in record})
    return {f.name: head[f.column] for f in pin.head.fields if f.column in head}


def _joined(start: Run, seeds: list[Record], key: tuple[str, ...]) -> Run:
    def run(read: Read) -> Iterator[Record]:
        left = {tuple(seed.get(name, place) for name in key): seed for place, seed in enumerate(seeds)}
        for record in start(read):
            left.pop(tuple(record[name] for name in key), None)
            yield record
        yield from map(dict, left.values())

    return run


def _table(records: Iterable[Record], match: str, take: str, order: Callable[[Record], Any]) -> dict[Any, Record]:
    """Hold what is looked up. Of several records with one value, that of the lowest key counts."""
    found = dict[Any, Record]()
    first = dict[Any, Any]()
    for record in records:
        value, place = record[match], order(record)
        if value is not None and (value not in found or place < first[value]):
            found[value], first[value] = {take: record[take]}, place
    return found


def _order(collection: Collection) -> Callable[[Record], Any]:
    """Give what records are ordered by: their keys, bytes by what they stand for."""
    fields = [collection.field(name) for name in collection.key]

    def place(record: Record) -> Any:
        return tuple(b64decode(record[f.name]) if f.kind == "bytes" else record[f.name] for f in fields)

    return place


def _reshaping(operation: Spread | Gather, start: Run, before: Schema) -> Run:
    if isinstance(operation, Spread):
        spread = operation.spread
        return lambda read: (new for record in start(read) for new in spread(before, record))
    gather = operation
    place = _order(before.collection(operation.collection))

    def made(read: Read) -> Iterator[Record]:
        groups = dict[Any, list[Record]]()
        for record in sorted(start(read), key=place):
            groups.setdefault(tuple(record[name] for name in gather.by), []).append(record)
        return (new for group in groups.values() for new in gather.gathered(before, group))

    return made


def _counted(made: Run, into: Collection) -> Run:
    """Give records all fields in order, and keys, from 1 on, where the collection counts them up."""
    names, key = [f.name for f in into.fields], into.key[0]

    def run(read: Read) -> Iterator[Record]:
        for place, record in enumerate(made(read), 1):
            whole = {key: place, **record} if into.generated else record
            yield {name: whole[name] for name in names}

    return run


def _targets_first(schema: Schema, names: Iterable[str]) -> list[str]:
    """Order collections so that each comes after those that it refers to; those in a circle come by name."""
    left = {name: {r.target for r in schema.collection(name).references} - {name} for name in sorted(names)}
    ordered = list[str]()
    while left:
        found = next((name for name, targets in left.items() if not targets & left.keys()), next(iter(left)))
        del left[found]
        ordered.append(found)
    return ordered
