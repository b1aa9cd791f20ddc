"""Predicates: what a filter says, as a tree of values. Python's meaning: two truth values, None equals None.

Knows fields by owner and name; must not know plans or stores. column.py builds the leaves, planner.py takes them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NoReturn, TypeAlias

import msgspec

from ..errors import UsageError

Op: TypeAlias = Literal[
    "eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "prefix", "not_prefix", "null", "not_null", "live"
]
Shape: TypeAlias = tuple[Any, ...]  # a predicate without its values: what plans are kept by

NO_TRUTH = (
    "a predicate has no truth value: write & | ~ for and, or, not; .in_() for in; .between() for a < b < c; "
    ".is_(None) for `is None`"
)


class Predicate:
    """A condition on one model's records; combine with & | ~."""

    __slots__ = ()

    @property
    def shape(self) -> Shape:
        """Give what the predicate says, without its operands: plans are kept by it."""
        raise NotImplementedError

    def __and__(self, other: Predicate) -> Predicate:
        # Flat: a thousand predicates joined one by one are no deeper than two.
        return And((*_parts(self, And), *_parts(wanted(other, "the right side of &"), And)))

    def __or__(self, other: Predicate) -> Predicate:
        return Or((*_parts(self, Or), *_parts(wanted(other, "the right side of |"), Or)))

    def __rand__(self, other: object) -> NoReturn:
        raise UsageError("the left side of & is no predicate; put parentheses around each comparison")

    def __ror__(self, other: object) -> NoReturn:
        raise UsageError("the left side of | is no predicate; put parentheses around each comparison")

    def __invert__(self) -> Predicate:
        raise NotImplementedError

    def __bool__(self) -> NoReturn:
        raise UsageError(NO_TRUTH)

    def values(self) -> Iterator[Any]:
        """Give the operands, in the order in which shape names them."""
        raise NotImplementedError

    def owners(self) -> Iterator[tuple[type[Any], str]]:
        """Give the (class, field) pairs that the predicate speaks of."""
        raise NotImplementedError


class Compare(Predicate, msgspec.Struct, frozen=True, eq=False):
    """One field against one operand; `in` and `not_in` hold a tuple, `null` and `not_null` hold nothing.

    `live` is `eq` of a soft-delete flag and False, in a shape of its own: the planner sees that only live records are
    wanted, which an operand does not tell it.
    """

    owner: type[Any]
    field: str
    op: Op
    value: Any
    optional: bool

    @property
    def shape(self) -> Shape:
        """See Predicate."""
        return (self.op, self.field)

    def values(self) -> Iterator[Any]:
        """See Predicate."""
        if self.op not in ("null", "not_null"):
            yield self.value

    def owners(self) -> Iterator[tuple[type[Any], str]]:
        """See Predicate."""
        yield self.owner, self.field

    def __invert__(self) -> Predicate:
        opposite = Compare(self.owner, self.field, _OPPOSITE[self.op], self.value, self.optional)
        # None is neither below nor above anything, so it is in the opposite of both.
        if self.optional and self.op in ("lt", "le", "gt", "ge"):
            return Or((opposite, Compare(self.owner, self.field, "null", None, optional=True)))
        return opposite

    def __repr__(self) -> str:
        return f"{self.owner.__name__}.{self.field} {WORDS[self.op]}"  # without the operand: it may be a secret


class And(Predicate, msgspec.Struct, frozen=True, eq=False):
    """All of the parts; of none, everything."""

    parts: tuple[Predicate, ...]

    @property
    def shape(self) -> Shape:
        """See Predicate."""
        return ("and", *[part.shape for part in self.parts])

    def values(self) -> Iterator[Any]:
        """See Predicate."""
        for part in self.parts:
            yield from part.values()

    def owners(self) -> Iterator[tuple[type[Any], str]]:
        """See Predicate."""
        for part in self.parts:
            yield from part.owners()

    def __invert__(self) -> Predicate:
        return Or(tuple(~part for part in self.parts))


class Or(Predicate, msgspec.Struct, frozen=True, eq=False):
    """Any of the parts; of none, nothing."""

    parts: tuple[Predicate, ...]

    @property
    def shape(self) -> Shape:
        """See Predicate."""
        return ("or", *[part.shape for part in self.parts])

    def values(self) -> Iterator[Any]:
        """See Predicate."""
        for part in self.parts:
            yield from part.values()

    def owners(self) -> Iterator[tuple[type[Any], str]]:
        """See Predicate."""
        for part in self.parts:
            yield from part.owners()

    def __invert__(self) -> Predicate:
        return And(tuple(~part for part in self.parts))


def _parts(predicate: Predicate, joint: type[And | Or]) -> tuple[Predicate, ...]:
    return predicate.parts if isinstance(predicate, joint) else (predicate,)


def everything() -> Predicate:
    """Say "all records" aloud, where a filter is demanded: `delete_where(everything(), scan=True)`."""
    return And(())


def wanted(candidate: object, place: str) -> Predicate:
    """Give a predicate back; raise UsageError for anything else, naming its place."""
    if isinstance(candidate, Predicate):
        return candidate
    raise UsageError(f"{place} is no predicate but a {type(candidate).__name__}; write col(Book.title) == ...")


def conjunction(parts: Sequence[Predicate]) -> Predicate | None:
    """Join the arguments of find and its kin; None when there are none."""
    if not parts:
        return None
    for place, part in enumerate(parts, 1):
        wanted(part, f"argument {place}")
    return parts[0] if len(parts) == 1 else And(tuple(parts))


_OPPOSITE: dict[Op, Op] = {
    "eq": "ne",
    "ne": "eq",
    "lt": "ge",
    "ge": "lt",
    "le": "gt",
    "gt": "le",
    "in": "not_in",
    "not_in": "in",
    "prefix": "not_prefix",
    "not_prefix": "prefix",
    "null": "not_null",
    "not_null": "null",
    "live": "ne",
}
WORDS: dict[Op, str] = {
    "eq": "= …",
    "ne": "!= …",
    "lt": "< …",
    "le": "<= …",
    "gt": "> …",
    "ge": ">= …",
    "in": "in …",
    "not_in": "not in …",
    "prefix": "begins with …",
    "not_prefix": "does not begin with …",
    "null": "is None",
    "not_null": "is not None",
    "live": "= …",
}
