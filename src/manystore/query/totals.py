"""Projections and aggregates over loaded records, in the store's forms: what some stores cannot do themselves.

query/evaluate.py says what the aggregates mean; here they are worked out on primitives, which sort and add up alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

from .evaluate import checked_sum, exact_sum
from .plan import Plan, Total

Row: TypeAlias = tuple[Any, ...]
Column: TypeAlias = Callable[[Any], Any]


def column(plan: Plan, field: str) -> Column:
    """Make get(record) of a field in its store form."""
    get, dump = attrgetter(field), plan.codec.dumps[plan.collection.positions[field]]
    if dump is None:
        return get
    return lambda record: None if (value := get(record)) is None else dump(value)


def rows(plan: Plan, records: Sequence[Any]) -> list[Row]:
    """Give the plan's columns of each record."""
    columns = [column(plan, name) for name in plan.columns]
    return [tuple([get(record) for get in columns]) for record in records]


def groups(plan: Plan, records: Sequence[Any]) -> list[tuple[Row, Row]]:
    """Group by the plan's columns, in their ascending order; without columns, one group even of nothing."""
    columns = [column(plan, name) for name in plan.columns]
    members: dict[Row, list[Any]] = {} if columns else {(): []}
    for record in records:
        members.setdefault(tuple([get(record) for get in columns]), []).append(record)
    sources = [(total, column(plan, total.field) if total.field else _nothing) for total in plan.totals]
    return [
        (group, tuple([_total(plan, total, get, members[group]) for total, get in sources]))
        for group in sorted(members, key=_ascending)
    ]


def _nothing(_: Any) -> bool:
    return True


def _ascending(group: Row) -> list[tuple[bool, Any]]:
    return [(False, 0) if value is None else (True, value) for value in group]


def _total(plan: Plan, total: Total, get: Column, records: Sequence[Any]) -> Any:
    values = [value for record in records if (value := get(record)) is not None]
    if total.function == "count":
        return len(values)
    if total.function == "min":
        return min(values, default=None)
    if total.function == "max":
        return max(values, default=None)
    if total.function == "avg":
        return exact_sum(values), len(values)
    # Decimals are scaled ints here, and their sum has no limit of 64 bits.
    if plan.collection.field(total.field).kind == "decimal":
        return exact_sum(values)
    return checked_sum(values, plan.collection.model, total.field)
