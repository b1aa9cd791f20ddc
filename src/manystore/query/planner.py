"""The planner: (query, catalog) -> Plan, or a refusal with the reason. Pure; asks no store.

A filter is served by the key, a unique or a declared index, or refused: nothing is scanned in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from ..errors import IndexNotReady, NoAccessPath
from ..schema.catalog import Catalog
from ..schema.schema import Collection, Index, Unique
from .hint import declaration, wanted
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
    conjuncts,
)
from .predicate import Shape

_EQUAL = ("eq", "null", "in")
_NEVER = AnyOf(())


class Query(msgspec.Struct, frozen=True):
    """What is asked, without its operands. limited: a limit comes with the read; scan: a scan was asked for aloud."""

    collection: Collection
    where: Shape | None = None
    order: tuple[Ordering, ...] = ()
    output: Output = "records"
    limited: bool = False
    scan: bool = False
    columns: tuple[str, ...] = ()
    totals: tuple[Total, ...] = ()


class _Path(msgspec.Struct, frozen=True):
    """A candidate: its access, the tests that the access ensures, and how many terms of the order it yields."""

    access: Access
    used: tuple[Test, ...]
    presorted: int

    def rank(self) -> tuple[int, ...]:
        """Give what candidates are compared by; the first of equals is taken, the key before the indexes."""
        a = self.access
        if isinstance(a, (Lookup, Claimed)):
            return (3,) if any(t.op == "in" for t in a.tests) else (4,)
        assert isinstance(a, Range)
        is_bounded = any(t is not None for t in (a.lower, a.upper, a.prefix))
        is_single = all(t.op != "in" for t in a.equal)
        return min(len(self.used), 2), len(a.equal), is_bounded, is_single, self.presorted


def plan(query: Query, catalog: Catalog) -> Plan:
    """Choose how to read; raise NoAccessPath or IndexNotReady."""
    made = _chosen(query, catalog)
    made.epoch = catalog.epoch
    return made


def _chosen(query: Query, catalog: Catalog) -> Plan:
    reading = _Conditions()
    where = _plain(reading.condition(query.where)) if query.where is not None else AllOf(())
    order = full_order(query.order, query.collection)
    if where == _NEVER:
        return _made(query, where, order, _Path(Nothing(), (), len(order)), None)
    parts = conjuncts(where)
    search = _Search(query.collection, order, catalog, frozenset(reading.live))
    path = search.best(parts) or search.union(parts, parts)
    if path is None:
        made = _made(query, where, order, search.scan(query, parts), where if parts else None)
        made.is_scan = True
        return made
    if isinstance(path.access, Union):
        return _made(query, where, order, path, where)
    left = tuple(c for c in parts if not (isinstance(c, Test) and c in path.used))
    return _made(query, where, order, path, None if not left else left[0] if len(left) == 1 else AllOf(left))


def _made(query: Query, where: Condition, order: tuple[Ordering, ...], path: _Path, residual: Condition | None) -> Plan:
    return Plan(
        query.collection,
        path.access,
        where,
        residual,
        order,
        path.presorted,
        output=query.output,
        columns=query.columns,
        totals=query.totals,
    )


class _Conditions:
    """Makes a condition of a shape. live: the tests of it that say that only live records are wanted."""

    def __init__(self) -> None:
        self.live: list[Test] = []
        self._next = 0

    def condition(self, shape: Shape) -> Condition:
        """Number the parameters in the order in which Predicate.values gives the operands."""
        kind = shape[0]
        if kind in ("and", "or"):
            parts = tuple(self.condition(part) for part in shape[1:])
            return AllOf(parts) if kind == "and" else AnyOf(parts)
        if kind in ("null", "not_null"):
            return Test(shape[1], kind, -1)
        test = Test(shape[1], "eq" if kind == "live" else kind, self._next)
        self._next += 1
        if kind == "live":
            self.live.append(test)
        return test


def _plain(condition: Condition) -> Condition:
    """Take out what is always or never true, and what is nested without need: no store has to think of these."""
    if isinstance(condition, Test):
        return condition
    joint, empty = (AllOf, _NEVER) if isinstance(condition, AllOf) else (AnyOf, AllOf(()))
    parts: list[Condition] = []
    for part in map(_plain, condition.parts):
        if part == empty:
            return empty
        parts += part.parts if isinstance(part, joint) else (part,)
    return parts[0] if len(parts) == 1 else joint(tuple(parts))


def full_order(order: Sequence[Ordering], collection: Collection) -> tuple[Ordering, ...]:
    """End every order in the key, so that it is total; what comes again, or after the whole key, changes nothing."""
    terms: dict[str, Ordering] = {}
    for term in (*order, *(Ordering(name) for name in collection.key)):
        if not all(name in terms for name in collection.key):
            terms.setdefault(term.field, term)
    return tuple(terms.values())


class _Search:
    """The search for an access. building: indexes and uniques that would serve, were they ready."""

    def __init__(
        self, collection: Collection, order: Sequence[Ordering], catalog: Catalog, live: frozenset[Test]
    ) -> None:
        self.collection = collection
        self.order = order
        self.catalog = catalog
        self.live = live
        self.building: list[str] = []

    def best(self, parts: Sequence[Condition]) -> _Path | None:
        """Give the best path of one lookup, claim or range; None when there is none."""
        tests = [c for c in parts if isinstance(c, Test)]
        paths = list(self._lookups(tests))
        for index in (None, *self.collection.indexes):
            path = self._range(index, tests)
            if path is not None and self._is_ready(index):
                paths.append(path)
        return max(paths, key=_Path.rank, default=None)

    def _is_ready(self, part: Index | Unique | None) -> bool:
        if part is None or self.catalog.state(self.collection.name, part.name, part.generation) == "ready":
            return True
        self.building.append(part.name)
        return False

    def _lookups(self, tests: Sequence[Test]) -> Iterator[_Path]:
        collection = self.collection
        equal = {t.field: t for t in reversed(tests) if t.op == "eq"}
        if all(name in equal for name in collection.key):
            used = tuple(equal[name] for name in collection.key)
            yield _Path(Lookup(used), used, len(self.order))
        elif len(collection.key) == 1:
            many = next((t for t in tests if t.field == collection.key[0] and t.op == "in"), None)
            if many is not None:
                yield _Path(Lookup((many,)), (many,), 0)
        for unique in collection.uniques:
            # Only live records hold a claim among the live: it finds them all when only they are wanted, else not.
            if unique.among == "live" and not any(t in self.live for t in tests):
                continue
            if all(name in equal for name in unique.fields) and self._is_ready(unique):
                claimed = tuple(equal[name] for name in unique.fields)
                yield _Path(Claimed(unique, claimed), claimed, len(self.order))

    def _range(self, index: Index | None, tests: Sequence[Test]) -> _Path | None:
        fields = index.fields if index else self.collection.key
        equal: list[Test] = []
        for name in fields:
            # One `in` at most: two would multiply the stretches to read.
            ops = ("eq", "null") if any(t.op == "in" for t in equal) else _EQUAL
            found = next((t for op in ops for t in tests if t.field == name and t.op == op), None)
            if found is None:
                break
            equal.append(found)
        lower = upper = prefix = None
        if len(equal) < len(fields):
            bounds = [t for t in tests if t.field == fields[len(equal)]]
            prefix = next((t for t in bounds if t.op == "prefix"), None)
            if prefix is None:
                lower = next((t for t in bounds if t.op in ("gt", "ge")), None)
                upper = next((t for t in bounds if t.op in ("lt", "le")), None)
        used = tuple(t for t in (*equal, lower, upper, prefix) if t is not None)
        if not used:
            return None
        presorted, reverse = self._presorted(index, equal)
        return _Path(Range(index, tuple(equal), lower, upper, prefix, reverse), used, presorted)

    def _presorted(self, index: Index | None, equal: Sequence[Test]) -> tuple[int, bool]:
        """Count the leading terms of the order that a range yields, and say whether it is walked from its end."""
        if any(t.op == "in" for t in equal):
            return 0, False
        fixed = {t.field for t in equal}
        yielded = dict(zip(index.fields, index.descending, strict=True)) if index else {}
        for name in self.collection.key:  # the entries of an index end in the key, always ascending
            yielded.setdefault(name, False)
        terms = [(name, descending) for name, descending in yielded.items() if name not in fixed]
        forward = self._matching(terms, fixed, reverse=False)
        backward = self._matching(terms, fixed, reverse=True)
        return (backward, True) if backward > forward else (forward, False)

    def _matching(self, terms: Sequence[tuple[str, bool]], fixed: set[str], *, reverse: bool) -> int:
        count, place = 0, 0
        for term in self.order:
            # A field that is bound to one value orders nothing, wherever it stands.
            if term.field not in fixed:
                if place == len(terms) or terms[place] != (term.field, term.descending != reverse):
                    break
                place += 1
            count += 1
        return count

    def union(self, parts: Sequence[Condition], choices: Sequence[Condition]) -> _Path | None:
        """Give the path of some choice of which every part has one; a part may hold a choice of its own."""
        for choice in choices:
            if not isinstance(choice, AnyOf):
                continue
            rest = [c for c in parts if c is not choice]
            found: list[Access] = []
            for part in choice.parts:
                inner = conjuncts(part)
                together = (*inner, *rest)
                path = self.best(together) or self.union(together, inner)
                if path is None:
                    break
                found.append(path.access)
            else:
                return _Path(Union(tuple(found)), (), 0)
        return None

    def scan(self, query: Query, parts: Sequence[Condition]) -> _Path:
        """Walk the whole collection, by an index that gives the order if there is one; refuse what is not allowed."""
        best = _Path(Range(None), (), 0)
        for index in (None, *self.collection.indexes):
            if index is None or self.catalog.state(self.collection.name, index.name, index.generation) == "ready":
                presorted, reverse = self._presorted(index, ())
                if presorted > best.presorted:
                    best = _Path(Range(index, reverse=reverse), (), presorted)
        # A page in an order that a path yields reads little more than the page: the limit is its bound, and where
        # soft-deleted records or ties of the order are passed by, the cap is.
        asked = [c for c in parts if not (isinstance(c, Test) and c.field == self.collection.live)]
        is_page = not asked and query.limited and best.presorted >= min(max(len(query.order), 1), len(self.order))
        if query.scan or self.collection.small or is_page:
            return best
        collection = self.collection
        if self.building:
            raise IndexNotReady(f"{collection.model}: {self.building[0]} is still being built")
        order = query.order if query.limited or parts else ()
        hint = declaration(collection, parts, order, lambda found: self.best(found) is not None)
        raise NoAccessPath(collection.model, wanted(parts, query.order), hint)
