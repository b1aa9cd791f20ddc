"""What the floors on key-value stores share: a record as JSON, its name, its entries, its claim, and their order.

Knows the model; must not know a driver. Names are written as manystore writes them, since that order has to be kept
by anybody.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from manystore.nova.model.instance import Instance

from .builder import CLAIMED, INDEXES, WATCHED, entry_namer, json_decoder, json_encoder, text_of, watcher

TAIL = "\ue000"  # behind every name that begins alike
BY_PROJECT = INDEXES.index(("project_id",))
_SPECIAL = re.compile("[\x00-\x22./\x7e-\x9f\ud7ff-\U0010ffff]")
_DIGITS = "`abcdefghijklmnopqrs"
_CLAIMED = WATCHED.index(CLAIMED)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code >= 0xD7FF:
        return f"\ud7ff{code:06x}"
    if code >= 0x7E:
        return "~" + chr(code - 0x3E)
    return '"' + chr(64 + code) if code <= 0x22 else ".1" if character == "." else ".2"


def text_name(value: str | None) -> str:
    """Write a text so that names are in its order."""
    return "!" if value is None else f"${_SPECIAL.sub(_escape, value)}!"


def time_name(value: datetime | None) -> str:
    """Write a time so that names are in its order."""
    return "!" if value is None else text_of(value)


def number_name(value: int | None) -> str:
    """Write a number, not below 0, so that names are in its order."""
    if value is None:
        return "!"
    digits = str(value)
    return _DIGITS[len(digits)] + digits


decode, encode = json_decoder(), json_encoder()
_look, _shown = watcher()
_names = entry_namer({"text": text_name, "number": number_name, "time": time_name})


class New(NamedTuple):
    """A new record, ready to be stored."""

    name: str
    data: bytes
    claim: str
    entries: list[str]
    revision: int


class Changed(NamedTuple):
    """A stored record anew. moved: index, entry before, entry after."""

    name: str
    data: bytes
    expected: str
    moved: list[tuple[int, str, str]]
    revision: int


def new(record: Instance, key: int, now: datetime) -> New:
    """Stamp a new record, and write it out."""
    record.id, record.created_at = key, now
    revision, name, shown = random.getrandbits(63), number_name(key), _shown(record)
    data = encode(record, f"{revision:016x}", None)
    return New(name, data, text_name(shown[_CLAIMED]), _names(shown, name), revision)


def changed(record: Instance, stored: bytes | None, now: datetime) -> Changed:
    """Stamp a record, and write it out anew; raise RuntimeError when what is stored is not what it was read as."""
    revision, name = random.getrandbits(63), number_name(record.id)
    expected = token_of(record)
    if stored is None or stored[14:30] != expected.encode():
        raise RuntimeError("changed by somebody else")
    record.updated_at = now
    data = encode(record, f"{revision:016x}", expected)
    before, after, moved = _shown(_look(stored)), _shown(record), list[tuple[int, str, str]]()
    if before != after:
        if before[_CLAIMED] != after[_CLAIMED]:
            raise NotImplementedError("no benchmark moves a claim")
        pairs = enumerate(zip(_names(before, name), _names(after, name), strict=True))
        moved = [(place, gone, made) for place, (gone, made) in pairs if gone != made]
    return Changed(name, data, expected, moved, revision)


def token_of(record: Instance) -> str:
    """Give the token that a record was read with."""
    return f"{record._revision:016x}"  # type: ignore[attr-defined]


def finish(records: Sequence[Instance], written: Sequence[New | Changed]) -> None:
    """Leave the new revisions on what was written."""
    for record, one in zip(records, written, strict=True):
        record._revision = one.revision  # type: ignore[attr-defined]
