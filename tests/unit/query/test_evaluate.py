"""Conditions, orders and totals over Python objects, against the plainest way to say the same."""

from __future__ import annotations

import decimal
import itertools
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manystore import ValueRefused, col, everything, field, model
from manystore.model.model import model_of
from manystore.query.evaluate import checked_sum, exact_sum, is_after, matcher, mean, sort, sort_keys, total
from manystore.query.plan import Ordering, Total
from manystore.query.planner import Query, plan
from manystore.query.predicate import And, Compare, Or, Predicate
from manystore.schema.catalog import Catalog
from manystore.schema.schema import Schema


class Grade(Enum):
    LOW = "z"
    HIGH = "a"


@model
class Item:
    id: int = field(key=True)
    n: int | None = None
    s: str | None = None
    g: Grade | None = None
    f: float = 0.0
    ip: IPv4Address | IPv6Address | None = None
    at: datetime | None = None


SCHEMA = Schema.of([Item])
CATALOG = Catalog.first(SCHEMA)
COMPARABLES = {name: model_of(Item).field(name).type.dump for name in ("g", "ip")}
NUMBERS, TEXTS, GRADES = st.integers(-2, 2), st.text("ab", max_size=3), st.sampled_from(Grade)
IPS = st.sampled_from([IPv4Address("255.0.0.1"), IPv4Address("1.0.0.1"), IPv6Address("::1")])
TIMES = st.integers(0, 2).map(lambda n: datetime(2011, 1, 1, n, tzinfo=UTC))
ITEMS = st.builds(
    Item,
    id=NUMBERS,
    n=st.none() | NUMBERS,
    s=st.none() | TEXTS,
    g=st.none() | GRADES,
    f=NUMBERS.map(float),
    ip=st.none() | IPS,
    at=st.none() | TIMES,
)
FIELDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (Item.id, NUMBERS), (Item.n, NUMBERS), (Item.s, TEXTS), (Item.g, GRADES), (Item.f, NUMBERS.map(float)),
    (Item.ip, IPS), (Item.at, TIMES),
]  # fmt: skip


@st.composite
def leaves(draw: st.DrawFn) -> Predicate:
    slot, values = draw(st.sampled_from(FIELDS))
    field_: Any = col(slot)
    ops: list[Callable[[], Predicate]] = [
        lambda: field_ == draw(values),
        lambda: field_ != draw(values),
        lambda: field_ < draw(values),
        lambda: field_ <= draw(values),
        lambda: field_ > draw(values),
        lambda: field_ >= draw(values),
        lambda: field_.between(draw(values), draw(values)),
        lambda: field_.in_(draw(st.lists(values, max_size=3))),
    ]
    if field_.spec.optional:
        ops += [lambda: field_.is_(None), lambda: field_.is_not(None)]
        ops += [lambda: field_.in_([None, *draw(st.lists(values, max_size=2))])]
    if field_.spec.type.kind == "str" and field_.spec.type.enum is None:
        ops += [lambda: field_.prefix(draw(TEXTS))]
    return draw(st.sampled_from(ops))()


PREDICATES = st.recursive(
    leaves() | st.just(everything()) | st.just(~everything()),
    lambda part: st.builds(lambda a, b: a & b, part, part) | st.builds(lambda a, b: a | b, part, part) | part.map(
        lambda p: ~p
    ),
    max_leaves=6,
)  # fmt: skip


def comparable(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return (value.version, int(value)) if isinstance(value, IPv4Address | IPv6Address) else value


def said(predicate: Predicate, record: Any) -> bool:
    """What a predicate says of a record, in the words of the rules."""
    if isinstance(predicate, And):
        return all(said(part, record) for part in predicate.parts)
    if isinstance(predicate, Or):
        return any(said(part, record) for part in predicate.parts)
    assert isinstance(predicate, Compare)
    here, there, op = getattr(record, predicate.field), predicate.value, predicate.op
    if op in ("null", "not_null"):
        return (here is None) == (op == "null")
    if op in ("eq", "ne"):
        return (here == there) == (op == "eq")
    if op in ("in", "not_in"):
        return (here in there) == (op == "in")
    if op in ("prefix", "not_prefix"):
        return (here is not None and here.startswith(there)) == (op == "prefix")
    if here is None:
        return False
    left, right = comparable(here), comparable(there)
    return {"lt": left < right, "le": left <= right, "gt": left > right, "ge": left >= right}[op]


def evaluated(predicate: Predicate, record: Any) -> bool:
    """What is made of a predicate: its shape, the plan's condition, the compiled matcher."""
    made = plan(Query(SCHEMA.collection("item"), predicate.shape, scan=True), CATALOG)
    return matcher(made.where, COMPARABLES)(record, tuple(predicate.values()))


@given(PREDICATES, ITEMS)
def test_a_predicate_means_what_it_says(predicate: Predicate, record: Item) -> None:
    assert evaluated(predicate, record) is said(predicate, record)


@given(PREDICATES, ITEMS)
def test_negation(predicate: Predicate, record: Item) -> None:
    assert evaluated(~predicate, record) is not evaluated(predicate, record)
    assert evaluated(~~predicate, record) is evaluated(predicate, record)


@given(PREDICATES, PREDICATES, ITEMS)
def test_de_morgan(a: Predicate, b: Predicate, record: Item) -> None:
    assert evaluated(~(a & b), record) is evaluated(~a | ~b, record)
    assert evaluated(~(a | b), record) is evaluated(~a & ~b, record)


ORDERS = st.lists(
    st.builds(Ordering, st.sampled_from(["n", "s", "g", "f", "ip", "at"]), st.booleans()),
    max_size=3,
    unique_by=lambda t: t.field,
).map(lambda terms: (*terms, Ordering("id")))


def before(order: Sequence[Ordering], left: Any, right: Any) -> bool:
    """Whether a record comes before another one: None first ascending, last descending."""
    for term in order:
        a, b = getattr(left, term.field), getattr(right, term.field)
        if a == b:
            continue
        below = a is None or (b is not None and comparable(a) < comparable(b))
        return below is not term.descending
    return False


@given(st.lists(ITEMS, max_size=8), ORDERS)
def test_sort_and_is_after(records: list[Item], order: tuple[Ordering, ...]) -> None:
    sort(records, order, sort_keys(order, COMPARABLES))
    assert not any(before(order, right, left) for left, right in itertools.pairwise(records))
    after_cursor = is_after(order, COMPARABLES)
    for left in records:
        cursor = tuple(getattr(left, term.field) for term in order)
        for right in records:
            assert after_cursor(right, cursor) is before(order, left, right)


def test_sort_of_what_is_presorted() -> None:
    records = [SimpleNamespace(a=a, b=b) for a, b in ((9, 2), (9, 1))]
    order = (Ordering("a"), Ordering("b"))
    sort(records, order, sort_keys(order, {}), presorted=1)
    assert [r.b for r in records] == [1, 2]


def of(function: Any, values: Sequence[Any], **options: Any) -> Any:
    return total(Total(function, "it"), values, "Item", **options)


def test_totals_leave_none_out() -> None:
    values = [3, None, 1, 2]
    found = [of(function, values) for function in ("count", "sum", "min", "max", "avg")]
    assert found == [3, 6, 1, 3, 2.0]
    assert [of(function, [None]) for function in ("count", "sum", "min", "max", "avg")] == [0, 0, None, None, None]


def test_extremes_of_values_that_do_not_compare() -> None:
    dump = COMPARABLES["g"]
    assert of("min", [Grade.LOW, Grade.HIGH], comparable=dump) is Grade.HIGH
    mixed = [IPv6Address("::1"), IPv4Address("9.9.9.9")]
    assert of("max", mixed, comparable=COMPARABLES["ip"]) == mixed[0]


def test_sums() -> None:
    assert of("sum", [0.1] * 10) == 1.0
    assert of("sum", [1e16, 1.0, -1e16]) == 1.0
    assert of("avg", [1e16, 1.0, -1e16, 1]) == 0.5
    with pytest.raises(ValueRefused, match=r"Item.it: the sum is outside 64 bits"):
        of("sum", [2**62, 2**62])
    assert of("avg", [2**62, 2**62]) == 2.0**62
    for function in ("sum", "avg"):
        with pytest.raises(ValueRefused, match=r"Item.it: the sum is more than a float holds"):
            of(function, [1e308, 1e308])


def test_sums_of_decimals_do_not_hang_on_the_context_of_the_caller() -> None:
    values = [Decimal("9999999999999999.99"), Decimal("0.01"), Decimal("0.02")]
    with decimal.localcontext(prec=3):
        assert exact_sum(values) == Decimal("10000000000000000.02")
        assert checked_sum(values, "Item", "it") == Decimal("10000000000000000.02")


@given(st.lists(st.integers(-(2**60), 2**60), min_size=1, max_size=5))
def test_means_are_rounded_once(values: list[int]) -> None:
    exact = decimal.Context(prec=80).divide(Decimal(sum(values)), Decimal(len(values)))
    assert mean(sum(values), len(values)) == float(exact)
    assert mean(0, 0) is None
    assert not math.isnan(mean(sum(values), len(values)) or 0.0)
