"""Cursors: where a page ended, as values of its order or as opaque text, the same text on every store."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from ..errors import UsageError, ValueRefused
from ..model.unset import UNSET
from ..query.plan import Ordering
from .mapper import Mapper


def cursor_text(mapper: Mapper, order: Sequence[Ordering], record: Any) -> str:
    """Write the place of a record in an order as text for a URL."""
    _check_stored(mapper, record)
    parts: list[Any] = [_signature(order)]
    for term in order:
        kind, value = mapper.model.field(term.field).type, getattr(record, term.field)
        primitive = None if value is None else kind.dump(value)
        parts.append(primitive.hex() if isinstance(primitive, bytes) else primitive)
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def cursor_values(mapper: Mapper, order: Sequence[Ordering], after: Any) -> tuple[Any, ...]:
    """Give the values, one a term, of a record or of a cursor's text; raise UsageError for anything else."""
    if isinstance(after, mapper.cls):
        _check_stored(mapper, after)
        return tuple(getattr(after, term.field) for term in order)
    if not isinstance(after, str):
        raise UsageError(f"after= takes a {mapper.name} or the text of cursor(), not a {type(after).__name__}")
    try:
        parts = msgspec.json.decode(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)), type=list[Any])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise UsageError("after=: this text is no cursor") from None
    if len(parts) != len(order) + 1 or parts[0] != _signature(order):
        raise UsageError("after=: this cursor was made for another order")
    return tuple(_value(mapper, term, part) for term, part in zip(order, parts[1:], strict=True))


def _check_stored(mapper: Mapper, record: Any) -> None:
    if any(getattr(record, name) is UNSET for name in mapper.key_names):
        raise UsageError(f"{mapper.name}: a cursor stands on a record that was read or created")


def _signature(order: Sequence[Ordering]) -> str:
    return ",".join(f"-{t.field}" if t.descending else t.field for t in order)


def _value(mapper: Mapper, term: Ordering, primitive: Any) -> Any:
    spec = mapper.model.field(term.field)
    if primitive is None and spec.optional:
        return None
    try:
        value = spec.type.load(bytes.fromhex(str(primitive)) if spec.type.kind == "bytes" else primitive)
        return mapper.codec.check(spec, value)
    except (ValueError, TypeError, AttributeError, ValueRefused, IndexError):
        raise UsageError("after=: this text is no cursor") from None
