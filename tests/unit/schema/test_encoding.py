"""Ordered text sorts like the values, by code point and by UTF-8, alone and joined, and always says where it ends."""

from __future__ import annotations

import base64
import ipaddress
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manystore import errors
from manystore.model.types import FieldType
from manystore.schema.encoding import check_entries, descending, encoder, prefix_form
from manystore.schema.schema import Collection, Field, Index

ODD = st.sampled_from('\x01\x1f !"#./~\x7f\x9f\xa0\ud7fe\ud7ff\ue000\uffff\U00010000\U0001f600\U0010ffff-019azAZ$')
TEXT = st.text(st.one_of(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), ODD), max_size=6)
INTS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-120, 120))
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
DECIMAL = FieldType("decimal", (Decimal,), digits=9, scale=2)


def network(parts: tuple[Any, int]) -> Any:
    address, prefix = parts
    return ipaddress.ip_network((address, min(prefix, address.max_prefixlen)), strict=False)


# Kind -> values of it, in Python's own order once `None` and addresses of two families are taken care of.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int": INTS,
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "str": TEXT,
    "bytes": st.binary(max_size=6),
    "datetime": st.datetimes(timezones=st.just(UTC)),
    "date": st.dates(),
    "decimal": st.decimals(min_value=-(10**7), max_value=10**7, places=2),
    "uuid": st.uuids(),
    "ip": ADDRESSES,
    "network": st.tuples(ADDRESSES, st.integers(0, 128)).map(network),
}
CLASSES: dict[str, tuple[type, ...]] = {"datetime": (datetime,), "date": (date,)}


def primitive(kind: str, value: Any) -> Any:
    if value is None:
        return None
    return (DECIMAL if kind == "decimal" else FieldType(kind, CLASSES.get(kind, ()))).dump(value)


def comparable(kind: str, value: Any) -> Any:
    if value is None:
        return (False, 0)
    return (True, primitive(kind, value)) if kind in ("ip", "network") else (True, value)


def sign(left: Any, right: Any) -> int:
    return (left > right) - (left < right)


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[str], list[bool], list[Any], list[Any]]:
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=3))
    flags = [draw(st.booleans()) for _ in kinds]
    one = [draw(st.none() | VALUES[kind]) for kind in kinds]
    other = [
        value if draw(st.booleans()) else draw(st.none() | VALUES[kind]) for kind, value in zip(kinds, one, strict=True)
    ]
    return kinds, flags, one, other


def joined(kinds: list[str], flags: list[bool], values: list[Any]) -> str:
    encoders = [descending(encoder(k)) if flag else encoder(k) for k, flag in zip(kinds, flags, strict=True)]
    return "".join(e(primitive(k, v)) for e, k, v in zip(encoders, kinds, values, strict=True))


@given(rows())
def test_sorts_like_the_values(row):
    kinds, flags, one, other = row
    expected = 0
    for kind, flag, left, right in zip(kinds, flags, one, other, strict=True):
        expected = sign(comparable(kind, left), comparable(kind, right)) * (-1 if flag else 1)
        if expected:
            break
    left, right = joined(kinds, flags, one), joined(kinds, flags, other)
    assert sign(left, right) == expected
    assert sign(left.encode(), right.encode()) == expected
    # Behind a value stands a gap and a key: what follows must not decide before the values do.
    assert sign(left + " ~", right + " ") == (expected or 1)


@given(rows())
def test_holds_no_character_that_a_name_cannot_have(row):
    kinds, flags, one, _ = row
    text = joined(kinds, flags, one)
    assert not re.search("[\x00-\x20/\x7f-\x9f\ud800-\U0010ffff]", text)


@given(TEXT, TEXT, st.booleans())
def test_prefix_form_begins_what_has_the_prefix_only(prefix, text, flag):
    encode = descending(encoder("str")) if flag else encoder("str")
    assert encode(prefix + text).startswith(prefix_form(prefix, is_descending=flag))
    assert encode(text).startswith(prefix_form(prefix, is_descending=flag)) == text.startswith(prefix)


@given(st.binary(max_size=20))
def test_bytes_come_as_base64_from_a_record(data):
    assert encoder("bytes")(base64.b64encode(data).decode()) == encoder("bytes")(data)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("int", None, "!"),
        ("int", 42, "b42"),
        ("int", 0, "a0"),
        ("int", -5, "Z4"),
        ("int", -(2**63), "H0776627963145224191"),
        ("int", 2**63 - 1, "s9223372036854775807"),
        ("bool", True, "1"),
        ("str", "project-12", "$project-12!"),
        ("str", 'a b.c/d"', '$a"`b.1c.2d"b!'),
        ("str", "\U0001f600", "$\ud7ff01f600!"),
        ("bytes", b"\x00\xff", "x00ff!"),
        ("bytes", b"", "x!"),
        ("float", -0.0, "8000000000000000"),
        ("float", 1.0, "bff0000000000000"),
        ("datetime", "2011-11-11T00:00:00.000000Z", "2011-11-11T00:00:00.000000Z"),
        ("network", "40a000000/008", "40a000000-008"),
    ],
)
def test_stays_as_published(kind, value, text):
    assert encoder(kind)(value) == text


def collection(**field: Any) -> Collection:
    fields = (
        Field("id", "id", "int"),
        Field("text", "text", "str", **field),
        Field("blob", "blob", "bytes", length=900),
    )
    indexes = (Index("by_text", ("text",), (False,)), Index("by_text_down", ("text",), (True,)))
    return Collection("thing", "Thing", fields, ("id",), indexes)


def test_short_fields_need_no_check():
    assert check_entries(collection(length=100)) is None


def test_refuses_a_long_entry_and_names_the_field():
    check = check_entries(collection(length=2000))
    assert check is not None
    check((1, "x" * 1200, b""))
    with pytest.raises(errors.ValueRefused) as caught:
        check((1, "x" * 1300, b""))
    assert caught.value.field == "text"


@given(TEXT)
def test_check_is_never_below_the_true_size(text):
    check = check_entries(collection(length=2000))
    assert check is not None
    entry = descending(encoder("str"))(text * 150) + " " + encoder("int")(1)
    try:
        check((1, text * 150, b""))
    except errors.ValueRefused:
        assert len(entry.encode()) > 2400
    else:
        assert len(entry.encode()) <= 2600
