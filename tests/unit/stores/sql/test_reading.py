"""What a plan gives is what Python makes of the same records: filters, orders, cursors, limits, caps and totals."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manystore import TooManyExamined, ValueRefused, col
from manystore.query.evaluate import matcher, total
from manystore.query.plan import Ordering, Total
from manystore.stores.sql.condition import access_condition, access_order, beyond_prefix

pytestmark = pytest.mark.slow  # hundreds of random plans

LAST = "\U0010ffff"
TEXTS = ["", "a", "A", "aa", "ab", "a%", "a_", "é", "e\u0301", "\ud7ff", "\ue000", "😀", "😁", LAST, "a" + LAST, "z"]
INTS = [None, -(2**63), -1, 0, 1, 2, 2**63 - 1]
FLOATS = [None, -1.5, 0.0, 0.1, 0.2, 0.3, 1e300]
DAY = datetime(2011, 11, 11, 11, 11, 11, tzinfo=UTC)
TIMES = [None, DAY, DAY + timedelta(microseconds=500_000), DAY + timedelta(seconds=1), DAY.replace(year=1)]
ADDRESSES = [None, *map(ip_address, ("9.0.0.1", "10.0.0.1", "::1", "fe80::9"))]
FIELDS = ["id", "name", "tag", "rank", "ratio", "size", "at", "address", "flag", "deleted"]


def stock(shop: Any) -> list[Any]:
    """Records that bring every odd value together with every other, sooner or later."""
    sizes = list(shop.Size)
    made = [
        shop.Item(
            id=n if n % 7 else -n,
            name=TEXTS[n * 5 % len(TEXTS)],
            tag=None if n % 4 == 0 else TEXTS[n * 3 % len(TEXTS)],
            rank=INTS[n * 11 % len(INTS)] if n % 3 else None,
            ratio=FLOATS[n % len(FLOATS)],
            size=sizes[n % 2],
            at=TIMES[n * 7 % len(TIMES)],
            address=ADDRESSES[n % len(ADDRESSES)],
            flag=n % 3 == 0,
            deleted=n % 5 == 0,
            data={"n": n, "a": [1.5, None, "x"]} if n % 2 else None,
        )
        for n in range(90)
    ]
    taken: set[Any] = set()
    for item in made:
        if None not in (item.tag, item.rank):
            while (item.tag, item.rank) in taken:
                item.tag += "!"
            taken.add((item.tag, item.rank))
    return made


@pytest.fixture(scope="module")
def filled(large_shop: Any) -> Any:
    large_shop.stock = stock(large_shop)
    large_shop.write(*[large_shop.new(item) for item in large_shop.stock])
    return large_shop


def predicates(item: type[Any], sizes: type[Any]) -> st.SearchStrategy[Any]:
    values: dict[str, list[Any]] = {
        "id": list(range(-14, 20)),
        "name": TEXTS,
        "tag": [*TEXTS, "a!"],
        "rank": [v for v in INTS if v is not None],
        "ratio": [v for v in FLOATS if v is not None],
        "size": list(sizes),
        "at": [v for v in TIMES if v is not None],
        "address": [v for v in ADDRESSES if v is not None],
        "flag": [True, False],
        "deleted": [True, False],
    }
    optional = {"tag", "rank", "ratio", "at", "address"}

    def leaf(name: str) -> st.SearchStrategy[Any]:
        column: Any = col(getattr(item, name))
        one = st.sampled_from(values[name])
        kinds = [
            one.map(lambda v: column == v),
            one.map(lambda v: column != v),
            one.map(lambda v: column < v),
            one.map(lambda v: column <= v),
            one.map(lambda v: column > v),
            one.map(lambda v: column >= v),
            st.lists(one, max_size=5).map(column.in_),
            st.lists(one, max_size=5).map(lambda vs: ~column.in_(vs)),
        ]
        if name in optional:
            kinds += [st.just(column.is_(None)), st.just(column.is_not(None))]
        if name in ("name", "tag"):
            kinds += [one.map(column.prefix), one.map(lambda v: ~column.prefix(v))]
        return st.one_of(kinds)

    leaves = st.sampled_from(FIELDS).flatmap(leaf)
    return st.recursive(
        leaves,
        lambda part: st.one_of(
            st.tuples(part, part).map(lambda p: p[0] & p[1]),
            st.tuples(part, part).map(lambda p: p[0] | p[1]),
            part.map(lambda p: ~p),
        ),
        max_leaves=5,
    )


ORDERS = st.lists(st.builds(Ordering, st.sampled_from(FIELDS), st.booleans()), max_size=3, unique_by=lambda t: t.field)


def expected(shop: Any, words: Any, plan: Any, values: tuple[Any, ...], bounds: dict[str, Any]) -> list[Any] | None:
    """What Python gives; None for TooManyExamined."""
    here = words(plan, shop.Item)
    limit, after, cap = (bounds.get(name) for name in ("limit", "after", "cap"))
    access = matcher(access_condition(plan.access), {})
    reached = [item for item in shop.stock if access(item, values)]
    here.sort(reached, plan.order)
    is_presorted = plan.presorted >= len(plan.order)
    if after is not None and is_presorted:
        reached = [item for item in reached if here.is_after(item, after)]
    examined = reached if cap is None or not is_presorted else reached[:cap]
    found = [i for i in examined if here.matches(i, values) and (after is None or here.is_after(i, after))]
    if cap is not None and len(reached) > cap and not (is_presorted and limit is not None and len(found) >= limit):
        return None
    return found[:limit]


def read(shop: Any, plan: Any, values: tuple[Any, ...], bounds: dict[str, Any]) -> Any:
    try:
        return shop.store.read(plan, values, epoch=shop.epoch, **bounds)
    except TooManyExamined:
        return None


RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@RELAXED
@given(data=st.data())
def test_finds_what_python_finds(filled: Any, words: Any, data: st.DataObject) -> None:
    where = data.draw(st.none() | predicates(filled.Item, filled.Size))
    order = tuple(data.draw(ORDERS))
    limit = data.draw(st.none() | st.integers(0, 12))
    cap = data.draw(st.none() | st.integers(1, 100))
    plan = filled.plan(filled.Item, where, order=order, limited=limit is not None, scan=True)
    values = () if where is None else tuple(where.values())
    place = data.draw(st.none() | st.sampled_from(filled.stock))
    after = None if place is None else tuple(getattr(place, term.field) for term in plan.order)
    bounds = {"limit": limit, "after": after, "cap": cap}
    got = read(filled, plan, values, bounds)
    wanted = expected(filled, words, plan, values, bounds)
    assert (None if got is None else got.rows) == wanted
    if got is not None:
        assert len(got.rows) <= max(got.examined, len(got.rows))
        assert got.trips >= (0 if not got.rows else 1)


@RELAXED
@given(data=st.data())
def test_counts_what_python_counts(filled: Any, words: Any, data: st.DataObject) -> None:
    where = data.draw(predicates(filled.Item, filled.Size))
    cap = data.draw(st.none() | st.integers(1, 100))
    values = tuple(where.values())
    plan = filled.plan(filled.Item, where, output="count", scan=True)
    here, access = words(plan, filled.Item), matcher(access_condition(plan.access), {})
    reached = [item for item in filled.stock if access(item, values)]
    matching = [item for item in reached if here.matches(item, values)]
    too_many = cap is not None and len(reached) > cap
    got = read(filled, plan, values, {"cap": cap})
    assert (None if got is None else got.rows) == (None if too_many else [len(matching)])
    plan = filled.plan(filled.Item, where, output="exists", scan=True)
    order = access_order(plan.collection, plan.access)
    if cap is None or order:
        here.sort(reached, order)
        found = any(here.matches(item, values) for item in reached[:cap])
        got = read(filled, plan, values, {"cap": cap, "limit": 1})
        assert (None if got is None else got.rows) == (None if too_many and not found else [found])


@RELAXED
@given(data=st.data())
def test_totals_are_those_of_python(filled: Any, words: Any, data: st.DataObject) -> None:
    where = data.draw(st.none() | predicates(filled.Item, filled.Size))
    columns = tuple(data.draw(st.lists(st.sampled_from(["tag", "flag", "rank", "size"]), max_size=2, unique=True)))
    values = () if where is None else tuple(where.values())
    asked = (Total("count", ""), Total("sum", "id"), Total("min", "name"), Total("max", "at"), Total("sum", "ratio"))
    asked += (Total("avg", "ratio"), Total("avg", "rank"), Total("max", "rank"))
    plan = filled.plan(filled.Item, where, output="groups", columns=columns, totals=asked, scan=True)
    here, codec = words(plan, filled.Item), filled.codecs[filled.Item]
    found = [item for item in filled.stock if here.matches(item, values)]
    groups: dict[Any, list[Any]] = {} if columns else {(): []}
    for item in found:
        groups.setdefault(tuple(codec.dump(name, getattr(item, name)) for name in columns), []).append(item)
    got = filled.store.read(plan, values, epoch=filled.epoch)
    order = sorted(
        groups, key=lambda group: [(value is not None, value if value is not None else 0) for value in group]
    )
    assert [group for group, _ in got.rows] == order
    for group, results in got.rows:
        members = groups[group]
        for one, result in zip(asked, results, strict=True):
            plain = members if not one.field else [getattr(item, one.field) for item in members]
            wanted = total(one, plain, "Item")
            if one.function == "avg":
                summed, number = result
                result = None if not number else float(summed) / number
                assert (result is None) == (wanted is None)
                assert result is None or math.isclose(result, wanted, rel_tol=1e-12, abs_tol=1e-300)
            else:
                assert result == (codec.dump(one.field, wanted) if one.function in ("min", "max") else wanted)


@RELAXED
@given(data=st.data())
def test_rows_are_columns_of_the_records(filled: Any, words: Any, data: st.DataObject) -> None:
    where = data.draw(predicates(filled.Item, filled.Size))
    columns = tuple(data.draw(st.lists(st.sampled_from([*FIELDS, "data"]), max_size=3, unique=True)))
    order, limit = tuple(data.draw(ORDERS)), data.draw(st.none() | st.integers(1, 9))
    cap = data.draw(st.none() | st.integers(1, 100))
    values = tuple(where.values())
    plan = filled.plan(filled.Item, where, output="rows", columns=columns, order=order, scan=True)
    bounds = {"limit": limit, "cap": cap}
    wanted, got = expected(filled, words, plan, values, bounds), read(filled, plan, values, bounds)
    dump = filled.codecs[filled.Item].dump
    assert (None if got is None else got.rows) == (
        None if wanted is None else [tuple(dump(name, getattr(item, name)) for name in columns) for item in wanted]
    )


@RELAXED
@given(data=st.data())
def test_pages_put_together_are_the_whole(filled: Any, data: st.DataObject) -> None:
    where = data.draw(st.none() | predicates(filled.Item, filled.Size))
    plan = filled.plan(filled.Item, where, order=tuple(data.draw(ORDERS)), limited=True, scan=True)
    values = () if where is None else tuple(where.values())
    whole = filled.store.read(plan, values, epoch=filled.epoch).rows
    pages: list[Any] = []
    after = None
    while page := filled.store.read(plan, values, epoch=filled.epoch, limit=7, after=after).rows:
        pages += page
        assert len(pages) <= len(whole)
        after = tuple(getattr(page[-1], term.field) for term in plan.order)
    assert pages == whole


@given(prefix=st.text(alphabet=["a", "\ud7ff", "\ue000", LAST], max_size=4), other=st.text(max_size=4))
def test_the_end_of_a_prefix_lies_between_with_and_without(prefix: str, other: str) -> None:
    end = beyond_prefix(prefix)
    if end is None:
        assert set(prefix) <= {LAST}
    else:
        end.encode()
        assert prefix + LAST * 3 < end
        assert other.startswith(prefix) or not prefix <= other < end


def test_a_sum_may_pass_64_bits_on_its_way_but_not_at_its_end(shop: Any) -> None:
    top = 2**63 - 1
    shop.write(*[shop.new(shop.Item(id=n, name="x", rank=rank)) for n, rank in enumerate((top, top, -top, None))])

    def summed(where: Any = None) -> Any:
        return shop.read(shop.Item, where, output="groups", totals=(Total("sum", "rank"),), scan=True).rows

    assert summed() == [((), (top,))]
    with pytest.raises(ValueRefused, match=r"Item\.rank: the sum is outside 64 bits"):
        summed(col(shop.Item.rank) > 0)


def test_floats_are_added_up_without_rounding_on_the_way(shop: Any) -> None:
    ratios = [0.1] * 10 + [1e100, 1.0, -1e100]
    shop.write(*[shop.new(shop.Item(id=n, name="x", ratio=ratio)) for n, ratio in enumerate(ratios)])
    rows = shop.read(shop.Item, output="groups", totals=(Total("sum", "ratio"),), scan=True).rows
    assert rows == [((), (math.fsum(ratios),))]


def test_a_long_list_of_keys(shop: Any) -> None:
    shop.write(*[shop.new(shop.Maker(id=n, name=str(n))) for n in range(50)])
    found = shop.read(shop.Maker, col(shop.Maker.id).in_(range(-9_000, 9_001)), {"cap": 10_000})
    assert [maker.id for maker in found.rows] == list(range(50))
    names = [f"{n}" for n in range(20, 400_000)] + ["😀", '"', "\\"]
    found = shop.read(shop.Maker, col(shop.Maker.name).in_(names), scan=True)
    assert [maker.id for maker in found.rows] == list(range(20, 50))
    found = shop.read(shop.Maker, ~col(shop.Maker.name).in_(names), scan=True)
    assert [maker.id for maker in found.rows] == list(range(20))


def test_nothing_is_asked_of_the_file_when_nothing_can_match(shop: Any) -> None:
    nothing = col(shop.Item.id).in_([])
    for output, rows in (("records", []), ("count", [0]), ("exists", [False]), ("rows", [])):
        got = shop.read(shop.Item, nothing, output=output)
        assert (got.rows, got.trips) == (rows, 0)
    totals = (Total("count", ""), Total("sum", "rank"), Total("max", "rank"), Total("avg", "rank"))
    assert shop.read(shop.Item, nothing, output="groups", totals=totals).rows == [((), (0, 0, None, (0, 0)))]
    assert shop.read(shop.Item, nothing, output="groups", columns=("tag",), totals=totals).rows == []
