"""Hints: which declaration would serve a query that has no access path, for the text of NoAccessPath.

Knows conditions and collections; must not know how a path is chosen. planner.py asks for it when it has to refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from ..schema.schema import Collection
from .plan import AnyOf, Condition, Ordering, Test, conjuncts

Fields: TypeAlias = tuple[str, ...]
_EQUAL = ("eq", "null", "in")
_BOUNDS = ("lt", "le", "gt", "ge", "prefix")


def wanted(parts: Sequence[Condition], order: Sequence[Ordering]) -> str:
    """Say in words what was asked for."""
    fields = list(dict.fromkeys(test.field for part in parts for test in _tests(part)))
    if fields:
        return "a filter on " + ", ".join(fields)
    return "the order by " + ", ".join(term.field for term in order) if order else "a read of everything"


def declaration(
    collection: Collection,
    parts: Sequence[Condition],
    order: Sequence[Ordering],
    is_served: Callable[[Sequence[Condition]], bool],
) -> str:
    """Write the declaration that would serve the query; empty when none would. order: what an index alone may serve."""
    indexes = _indexes(collection, parts, order, is_served)
    if not indexes:
        return ""
    written = (", ".join(f'"{name}"' for name in fields) for fields in indexes)
    return f"@model(indexes=[{', '.join(f'index({names})' for names in written)}])"


def _indexes(
    collection: Collection,
    parts: Sequence[Condition],
    order: Sequence[Ordering],
    is_served: Callable[[Sequence[Condition]], bool],
) -> list[Fields]:
    fields = _index(collection, parts, order)
    if fields:
        return [fields]
    for choice in parts:
        if isinstance(choice, AnyOf):
            missing = [found for part in choice.parts if not is_served(found := conjuncts(part))]
            found_all = [_indexes(collection, found, (), is_served) for found in missing]
            if all(found_all):
                return list(dict.fromkeys(fields for found in found_all for fields in found))
    return []


def _index(collection: Collection, parts: Sequence[Condition], order: Sequence[Ordering]) -> Fields:
    """Give the fields of the one index that would serve: those equal to something, then a bound or the order."""
    tests = [part for part in parts if isinstance(part, Test) and collection.field(part.field).kind != "json"]
    equal = list(dict.fromkeys(test.field for test in tests if test.op in _EQUAL))
    bound = next((test.field for test in tests if test.op in _BOUNDS and test.field not in equal), None)
    # Nearly all records are live: the flag leads only when nothing else can.
    leading = [name for name in equal if name != collection.live]
    if bound is not None:
        return (*leading, bound)
    leading = leading or equal
    if parts and not leading:
        return ()
    return (*leading, *(f"-{t.field}" if t.descending else t.field for t in order if t.field not in leading))


def _tests(condition: Condition) -> Iterator[Test]:
    if isinstance(condition, Test):
        yield condition
    else:
        for part in condition.parts:
            yield from _tests(part)
