"""Conditions: a plan's tests, bounds and cursors as SQL that says what Python would.

NULL is Python's None: equal to itself, different from every value, neither below nor above any. There is no NOT in a
plan, so it does no harm that a comparison with NULL is neither true nor false: it never counts as true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, and_, false, or_, true

from ...query.plan import Access, AllOf, AnyOf, Claimed, Condition, Lookup, Ordering, Range, Test, Union
from ...schema.schema import Collection
from .dialect import Clause, Dialect, parameter

Columns: TypeAlias = Callable[[str], ColumnElement[Any]]
_LAST = 0x10FFFF
_BEFORE_SURROGATES, _AFTER_SURROGATES = 0xD7FF, 0xE000


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of a test. columns: field -> column; sizes: of each `in`; endless: the prefixes that have no end."""

    columns: Columns
    collection: Collection
    sizes: Mapping[int, int]
    endless: frozenset[int]
    dialect: Dialect

    def clause(self, condition: Condition) -> Clause:
        """Write a condition."""
        if isinstance(condition, Test):
            return self._test(condition)
        parts = [self.clause(part) for part in condition.parts]
        return and_(true(), *parts) if isinstance(condition, AllOf) else or_(false(), *parts)

    def _test(self, test: Test) -> Clause:
        column, op = self.columns(test.field), test.op
        if op == "null":
            return column.is_(None)
        if op == "not_null":
            return column.is_not(None)
        if op in ("in", "not_in"):
            return self._membership(test, column)
        if op in ("prefix", "not_prefix"):
            return self._prefix(test, column)
        value = parameter(f"v{test.param}")
        if op == "ne":
            return column.is_distinct_from(value) if self._optional(test) else column != value
        return _COMPARISONS[op](column, value)

    def _optional(self, test: Test) -> bool:
        return self.collection.field(test.field).optional

    def _membership(self, test: Test, column: ColumnElement[Any]) -> Clause:
        size = self.sizes[test.param]
        if not size:
            return false() if test.op == "in" else true()
        among, outside = self.dialect.among(column, f"i{test.param}_{{}}", size)
        if test.op == "in":
            return among
        return or_(outside, column.is_(None)) if self._optional(test) else outside

    def _prefix(self, test: Test, column: ColumnElement[Any]) -> Clause:
        # A range, never LIKE, which ignores the case of letters.
        low = parameter(f"v{test.param}")
        high = None if test.param in self.endless else parameter(f"n{test.param}")
        if test.op == "prefix":
            return column >= low if high is None else and_(column >= low, column < high)
        outside = column < low if high is None else or_(column < low, column >= high)
        return or_(outside, column.is_(None)) if self._optional(test) else outside


_COMPARISONS: dict[str, Callable[[Any, Any], Clause]] = {
    "eq": lambda column, value: column == value,
    "lt": lambda column, value: column < value,
    "le": lambda column, value: column <= value,
    "gt": lambda column, value: column > value,
    "ge": lambda column, value: column >= value,
}


def beyond_prefix(prefix: str) -> str | None:
    """Give the first text that comes after every text with this prefix; None when there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[at])
        if code < _LAST:
            following = _AFTER_SURROGATES if code == _BEFORE_SURROGATES else code + 1
            return prefix[:at] + chr(following)
    return None


def access_condition(access: Access) -> Condition:
    """Say as a condition what an access yields."""
    if isinstance(access, (Lookup, Claimed)):
        return AllOf(access.tests)
    if isinstance(access, Range):
        return AllOf((*access.equal, *(t for t in (access.lower, access.upper, access.prefix) if t is not None)))
    if isinstance(access, Union):
        return AnyOf(tuple(access_condition(part) for part in access.parts))
    return AnyOf(())


def access_order(collection: Collection, access: Access) -> tuple[Ordering, ...]:
    """Give the order in which an access yields records; empty where it has none."""
    if not isinstance(access, Range) or any(test.op == "in" for test in access.equal):
        return ()
    terms: dict[str, bool] = {}
    if access.index is not None:
        terms = dict(zip(access.index.fields, access.index.descending, strict=True))
    for name in collection.key:
        terms.setdefault(name, False)
    return tuple(Ordering(name, descending != access.reverse) for name, descending in terms.items())


def tests(condition: Condition) -> Iterator[Test]:
    """Give every test of a condition."""
    if isinstance(condition, Test):
        yield condition
    else:
        for part in condition.parts:
            yield from tests(part)


def fixed_fields(condition: Condition) -> dict[str, int]:
    """Give the fields that a condition binds to one value, with the parameter; -1 for None."""
    if isinstance(condition, Test):
        return {condition.field: condition.param} if condition.op in ("eq", "null") else {}
    found: dict[str, int] = {}
    if isinstance(condition, AllOf) or len(condition.parts) == 1:
        for part in condition.parts:
            found |= fixed_fields(part)
    return found


@dataclass(frozen=True, slots=True)
class Mark:
    """One term of a cursor. place: in the plan's order; none: the cursor has None there."""

    place: int
    term: Ordering
    none: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """What comes after a position. inclusive: records equal in all marks come after it as well."""

    marks: tuple[Mark, ...]
    inclusive: bool

    def clause(self, columns: Columns, collection: Collection) -> Clause:
        """Write it as an OR of prefixes, under a bound on the first term that an index can start from."""
        branches: list[Clause] = []
        equal: list[Clause] = []
        for mark in self.marks:
            column = columns(mark.term.field)
            after = _after(mark, column, optional=collection.field(mark.term.field).optional)
            if after is not None:
                branches.append(and_(*equal, after))
            equal.append(column.is_(None) if mark.none else column == _cursor_value(mark))
        if self.inclusive:
            branches.append(and_(true(), *equal))
        bound = self._bound(columns, collection)
        return and_(*bound, or_(false(), *branches))

    def _bound(self, columns: Columns, collection: Collection) -> Sequence[Clause]:
        if not self.marks or self.marks[0].none:
            return ()
        first = self.marks[0]
        column, value = columns(first.term.field), _cursor_value(first)
        if not first.term.descending:
            return (column >= value,)
        return () if collection.field(first.term.field).optional else (column <= value,)


def _after(mark: Mark, column: ColumnElement[Any], *, optional: bool) -> Clause | None:
    value = _cursor_value(mark)
    if mark.term.descending:
        if mark.none:
            return None  # None comes last, so nothing is after it
        return or_(column < value, column.is_(None)) if optional else column < value
    return column.is_not(None) if mark.none else column > value


def _cursor_value(mark: Mark) -> Any:
    return parameter(f"a{mark.place}")


def order_by(
    order: Sequence[Ordering], columns: Columns, fixed: Mapping[str, int], collection: Collection, dialect: Dialect
) -> list[ColumnElement[Any]]:
    """Write an order. A field that is bound to one value orders nothing, and would keep an index from serving."""
    return [
        dialect.ordered(columns(term.field), descending=term.descending, optional=collection.field(term.field).optional)
        for term in order
        if term.field not in fixed
    ]
