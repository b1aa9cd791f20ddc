"""Values of every kind: what is refused, and that primitives come back as the values and sort as they do."""

from __future__ import annotations

import decimal
import functools
import itertools
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manystore.model.annotation import field_type, split_optional
from manystore.model.types import INT_MAX, INT_MIN, FieldType, dump_datetime


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 3
    LARGE = 1


class Plain(Enum):
    B = "b"
    A = "a"


def of(annotation: Any, **options: Any) -> FieldType:
    return field_type(annotation, **{"length": None, "digits": None, "scale": None} | options)


OFFSETS = st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds)))
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
DATETIMES = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC) | OFFSETS)  # noqa: DTZ001
# On both sides of a whole second, where the length of an ISO text changes.
WHOLE = st.integers(-3, 3).map(lambda n: datetime(2011, 11, 11, tzinfo=UTC) + timedelta(microseconds=n * 500_000))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(-99_999, 99_999, places=3) | st.integers(-99_999, 99_999).map(Decimal)
IPS = st.ip_addresses(v=4) | st.ip_addresses(v=6)


def network(address: IPv4Address | IPv6Address, prefix: int) -> IPv4Network | IPv6Network:
    cls = IPv4Network if address.version == 4 else IPv6Network
    return cls((address, prefix % (address.max_prefixlen + 1)), strict=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(INT_MIN, INT_MAX) | FLOATS | TEXT,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(TEXT, part, max_size=3),
    max_leaves=8,
)
KINDS: dict[str, tuple[FieldType, st.SearchStrategy[Any]]] = {
    "bool": (of(bool), st.booleans()),
    "int": (of(int), st.integers(INT_MIN, INT_MAX)),
    "float": (of(float), FLOATS | st.integers(-(2**53), 2**53)),
    "str": (of(str), TEXT),
    "bytes": (of(bytes), st.binary(max_size=12)),
    "datetime": (of(datetime), DATETIMES | WHOLE),
    "date": (of(date), st.dates()),
    "decimal": (of(Decimal, digits=8, scale=3), DECIMALS),
    "uuid": (of(UUID), st.uuids()),
    "ip": (of(IPv4Address | IPv6Address), IPS),
    "network": (of(IPv4Network | IPv6Network), st.builds(network, IPS, st.integers(0, 128))),
    "json": (of(dict[str, Any]), st.dictionaries(TEXT, JSON, max_size=3)),
    "any": (of(Any), JSON.filter(lambda value: value is not None)),
    "str enum": (of(Colour), st.sampled_from(Colour)),
    "int enum": (of(Size), st.sampled_from(Size)),
    "enum": (of(Plain), st.sampled_from(Plain)),
    "literal": (of(Literal["x", "y"]), st.sampled_from(["x", "y"])),
}
ORDERED = sorted(set(KINDS) - {"json", "any"})


def order_key(value: Any) -> Any:
    """The order that a value has in Python, for those that have one among themselves only."""
    if isinstance(value, IPv4Address | IPv6Address):
        return value.version, int(value)
    if isinstance(value, IPv4Network | IPv6Network):
        return value.version, int(value.network_address), value.prefixlen
    return value.value if isinstance(value, Enum) else value


@pytest.mark.parametrize("name", sorted(KINDS))
def test_values_come_back(name: str) -> None:
    kind, values = KINDS[name]

    @given(values)
    def check(value: Any) -> None:
        assert kind.refusal(value) is None
        loaded = kind.load(kind.dump(value))
        assert loaded == value
        assert kind.kind == "json" or loaded.__class__ in (*kind.classes, float)
        assert kind.dump(loaded) == kind.dump(value)

    check()


@pytest.mark.parametrize("name", ORDERED)
def test_primitives_sort_as_values(name: str) -> None:
    kind, values = KINDS[name]

    @given(st.lists(values, min_size=2, max_size=6))
    def check(found: list[Any]) -> None:
        by_value = sorted(found, key=order_key)
        assert [order_key(v) for v in sorted(found, key=kind.dump)] == [order_key(v) for v in by_value]
        for left, right in itertools.pairwise(by_value):
            assert (kind.dump(left) == kind.dump(right)) == (left == right)

    check()


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (of(int), True, "bool where int is wanted"),
        (of(int), "1", "str where int is wanted"),
        (of(int), Size.SMALL, "Size where int is wanted"),
        (of(int), 2**63, "outside 64 bits"),
        (of(int), -(2**63) - 1, "outside 64 bits"),
        (of(bool), 1, "int where bool is wanted"),
        (of(float), float("nan"), "neither NaN nor infinity"),
        (of(float), float("-inf"), "neither NaN nor infinity"),
        (of(float), 2**53 + 1, "an int that no float holds exactly"),
        (of(float), True, "bool where float or int is wanted"),
        (of(str), Colour.RED, "Colour where str is wanted"),
        (of(str, length=3), "four", "4 characters; at most 3"),
        (of(str), "a\0b", "holds a NUL character"),
        (of(str), "\ud800", "holds a lone surrogate"),
        (of(bytes, length=1), b"ab", "2 bytes; at most 1"),
        (of(bytes), bytearray(b"a"), "bytearray where bytes is wanted"),
        (of(datetime), datetime(2011, 1, 1), "a datetime without a time zone"),  # noqa: DTZ001
        (of(datetime), date(2011, 1, 1), "date where datetime is wanted"),
        (of(datetime), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "outside the years 1 to 9999"),
        (of(datetime), datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2))), "outside the years"),
        (of(date), datetime(2011, 1, 1, tzinfo=UTC), "datetime where date is wanted"),
        (of(Decimal, digits=4, scale=2), Decimal("1.234"), "more than 2 digits after the point"),
        (of(Decimal, digits=4, scale=2), Decimal("100"), "more than 2 digits before the point"),
        (of(Decimal, digits=4, scale=2), Decimal("1E+999999"), "more than 2 digits before the point"),
        (of(Decimal, digits=4, scale=2), Decimal("1E-999999"), "more than 2 digits after the point"),
        (of(Decimal, digits=4, scale=2), Decimal("1." + "0" * 60), "more than 2 digits after the point"),
        (of(Decimal, digits=4, scale=2), Decimal("NaN"), "neither NaN nor infinity"),
        (of(Decimal, digits=4, scale=2), Decimal("sNaN"), "neither NaN nor infinity"),
        (of(Decimal, digits=4, scale=2), Decimal("-Infinity"), "neither NaN nor infinity"),
        (of(Decimal, digits=4, scale=2), 1.5, "float where Decimal is wanted"),
        (of(UUID), str(UUID(int=1)), "str where UUID is wanted"),
        (of(IPv4Address), IPv6Address("::1"), "IPv6Address where IPv4Address is wanted"),
        (of(IPv6Address), IPv6Address("fe80::1%eth0"), "an address with a scope id"),
        (of(IPv6Network), IPv6Network("fe80::%eth0/64"), "a network with a scope id"),
        (of(Colour), "red", "str where Colour is wanted"),
        (of(Literal["a", "b"]), "c", "not one of a, b"),
        (of(Literal[1, 2]), True, "bool where int is wanted"),
        (of(list[int]), (1, 2), "tuple where list is wanted"),
        (of(dict[str, Any]), {1: 2}, "a JSON object's name must be a str"),
        (of(dict[str, Any]), {"a\0": 2}, "holds a NUL character"),
        (of(dict[str, Any]), {"a": [{"b": float("nan")}]}, "neither NaN nor infinity"),
        (of(dict[str, Any]), {"a": 2**64}, "outside 64 bits"),
        (of(dict[str, Any]), {"a": {1}}, "a set inside a JSON value"),
        (of(dict[str, Any]), {"a": Colour.RED}, "a Colour inside a JSON value"),
        (of(dict[str, Any]), {"a": "\udfff"}, "holds a lone surrogate"),
        (of(Any), functools.reduce(lambda inner, _: [inner], range(65), []), "nested deeper than 64"),
    ],
)  # fmt: skip
def test_refusals(kind: FieldType, value: Any, reason: str) -> None:
    said = kind.refusal(value)
    assert said is not None
    assert reason in said


def test_depth_that_is_just_taken() -> None:
    nested: list[Any] = functools.reduce(lambda inner, _: [inner], range(63), [])
    assert of(Any).refusal(nested) is None


def test_decimals_do_not_hang_on_the_context_of_the_caller() -> None:
    kind = of(Decimal, digits=12, scale=2)
    with decimal.localcontext(prec=3, traps=[decimal.Inexact, decimal.Rounded]):
        value = Decimal("9999999999.99")
        assert kind.refusal(value) is None
        assert kind.load(kind.dump(value)) == value
        assert kind.refusal(Decimal("10000000000.00")) is not None


def test_decimals_come_back_with_their_scale() -> None:
    kind = of(Decimal, digits=8, scale=2)
    assert str(kind.load(kind.dump(Decimal("1")))) == "1.00"
    assert str(kind.load(kind.dump(Decimal("-0")))) == "0.00"


def test_the_text_of_datetimes() -> None:
    assert dump_datetime(datetime(2011, 11, 11, 11, 11, 11, tzinfo=UTC)) == "2011-11-11T11:11:11.000000Z"
    assert dump_datetime(datetime(2011, 11, 11, 11, 11, 11, 500_000, tzinfo=UTC)) == "2011-11-11T11:11:11.500000Z"
    assert dump_datetime(datetime(7, 1, 1, tzinfo=UTC)) == "0007-01-01T00:00:00.000000Z"
    # msgspec alone would leave out the twenty seconds.
    odd = timezone(timedelta(seconds=20))
    assert dump_datetime(datetime(2011, 11, 11, 0, 0, 21, 1, tzinfo=odd)) == "2011-11-11T00:00:01.000001Z"
    late = datetime(2011, 10, 30, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    assert dump_datetime(late) == "2011-10-30T01:30:00.000000Z"


def test_minus_zero_becomes_zero() -> None:
    assert str(of(float).dump(-0.0)) == "0.0"


def test_optional_annotations() -> None:
    assert split_optional(int | None) == (int, True)
    assert split_optional(int) == (int, False)
    ips = split_optional(IPv4Address | IPv6Address | None)
    assert ips == (IPv4Address | IPv6Address, True)
    assert of(ips[0]).classes == (IPv4Address, IPv6Address)
