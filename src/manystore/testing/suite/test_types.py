"""Values: every kind comes back as given and compares as in Python; what no store may hold is refused in time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manystore import UNSET, NotFound, ValueRefused, asc, col, desc
from manystore.testing.models import Author, Book, Level, Library, Sample, Samples, State

INTS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
PRICES = st.integers(-(10**18) + 1, 10**18 - 1).map(lambda n: Decimal(n).scaleb(-4))
ADDRESSES = st.ip_addresses(v=4) | st.ip_addresses(v=6)
JSON = st.recursive(
    st.none() | st.booleans() | INTS | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def _network(address: IPv4Address | IPv6Address, bits: int) -> IPv4Network | IPv6Network:
    return ip_network(
        (int(address) if address.version == 4 else address.packed, bits % (address.max_prefixlen + 1)), strict=False
    )


STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "whole": INTS,
    "ratio": FLOATS,
    "text": TEXTS,
    "note": TEXTS,
    "blob": st.binary(max_size=64),
    "at": TIMES,
    "day": st.dates(),
    "price": PRICES,
    "token": st.uuids(),
    "address": ADDRESSES,
    "network": st.builds(_network, ADDRESSES, st.integers(0, 128)),
    "state": st.sampled_from(State),
    "level": st.sampled_from(Level),
    "word": st.sampled_from(("one", "two")),
    "doc": JSON.filter(lambda value: value is not None),
    "items": st.lists(JSON, max_size=4),
}
BOUNDARIES: dict[str, Sequence[Any]] = {
    "flag": [False, True],
    "whole": [-(2**63), -(2**53) - 1, -1, 0, 1, 2**31, 2**53 + 1, 2**63 - 1],
    "ratio": [-1.7976931348623157e308, -1.0, -5e-324, 0.0, 5e-324, 0.1, 1.0, 2.0**53, 1.7976931348623157e308],
    "text": [
        "",
        " ",
        "a",
        "a ",
        "A",
        "aa",
        "\u00e9",
        "e\u0301",
        "\uffff",
        "\U00010000",
        "\U0010ffff",
        "\x01\x7f\t\n",
        "'\";--",
    ],
    "note": ["x" * 100_000, "\U0001f600" * 5_000],
    "short": ["", "12345", "\U0001f600" * 5],
    "blob": [b"", b"\0", b"\0\0", b"\x00\xff", b"\x7f", b"\x80", b"a" * 64, bytes(range(64))],
    "at": [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2011, 11, 11, 11, 11, 11, tzinfo=UTC),
        datetime(2011, 11, 11, 11, 11, 11, 500_000, tzinfo=UTC),
        datetime(2011, 11, 11, 11, 11, 11, 500_001, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
    "day": [date(1, 1, 1), date(1969, 12, 31), date(2012, 2, 29), date(9999, 12, 31)],
    "price": [Decimal(text) for text in ("-99999999999999.9999", "-0.0001", "0", "0.1", "1", "99999999999999.9999")],
    "token": [UUID(int=0), UUID(int=1), UUID("12345678-1234-5678-1234-567812345678"), UUID(int=2**128 - 1)],
    "address": list(
        map(
            ip_address,
            ("0.0.0.0", "9.0.0.0", "10.0.0.9", "10.0.0.10", "255.255.255.255", "::", "::ffff:1.2.3.4", "ff::"),
        )
    ),
    "network": list(
        map(ip_network, ("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.1/32", "::/0", "fe80::/10", "::1/128"))
    ),
    "doc": [{}, [], 0, "", False, 1.5, {"": None, "a": {"b": [[], {}, None]}}, "\U0010ffff", -(2**63), 2**63 - 1],
    "items": [[], [None], [[[]]], [1, 1.0, True, "1"]],
}
ORDERED = [name for name in BOUNDARIES if name not in ("doc", "items", "note", "short")]


def _exactly(one: object, other: object) -> bool:
    """Equal, and of the same types all the way down: 1, 1.0 and True are three values."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_exactly(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_exactly, one, other))
    return type(one) is type(other) and one == other


@settings(max_examples=120)
@given(st.fixed_dictionaries({name: st.none() | strategy for name, strategy in STRATEGIES.items()}))
def test_every_kind_comes_back(samples: Samples, values: dict[str, Any]) -> None:
    key = samples.sample.count(scan=True)
    samples.sample.create(Sample(id=key, **values))
    read = samples.sample.get(key)
    for name, value in values.items():
        assert _exactly(getattr(read, name), value), name


@pytest.mark.parametrize("name", sorted(BOUNDARIES))
def test_boundaries_come_back_by_get_find_and_select(samples: Samples, name: str) -> None:
    for key, value in enumerate(BOUNDARIES[name]):
        samples.sample.create(Sample(id=key, **{name: value}))
    for key, value in enumerate(BOUNDARIES[name]):
        assert _exactly(getattr(samples.sample.get(key), name), value), value
    found = samples.sample.find(limit=100)
    assert [_exactly(getattr(record, name), value) for record, value in zip(found, BOUNDARIES[name], strict=True)]


@pytest.mark.parametrize("name", ORDERED)
def test_equality_finds_exactly_the_value(samples: Samples, name: str) -> None:
    values = BOUNDARIES[name]
    samples.sample.create_all([Sample(id=key, **{name: value}) for key, value in enumerate(values)])
    field = col(getattr(Sample, name))
    for key, value in enumerate(values):
        assert [record.id for record in samples.sample.find(field == value)] == [key], value
        assert [record.id for record in samples.sample.find(field.in_([value]))] == [key], value
        others = samples.sample.find(field != value, scan=True)
        assert [record.id for record in others] == [n for n in range(len(values)) if n != key]


@pytest.mark.parametrize("name", ORDERED)
def test_order_and_ranges_are_those_of_python(samples: Samples, name: str) -> None:
    values = BOUNDARIES[name]  # written in ascending order, but for text, flags and the like
    ranked = sorted(range(len(values)), key=lambda place: _rank(values[place]))
    samples.sample.create_all([Sample(id=key, **{name: value}) for key, value in enumerate(values)])
    samples.sample.create(Sample(id=100))
    slot = getattr(Sample, name)
    assert [s.id for s in samples.sample.find(order_by=asc(slot), limit=100)] == [100, *ranked]
    assert [s.id for s in samples.sample.find(order_by=desc(slot), scan=True)] == [*reversed(ranked), 100]
    if name in ("state", "word"):
        return
    for place, key in enumerate(ranked):
        asked = col(slot)
        found = {
            "<": samples.sample.find(asked < values[key], order_by=asc(slot)),
            "<=": samples.sample.find(asked <= values[key], order_by=asc(slot)),
            ">": samples.sample.find(asked > values[key], order_by=asc(slot)),
            ">=": samples.sample.find(asked >= values[key], order_by=asc(slot)),
            "between": samples.sample.find(asked.between(values[ranked[0]], values[key]), order_by=asc(slot)),
        }
        expected = {
            "<": ranked[:place],
            "<=": ranked[: place + 1],
            ">": ranked[place + 1 :],
            ">=": ranked[place:],
            "between": ranked[: place + 1],
        }
        assert {op: [s.id for s in records] for op, records in found.items()} == expected


def _rank(value: Any) -> Any:
    if isinstance(value, IPv4Address | IPv6Address):
        return value.version, int(value)
    if isinstance(value, IPv4Network | IPv6Network):
        return value.version, int(value.network_address), value.prefixlen
    return value


def test_enums_are_kept_and_ordered_by_value(samples: Samples) -> None:
    samples.sample.create_all(
        [Sample(id=n, level=level, state=state) for n, (level, state) in enumerate(zip(Level, State, strict=True))]
    )
    assert [s.level for s in samples.sample.find(order_by=asc(Sample.level), limit=9)] == [
        Level.HIGH,
        Level.MIDDLE,
        Level.LOW,
    ]
    assert [s.state for s in samples.sample.find(col(Sample.state) == State.PRINTED)] == [State.PRINTED]
    assert [s.level for s in samples.sample.find(col(Sample.level) > Level.HIGH, order_by=asc(Sample.level))] == [
        Level.MIDDLE,
        Level.LOW,
    ]


def test_a_datetime_of_another_zone_is_the_same_instant(samples: Samples) -> None:
    there = datetime(2011, 11, 11, 13, 11, 11, 5, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    samples.sample.create(Sample(id=1, at=there))
    read = samples.sample.get(1).at
    assert read == there
    assert read is not None
    assert read.utcoffset() == timedelta(0)
    assert samples.sample.count(col(Sample.at) == there) == 1


def test_negative_zero_is_zero(samples: Samples) -> None:
    samples.sample.create(Sample(id=1, ratio=-0.0))
    read = samples.sample.get(1).ratio
    assert read == 0.0
    assert read is not None
    assert math.copysign(1, read) == 1
    assert samples.sample.count(col(Sample.ratio) == 0.0) == 1


def test_an_int_in_a_float_field_is_a_float(samples: Samples) -> None:
    samples.sample.create(Sample(id=1, ratio=3))
    assert _exactly(samples.sample.get(1).ratio, 3.0)


def test_decimals_come_back_with_their_declared_scale(samples: Samples) -> None:
    samples.sample.create(Sample(id=1, price=Decimal("1.5E+3")))
    assert str(samples.sample.get(1).price) == "1500.0000"


REFUSED: list[tuple[str, Any]] = [
    ("flag", 1),
    ("flag", "true"),
    ("whole", 2**63),
    ("whole", -(2**63) - 1),
    ("whole", True),
    ("whole", 1.0),
    ("whole", "1"),
    ("ratio", float("nan")),
    ("ratio", float("inf")),
    ("ratio", float("-inf")),
    ("ratio", 2**53 + 1),
    ("ratio", "0.5"),
    ("ratio", True),
    ("text", "a\0b"),
    ("text", "\ud800"),
    ("text", "a\udfffb"),
    ("text", "x" * 256),
    ("text", b"bytes"),
    ("text", 1),
    ("note", "\0"),
    ("note", "\udc00"),
    ("short", "123456"),
    ("blob", b"x" * 65),
    ("blob", "text"),
    ("blob", bytearray(b"x")),
    ("at", datetime(2011, 11, 11)),  # noqa: DTZ001 - that is the point
    ("at", date(2011, 11, 11)),
    ("at", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
    ("at", datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2)))),
    ("at", "2011-11-11T00:00:00Z"),
    ("day", datetime(2011, 11, 11, tzinfo=UTC)),
    ("day", "2011-11-11"),
    ("price", Decimal("0.00001")),
    ("price", Decimal("100000000000000")),
    ("price", Decimal("NaN")),
    ("price", Decimal("Infinity")),
    ("price", Decimal("1E+1000")),
    ("price", 1),
    ("price", 1.5),
    ("token", "12345678-1234-5678-1234-567812345678"),
    ("address", "10.0.0.1"),
    ("address", ip_network("10.0.0.0/8")),
    ("address", IPv6Address("fe80::1%eth0")),
    ("network", "10.0.0.0/8"),
    ("state", "draft"),
    ("state", Level.LOW),
    ("level", 10),
    ("word", "three"),
    ("doc", {1: 2}),
    ("doc", {"a": (1, 2)}),
    ("doc", {"a": object()}),
    ("doc", [float("nan")]),
    ("doc", ["\0"]),
    ("doc", {"\ud800": 1}),
    ("doc", [2**63]),
    ("doc", [datetime(2011, 11, 11, tzinfo=UTC)]),
    ("items", {}),
    ("items", (1,)),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_refused_before_anything_is_written(samples: Samples, name: str, value: Any) -> None:
    kept = samples.sample.create(Sample(id=1))
    with pytest.raises(ValueRefused) as caught:
        samples.sample.create(Sample(id=2, **{name: value}))
    assert (caught.value.model, caught.value.field) == ("Sample", name)
    with pytest.raises(ValueRefused):
        samples.sample.create_all([Sample(id=3), Sample(id=4, **{name: value})])
    with pytest.raises(ValueRefused):
        samples.sample.save(dataclasses.replace(kept, **{name: value}))
    with pytest.raises(ValueRefused):
        samples.sample.update(1, col(getattr(Sample, name)).to(value))
    with pytest.raises(ValueRefused), samples.transaction() as tx:
        tx.sample.create(Sample(id=5))
        tx.sample.create(Sample(id=6, **{name: value}))
    assert samples.sample.find(limit=9) == [Sample(id=1)]


@pytest.mark.parametrize(
    ("name", "value"), [pair for pair in REFUSED if pair[0] in ORDERED and pair != ("text", "x" * 256)]
)
def test_refused_as_an_operand(samples: Samples, name: str, value: Any) -> None:
    with pytest.raises(ValueRefused) as caught:
        samples.sample.find(col(getattr(Sample, name)) == value)
    assert caught.value.field == name


def test_none_is_refused_where_the_field_is_not_optional(library: Library) -> None:
    author = library.author.create(Author(name="a"))
    wrongs: list[dict[str, Any]] = [{"title": None}, {"pages": None}, {"extra": None}, {"isbn": None}]
    for wrong in wrongs:
        with pytest.raises(ValueRefused) as caught:
            library.book.create(Book(**{"isbn": "1", "title": "t", "author_id": author.id, **wrong}))
        assert caught.value.field == next(iter(wrong))
    for slot in (Book.title, Book.pages, Book.state):
        with pytest.raises(ValueRefused):
            col(slot).to(None)
        with pytest.raises(ValueRefused):
            col(slot).is_(None)


def test_unset_is_refused(samples: Samples) -> None:
    with pytest.raises(ValueRefused):
        samples.sample.create(Sample(id=1, text=UNSET))  # type: ignore[arg-type]
    with pytest.raises(ValueRefused):
        col(Sample.text).to(UNSET)  # type: ignore[arg-type]
    with pytest.raises(ValueRefused):
        samples.sample.find(col(Sample.whole) == UNSET)  # type: ignore[arg-type]


def test_an_unset_reference_is_refused(library: Library) -> None:
    unborn = Author(name="later")
    with pytest.raises(ValueRefused) as caught:
        library.book.create(Book(isbn="1", title="t", author_id=unborn.id))
    assert caught.value.field == "author_id"


def test_texts_of_255_characters_are_indexed_whole(library: Library) -> None:
    author = library.author.create(Author(name="a"))
    titles = ["\U0001f600" * 254 + end for end in "abc"]
    library.book.create_all([Book(isbn=str(n), title=title, author_id=author.id) for n, title in enumerate(titles)])
    for n, title in enumerate(titles):
        assert [book.isbn for book in library.book.find(col(Book.title) == title)] == [str(n)]
    assert [book.isbn for book in library.book.find(col(Book.title) > titles[0])] == ["1", "2"]


def test_an_entry_too_long_for_any_store_is_refused_by_every_store(samples: Samples) -> None:
    with pytest.raises(ValueRefused) as caught:  # written downwards, each of these takes 18 bytes
        samples.sample.create(Sample(id=1, text="\U0001f600" * 255))
    assert caught.value.field == "text"
    assert samples.sample.find(limit=1) == []


def test_json_objects_are_equal_whatever_order(samples: Samples) -> None:
    samples.sample.create(Sample(id=1, doc={"b": 1, "a": 2, "10": 3, "9": 4}))
    assert samples.sample.get(1).doc == {"b": 1, "a": 2, "10": 3, "9": 4}


def test_json_nested_too_deep_is_refused(samples: Samples) -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ValueRefused):
        samples.sample.create(Sample(id=1, doc=deep))
    with pytest.raises(NotFound):
        samples.sample.get(1)
