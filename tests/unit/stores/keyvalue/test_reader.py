"""Whatever is asked, the store gives what evaluate gives over a plain list; and stops or refuses where the cap says."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manystore import errors, field, index, model, unique
from manystore.query import evaluate
from manystore.query.column import col
from manystore.query.plan import AllOf, AnyOf, Claimed, Lookup, Nothing, Ordering, Total, Union
from manystore.query.plan import Range as Stretch
from manystore.query.predicate import And, Or

QUICK = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@model(
    indexes=[
        index("a", "-n"),
        index("-a"),
        index("n", "at", "a"),
        index("price", "-color"),
        index("ratio"),
        index("-blob", "flag"),
        index("addr"),
    ],
    uniques=[unique("a", "code")],
)
class Thing:
    id: int = field(key=True)
    sub: str = field(key=True)
    code: int | None = field(default=None)
    a: str | None = field(default=None)
    n: int | None = field(default=None)
    at: datetime | None = field(default=None)
    price: Decimal | None = field(default=None, digits=6, scale=2)
    color: Color | None = field(default=None)
    ratio: float | None = field(default=None)
    blob: bytes | None = field(default=None)
    flag: bool = field(default=False)
    addr: ipaddress.IPv4Address | ipaddress.IPv6Address | None = field(default=None)
    free: str | None = field(default=None)


VALUES: dict[str, list[Any]] = {
    "id": [-5, 0, 1, 2, 10, 100],
    "sub": ["", "a", "a!", "b c", "\U0001f600"],
    "a": ["", "x", "xx", "x y", "xy/", "y", "\ud7ff", "z\U0001f600", "."],
    "n": [-100, -9, -1, 0, 3, 20, 2**40],
    "at": [
        datetime(2011, 11, 11, tzinfo=UTC),
        datetime(2011, 11, 11, 0, 0, 0, 5, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
    ],
    "price": [Decimal("-1.50"), Decimal("0.00"), Decimal("12.50"), Decimal("3")],
    "color": list(Color),
    "ratio": [-1.5, 0.0, 0.25, 1e300, -1e-300],
    "blob": [b"", b"\0", b"\xff", b"ab"],
    "flag": [True, False],
    "addr": [ipaddress.ip_address(text) for text in ("10.0.0.1", "9.0.0.1", "::1", "fe80::1")],
    "free": ["p", "q"],
}
OPTIONAL = sorted(set(VALUES) - {"id", "sub", "flag"})


@st.composite
def things(draw: st.DrawFn) -> list[Thing]:
    keys = draw(st.sets(st.tuples(st.sampled_from(VALUES["id"]), st.sampled_from(VALUES["sub"])), max_size=25))
    made = []
    for code, (id_, sub) in enumerate(sorted(keys)):
        parts = {name: draw(st.sampled_from([None, *VALUES[name]])) for name in OPTIONAL}
        made.append(Thing(id=id_, sub=sub, code=code, flag=draw(st.booleans()), **parts))
    return made


def compare(draw: st.DrawFn, name: str) -> Any:
    column, pick = col(getattr(Thing, name)), st.sampled_from(VALUES[name])
    if name in OPTIONAL and draw(st.integers(0, 5)) == 0:
        return column.is_(None)
    op = draw(st.sampled_from(["==", "==", "!=", "<", "<=", ">", ">=", "between", "in", "prefix"]))
    if op == "prefix" and name in ("a", "sub", "free"):
        return column.prefix(draw(pick))
    if op == "in":
        return column.in_(draw(st.lists(pick | st.none() if name in OPTIONAL else pick, max_size=3)))
    if op == "between" and name != "color":
        return column.between(draw(pick), draw(pick))
    orders = {"<": column.__lt__, "<=": column.__le__, ">": column.__gt__, ">=": column.__ge__, "!=": column.is_not}
    return orders.get(op, column.is_)(draw(pick))


def tree(draw: st.DrawFn, depth: int) -> Any:
    kind = draw(st.sampled_from(["test", "test", "and", "and", "or", "not"] if depth else ["test"]))
    if kind == "test":
        return compare(draw, draw(st.sampled_from(sorted(VALUES))))
    if kind == "not":
        return ~tree(draw, depth - 1)
    parts = tuple(tree(draw, depth - 1) for _ in range(draw(st.integers(1, 3))))
    return And(parts) if kind == "and" else Or(parts)


predicates = st.composite(lambda draw: tree(draw, 2) if draw(st.integers(0, 9)) else None)
orders = st.lists(
    st.builds(Ordering, st.sampled_from(sorted(VALUES)), st.booleans()), max_size=3, unique_by=lambda term: term.field
)


def expected(plan: Any, records: list[Thing], values: Any, bounds: dict[str, Any]) -> list[Any] | None:
    """Give the rows that evaluate gives, None where the cap must refuse."""
    after, limit, cap = bounds.get("after"), bounds.get("limit"), bounds.get("cap")
    records = list(records)
    evaluate.sort(records, plan.order, plan.sort_keys)
    is_presorted = plan.presorted >= len(plan.order)
    if is_presorted and after is not None:
        records = [r for r in records if plan.is_after(r, after)]
    comparables = {"color": lambda c: c.value, "addr": lambda a: f"{a.version}{a.packed.hex()}"}
    reached = [r for r in records if evaluate.matcher(reach(plan.access), comparables)(r, values)]
    matching = [r for r in records if plan.matches(r, values) and (after is None or plan.is_after(r, after))]
    if cap is not None and len(reached) > cap:
        early = [r for r in reached[:cap] if plan.matches(r, values)]
        if not is_presorted or limit is None or len(early) < limit:
            return None
    return matching[:limit]


def reach(access: Any) -> Any:
    """Give the condition that an access stands for."""
    if isinstance(access, Union):
        return AnyOf(tuple(reach(part) for part in access.parts))
    if isinstance(access, Nothing):
        return AnyOf(())
    if isinstance(access, Lookup | Claimed):
        return AllOf(access.tests)
    assert isinstance(access, Stretch)
    return AllOf((*access.equal, *[t for t in (access.lower, access.upper, access.prefix) if t is not None]))


def outcome(here: Any, plan: Any, values: Any, bounds: dict[str, Any]) -> list[Any] | None:
    try:
        return here.store.read(plan, values, epoch=here.epoch, **bounds).rows
    except errors.TooManyExamined:
        return None


def drawn_bounds(data: st.DataObject, plan: Any, records: list[Thing]) -> dict[str, Any]:
    bounds: dict[str, Any] = {
        "limit": data.draw(st.none() | st.integers(1, 6)),
        "cap": data.draw(st.none() | st.integers(1, 12)),
    }
    if records and data.draw(st.booleans()):
        cursor = data.draw(st.sampled_from(records))
        bounds["after"] = tuple(getattr(cursor, term.field) for term in plan.order)
    return bounds


@pytest.mark.slow
@QUICK
@given(data=st.data(), records=things())
def test_gives_what_evaluate_gives(place, data, records):
    here = place(Thing)
    here.insert(*records)
    for _ in range(6):
        predicate, order = data.draw(predicates()), tuple(data.draw(orders))
        plan = here.plan(Thing, predicate, order=order, scan=True)
        bounds = drawn_bounds(data, plan, records)
        values = () if predicate is None else tuple(predicate.values())
        assert outcome(here, plan, values, bounds) == expected(plan, records, values, bounds), plan


# Dense records and one index at a time, so that the edges of a span decide what the cap counts.
WALKS = [("a", "n"), ("a",), ("n", "at"), ("price", "color"), ("blob", "flag"), ("id", "sub")]


@pytest.mark.slow
@QUICK
@given(data=st.data())
def test_cap_counts_what_the_access_yields(place, data):
    here = place(Thing)
    small = {name: VALUES[name][:2] for name in VALUES}
    records = [
        Thing(id=i, sub=s, **{n: data.draw(st.sampled_from([None, *small[n]])) for n in ("a", "n", "price", "color")})
        for i in range(4)
        for s in ("", "a", "b c")
    ]
    for record in records:
        record.at, record.blob = data.draw(st.sampled_from(small["at"])), data.draw(st.sampled_from(small["blob"]))
    here.insert(*records)
    for _ in range(8):
        *fixed, last = data.draw(st.sampled_from(WALKS))
        column = col(getattr(Thing, last))
        bound = data.draw(st.sampled_from(VALUES[last][:3]))
        compare = data.draw(st.sampled_from([column.__lt__, column.__le__, column.__gt__, column.__ge__]))
        parts = [compare(bound)] if last != "flag" else []
        parts += [col(getattr(Thing, name)) == data.draw(st.sampled_from(small[name])) for name in fixed]
        reverse = data.draw(st.booleans())
        down = {"a": fixed == [], "n": fixed == ["a"], "color": True, "blob": True}
        order = tuple(Ordering(name, reverse != down.get(name, False)) for name in (*fixed, last))
        if reverse:
            order += tuple(Ordering(name, True) for name in ("id", "sub") if name not in (*fixed, last))
        plan = here.plan(Thing, And(tuple(parts)), order=order, scan=True)
        values, bounds = tuple(And(tuple(parts)).values()), drawn_bounds(data, plan, records)
        assert outcome(here, plan, values, bounds) == expected(plan, records, values, bounds), plan


@pytest.mark.slow
@QUICK
@given(data=st.data(), records=things())
def test_counts_and_totals(place, data, records):
    here = place(Thing)
    here.insert(*records)
    predicate = data.draw(predicates())
    values = () if predicate is None else tuple(predicate.values())
    plan = here.plan(Thing, predicate, scan=True)
    matching = [r for r in records if plan.matches(r, values)]
    assert here.find(Thing, predicate, output="count") == [len(matching)]
    assert here.find(Thing, predicate, output="exists") == [bool(matching)]
    columns = here.find(Thing, predicate, output="rows", columns=("color", "price"))
    cents = [None if r.price is None else int(r.price * 100) for r in sorted(matching, key=lambda r: (r.id, r.sub))]
    assert [price for _, price in columns] == cents
    functions = tuple(Total(f, name) for f, name in [("sum", "n"), ("avg", "price"), ("min", "a"), ("max", "ratio")])
    grouped = here.find(Thing, predicate, output="groups", columns=("color",), totals=(Total("count", ""), *functions))
    assert [key for key, _ in grouped] == sorted(
        {(r.color and r.color.value,) for r in matching}, key=lambda key: key[0] or ""
    )
    for (color,), (number, summed, mean, low, high) in grouped:
        members = [r for r in matching if (r.color and r.color.value) == color]
        prices = [int(r.price * 100) for r in members if r.price is not None]
        assert number == len(members)
        assert summed == evaluate.total(functions[0], [r.n for r in members], "Thing")
        assert mean == (sum(prices), len(prices))
        assert low == evaluate.total(functions[2], [r.a for r in members], "Thing")
        assert high == evaluate.total(functions[3], [r.ratio for r in members], "Thing")


def test_one_group_of_nothing(place):
    assert place(Thing).find(Thing, output="groups", totals=(Total("count", ""), Total("sum", "n"))) == [((), (0, 0))]


def test_a_sum_past_64_bits_is_refused(place):
    here = place(Thing)
    here.insert(*[Thing(id=i, sub="", n=2**62) for i in range(2)])
    with pytest.raises(errors.ValueRefused):
        here.find(Thing, output="groups", totals=(Total("sum", "n"),))


def test_round_trips(place):
    here = place(Thing)
    here.insert(*[Thing(id=i, sub="", a="x", code=i) for i in range(300)])
    key = (col(Thing.id) == 3) & (col(Thing.sub) == "")
    assert here.read(Thing, key).trips == 1
    assert here.read(Thing, (col(Thing.a) == "x") & (col(Thing.code) == 3)).trips == 1
    assert here.read(Thing, col(Thing.a) == "x", bounds={"limit": 100}).trips == 1
    assert here.read(Thing, col(Thing.a) == "x").trips == 1
    assert here.read(Thing, col(Thing.a) == "x", output="count").trips == 1


def test_round_trips_of_many_values(place):
    here = place(Thing)
    here.insert(*[Thing(id=i, sub="", a=f"x{i % 1500}") for i in range(2500)])
    few = here.read(Thing, col(Thing.a).in_([f"x{n}" for n in range(0, 1500, 2)]))
    assert [thing.id for thing in few.rows] == list(range(0, 2500, 2))
    assert few.trips == 1
    many = here.read(Thing, col(Thing.a).in_([f"x{n}" for n in range(1500)]))
    assert [thing.id for thing in many.rows] == list(range(2500))
    assert many.trips == 2  # a scan has a thousand spans
    assert here.read(Thing, col(Thing.a).in_([f"x{n}" for n in range(1500)]), output="count").rows == [2500]
    full = here.read(Thing, col(Thing.a).in_(["no", *[f"x{n}" for n in range(900)]]))
    assert (len(full.rows), full.trips) == (1800, 1)


def test_pages_go_on_within_a_span(place):
    here = place(Thing)
    here.insert(*[Thing(id=i, sub="", a=f"x{i % 3}") for i in range(4500)])
    read = here.read(Thing, col(Thing.a).in_(["none", "x0", "x1", "x2"]))
    assert [thing.id for thing in read.rows] == list(range(4500))
    assert (read.examined, read.trips) == (4500, 3)  # of two thousand names
    for cap, is_enough in ((4500, True), (4499, False), (1000, False)):
        try:
            rows = here.read(Thing, col(Thing.a).in_(["x0", "x1", "x2"]), bounds={"cap": cap}).rows
        except errors.TooManyExamined:
            assert not is_enough
        else:
            assert is_enough
            assert len(rows) == 4500


def test_a_limit_under_a_cap_looks_at_the_rest_only_if_there_is_any(place):
    here = place(Thing)
    here.insert(*[Thing(id=i, sub="", a="x", n=i // 10, code=i) for i in range(200)])
    here.insert(*[Thing(id=i, sub="", a="y", n=i // 4, code=i) for i in range(300, 310)])
    order = (Ordering("n", descending=True), Ordering("id", descending=True))

    def read(a, **bounds):
        return here.read(Thing, col(Thing.a) == a, order=order, bounds=bounds)

    few = read("y", limit=3, cap=10)
    assert ([thing.id for thing in few.rows], few.examined, few.trips) == ([309, 308, 307], 10, 1)
    many = read("x", limit=3, cap=200)
    assert ([thing.id for thing in many.rows], many.examined, many.trips) == ([199, 198, 197], 19, 2)
    more = read("x", limit=25, cap=200)
    assert [thing.id for thing in more.rows] == list(range(199, 174, -1))
    for a, cap in (("x", 199), ("x", 5), ("y", 9)):
        with pytest.raises(errors.TooManyExamined):
            read(a, limit=3, cap=cap)


def test_limit_is_filled_over_several_pages(place):
    here = place(Thing)
    here.insert(*[Thing(id=i, sub="", a="x", free="p" if i % 100 == 99 else None) for i in range(1000)])
    read = here.read(Thing, (col(Thing.a) == "x") & (col(Thing.free) == "p"), bounds={"limit": 5})
    assert [thing.id for thing in read.rows] == [99, 199, 299, 399, 499]
    assert 500 <= read.examined < 1000


def test_a_sorted_limit_stops_at_the_end_of_a_group(place):
    here = place(Thing)
    here.insert(*[Thing(id=i, sub="", a="x", n=i // 10, code=i) for i in range(2000)])
    order = (Ordering("n", descending=True), Ordering("id", descending=True))
    read = here.read(Thing, col(Thing.a) == "x", order=order, bounds={"limit": 15})
    assert [thing.id for thing in read.rows] == list(range(1999, 1984, -1))
    assert read.examined < 100


def test_an_entry_without_its_record_is_passed_over(place):
    here = place(Thing)
    here.insert(Thing(id=1, sub="", a="x"), Thing(id=2, sub="", a="x"), Thing(id=3, sub="", a="x"))
    here.kv._spaces["r:thing"].pop("a2$!")
    assert [thing.id for thing in here.find(Thing, col(Thing.a) == "x", limited=True)] == [1, 3]


def test_another_epoch_is_refused(place):
    here = place(Thing)
    here.epoch = "0" * 16
    with pytest.raises(errors.EpochChanged):
        here.find(Thing, (col(Thing.id) == 3) & (col(Thing.sub) == ""))
    with pytest.raises(errors.EpochChanged):
        here.find(Thing)
