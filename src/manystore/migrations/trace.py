"""Trace: the collections of a window walked through its steps, each as a line: what its records are made of so far.

Knows windows, and records by the names of fields, in primitives as JSON has them; must not know stores. rewriting.py
takes from it what a window makes anew. What is one to one goes by as a stream.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeAlias

from ..schema.schema import Collection, Schema
from .lens import Lens, Record, compose
from .model_operation import ChangeKey, CreateModel, DropModel, RenameModel
from .operation import Manner, Operation, refuse
from .pin import Pin
from .rewrite_operation import Discard, Gather, Precondition, Seed, Spread, Translate, rewritten
from .window import Step, Window, changed_columns

Read: TypeAlias = Callable[[str], Iterable[Record]]  # the records of a collection of the base, in the order of the keys
Run: TypeAlias = Callable[[Read], Iterator[Record]]


class Line:
    """One collection on its way: a run that gives records of a shape, and lenses from that shape to where it is now."""

    def __init__(self, name: str, shape: Collection, start: Run, sources: Iterable[str] = ()) -> None:
        self.name = name  # as it is called now
        self.shape = shape
        self.start = start
        self.sources = frozenset(sources)
        self.base = next(iter(self.sources), None)  # what it was in the base; None where it is new
        self.lenses: list[Lens] = []
        self.origin = shape
        self.way: list[Lens] = []  # all lenses since it began
        self.reason = ""  # why it is made anew; empty while it is not
        self.seeded: list[Line] = []  # what was put into it, on the same way
        self.keyless = False  # whether its run gives records whose keys are still to be counted up
        self.ordered = True  # whether its run gives records in the order of their keys

    def run(self, schema: Schema) -> Run:
        """Give the run to its shape in a schema, which is the one now."""
        shape, now, start = self.shape, schema.collection(self.name), self.start
        if not self.lenses and [f.name for f in shape.fields] == [f.name for f in now.fields]:
            return start
        pin = Pin(shape, now, compose(shape.name, shape.columns, self.lenses))

        def run(read: Read) -> Iterator[Record]:
            return (_seen(pin, record) for record in start(read))

        return run

    def in_order(self, schema: Schema) -> Run:
        """Give the same, in the order of the keys: from memory, where it is not so already."""
        run, place = self.run(schema), _order(schema.collection(self.name))
        return run if self.ordered else lambda read: iter(sorted(run(read), key=place))

    def lead(self, lenses: tuple[Lens, ...], key: Iterable[str]) -> None:
        """Lead it on, and what was put into it; key: the columns of its key."""
        for part in (self, *self.seeded):
            part.lenses.extend(lenses)
        changed = {column for lens in lenses for column in lens.base} - {c for lens in lenses for c, _ in lens.same}
        self.way.extend(lenses)
        self.ordered = self.ordered and changed.isdisjoint(key)

    def settle(self, schema: Schema) -> Run:
        """Let the line begin here, and give its run so far."""
        run = self.run(schema)
        self.shape, self.start, self.lenses = schema.collection(self.name), run, []
        return run


class Trace:
    """All collections, walked through a window's steps in order."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.pins = {pin.base.name for pin in window.pins.values()}
        self.lines = {c.name: Line(c.name, c, _reading(c), [c.name]) for c in window.base.collections}
        self.preconditions: list[tuple[Precondition, Run]] = []
        for step in window.steps:
            self.go(step)

    def go(self, step: Step) -> None:
        """Take one step."""
        operation, before = step.operation, step.before
        if isinstance(operation, CreateModel):
            shape = operation.collection
            self.lines[shape.name] = Line(shape.name, shape, _none)
        elif isinstance(operation, (DropModel, Discard)):
            del self.lines[operation.collection]
        elif isinstance(operation, RenameModel):
            self.rename(operation)
        elif isinstance(operation, Precondition):
            self.preconditions.append((operation, self.lines[operation.collection].in_order(before)))
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
        there = before.collection(line.name)
        line.lead(operation.lenses(before, self.window.secret), [there.field(name).column for name in there.key])
        if operation.manner(before) is Manner.CLOSED:
            line.reason = line.reason or operation.title()
        if isinstance(operation, ChangeKey):
            line.ordered = False

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
        line.start, line.ordered = _joined(line.settle(before), seeds, there.key), False
        line.seeded.append(Line(line.name, there, lambda read: iter([dict(record) for record in seeds])))

    def read(self, line: Line, before: Schema, fields: Iterable[str], what: str) -> Run:
        """Give a line's run so far, to be read for another collection; refuse what could have been changed meanwhile.

        While a window is open, new programs write the head's values of a collection with a pin: those are not what its
        base fields become on the way.
        """
        there = before.collection(line.name)
        pin = Pin(line.origin, there, compose(line.origin.name, line.origin.columns, line.way))
        changed = changed_columns(pin) | set(pin.absent)
        found = next((name for name in fields if there.field(name).column in changed), None)
        if found is not None and line.base in self.pins:
            _one_by_one(f"{what} is made of {line.name}.{found}, which changes in the same window")
        _check_keys(line)
        return line.in_order(before)

    def translate(self, operation: Translate, step: Step) -> None:
        """Look values up in another line."""
        before, line = step.before, self.lines[operation.collection]
        wanted, match, take = self.lines[operation.through], operation.match, operation.take
        through = self.read(wanted, before, (match, take), operation.collection)
        _check_keys(line)
        start, after = line.settle(before), step.after.collection(line.name)

        def run(read: Read) -> Iterator[Record]:
            found = _table(through(read), match, take)
            for record in start(read):
                made = operation.translated(before, record, found.get)
                yield {name: made[name] for name in after.positions}

        line.shape, line.start, line.seeded = after, run, []
        line.origin, line.way = after, []
        line.sources |= wanted.sources
        line.reason = line.reason or operation.title()

    def reshape(self, operation: Spread | Gather, before: Schema) -> None:
        """Make records of another shape."""
        line, into = self.lines[operation.collection], operation.into
        if rewritten(operation):
            del self.lines[operation.collection]
            start = line.in_order(before)
            _check_keys(line)
        else:
            start = self.read(line, before, before.collection(line.name).positions, into.name)
        new = Line(into.name, into, _counted(_reshaping(operation, start, before), into), line.sources)
        new.base, new.reason, new.ordered = None, operation.title(), into.generated
        self.lines[into.name] = new


def _one_by_one(reason: str) -> NoReturn:
    refuse(f"{reason}: go migration by migration, up to each in turn")


def _check_keys(line: Line) -> None:
    if line.keyless:
        _one_by_one(f"records are put into {line.name} whose keys are not known yet")


def _none(read: Read) -> Iterator[Record]:
    del read
    return iter(())


def _reading(collection: Collection) -> Run:
    """Read a collection of the base, without what its records hold beside its fields."""
    name, names = collection.name, [f.name for f in collection.fields]
    return lambda read: ({field: record.get(field) for field in names} for record in read(name))


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


def _table(records: Iterable[Record], match: str, take: str) -> dict[Any, Record]:
    """Hold what is looked up. Of several records with one value, the first counts."""
    found = dict[Any, Record]()
    for record in records:
        if record[match] is not None:
            found.setdefault(record[match], {take: record[take]})
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

    def made(read: Read) -> Iterator[Record]:
        groups = dict[Any, list[Record]]()
        for record in start(read):
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
