"""What a plan promises, tried on records: nothing is missed, nothing is ensured that is not so, and order is order.

A store in a few lines takes every access literally: it trusts the plan for all but the residual.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from manystore import NoAccessPath, col, field, index, model, unique
from manystore.model.model import model_of
from manystore.query.evaluate import matcher, sort, sort_keys
from manystore.query.plan import Access, AllOf, Claimed, Lookup, Nothing, Ordering, Plan, Range, Union
from manystore.query.plan import Test as Leaf
from manystore.query.planner import Query, plan
from manystore.query.predicate import And, Compare, Or, Predicate
from manystore.schema.catalog import Catalog
from manystore.schema.schema import Collection, Schema

SMALL = st.integers(0, 2)
OPTIONAL = st.none() | SMALL


@model(
    soft_delete=True,
    indexes=[index("a"), index("b", "-c"), index("-c", "a"), index("a", "b", "c", name="abc"), index("d", "-k")],
    uniques=[unique("u"), unique("v", "a", among="live")],
)
class Item:
    k: int = field(key=True)
    l: int = field(key=True)  # noqa: E741
    a: int | None = None
    b: int = 0
    c: int | None = None
    d: int = 0
    e: int | None = None
    u: int | None = None
    v: int = 0
    deleted: bool = False


FIELDS = ("k", "l", "a", "b", "c", "d", "e", "u", "v")
SCHEMA = Schema.of([Item])
COLLECTION = SCHEMA.collection("item")
CATALOG = Catalog.first(SCHEMA)
ITEM = st.builds(
    Item, k=SMALL, l=SMALL, a=OPTIONAL, b=SMALL, c=OPTIONAL, d=SMALL, e=OPTIONAL, u=OPTIONAL, v=SMALL,
    deleted=st.booleans(),
)  # fmt: skip


def claims(record: Item) -> Iterator[tuple[Any, ...]]:
    """What a record holds for itself: its key and its uniques."""
    yield "key", record.k, record.l
    if record.u is not None:
        yield "u", record.u
    if record.a is not None and not record.deleted:
        yield "v", record.v, record.a


@st.composite
def collections(draw: st.DrawFn) -> list[Item]:
    held: set[tuple[Any, ...]] = set()
    found: list[Item] = []
    for record in draw(st.lists(ITEM, max_size=14)):
        wanted = set(claims(record))
        if not wanted & held:
            held |= wanted
            found.append(record)
    return found


@st.composite
def leaves(draw: st.DrawFn) -> Predicate:
    name = draw(st.sampled_from(FIELDS))
    asked: Any = col(getattr(Item, name))
    if asked.spec.optional and draw(st.integers(0, 4)) == 0:
        return asked.is_(None)
    op = draw(st.sampled_from(["eq", "eq", "eq", "eq", "lt", "le", "gt", "ge", "in", "ne"]))
    if op == "in":
        return asked.in_(draw(st.lists(SMALL, max_size=3)))
    return Compare(Item, name, op, draw(SMALL), asked.spec.optional)


LIVE = Compare(Item, "deleted", "live", False, optional=False)
DEAD = Compare(Item, "deleted", "eq", True, optional=False)
FILTERS = st.recursive(
    leaves(),
    lambda part: (
        st.lists(part, min_size=1, max_size=3).map(lambda parts: And(tuple(parts)))
        | st.lists(part, min_size=1, max_size=3).map(lambda parts: Or(tuple(parts)))
    ),
    max_leaves=7,
)
WHERE = st.builds(lambda found, more: And((found, *more)), FILTERS, st.sampled_from([(), (LIVE,), (DEAD,)]))
ORDER = st.lists(
    st.builds(Ordering, st.sampled_from(FIELDS), st.booleans()), max_size=3, unique_by=lambda term: term.field
).map(tuple)


def key(value: Any) -> tuple[bool, Any]:
    return (False, 0) if value is None else (True, value)


def holds(tests: Sequence[Leaf], record: Item, values: tuple[Any, ...]) -> bool:
    return matcher(AllOf(tuple(tests)), {})(record, values)


def walked(access: Range, records: list[Item], collection: Collection) -> list[Item]:
    """The records in the order of an index's entries, which end in the key."""
    fields = access.index.fields if access.index else collection.key
    flags = access.index.descending if access.index else (False,) * len(fields)
    found = list(records)
    entry = [(name, False) for name in collection.key if name not in fields]
    for name, descending in reversed([*zip(fields, flags, strict=True), *entry]):
        found.sort(key=lambda record, name=name: key(getattr(record, name)), reverse=descending)  # type: ignore[misc]
    return found[::-1] if access.reverse else found


def reached(access: Access, records: list[Item], values: tuple[Any, ...]) -> list[Item]:
    """What an access yields, taken literally."""
    if isinstance(access, Nothing):
        return []
    if isinstance(access, Union):
        found = [id(record) for part in access.parts for record in reached(part, records, values)]
        return [record for record in records if id(record) in found]
    if isinstance(access, Lookup):
        return [record for record in records if holds(access.tests, record, values)]
    if isinstance(access, Claimed):
        live = access.unique.among == "all"
        return [r for r in records if holds(access.tests, r, values) and (live or not r.deleted)]
    fields = access.index.fields if access.index else COLLECTION.key
    assert tuple(test.field for test in access.equal) == fields[: len(access.equal)]
    assert sum(test.op == "in" for test in access.equal) <= 1
    bounds = [test for test in (access.lower, access.upper, access.prefix) if test is not None]
    assert all(test.field == fields[len(access.equal)] for test in bounds)
    return [r for r in walked(access, records, COLLECTION) if holds([*access.equal, *bounds], r, values)]


def answer(made: Plan, records: list[Item], values: tuple[Any, ...]) -> list[Item]:
    yielded = reached(made.access, records, values)
    if made.residual is None:
        return yielded
    match = matcher(made.residual, {})
    return [record for record in yielded if match(record, values)]


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(collections(), WHERE, ORDER)
def test_nothing_is_missed_and_nothing_is_wrong(
    records: list[Item], where: Predicate, order: tuple[Ordering, ...]
) -> None:
    made = plan(Query(COLLECTION, where.shape, order, scan=True), CATALOG)
    values = tuple(where.values())
    match = matcher(made.where, {})
    expected = [record for record in records if match(record, values)]
    found = answer(made, records, values)
    assert sorted(map(id, found)) == sorted(map(id, expected))


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(collections(), WHERE, ORDER)
def test_what_is_called_presorted_is(records: list[Item], where: Predicate, order: tuple[Ordering, ...]) -> None:
    made = plan(Query(COLLECTION, where.shape, order, scan=True), CATALOG)
    assert {term.field for term in made.order} >= set(COLLECTION.key)
    yielded = reached(made.access, records, tuple(where.values()))
    leading = made.order[: made.presorted]
    ordered = list(yielded)
    sort(ordered, leading, sort_keys(leading, {}))
    assert [_of(leading, record) for record in yielded] == [_of(leading, record) for record in ordered]


def _of(order: Sequence[Ordering], record: Item) -> tuple[Any, ...]:
    return tuple(getattr(record, term.field) for term in order)


def with_indexes(text: str) -> Schema:
    """The schema after what a hint says was declared."""
    found: dict[str, Any] = {}
    body = f"def declare(model, index): return {text.removeprefix('@')}"
    exec(body, found)
    declared = found["declare"](lambda indexes: indexes, index)
    info = model_of(Item)
    more = [d for d in declared if d.fields not in {known.fields for known in info.indexes}]
    indexes = [index(*d.fields, name=f"n{n}") for n, d in enumerate([*info.indexes, *more])]
    body_of: dict[str, Any] = {"__annotations__": {}, "__module__": __name__}
    for spec in info.fields:
        body_of["__annotations__"][spec.name] = {"k": "int", "deleted": "bool"}.get(
            spec.name, "int | None" if spec.optional else "int"
        )
        body_of[spec.name] = field(key=True) if spec.key else field(default=spec.default)
    uniques = [unique("u"), unique("v", "a", among="live")]
    made = model(soft_delete=True, indexes=indexes, uniques=uniques)(type("Item", (), body_of))
    return Schema.of([made])


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(WHERE, ORDER, st.booleans())
def test_the_index_that_a_hint_names_serves(where: Predicate, order: tuple[Ordering, ...], limited: bool) -> None:
    try:
        plan(Query(COLLECTION, where.shape, order, limited=limited), CATALOG)
    except NoAccessPath as refused:
        hint = refused.index
    else:
        hint = ""
    assume(hint)
    schema = with_indexes(hint)
    made = plan(Query(schema.collection("item"), where.shape, order, limited=limited), Catalog.first(schema))
    assert not made.is_scan


def test_the_store_of_this_file_walks_as_an_index_does() -> None:
    records = [Item(k=k, l=n, b=0, c=c) for k, n, c in itertools.product((1, 2), (1, 2), (None, 5))]
    by_b = next(i for i in COLLECTION.indexes if i.fields == ("b", "c"))
    walk = walked(Range(by_b), records, COLLECTION)
    assert [(r.c, r.k, r.l) for r in walk[:4]] == [(5, 1, 1), (5, 1, 2), (5, 2, 1), (5, 2, 2)]
    assert walked(Range(by_b, reverse=True), records, COLLECTION) == walk[::-1]
