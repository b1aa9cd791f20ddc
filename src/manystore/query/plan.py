"""Plans: how a query will be read, as values. A plan holds no operand, so one serves all queries of its shape.

Parameters are numbered: parameter n is the n-th of the values that come with the plan. Knows schemas; must not know
predicates, models or stores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from ..schema.schema import Collection, Index, Unique
from .predicate import Op

Output: TypeAlias = Literal["records", "count", "exists", "rows", "groups"]


class Test(msgspec.Struct, frozen=True):
    """One field against parameter number param (-1 for null and not_null; a tuple for in and not_in)."""

    field: str
    op: Op
    param: int


class AllOf(msgspec.Struct, frozen=True):
    """Every part holds; of none, always true."""

    parts: tuple[Condition, ...]


class AnyOf(msgspec.Struct, frozen=True):
    """Some part holds; of none, never true."""

    parts: tuple[Condition, ...]


Condition: TypeAlias = Test | AllOf | AnyOf


def conjuncts(condition: Condition) -> tuple[Condition, ...]:
    """Give the conditions that must all hold."""
    return condition.parts if isinstance(condition, AllOf) else (condition,)


class Lookup(msgspec.Struct, frozen=True):
    """Records by their whole key: one eq test a key field, or one `in` on a key of one field."""

    tests: tuple[Test, ...]


class Claimed(msgspec.Struct, frozen=True):
    """The record, at most one, that holds a unique tuple: one eq test a field."""

    unique: Unique
    tests: tuple[Test, ...]


class Range(msgspec.Struct, frozen=True):
    """A stretch of an index, or of the key's order (index None).

    equal: one eq, null or `in` test for each leading field, at most one of them an `in`: then there is one stretch for
    each of its values. lower (gt, ge), upper (lt, le) or prefix: on the next field. reverse: walked from the end.
    """

    index: Index | None
    equal: tuple[Test, ...] = ()
    lower: Test | None = None
    upper: Test | None = None
    prefix: Test | None = None
    reverse: bool = False


class Union(msgspec.Struct, frozen=True):
    """Records that any of the parts finds, each once."""

    parts: tuple[Access, ...]


class Nothing(msgspec.Struct, frozen=True):
    """No record can match; the store is not asked."""


Access: TypeAlias = Lookup | Claimed | Range | Union | Nothing


class Ordering(msgspec.Struct, frozen=True):
    """One term of the final order."""

    field: str
    descending: bool = False


class Total(msgspec.Struct, frozen=True):
    """An aggregate to compute: count, sum, min, max or avg of a field ("" for count)."""

    function: Literal["count", "sum", "min", "max", "avg"]
    field: str


class Plan(msgspec.Struct, eq=False):
    """One way to answer one shape of query. Compared by identity, so stores may keep what they compile for it.

    where: all that a record must fulfil. residual: the part of it that the access does not ensure. order: every term,
    ending in the key. presorted: how many leading terms the access yields in order (all: no sort at all).
    is_scan: the access is bounded by nothing. epoch: of the catalog that it was made from. columns: of rows and groups,
    the plain fields. totals: of groups.
    codec, matches, sort_keys, is_after: made in api and opaque here. matches(record, values) tells whether where holds
    for a loaded record; sort_keys has one function (record -> comparable) for each term of order, to be reversed where
    the term descends; is_after(record, after) tells whether a record comes after a cursor's values.
    """

    collection: Collection
    access: Access
    where: Condition
    residual: Condition | None
    order: tuple[Ordering, ...]
    presorted: int
    output: Output = "records"
    epoch: str = ""
    is_scan: bool = False
    columns: tuple[str, ...] = ()
    totals: tuple[Total, ...] = ()
    codec: Any = None
    matches: Callable[[Any, tuple[Any, ...]], bool] | None = None
    sort_keys: tuple[Callable[[Any], Any], ...] = ()
    is_after: Callable[[Any, tuple[Any, ...]], bool] | None = None
    compiled: dict[Any, Any] = msgspec.field(default_factory=dict[Any, Any])


CATALOG = Plan(
    collection=Collection(name="_catalog", model="_catalog", fields=(), key=()),
    access=Nothing(),
    where=AllOf(()),
    residual=None,
    order=(),
    presorted=0,
)
"""The plan of reading the stored catalog, known by identity."""
