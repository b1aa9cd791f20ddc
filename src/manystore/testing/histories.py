"""Histories: the models of random operations, and how filters, orders and changes are written for them.

players.py carries operations out; machine.py makes them up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal, TypeAlias

from manystore import (
    Assignment,
    Col,
    Database,
    ManystoreError,
    Order,
    OutOfBounds,
    Predicate,
    Repository,
    asc,
    avg,
    col,
    desc,
    everything,
    field,
    index,
    max_,
    min_,
    model,
    ref,
    sum_,
    unique,
)
from manystore.testing import filters
from manystore.testing.filters import Either, Every, Filter, Negated, Row, Term
from manystore.testing.oracle import Reference, Table, Unique

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
    Table("Note", ("task", "number"), references=(Reference("task", "Task", "cascade"),)),
    Table("Person", ("id",), (Unique(("name",)),), (Reference("mentor", "Person", "set_null"),)),
    Table(
        "Task",
        ("id",),
        (Unique(("owner", "slot"), live=True), Unique(("code",))),
        (Reference("owner", "Person"),),
        soft=True,
    ),
)
BURIED = {"deleted": True, "deleted_at": NOW}
TOTALS: dict[str, Callable[[Any], Any]] = {"sum": sum_, "min": min_, "max": max_, "avg": avg}


def names_of(table: str) -> list[str]:
    """Give the names of a model's fields."""
    return [f.name for f in dataclasses.fields(MODELS[table])]


def plain(table: str, row: Row | None) -> Answer:
    """Give what players are compared by: the table and the values of the fields."""
    return None if row is None else (table, tuple(row[name] for name in names_of(table)))


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


def assignments(table: str, sets: Row) -> Sequence[Assignment]:
    """Write changes as an application does."""
    return [col(getattr(MODELS[table], name)).to(value) for name, value in sets.items()]


def orders(table: str, order: filters.Order) -> Sequence[Order]:
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
    column: Col[Any] = col(getattr(MODELS[table], term.field))
    ways: dict[str, Callable[[Any], Predicate]] = {
        "eq": lambda value: column == value,
        "ne": lambda value: column != value,
        "lt": lambda value: column < value,
        "le": lambda value: column <= value,
        "gt": lambda value: column > value,
        "ge": lambda value: column >= value,
        "in": column.in_,
        "between": lambda value: column.between(*value),
        "prefix": column.prefix,
    }
    return ways[term.op](term.value)
