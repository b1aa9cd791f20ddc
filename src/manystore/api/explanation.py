"""A plan in words: what explain() gives and what the on_call hook is told."""

from __future__ import annotations

import msgspec

from ..query.capabilities import Capabilities
from ..query.plan import Access, AllOf, Claimed, Condition, Lookup, Nothing, Plan, Range, Test, Union
from ..query.predicate import WORDS


class Explanation(msgspec.Struct, frozen=True):
    """How a query will be read. index: the index walked, if any; residual: what is looked at on each record, or "".

    round_trips: how often the read waits for the store; sort: the terms that are sorted after reading.
    """

    collection: str
    access: str
    index: str | None
    residual: str
    sort: str
    round_trips: int
    is_scan: bool

    def __str__(self) -> str:
        parts = [f"{self.collection}: {self.access}"]
        parts += [f"residual: {self.residual}"] if self.residual else []
        parts += [f"sort: {self.sort}"] if self.sort else []
        return "; ".join([*parts, f"round trips: {self.round_trips}"])


def explanation(plan: Plan, capabilities: Capabilities) -> Explanation:
    """Put a plan into words."""
    by_index = isinstance(plan.access, (Range, Claimed)) and not plan.is_scan
    trips = 0 if isinstance(plan.access, Nothing) else capabilities.index_trips if by_index else 1
    if isinstance(plan.access, Union) and not capabilities.native_filter:
        trips = len(plan.access.parts) * capabilities.index_trips
    unsorted = plan.order[plan.presorted :] if plan.output in ("records", "rows") else ()
    return Explanation(
        collection=plan.collection.name,
        access=access_words(plan),
        index=plan.access.index.name if isinstance(plan.access, Range) and plan.access.index else None,
        residual=condition_words(plan.residual) if plan.residual is not None else "",
        sort=", ".join(f"{t.field} descending" if t.descending else t.field for t in unsorted),
        round_trips=trips,
        is_scan=plan.is_scan,
    )


def access_words(plan: Plan) -> str:
    """Name a plan's access: lookup, unique, index, key range, union, scan or nothing."""
    return ("scan of " if plan.is_scan else "") + _words(plan.access)


def _words(access: Access) -> str:
    match access:
        case Nothing():
            return "nothing to read"
        case Lookup(tests):
            return "lookup by key" if tests[0].op == "eq" else "lookup by several keys"
        case Claimed(unique, _):
            return f"lookup by {unique.name}"
        case Union(parts):
            return "union of " + " and ".join(_words(part) for part in parts)
        case Range():
            bounded = (*access.equal, access.lower, access.upper, access.prefix)
            bounds = " and ".join(_test_words(t) for t in bounded if t is not None)
            name = f"index {access.index.name}" if access.index else "key range"
            return f"{name}{' from its end' if access.reverse else ''}{': ' + bounds if bounds else ''}"


def condition_words(condition: Condition) -> str:
    """Write a condition with its operands left out."""
    if isinstance(condition, Test):
        return _test_words(condition)
    joint = " and " if isinstance(condition, AllOf) else " or "
    return "(" + joint.join(condition_words(part) for part in condition.parts) + ")"


def _test_words(test: Test) -> str:
    return f"{test.field} {WORDS[test.op]}"
