"""From an annotation (`int`, `datetime | None`, `Literal["a"]`, `State`) to a FieldType."""

from __future__ import annotations

import types
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, Flag
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from .types import DECIMAL_DIGITS, INT_MAX, INT_MIN, FieldType, Kind, text_refusal

_SIMPLE: dict[Any, tuple[Kind, tuple[type, ...]]] = {
    bool: ("bool", (bool,)),
    int: ("int", (int,)),
    float: ("float", (float, int)),
    str: ("str", (str,)),
    bytes: ("bytes", (bytes,)),
    datetime: ("datetime", (datetime,)),
    date: ("date", (date,)),
    UUID: ("uuid", (UUID,)),
    IPv4Address: ("ip", (IPv4Address,)),
    IPv6Address: ("ip", (IPv6Address,)),
    IPv4Network: ("network", (IPv4Network,)),
    IPv6Network: ("network", (IPv6Network,)),
    dict: ("json", (dict,)),
    list: ("json", (list,)),
    Any: ("json", (dict, list, str, int, float, bool)),
}


def split_optional(annotation: Any) -> tuple[Any, bool]:
    """Take `| None` off an annotation; say whether it was there."""
    if get_origin(annotation) in (Union, types.UnionType):
        members = [a for a in get_args(annotation) if a is not types.NoneType]
        optional = len(members) < len(get_args(annotation))
        return (Union[tuple(members)] if len(members) > 1 else members[0]), optional  # noqa: UP007
    return annotation, False


def field_type(annotation: Any, *, length: int | None, digits: int | None, scale: int | None) -> FieldType:
    """Build the FieldType of an annotation without `| None`; raise TypeError with the reason when there is none."""
    kind, classes, enum, choices = _resolve(annotation)
    if length is not None and (kind not in ("str", "bytes") or length < 1):
        raise TypeError("max_length goes with str and bytes, and is at least 1")
    if kind != "decimal":
        if digits is not None or scale is not None:
            raise TypeError("digits and scale go with Decimal")
    elif digits is None or scale is None or not 0 <= scale <= digits <= DECIMAL_DIGITS or digits < 1:
        raise TypeError(f"a Decimal declares digits= (1 to {DECIMAL_DIGITS}) and scale= (0 to digits)")
    return FieldType(kind, classes, length, digits, scale, enum, choices)


def _resolve(annotation: Any) -> tuple[Kind, tuple[type, ...], type[Enum] | None, tuple[str | int, ...] | None]:
    origin = get_origin(annotation)
    if annotation is Decimal:
        return "decimal", (Decimal,), None, None
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _of_enum(annotation)
    if origin is Literal:
        values: tuple[Any, ...] = get_args(annotation)
        kind = _plain_values(values)
        return kind, (str if kind == "str" else int,), None, values
    if origin in (Union, types.UnionType):
        parts = [_resolve(member) for member in get_args(annotation)]
        if {part[0] for part in parts} in ({"ip"}, {"network"}):
            return parts[0][0], tuple(c for part in parts for c in part[1]), None, None
    simple = _SIMPLE.get(origin if origin in (dict, list) else annotation)
    if simple is None:
        raise TypeError(f"no field can hold {_shown(annotation)}")
    return *simple, None, None


def _shown(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation)


def _of_enum(enum: type[Enum]) -> tuple[Kind, tuple[type, ...], type[Enum], tuple[str | int, ...]]:
    if issubclass(enum, Flag):
        raise TypeError("a Flag holds several values at once; declare int and convert")
    values: tuple[Any, ...] = tuple(member.value for member in enum)
    return _plain_values(values), (enum,), enum, values


def _plain_values(values: tuple[Any, ...]) -> Kind:
    if values and all(value.__class__ is str for value in values):
        if refused := next((reason for value in values if (reason := text_refusal(value, None))), None):
            raise TypeError(f"one of its values {refused}")
        return "str"
    if values and all(value.__class__ is int for value in values):
        if not all(INT_MIN <= value <= INT_MAX for value in values):
            raise TypeError("one of its values is outside 64 bits")
        return "int"
    raise TypeError("the values of an enum or Literal must be all str or all int")
