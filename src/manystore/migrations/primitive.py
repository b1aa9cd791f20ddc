"""Primitives as JSON has them (docs/format.md): which of them a field holds, and how one kind becomes another.

Knows fields of a schema; must not know Python's own values of them, nor stores.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from ipaddress import ip_address
from typing import Any, TypeAlias
from uuid import UUID

from ..generated import function
from ..model.types import INT_MAX, INT_MIN, JSON_DEPTH, Kind, dump_datetime, json_refusal, text_refusal
from ..schema.schema import Field

Cast: TypeAlias = Callable[[Any], Any]
CastMany: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]

_CLASSES: dict[Kind, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "decimal": (int,),
}
_FORMS: dict[Kind, re.Pattern[str]] = {
    "datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "ip": re.compile(r"4[0-9a-f]{8}|6[0-9a-f]{32}"),
    "network": re.compile(r"(4[0-9a-f]{8}|6[0-9a-f]{32})/\d{3}"),
    "bytes": re.compile(r"([0-9A-Za-z+/]{4})*([0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?"),
}


def refusal(field: Field, value: Any) -> str | None:
    """Say why a field cannot hold a primitive; None when it can."""
    if value is None:
        return None if field.optional else "None, but the field is not optional"
    if field.kind == "json":
        return json_refusal(value, JSON_DEPTH)
    kind: type = value.__class__
    if kind not in _CLASSES.get(field.kind, (str,)):
        return f"{kind.__name__} where {field.kind} is wanted"
    if field.choices is not None:
        return None if value in field.choices else f"not one of {', '.join(map(str, field.choices))}"
    return _text_refusal(field, value) if kind is str else _number_refusal(field, value)


def quick(*fields: Field) -> Callable[[Sequence[Any]], bool]:
    """Make a quick look at a row of values: True when each field can hold its own; if it is False, ask `refusal`."""
    names: dict[str, Any] = {"low": INT_MIN, "high": INT_MAX}
    looks = list[str]()
    for place, field in enumerate(fields):
        names[f"m{place}"] = sys.maxsize if field.length is None else field.length
        look = _QUICK.get(field.kind) if field.choices is None else None
        looks.append("False" if look is None else look.format(f"v{place}", f"m{place}"))
    places = ", ".join(f"v{place}" for place in range(len(fields)))
    source = f"def made(values):\n [{places}] = values\n return {' and '.join(looks) or 'True'}"
    return function("primitives", source, names)


# What is printable holds neither NUL nor a lone surrogate.
_QUICK: dict[Kind, str] = {
    "int": "{0}.__class__ is int and low <= {0} <= high",
    "str": "{0}.__class__ is str and len({0}) <= {1} and {0}.isprintable()",
}


def quick_many(field: Field) -> Callable[[Sequence[Any]], bool]:
    """Make a quick look at many values: True when the field can hold each; if it is False, ask `refusal` of each."""
    wanted, most = _LOOKS.get(field.kind), sys.maxsize if field.length is None else field.length
    if wanted is None or field.choices is not None:
        return lambda values: not values

    def look(values: Sequence[Any]) -> bool:
        if field.optional:
            values = [value for value in values if value is not None]
        if set(map(type, values)) != {wanted}:
            return not values
        if wanted is int:
            return bool(min(values) >= INT_MIN and max(values) <= INT_MAX)
        return wanted is bool or (max(map(len, values)) <= most and "".join(values).isprintable())

    return look


_LOOKS: dict[Kind, type] = {"int": int, "str": str, "bool": bool}


def _text_refusal(field: Field, value: str) -> str | None:
    if field.kind == "str":
        return text_refusal(value, field.length)
    if not _FORMS[field.kind].fullmatch(value):
        return f"not the stored form of {field.kind}"
    if field.kind == "bytes" and field.length is not None:
        size = len(value) // 4 * 3 - value.count("=")
        return None if size <= field.length else f"{size:,} bytes; at most {field.length:,}"
    return None


def _number_refusal(field: Field, value: float) -> str | None:
    if field.kind == "decimal" and field.digits is not None and abs(value) >= 10**field.digits:
        return f"more than {field.digits} digits"
    if isinstance(value, int):
        return None if INT_MIN <= value <= INT_MAX else "outside 64 bits"
    return None if value == value and abs(value) != float("inf") else "neither NaN nor infinity can be stored"


_DIGITS = 19
_INTEGER = re.compile(r"[+-]?\d{1,19}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")


def _text_to_int(text: str) -> int:
    if text.isdigit() and text.isascii() and len(text) < _DIGITS:  # as nearly all do
        return int(text)
    if not _INTEGER.fullmatch(text.strip()) or not text.isascii():
        raise ValueError("not an integer")
    return int(text)


def _texts_to_ints(texts: Sequence[str]) -> list[int]:
    whole = "".join(texts)
    if not whole.isdigit() or not whole.isascii() or max(map(len, texts)) >= _DIGITS:
        raise ValueError("not all are plain numbers")
    return list(map(int, texts))


def _text_to_float(text: str) -> float:
    if not _NUMBER.fullmatch(text.strip()) or not text.isascii():
        raise ValueError("not a number")
    number = float(text)
    if abs(number) == float("inf"):
        raise ValueError("too large for a float")
    return number + 0.0


def _float_to_int(number: float) -> int:
    if number != int(number):
        raise ValueError("not a whole number")
    return int(number)


def _int_to_bool(number: int) -> bool:
    if number not in (0, 1):
        raise ValueError("neither 0 nor 1")
    return number == 1


def _text_to_time(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return dump_datetime(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)


def _address(text: str) -> str:
    address = ip_address(text)
    return f"{address.version}{address.packed.hex()}"


_CASTS: dict[tuple[Kind, Kind], Cast] = {
    ("str", "int"): _text_to_int,
    ("int", "str"): str,
    ("str", "float"): _text_to_float,
    ("float", "str"): repr,
    ("int", "float"): float,
    ("float", "int"): _float_to_int,
    ("bool", "int"): int,
    ("int", "bool"): _int_to_bool,
    ("str", "datetime"): _text_to_time,
    ("datetime", "str"): str,
    ("str", "date"): lambda text: date.fromisoformat(text).isoformat(),
    ("date", "str"): str,
    ("datetime", "date"): lambda text: text[:10],
    ("date", "datetime"): lambda text: text + "T00:00:00.000000Z",
    ("str", "uuid"): lambda text: str(UUID(text)),
    ("uuid", "str"): str,
    ("str", "ip"): _address,
    ("ip", "str"): lambda text: str(ip_address(bytes.fromhex(text[1:]))),
}


def cast(before: Field, after: Field) -> Cast | None:
    """Give how a primitive of one field becomes one of another; it raises ValueError for what cannot be cast."""
    if before.kind == "decimal" and after.kind == "decimal":
        return _rescaled((after.scale or 0) - (before.scale or 0))
    if before.kind == after.kind:
        return lambda value: value
    return _CASTS.get((before.kind, after.kind))


def cast_many(before: Field, after: Field) -> CastMany | None:
    """Give a quick cast of many values, None where there is no such; TypeError, ValueError: cast each by itself."""
    return _texts_to_ints if (before.kind, after.kind) == ("str", "int") else None


def _rescaled(places: int) -> Cast:
    def scale(number: int) -> int:
        if places >= 0:
            return int(number * 10**places)
        whole, rest = divmod(number, 10**-places)
        if rest:
            raise ValueError("more digits behind the point than the field has")
        return int(whole)

    return scale
