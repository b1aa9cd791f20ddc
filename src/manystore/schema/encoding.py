"""Ordered text: primitives as text whose order by code point, and by UTF-8 bytes, is the order of the values.

Knows kinds, keys and lengths; must not know where a store keeps the text. Every form ends by itself, so forms are
joined without a mark between them; none holds a space, a slash or a control character. docs/format.md has the table.
"""

from __future__ import annotations

import re
import struct
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ..errors import ValueRefused
from ..model.types import Kind
from .schema import ENTRY_BYTES, Collection, Field

Encode: TypeAlias = Callable[[Any], str]
EntryCheck: TypeAlias = Callable[[Sequence[Any]], None]

NONE = "!"  # below every other form
END = "\ue000"  # above every character of a form: the upper end of all texts with one beginning; never stored itself
_POSITIVE = "`abcdefghijklmnopqrs"  # by number of digits
_NEGATIVE = "[ZYXWVUTSRQPONMLKJIH"
_NINES = str.maketrans("0123456789", "9876543210")
_SPECIAL = re.compile("[\x00-\x22./\x7e-\x9f\ud7ff-\U0010ffff]")
_COMPLEMENT = bytes(255 - byte for byte in range(256))
_FLOAT = struct.Struct(">d")
_BITS = struct.Struct(">Q")
_SIGN = 1 << 63
_ALL = (1 << 64) - 1


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code <= 0x22:
        return '"' + chr(64 + code)
    if code >= 0xD7FF:
        return f"\ud7ff{code:06x}"
    if code >= 0x7E:
        return "~" + chr(64 + code - 0x7E)
    return ".1" if character == "." else ".2"


def escaped(text: str) -> str:
    """Escape what some store's names cannot hold; order is kept, and the beginning of a text stays a beginning."""
    return _SPECIAL.sub(_escape, text)


def _bool(value: bool | None) -> str:  # noqa: FBT001 - a value, not a switch
    return NONE if value is None else "1" if value else "0"


def _int(value: int | None) -> str:
    if value is None:
        return NONE
    if value >= 0:
        digits = str(value)
        return _POSITIVE[len(digits)] + digits
    digits = str(-value)
    return _NEGATIVE[len(digits)] + digits.translate(_NINES)


def _float(value: float | None) -> str:
    if value is None:
        return NONE
    bits: int = _BITS.unpack(_FLOAT.pack(value + 0.0))[0]
    return f"{bits ^ _ALL if bits & _SIGN else bits | _SIGN:016x}"


def _str(value: str | None) -> str:
    if value is None:
        return NONE
    # Most names are ASCII letters, digits and hyphens: seen in a third of the time that the expression takes.
    is_plain = value.isascii() and value.replace("-", "").isalnum()
    return f"${value}!" if is_plain else f"${_SPECIAL.sub(_escape, value)}!"


def _bytes(value: bytes | str | None) -> str:
    if value is None:
        return NONE
    # A record that was read from JSON has base64 text here.
    return f"x{(b64decode(value) if isinstance(value, str) else value).hex()}!"


def _fixed(value: str | None) -> str:
    return NONE if value is None else value


def _network(value: str | None) -> str:
    return NONE if value is None else value.replace("/", "-")


def _refuse_json(value: Any) -> str:
    raise TypeError("a JSON value has no order")


_ENCODERS: dict[Kind, Encode] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "str": _str,
    "bytes": _bytes,
    "datetime": _fixed,
    "date": _fixed,
    "decimal": _int,
    "uuid": _fixed,
    "ip": _fixed,
    "network": _network,
    "json": _refuse_json,
}


def encoder(kind: Kind) -> Encode:
    """Give the function that writes a primitive of a kind (or None) as ordered text."""
    return _ENCODERS[kind]


def complemented(form: str) -> str:
    """Turn a form around: what was lower is higher. A beginning stays a beginning, without the closing `~`."""
    return form.encode().translate(_COMPLEMENT).hex()


def descending(encode: Encode) -> Encode:
    """Make the encoder of the opposite order."""
    return lambda value: complemented(encode(value)) + "~"


def prefix_form(text: str, *, is_descending: bool) -> str:
    """Give how the forms of all texts with a prefix begin."""
    form = "$" + escaped(text)
    return complemented(form) if is_descending else form


_WIDTHS: dict[Kind, int] = {
    "bool": 1,
    "int": 20,
    "float": 16,
    "datetime": 27,
    "date": 10,
    "decimal": 20,
    "uuid": 36,
    "ip": 33,
    "network": 37,
}
_WIDEST = 9  # bytes of one escaped character: U+D7FF is three, then six digits


def _most(field: Field) -> int:
    if field.kind == "str":
        return ENTRY_BYTES if field.length is None and field.choices is None else 2 + _WIDEST * _longest(field)
    if field.kind == "bytes":
        return ENTRY_BYTES if field.length is None else 2 + 2 * field.length
    return _WIDTHS.get(field.kind, ENTRY_BYTES)


def _longest(field: Field) -> int:
    if field.choices is not None:
        return max(len(str(choice)) for choice in field.choices)
    return field.length or 0


def _size(field: Field, value: Any) -> int:
    if value is None:
        return 1
    if field.kind == "str":
        return len(_str(value).encode())
    if field.kind == "bytes":
        return 2 + 2 * len(value) if isinstance(value, bytes) else len(_bytes(value))
    return _WIDTHS[field.kind]


def check_entries(collection: Collection) -> EntryCheck | None:
    """Make the check that a record's entries fit ENTRY_BYTES, the same for every store; None when they always do.

    It takes the values of all fields in order, in any store's form, and raises ValueRefused. Numbers, times and
    addresses count at their full width, so what is refused does not hang on them.
    """
    key = tuple((name, False) for name in collection.key)
    entries = [key]
    entries += [(*zip(index.fields, index.descending, strict=True), *key) for index in collection.indexes]
    entries += [tuple((name, False) for name in unique.fields) for unique in collection.uniques]
    for reference in collection.references:
        entries.append(((reference.field, False), *key))
    risky = [e for e in entries if sum(_most(collection.field(n)) * (1 + d) + 1 for n, d in e) > ENTRY_BYTES]
    if not risky:
        return None

    def check(values: Sequence[Any]) -> None:
        for entry in risky:
            sizes = [_size(collection.field(n), values[collection.positions[n]]) * (1 + d) for n, d in entry]
            # What stands between: a space, the mark that ends a descending form, and a referring collection's name.
            size = sum(sizes) + len(entry)
            if size > ENTRY_BYTES:
                longest = entry[sizes.index(max(sizes))][0]
                reason = f"{size:,} bytes in an index entry with its key; at most {ENTRY_BYTES:,}"
                raise ValueRefused(collection.model, longest, reason)

    return check
