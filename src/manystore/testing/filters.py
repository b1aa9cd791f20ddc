"""Filters and orders in the most obvious Python: what the oracle and the histories speak.

Shares no code with the library, whose own predicates and sorting are what is being checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cmp_to_key
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Literal, TypeAlias

Row: TypeAlias = dict[str, Any]  # never changed in place


@dataclass(frozen=True)
class Term:
    """One field against one value."""

    field: str
    op: Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "between", "prefix"]
    value: Any

    def holds(self, row: Row) -> bool:
        """Say what Python would say, but that None is neither above nor below nor the beginning of anything."""
        have, value = row[self.field], self.value
        match self.op:
            case "eq":
                return bool(have == value)
            case "ne":
                return bool(have != value)
            case "in":
                return have in value
        if have is None:
            return False
        if self.op == "prefix":
            return bool(have[: len(value)] == value)
        if self.op == "between":
            return bool(rank(value[0]) <= rank(have) <= rank(value[1]))
        comparison = (rank(have) > rank(value)) - (rank(have) < rank(value))
        answers = {"lt": comparison < 0, "le": comparison <= 0, "gt": comparison > 0, "ge": comparison >= 0}
        return bool(answers[self.op])


@dataclass(frozen=True)
class Every:
    """All of the parts."""

    parts: tuple[Filter, ...]

    def holds(self, row: Row) -> bool:
        """Say whether all parts hold."""
        return all(part.holds(row) for part in self.parts)


@dataclass(frozen=True)
class Either:
    """At least one of the parts."""

    parts: tuple[Filter, ...]

    def holds(self, row: Row) -> bool:
        """Say whether any part holds."""
        return any(part.holds(row) for part in self.parts)


@dataclass(frozen=True)
class Negated:
    """Not the part."""

    part: Filter

    def holds(self, row: Row) -> bool:
        """Say whether the part does not hold."""
        return not self.part.holds(row)


Filter: TypeAlias = Term | Every | Either | Negated
Order: TypeAlias = tuple[tuple[str, bool], ...]  # (field, descending) pairs


def rank(value: Any) -> Any:
    """Give what a value that is not None is ordered by."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, IPv4Address | IPv6Address):
        return value.version, int(value)
    if isinstance(value, IPv4Network | IPv6Network):
        return value.version, int(value.network_address), value.prefixlen
    return value


def compare(one: Row, other: Row, order: Iterable[tuple[str, bool]]) -> int:
    """Compare two rows by an order: -1, 0 or 1; None is the smallest."""
    for name, descending in order:
        a, b = one[name], other[name]
        if a is None or b is None:
            result = (a is not None) - (b is not None)
        else:
            result = (rank(a) > rank(b)) - (rank(a) < rank(b))
        if result:
            return -result if descending else result
    return 0


def in_order(rows: Iterable[Row], order: Iterable[tuple[str, bool]]) -> list[Row]:
    """Sort rows by an order; rows that tie stay as they stand."""
    terms = list(order)

    def by(one: Row, other: Row) -> int:
        return compare(one, other, terms)

    return sorted(rows, key=cmp_to_key(by))
