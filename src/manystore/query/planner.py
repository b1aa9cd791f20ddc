"""The planner: (query, catalog) -> Plan, or a refusal with the reason. Pure; asks no store.

A filter is served by the key, a unique or a declared index, or refused: nothing is scanned in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import IndexNotReady, NoAccessPath
from ..schema.catalog import Catalog
from ..schema.schema import Collection, Index
from .plan import (
    Access,
    AllOf,
    AnyOf,
    Claimed,
    Condition,
    Lookup,
    Nothing,
    Ordering,
    Output,
    Plan,
    Range,
    Test,
    Total,
    Union,
)
from .predicate import Shape

_EQUAL = ("eq", "null", "in")


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked, without its operands. limited: a limit comes with the read; scan: a scan was asked for aloud."""

    collection: Collection
    where: Shape | None = None
    order: tuple[Ordering, ...] = ()
    output: Output = "records"
    limited: bool = False
    scan: bool = False
    columns: tuple[str, ...] = ()
    totals: tuple[Total, ...] = ()


@dataclass(frozen=True, slots=True)
class _Path:
    """A candidate: its access, the tests that the access ensures, and how many terms of the order it yields."""

    access: Access
    used: tuple[Test, ...]
    presorted: int

    def rank(self, ordered: bool) -> tuple[int, ...]:
        a = self.access
        if isinstance(a, (Lookup, Claimed)):
            return (3, 0, 0, 0) if any(t.op == "in" for t in a.tests) else (4, 0, 0, 0)
        assert isinstance(a, Range)
        bounded = bool(a.lower or a.upper or a.prefix)
        return (min(len(self.used), 2), len(a.equal), bounded, self.presorted if ordered else 0)


def plan(query: Query, catalog: Catalog) -> Plan:
    """Choose how to read; raise NoAccessPath or IndexNotReady."""
    collection = query.collection
    where = _condition(query.where, _Counter()) if query.where is not None else AllOf(())
    order = _full_order(query, collection)
    if _never(where):
        return _made(query, Nothing(), where, None, order, len(order))
    conjuncts = list(_conjuncts(where))
    path = _best(collection, conjuncts, order, catalog) or _union(collection, conjuncts, order, catalog)
    is_scan = path is None
    if path is None:
        path = _scan(query, collection, where, order, catalog)
    if isinstance(path.access, Union):
        residual: Condition | None = where
    else:
        left = tuple(c for c in conjuncts if not (isinstance(c, Test) and c in path.used))
        residual = None if not left else left[0] if len(left) == 1 else AllOf(left)
    made = _made(query, path.access, where, residual, order, path.presorted)
    made.is_scan = is_scan
    return made


def _made(
    query: Query,
    access: Access,
    where: Condition,
    residual: Condition | None,
    order: tuple[Ordering, ...],
    presorted: int,
) -> Plan:
    return Plan(
        query.collection,
        access,
        where,
        residual,
        order,
        presorted,
        output=query.output,
        columns=query.columns,
        totals=query.totals,
    )


class _Counter:
    def __init__(self) -> None:
        self.next = 0

    def take(self) -> int:
        self.next += 1
        return self.next - 1


def _condition(shape: Shape, counter: _Counter) -> Condition:
    kind = shape[0]
    if kind in ("and", "or"):
        parts = tuple(_condition(part, counter) for part in shape[1:])
        return AllOf(parts) if kind == "and" else AnyOf(parts)
    return Test(shape[1], kind, -1 if kind in ("null", "not_null") else counter.take())


def _never(condition: Condition) -> bool:
    if isinstance(condition, AllOf):
        return any(_never(part) for part in condition.parts)
    return isinstance(condition, AnyOf) and all(_never(part) for part in condition.parts)


def _conjuncts(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, AllOf):
        for part in condition.parts:
            yield from _conjuncts(part)
    elif isinstance(condition, AnyOf) and len(condition.parts) == 1:
        yield from _conjuncts(condition.parts[0])
    else:
        yield condition


def _full_order(query: Query, collection: Collection) -> tuple[Ordering, ...]:
    """End every order in the key, so that it is total; a field that comes again changes nothing."""
    terms: dict[str, Ordering] = {}
    for term in (*query.order, *(Ordering(name) for name in collection.key)):
        terms.setdefault(term.field, term)
    return tuple(terms.values())


def _best(
    collection: Collection, conjuncts: Sequence[Condition], order: Sequence[Ordering], catalog: Catalog
) -> _Path | None:
    tests = [c for c in conjuncts if isinstance(c, Test)]
    paths = list(_lookups(collection, tests, order, catalog))
    building: list[str] = []
    for index in (None, *collection.indexes):
        path = _range(collection, index, tests, order)
        if path is None:
            continue
        if index is not None and catalog.state(collection.name, index.name) != "ready":
            building.append(index.name)
            continue
        paths.append(path)
    if not paths:
        if building:
            raise IndexNotReady(f"{collection.model}: the index {building[0]} is still being built")
        return None
    return max(paths, key=lambda p: p.rank(ordered=True))


def _lookups(
    collection: Collection, tests: Sequence[Test], order: Sequence[Ordering], catalog: Catalog
) -> Iterator[_Path]:
    equal = {t.field: t for t in reversed(tests) if t.op == "eq"}
    if all(name in equal for name in collection.key):
        used = tuple(equal[name] for name in collection.key)
        yield _Path(Lookup(used), used, len(order))
    elif len(collection.key) == 1:
        many = next((t for t in tests if t.field == collection.key[0] and t.op == "in"), None)
        if many:
            yield _Path(Lookup((many,)), (many,), 0)
    for unique in collection.uniques:
        if all(name in equal for name in unique.fields) and catalog.state(collection.name, unique.name) == "ready":
            claimed = tuple(equal[name] for name in unique.fields)
            if unique.among == "all" or _live(collection, equal):
                yield _Path(Claimed(unique, claimed), claimed, len(order))


def _live(collection: Collection, equal: dict[str, Test]) -> bool:
    # A unique among the live finds the live only, so the filter must ask for them: `deleted` equal to a value is
    # looked at again on the record, where True finds nothing that the claim points at.
    return False if collection.live is None else collection.live in equal and equal[collection.live].param < 0


def _range(
    collection: Collection, index: Index | None, tests: Sequence[Test], order: Sequence[Ordering]
) -> _Path | None:
    fields = index.fields if index else collection.key
    equal: list[Test] = []
    for name in fields:
        found = next((t for op in _EQUAL for t in tests if t.field == name and t.op == op), None)
        if found is None:
            break
        equal.append(found)
    lower = upper = prefix = None
    if len(equal) < len(fields):
        name = fields[len(equal)]
        prefix = next((t for t in tests if t.field == name and t.op == "prefix"), None)
        if prefix is None:
            lower = next((t for t in tests if t.field == name and t.op in ("gt", "ge")), None)
            upper = next((t for t in tests if t.field == name and t.op in ("lt", "le")), None)
    used = tuple(t for t in (*equal, lower, upper, prefix) if t is not None)
    if not used:
        return None
    presorted, reverse = _presorted(collection, index, equal, order)
    return _Path(Range(index, tuple(equal), lower, upper, prefix, reverse), used, presorted)


def _presorted(
    collection: Collection, index: Index | None, equal: Sequence[Test], order: Sequence[Ordering]
) -> tuple[int, bool]:
    """Count the leading terms of the order that a range yields, and say whether it is walked from its end."""
    if any(t.op == "in" for t in equal):
        return 0, False
    fixed = {t.field for t in equal}
    yielded = [(f, d) for f, d in zip(index.fields, index.descending, strict=True)] if index else []
    yielded = [(f, d) for f, d in yielded if f not in fixed]
    yielded += [(f, False) for f in collection.key if f not in fixed and f not in {y[0] for y in yielded}]
    forward = _matching(order, yielded, fixed, reverse=False)
    backward = _matching(order, yielded, fixed, reverse=True)
    return (backward, True) if backward > forward else (forward, False)


def _matching(order: Sequence[Ordering], yielded: Sequence[tuple[str, bool]], fixed: set[str], *, reverse: bool) -> int:
    count, place = 0, 0
    for term in order:
        if term.field not in fixed:
            if place == len(yielded) or yielded[place] != (term.field, term.descending != reverse):
                break
            place += 1
        count += 1
    # Terms that are fixed order nothing: counting them alone would call an unordered range ordered, but truly so.
    return count


def _union(
    collection: Collection, conjuncts: Sequence[Condition], order: Sequence[Ordering], catalog: Catalog
) -> _Path | None:
    for choice in conjuncts:
        if not isinstance(choice, AnyOf):
            continue
        rest = [c for c in conjuncts if c is not choice]
        paths = [
            _best(collection, [*_conjuncts(part), *rest], order, catalog) for part in choice.parts if not _never(part)
        ]
        nested = [
            path or _union(collection, [*_conjuncts(part), *rest], order, catalog)
            for path, part in zip(paths, (p for p in choice.parts if not _never(p)), strict=True)
        ]
        if all(nested):
            return _Path(Union(tuple(path.access for path in nested if path)), (), 0)
    return None


def _scan(query: Query, collection: Collection, where: Condition, order: Sequence[Ordering], catalog: Catalog) -> _Path:
    """Walk the whole collection, by an index that gives the order if there is one; refuse unless that is allowed."""
    best = _Path(Range(None), (), 0)
    for index in (None, *(i for i in collection.indexes if catalog.state(collection.name, i.name) == "ready")):
        presorted, reverse = _presorted(collection, index, (), order)
        if presorted > best.presorted:
            best = _Path(Range(index, reverse=reverse), (), presorted)
    everything = isinstance(where, AllOf) and not where.parts
    # A page in an order that a path yields reads no more than the page: the limit is its bound.
    bounded = everything and query.limited and best.presorted == len(order)
    if not (query.scan or collection.small or bounded):
        raise NoAccessPath(collection.model, _wanted(where, query.order), _hint(collection, where, query.order))
    return best


def _wanted(where: Condition, order: Sequence[Ordering]) -> str:
    fields = list(dict.fromkeys(t.field for t in _tests(where)))
    if fields:
        return "a filter on " + ", ".join(fields)
    return "the order by " + ", ".join(t.field for t in order) if order else "a read of everything"


def _hint(collection: Collection, where: Condition, order: Sequence[Ordering]) -> str:
    """Write the declaration that would serve the query; empty when none would."""
    tests = [c for c in _conjuncts(where) if isinstance(c, Test) and collection.field(c.field).kind != "json"]
    fields = list(dict.fromkeys(t.field for t in tests if t.op in _EQUAL and t.field not in (collection.live,)))
    bound = next((t.field for t in tests if t.op in ("lt", "le", "gt", "ge", "prefix")), None)
    if bound and bound not in fields:
        fields.append(bound)
    elif fields or not tests:
        fields += [f"-{t.field}" if t.descending else t.field for t in order if t.field not in fields]
    if not fields:
        return ""
    names = ", ".join(f'"{name}"' for name in fields)
    return f"@model(indexes=[index({names})])"


def _tests(condition: Condition) -> Iterator[Test]:
    if isinstance(condition, Test):
        yield condition
    else:
        for part in condition.parts:
            yield from _tests(part)
