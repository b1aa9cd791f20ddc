"""Histories: models for random operations, and two players of them: one on a real store, one on the oracle.

Both players have the same methods, which take and give plain values, so that whatever they answer can be compared.
machine.py makes the histories up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal, TypeAlias

from manystore import (
    Assignment,
    Database,
    ManystoreError,
    NoAccessPath,
    OutOfBounds,
    Predicate,
    Repository,
    asc,
    avg,
    col,
    count,
    desc,
    everything,
    field,
    index,
    max_,
    min_,
    model,
    project,
    ref,
    sum_,
    unique,
)
from manystore.testing import oracle
from manystore.testing.oracle import Either, Every, Filter, Key, Negated, Oracle, Order, Row, Shown, Table, Term

NOW = datetime(2011, 11, 1, tzinfo=UTC)  # what all clocks show, so that stamps can be compared
Answer: TypeAlias = Any


@model(indexes=[index("team", "-grade")])
class Person:
    """Refers to its own kind; restricts what refers to it."""

    id: int = field(key=True)
    name: str = field(unique=True, index=True)
    team: str | None = None
    grade: int = 0
    mentor: int | None = ref(to="Person.id", default=None, on_delete="set_null")


@model(
    soft_delete=True,
    uniques=[unique("owner", "slot", among="live"), unique("code")],
    indexes=[index("state", "-points"), index("due"), index("owner"), index("-code", "due")],
)
class Task:
    """Soft-deleted, with one unique among the live and one among all."""

    id: str = field(key=True)
    owner: int | None = ref(Person.id, default=None)
    slot: int | None = None
    code: str | None = None
    state: Literal["new", "busy", "done"] = "new"
    points: int = 0
    due: datetime | None = None
    cost: Decimal | None = field(default=None, digits=6, scale=2)
    deleted: bool = False
    deleted_at: datetime | None = field(default=None, stamp="deleted")


@model(indexes=[index("text"), index("-weight", "text"), index("address")])
class Note:
    """Has a composite key; goes with its task."""

    task: str = ref(Task.id, key=True, on_delete="cascade")
    number: int = field(key=True)
    text: str | None = None
    weight: float | None = None
    address: IPv4Address | IPv6Address | None = None


class World(Database):
    """Where histories take place."""

    person: Repository[Person, int]
    task: Repository[Task, str]
    note: Repository[Note, tuple[str, int]]


MODELS: dict[str, type[Any]] = {"Person": Person, "Task": Task, "Note": Note}
TABLES = (
    Table("Note", ("task", "number"), references=(oracle.Reference("task", "Task", "cascade"),)),
    Table("Person", ("id",), (oracle.Unique(("name",)),), (oracle.Reference("mentor", "Person", "set_null"),)),
    Table(
        "Task",
        ("id",),
        (oracle.Unique(("owner", "slot"), live=True), oracle.Unique(("code",))),
        (oracle.Reference("owner", "Person"),),
        soft=True,
    ),
)
BURIED = {"deleted": True, "deleted_at": NOW}
TOTALS = {"sum": sum_, "min": min_, "max": max_, "avg": avg}


def names_of(table: str) -> list[str]:
    """Give the names of a model's fields."""
    return [f.name for f in dataclasses.fields(MODELS[table])]


def plain(table: str, row: Row | None) -> Answer:
    """Give what players are compared by: the table and the values of the fields."""
    return None if row is None else (table, tuple(row[name] for name in names_of(table)))


class OraclePlayer:
    """Plays on the oracle. kept: rows that were answered, to save later, fresh or stale."""

    def __init__(self, tables: Oracle, kept: list[tuple[str, Row]] | None = None) -> None:
        self.oracle = tables
        self.kept = [] if kept is None else kept

    def keep(self, table: str, row: Row) -> Answer:
        """Keep a row and answer it."""
        self.kept.append((table, row))
        return plain(table, row)

    def create(self, table: str, row: Row) -> Answer:
        """Create."""
        return self.keep(table, self.oracle.create(table, row))

    def save(self, place: int, sets: Row) -> Answer:
        """Change what was kept and save it."""
        table, row = self.kept[place]
        self.kept[place] = table, self.oracle.save(table, {**row, **sets}, row[oracle.REVISION])
        return plain(*self.kept[place])

    def edit(self, table: str, key: Key, sets: Row) -> Answer:
        """Get, change and save."""
        row = self.oracle.get(table, key)
        return self.keep(table, self.oracle.save(table, {**row, **sets}, row[oracle.REVISION]))

    def update(self, table: str, key: Key, sets: Row) -> Answer:
        """Update."""
        return self.keep(table, self.oracle.update(table, key, sets))

    def upsert(self, table: str, row: Row) -> Answer:
        """Upsert."""
        return self.keep(table, self.oracle.upsert(table, row))

    def increment(self, table: str, key: Key, name: str, by: int, low: int | None, high: int | None) -> Answer:
        """Increment."""
        return self.keep(table, self.oracle.increment(table, key, name, by, low, high))

    def claim(self, table: str, where: Filter, sets: Row) -> Answer:
        """Claim the only one that matches."""
        (key,) = self.oracle.claimable(table, where)
        return self.keep(table, self.oracle.update(table, key, sets))

    def update_where(self, table: str, where: Filter, sets: Row) -> Answer:
        """Update all that match."""
        return self.oracle.update_where(table, where, sets)

    def delete_where(self, table: str, where: Filter) -> Answer:
        """Delete all that match."""
        return self.oracle.delete_where(table, where, BURIED)

    def delete(self, table: str, key: Key) -> Answer:
        """Delete by key."""
        self.oracle.delete(table, key, BURIED)

    def delete_kept(self, place: int) -> Answer:
        """Delete what was kept, if it is unchanged."""
        table, row = self.kept[place]
        definition = self.oracle.definitions[table]
        verb: Literal["patch", "delete"] = "patch" if definition.soft else "delete"
        sets = BURIED if definition.soft else {}
        self.oracle.write([oracle.Change(verb, definition, definition.key_of(row), sets, row[oracle.REVISION])])

    def purge(self, table: str, key: Key) -> Answer:
        """Purge by key."""
        self.oracle.purge(table, key)

    def get(self, table: str, key: Key, deleted: Shown) -> Answer:
        """Get."""
        return self.keep(table, self.oracle.get(table, key, deleted=deleted))

    def find(
        self, table: str, where: Filter, order: Order, limit: int | None, deleted: Shown, *, scan: bool = True
    ) -> Answer:
        """Find."""
        del scan
        return [self.keep(table, r) for r in self.oracle.find(table, where, order=order, limit=limit, deleted=deleted)]

    def pages(self, table: str, where: Filter, order: Order, size: int, *, text: bool) -> Answer:
        """Find page by page."""
        del text, size
        return [plain(table, row) for row in self.oracle.matching(table, where, order=order)]

    def count(self, table: str, where: Filter, deleted: Shown) -> Answer:
        """Count, and see whether there is any."""
        found = len(self.oracle.matching(table, where, deleted=deleted))
        return found, found > 0

    def total(self, table: str, function: str, name: str, where: Filter) -> Answer:
        """Aggregate."""
        return self.oracle.aggregate(function, name, self.oracle.matching(table, where))

    def groups(self, table: str, by: str, name: str, where: Filter) -> Answer:
        """Count, add up, and take the smallest and largest, by group."""
        asked = [("count", name), ("sum", name), ("min", name), ("max", name)]
        found = self.oracle.groups((by,), asked, self.oracle.matching(table, where))
        return [(group[by], *(group[f"{function}_{name}"] for function, _ in asked)) for group in found]

    @contextmanager
    def transaction(self) -> Iterator[OraclePlayer]:
        """Play in a transaction."""
        view = oracle.Transaction(self.oracle)
        yield OraclePlayer(view)
        view.commit()

    def everything(self) -> Answer:
        """Give all there is."""
        return {name: [plain(name, r) for r in self.oracle.matching(name, deleted="any")] for name in MODELS}


class StorePlayer:
    """Plays on a real store, with the same methods and the same answers."""

    def __init__(self, database: World) -> None:
        self.database = database
        self.kept: list[Any] = []
        self.repositories: dict[str, Repository[Any, Any]] = {
            "Person": database.person,
            "Task": database.task,
            "Note": database.note,
        }

    def keep(self, record: Any) -> Answer:
        """Keep a record and answer it."""
        self.kept.append(dataclasses.replace(record))  # a copy: inside a transaction the record itself goes on changing
        return shown(record)

    def create(self, table: str, row: Row) -> Answer:
        """Create."""
        return self.keep(self.repositories[table].create(MODELS[table](**row)))

    def save(self, place: int, sets: Row) -> Answer:
        """Change what was kept and save it."""
        changed = dataclasses.replace(self.kept[place], **sets)
        self.kept[place] = self.repositories[type(changed).__name__].save(changed)
        return shown(changed)

    def edit(self, table: str, key: Key, sets: Row) -> Answer:
        """Get, change and save."""
        with self.repositories[table].edit(_key(key)) as record:
            for name, value in sets.items():
                setattr(record, name, value)
        return self.keep(record)

    def update(self, table: str, key: Key, sets: Row) -> Answer:
        """Update."""
        first, *more = assignments(table, sets)
        return self.keep(self.repositories[table].update(_key(key), first, *more))

    def upsert(self, table: str, row: Row) -> Answer:
        """Upsert."""
        return self.keep(self.repositories[table].upsert(MODELS[table](**row)))

    def increment(self, table: str, key: Key, name: str, by: int, low: int | None, high: int | None) -> Answer:
        """Increment."""
        slot = getattr(MODELS[table], name)
        return self.keep(self.repositories[table].increment(_key(key), slot, by, low=low, high=high))

    def claim(self, table: str, where: Filter, sets: Row) -> Answer:
        """Claim the only one that matches."""
        claimed = self.repositories[table].claim(predicate(table, where), changes=assignments(table, sets), scan=True)
        return self.keep(claimed)

    def update_where(self, table: str, where: Filter, sets: Row) -> Answer:
        """Update all that match."""
        changes = assignments(table, sets)
        return self.repositories[table].update_where(predicate(table, where), changes=changes, scan=True)

    def delete_where(self, table: str, where: Filter) -> Answer:
        """Delete all that match."""
        return self.repositories[table].delete_where(predicate(table, where), scan=True)

    def delete(self, table: str, key: Key) -> Answer:
        """Delete by key."""
        self.repositories[table].delete(_key(key))

    def delete_kept(self, place: int) -> Answer:
        """Delete what was kept, if it is unchanged."""
        record = dataclasses.replace(self.kept[place])
        self.repositories[type(record).__name__].delete(record)

    def purge(self, table: str, key: Key) -> Answer:
        """Purge by key."""
        self.repositories[table].purge(_key(key))

    def get(self, table: str, key: Key, deleted: Shown) -> Answer:
        """Get."""
        return self.keep(self.repositories[table].get(_key(key), deleted=deleted))

    def find(
        self, table: str, where: Filter, order: Order, limit: int | None, deleted: Shown, *, scan: bool = True
    ) -> Answer:
        """Find, by an index if scan is False and one serves."""
        asked = predicate(table, where)
        wanted: dict[str, Any] = {"order_by": orders(table, order), "limit": limit, "deleted": deleted}
        try:
            found = self.repositories[table].find(asked, scan=scan, **wanted)
        except NoAccessPath:
            found = self.repositories[table].find(asked, scan=True, **wanted)
        return [self.keep(record) for record in found]

    def pages(self, table: str, where: Filter, order: Order, size: int, *, text: bool) -> Answer:
        """Find page by page, after the last object or after its cursor's text."""
        repository, terms, found, after = self.repositories[table], orders(table, order), list[Any](), None
        while True:
            page = repository.find(predicate(table, where), order_by=terms, limit=size, after=after, scan=True)
            found += page
            if len(page) < size:
                return [shown(record) for record in found]
            after = repository.cursor(page[-1], order_by=terms) if text else page[-1]

    def count(self, table: str, where: Filter, deleted: Shown) -> Answer:
        """Count, and see whether there is any."""
        asked, repository = predicate(table, where), self.repositories[table]
        return (
            repository.count(asked, scan=True, deleted=deleted),
            repository.exists(asked, scan=True, deleted=deleted),
        )

    def total(self, table: str, function: str, name: str, where: Filter) -> Answer:
        """Aggregate."""
        value: Any = TOTALS[function](getattr(MODELS[table], name))
        return self.repositories[table].aggregate(value, predicate(table, where), scan=True)

    def groups(self, table: str, by: str, name: str, where: Filter) -> Answer:
        """Count, add up, and take the smallest and largest, by group."""
        by_slot, slot = getattr(MODELS[table], by), getattr(MODELS[table], name)
        shape = project(_group, by=by_slot, number=count(), total=sum_(slot), least=min_(slot), most=max_(slot))
        return self.repositories[table].select(shape, predicate(table, where), scan=True)

    @contextmanager
    def transaction(self) -> Iterator[StorePlayer]:
        """Play in a transaction."""
        with self.database.transaction() as tx:
            yield StorePlayer(tx)

    def everything(self) -> Answer:
        """Give all there is."""
        return {
            name: [shown(record) for record in repository.find(everything(), scan=True, deleted="any")]
            for name, repository in self.repositories.items()
        }


Player: TypeAlias = OraclePlayer | StorePlayer


def outcome(act: Callable[[], Answer]) -> Answer:
    """Give the answer, or what is comparable of the error."""
    try:
        return act()
    except OutOfBounds as error:  # its text is the library's business
        return OutOfBounds, error.model, error.field
    except ManystoreError as error:
        return type(error), error.args


def shown(record: Any) -> Answer:
    """Give a record as plain values."""
    return plain(type(record).__name__, {f.name: getattr(record, f.name) for f in dataclasses.fields(record)})


def _group(by: Any, number: int, total: Any, least: Any, most: Any) -> Answer:
    return by, number, total, least, most


def _key(key: Key) -> Any:
    return key[0] if len(key) == 1 else key


def assignments(table: str, sets: Row) -> Sequence[Assignment]:
    """Write changes as an application does."""
    return [col(getattr(MODELS[table], name)).to(value) for name, value in sets.items()]


def orders(table: str, order: Order) -> Sequence[Any]:
    """Write an order as an application does."""
    return [(desc if descending else asc)(getattr(MODELS[table], name)) for name, descending in order]


def predicate(table: str, where: Filter) -> Predicate:
    """Write a filter as an application does."""
    if isinstance(where, Negated):
        return ~predicate(table, where.part)
    if isinstance(where, Every | Either):
        parts = [predicate(table, part) for part in where.parts]
        result = everything() if isinstance(where, Every) else ~everything()
        for part in parts:
            result = result & part if isinstance(where, Every) else result | part
        return result
    return _comparison(table, where)


def _comparison(table: str, term: Term) -> Predicate:
    column = col(getattr(MODELS[table], term.field))
    match term.op:
        case "eq":
            return column == term.value
        case "ne":
            return column != term.value
        case "lt":
            return column < term.value
        case "le":
            return column <= term.value
        case "gt":
            return column > term.value
        case "ge":
            return column >= term.value
        case "in":
            return column.in_(term.value)
        case "between":
            return column.between(*term.value)
        case "prefix":
            return column.prefix(term.value)
