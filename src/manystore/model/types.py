"""Field types: which Python values a field takes, and the primitive each becomes.

Knows Python values and primitives (None, bool, int, float, str, bytes, JSON values); must not know models or stores.
The primitives of one type sort as its values do, so every store may compare them as they are.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Context, Decimal, DecimalException
from enum import Enum
from typing import Any, Literal, TypeAlias
from uuid import UUID

import msgspec

from ..errors import Corrupted

Kind: TypeAlias = Literal[
    "bool", "int", "float", "str", "bytes", "datetime", "date", "decimal", "uuid", "ip", "network", "json"
]
Primitive: TypeAlias = Any  # None, bool, int, float, str, bytes; a JSON value for kind "json"

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
INDEXED_TEXT = 255  # code points of an indexed text, unless its field declares another max_length
DECIMAL_DIGITS = 18
JSON_DEPTH = 64
_EXACT = Context(prec=40)
_MICROSECOND_TEXT = 27  # len("2011-11-11T11:11:11.123456Z")


class FieldType(msgspec.Struct, frozen=True):
    """What one field holds. classes: the exact classes a value may have; length: code points (str) or bytes."""

    kind: Kind
    classes: tuple[type, ...]
    length: int | None = None
    digits: int | None = None
    scale: int | None = None
    enum: type[Enum] | None = None
    choices: tuple[str | int, ...] | None = None

    def refusal(self, value: Any) -> str | None:
        """Say why this value is refused; None when it is taken. None itself is the field's business."""
        if value.__class__ not in self.classes:
            return f"{value.__class__.__name__} where {self.noun} is wanted"
        if self.enum is not None:
            return None
        if self.choices is not None and value not in self.choices:
            return f"not one of {', '.join(map(str, self.choices))}"
        return _REFUSALS[self.kind](self, value)

    def dump(self, value: Any) -> Primitive:
        """Turn a value that is not None and not refused into its primitive."""
        if self.enum is not None:
            return value.value
        return _DUMPS[self.kind](self, value)

    def load(self, primitive: Primitive) -> Any:
        """Turn a primitive that is not None back into the value."""
        if self.enum is not None:
            try:
                return self.enum(primitive)
            except ValueError:
                raise Corrupted(f"a stored value is no {self.enum.__name__}") from None
        return _LOADS[self.kind](self, primitive)

    @property
    def noun(self) -> str:
        """What the field takes, for messages."""
        return " or ".join(c.__name__ for c in self.classes)


def text_refusal(text: str, length: int | None) -> str | None:
    """Say why no store may hold this text; None when all can."""
    if length is not None and len(text) > length:
        return f"{len(text):,} characters; at most {length:,}"
    if "\0" in text:
        return "holds a NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "holds a lone surrogate"
    return None


def dump_datetime(value: datetime) -> str:
    """Write an aware datetime as 27 characters of UTC: `2011-11-11T11:11:11.123456Z`."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)  # msgspec keeps other offsets, and drops an offset's seconds
    text: str = msgspec.to_builtins(value)
    if len(text) == 20 and text[-1] == "Z":
        return text[:19] + ".000000Z"
    if len(text) != _MICROSECOND_TEXT:
        # It also leaves out zero microseconds, and "…11.5Z" would sort before "…11Z".
        text = value.isoformat(timespec="microseconds")[:-6] + "Z"
    return text


def _refuse_nothing(_: FieldType, __: Any) -> None:
    return None


def _refuse_text(kind: FieldType, value: str) -> str | None:
    return text_refusal(value, kind.length)


def _refuse_int(_: FieldType, value: int) -> str | None:
    return None if INT_MIN <= value <= INT_MAX else "outside 64 bits"


def _refuse_float(_: FieldType, value: float) -> str | None:
    if value.__class__ is int and not -(2**53) <= value <= 2**53:
        return "an int that no float holds exactly"
    return None if math.isfinite(value) else "neither NaN nor infinity can be stored"


def _refuse_bytes(kind: FieldType, value: bytes) -> str | None:
    if kind.length is not None and len(value) > kind.length:
        return f"{len(value):,} bytes; at most {kind.length:,}"
    return None


def _refuse_datetime(_: FieldType, value: datetime) -> str | None:
    if value.tzinfo is UTC:
        return None
    if value.tzinfo is None or value.utcoffset() is None:
        return "a datetime without a time zone"
    try:
        value.astimezone(UTC)
    except OverflowError:
        return "outside the years 1 to 9999 in UTC"
    return None


def _refuse_decimal(kind: FieldType, value: Decimal) -> str | None:
    if not value.is_finite():
        return "neither NaN nor infinity can be stored"
    digits, scale = kind.digits or DECIMAL_DIGITS, kind.scale or 0
    # Never an operator of Decimal's: those round by the context of whoever calls.
    if value and value.adjusted() + scale >= digits:
        return f"more than {digits - scale} digits before the point"
    try:
        shifted = value.scaleb(scale, _EXACT)
    except DecimalException:
        return f"more than {scale} digits after the point"
    if len(value.as_tuple().digits) > _EXACT.prec or shifted != shifted.to_integral_value(context=_EXACT):
        return f"more than {scale} digits after the point"
    return None


def _refuse_ip(_: FieldType, value: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
    return "an address with a scope id cannot be stored" if getattr(value, "scope_id", None) else None


def _refuse_network(_: FieldType, value: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str | None:
    scope_id = getattr(value.network_address, "scope_id", None)
    return "a network with a scope id cannot be stored" if scope_id else None


def _refuse_json(_: FieldType, value: Any) -> str | None:
    return json_refusal(value, JSON_DEPTH)


def json_refusal(value: Any, depth: int) -> str | None:
    """Say why this is no JSON value that every store keeps exactly; None when it is one."""
    if depth == 0:
        return f"nested deeper than {JSON_DEPTH}"
    kind = value.__class__
    if kind is dict:
        for name, part in value.items():
            reason = "a JSON object's name must be a str" if name.__class__ is not str else text_refusal(name, None)
            if reason := reason or json_refusal(part, depth - 1):
                return reason
        return None
    if kind is list:
        return next((reason for part in value if (reason := json_refusal(part, depth - 1))), None)
    if kind is str:
        return text_refusal(value, None)
    if kind is int:
        return None if INT_MIN <= value <= INT_MAX else "outside 64 bits"
    if kind is float:
        return None if math.isfinite(value) else "neither NaN nor infinity can be stored"
    return None if value is None or kind is bool else f"a {kind.__name__} inside a JSON value"


_REFUSALS: dict[Kind, Callable[[FieldType, Any], str | None]] = {
    "bool": _refuse_nothing,
    "int": _refuse_int,
    "float": _refuse_float,
    "str": _refuse_text,
    "bytes": _refuse_bytes,
    "datetime": _refuse_datetime,
    "date": _refuse_nothing,
    "decimal": _refuse_decimal,
    "uuid": _refuse_nothing,
    "ip": _refuse_ip,
    "network": _refuse_network,
    "json": _refuse_json,
}


def _same(_: FieldType, value: Any) -> Any:
    return value


def _dump_ip(_: FieldType, value: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    return f"{value.version}{value.packed.hex()}"


def _load_ip(_: FieldType, text: str) -> Any:
    packed = bytes.fromhex(text[1:])
    return ipaddress.IPv4Address(packed) if text[0] == "4" else ipaddress.IPv6Address(packed)


def _dump_network(_: FieldType, value: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return f"{value.version}{value.network_address.packed.hex()}/{value.prefixlen:03}"


def _load_network(_: FieldType, text: str) -> Any:
    packed, prefix = bytes.fromhex(text[1:-4]), int(text[-3:])
    return (ipaddress.IPv4Network if text[0] == "4" else ipaddress.IPv6Network)((packed, prefix))


def _dump_decimal(kind: FieldType, value: Decimal) -> int:
    return int(value.scaleb(kind.scale or 0, _EXACT))


def _load_decimal(kind: FieldType, number: int) -> Decimal:
    return Decimal(number).scaleb(-(kind.scale or 0), _EXACT)


_DUMPS: dict[Kind, Callable[[FieldType, Any], Primitive]] = {
    "bool": _same,
    "int": _same,
    "float": lambda _, value: value + 0.0,  # -0.0 becomes 0.0: two of the stores cannot tell them apart
    "str": _same,
    "bytes": _same,
    "datetime": lambda _, value: dump_datetime(value),
    "date": lambda _, value: value.isoformat(),
    "decimal": _dump_decimal,
    "uuid": lambda _, value: str(value),
    "ip": _dump_ip,
    "network": _dump_network,
    "json": _same,
}
_LOADS: dict[Kind, Callable[[FieldType, Primitive], Any]] = {
    "bool": lambda _, primitive: bool(primitive),
    "int": _same,
    "float": lambda _, primitive: float(primitive),
    "str": _same,
    "bytes": _same,
    "datetime": lambda _, text: datetime.fromisoformat(text),
    "date": lambda _, text: date.fromisoformat(text),
    "decimal": _load_decimal,
    "uuid": lambda _, text: UUID(text),
    "ip": _load_ip,
    "network": _load_network,
    "json": _same,
}
