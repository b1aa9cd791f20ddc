"""Values of foreign columns: what is taken, as which primitive, and the reasons for which others are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv6Network
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manystore.model.types import Kind
from manystore.schema.foreign import Unfit, primitive_of
from manystore.schema.schema import Field


def of(kind: Kind, **more: Any) -> Field:
    return Field("f", "f", kind, **more)


PRICE = {"digits": 5, "scale": 2}


@pytest.mark.parametrize(
    ("kind", "value", "primitive"),
    [
        ("bool", 0, False),
        ("bool", Decimal(1), True),
        ("bool", b"\1", True),
        ("int", True, 1),
        ("int", Decimal("7.0"), 7),
        ("float", Decimal("0.1"), 0.1),
        ("float", -0.0, 0.0),
        ("bytes", memoryview(b"ab"), b"ab"),
        ("datetime", "2011-11-11 11:11:11", "2011-11-11T11:11:11.000000Z"),
        ("datetime", "2011-11-11T11:11", "2011-11-11T11:11:00.000000Z"),
        ("datetime", "2011-11-11 11:11:11.5+02:00", "2011-11-11T09:11:11.500000Z"),
        ("datetime", "2011-11-11 11:11:11.123456000", "2011-11-11T11:11:11.123456Z"),
        ("datetime", datetime(2011, 11, 11, tzinfo=UTC).replace(tzinfo=None), "2011-11-11T00:00:00.000000Z"),
        ("datetime", datetime(2011, 11, 11, tzinfo=timezone(timedelta(hours=1))), "2011-11-10T23:00:00.000000Z"),
        ("date", date(2011, 11, 11), "2011-11-11"),
        ("decimal", 12.5, 1250),
        ("decimal", "-0.5", -50),
        ("decimal", Decimal("9.9E+1"), 9900),
        ("uuid", "12345678123456781234567812345678", "12345678-1234-5678-1234-567812345678"),
        ("uuid", UUID(int=1).bytes, "00000000-0000-0000-0000-000000000001"),
        ("ip", "10.0.0.7", "40a000007"),
        ("ip", IPv4Interface("10.0.0.7"), "40a000007"),
        ("ip", IPv4Address(1), "400000001"),
        ("network", "10.0.0.0/24", "40a000000/024"),
        ("network", IPv6Network("::/0"), f"6{'0' * 32}/000"),
        ("json", '{"a": [1]}', {"a": [1]}),
    ],
)
def test_taken(kind: Kind, value: object, primitive: object):
    found = primitive_of(of(kind, **(PRICE if kind == "decimal" else {})), value)
    assert found == primitive
    assert found.__class__ is primitive.__class__


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("bool", 2, "neither true nor false"),
        ("bool", "true", "neither true nor false"),
        ("int", 1.5, "no whole numbers"),
        ("int", float("nan"), "no whole numbers"),
        ("int", "7", "no whole numbers"),
        ("int", 2**63, "outside 64 bits"),
        ("float", float("inf"), "not finite"),
        ("float", 2**53 + 1, "no float holds exactly"),
        ("float", Decimal("0.12345678901234567891"), "more digits than a float holds"),
        ("str", b"\xff", "no text"),
        ("str", "a\0", "no store takes"),
        ("str", "abcd", "longer than 3 characters"),
        ("bytes", b"abcd", "longer than 3 bytes"),
        ("datetime", "0000-00-00 00:00:00", "the zero date"),
        ("datetime", "2011-11-11", "no times"),
        ("datetime", "2011-02-30 00:00:00", "no times"),
        ("datetime", "2011-11-11 11:11:11.1234567", "no times"),
        ("datetime", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), "outside the years 1 to 9999"),
        ("datetime", 1321009871, "no times"),
        ("date", "0000-00-00", "the zero date"),
        ("date", "11.11.2011", "no dates"),
        ("decimal", Decimal("1.234"), "more than 2 digits after"),
        ("decimal", 1000, "more than 3 digits before"),
        ("decimal", Decimal("NaN"), "no numbers"),
        ("uuid", "nothing", "no UUIDs"),
        ("ip", "10.0.0.256", "no addresses"),
        ("ip", IPv4Interface("10.0.0.7/8"), "no addresses"),
        ("ip", "fe80::1%eth0", "no addresses"),
        ("network", "10.0.0.1/24", "bits behind their prefix"),
        ("json", "{", "no JSON"),
        ("json", {"a": float("nan")}, "not every store keeps"),
    ],
)
def test_refused(kind: Kind, value: object, reason: str):
    more = {"str": {"length": 3}, "bytes": {"length": 3}, "decimal": PRICE}.get(kind, {})
    with pytest.raises(Unfit, match=reason):
        primitive_of(of(kind, **more), value)


def test_choices_hold_for_foreign_values_too():
    assert primitive_of(of("str", choices=("a", "b")), "a") == "a"
    with pytest.raises(Unfit, match="not one of a, b"):
        primitive_of(of("str", choices=("a", "b")), "c")


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from([" ", "T"]))
def test_any_time_as_text_is_read_as_it_was_meant(moment: datetime, between: str):
    text = moment.replace(tzinfo=None).isoformat(between)
    found = datetime.fromisoformat(primitive_of(of("datetime"), text))
    assert found == moment


@given(st.decimals(min_value=-999, max_value=999, places=2))
def test_any_decimal_that_fits_is_kept_to_the_last_digit(number: Decimal):
    assert Decimal(primitive_of(of("decimal", **PRICE), number)).scaleb(-2) == number
