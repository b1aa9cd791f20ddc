"""Foreign values: what a driver gives of a column that manystore did not fill, turned into primitives or refused.

Knows kinds and primitives (docs/format.md); must not know where the values come from. Times without a zone are taken
for UTC, as programs without zones mean them.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from ..model.types import DECIMAL_DIGITS, INT_MAX, INT_MIN, JSON_DEPTH, Kind, dump_datetime, json_refusal, text_refusal
from .schema import Field

Take: TypeAlias = Callable[[Field, Any], Any]
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,6})0*)?(?: ?(Z|[+-]\d\d(?::\d\d)?))?", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ZERO_DATE = "0000-00-00"
_EXACT_FLOAT = 2**53
_BYTES: tuple[type, ...] = (bytes, bytearray, memoryview)


class Unfit(Exception):
    """A value that its field does not take. Its text is the reason, without the value."""


def primitive_of(field: Field, value: Any) -> Any:
    """Give the primitive of a field's value that is not None; raise Unfit.

    Bytes stay bytes; everything else is as JSON has it.
    """
    primitive = _TAKES[field.kind](field, value)
    if field.choices is not None and primitive not in field.choices:
        raise Unfit(f"are not one of {', '.join(map(str, field.choices))}")
    return primitive


def _bool(_: Field, value: Any) -> bool:
    if value in (b"\0", b"\1"):
        return bool(value == b"\1")
    if isinstance(value, (int, float, Decimal)) and value in (0, 1):
        return bool(value)
    raise Unfit("are neither true nor false")


def _int(_: Field, value: Any) -> int:
    if not isinstance(value, (int, float, Decimal)) or value != value or value in (math.inf, -math.inf):
        raise Unfit("are no whole numbers")
    whole = int(value)
    if whole != value:
        raise Unfit("are no whole numbers")
    if not INT_MIN <= whole <= INT_MAX:
        raise Unfit("are outside 64 bits")
    return whole


def _float(_: Field, value: Any) -> float:
    if not isinstance(value, (int, float, Decimal)):
        raise Unfit("are no numbers")
    if isinstance(value, int) and abs(value) > _EXACT_FLOAT:
        raise Unfit("are whole numbers that no float holds exactly")
    number = float(value) + 0.0
    if not math.isfinite(number):
        raise Unfit("are not finite")
    if isinstance(value, Decimal) and Decimal(repr(number)) != value:
        raise Unfit("have more digits than a float holds")
    return number


def _str(field: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit("are no text, or text in another encoding")
    if text_refusal(value, None):
        raise Unfit("hold a character that no store takes")
    if field.length is not None and len(value) > field.length:
        raise Unfit(f"are longer than {field.length:,} characters")
    return value


def _bytes(field: Field, value: Any) -> bytes:
    found = _raw(value)
    if found is None:
        raise Unfit("are no bytes")
    if field.length is not None and len(found) > field.length:
        raise Unfit(f"are longer than {field.length:,} bytes")
    return found


def _raw(value: Any) -> bytes | None:
    found: Any = bytes
    return found(value) if isinstance(value, _BYTES) else None


def _datetime(_: Field, value: Any) -> str:
    if isinstance(value, str):
        value = _moment(value)
    if not isinstance(value, datetime):
        raise Unfit("are no times")
    try:
        return dump_datetime(value.replace(tzinfo=UTC) if value.tzinfo is None else value)
    except OverflowError:
        raise Unfit("are outside the years 1 to 9999") from None


def _moment(text: str) -> datetime:
    if text.startswith(_ZERO_DATE):
        raise Unfit("are the zero date")
    found = _TIME.fullmatch(text)
    if found is None:
        raise Unfit("are no times")
    day, time, fraction, zone = found.groups()
    try:
        return datetime.fromisoformat(
            f"{day}T{time if len(time) > 5 else time + ':00'}.{fraction or '0':0<6}{zone or ''}"
        )
    except ValueError:
        raise Unfit("are no times") from None


def _date(_: Field, value: Any) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise Unfit("are no dates")
    if value == _ZERO_DATE:
        raise Unfit("are the zero date")
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise Unfit("are no dates") from None


def _decimal(field: Field, value: Any) -> int:
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, str):
        value = Decimal(value) if re.fullmatch(r"-?\d+(\.\d*)?", value, re.ASCII) else None
    if not isinstance(value, (int, Decimal)) or (isinstance(value, Decimal) and not value.is_finite()):
        raise Unfit("are no numbers")
    scale, digits = field.scale or 0, field.digits or DECIMAL_DIGITS
    sign, figures, exponent = Decimal(value).as_tuple()
    shift = int(exponent) + scale
    number = int("".join(map(str, figures)) or "0")
    whole, rest = divmod(number * 10 ** max(shift, 0), 10 ** max(-shift, 0))
    if rest:
        raise Unfit(f"have more than {scale} digits after the point")
    if whole >= 10**digits:
        raise Unfit(f"have more than {digits - scale} digits before the point")
    return int(-whole if sign else whole)


def _uuid(_: Field, value: Any) -> str:
    try:
        if (found := _raw(value)) is not None:
            return str(UUID(bytes=found))
        return str(value if isinstance(value, UUID) else UUID(hex=value))
    except (ValueError, TypeError, AttributeError):
        raise Unfit("are no UUIDs") from None


def _ip(_: Field, value: Any) -> str:
    if isinstance(value, (ipaddress.IPv4Interface, ipaddress.IPv6Interface)):
        value = value.ip if value.network.num_addresses == 1 else None
    try:
        found = ipaddress.ip_address(value) if isinstance(value, str) else value
    except ValueError:
        raise Unfit("are no addresses") from None
    if not isinstance(found, (ipaddress.IPv4Address, ipaddress.IPv6Address)) or getattr(found, "scope_id", None):
        raise Unfit("are no addresses")
    return f"{found.version}{found.packed.hex()}"


def _network(_: Field, value: Any) -> str:
    if isinstance(value, (ipaddress.IPv4Interface, ipaddress.IPv6Interface)):
        value = str(value)
    try:
        found = ipaddress.ip_network(value) if isinstance(value, str) else value
    except ValueError:
        raise Unfit("are no networks, or have bits behind their prefix") from None
    if not isinstance(found, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        raise Unfit("are no networks, or have bits behind their prefix")
    return f"{found.version}{found.network_address.packed.hex()}/{found.prefixlen:03}"


def _json(_: Field, value: Any) -> Any:
    if isinstance(value, (str, bytes)):
        try:
            value = msgspec.json.decode(value)
        except msgspec.MsgspecError:
            raise Unfit("are no JSON") from None
    if json_refusal(value, JSON_DEPTH):
        raise Unfit("are JSON that not every store keeps exactly")
    return value


_TAKES: dict[Kind, Take] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "str": _str,
    "bytes": _bytes,
    "datetime": _datetime,
    "date": _date,
    "decimal": _decimal,
    "uuid": _uuid,
    "ip": _ip,
    "network": _network,
    "json": _json,
}
