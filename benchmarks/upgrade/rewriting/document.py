"""What is rewritten by hand on key-value stores: a parcel's JSON, and its entries of the index whose values change.

Knows the model's two shapes; must not know a driver.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from ...floor.ordered import number_name, text_name
from ..parcel import NEWER
from ..value import split, volume

PAGE = 1000
RECORDS, BEFORE, AFTER = "r:parcel", "i:parcel.by_zip", "i:parcel.by_zip@2"
_OURS: list[tuple[str, Any]] = [("r", str), ("p", str | None), ("n", int)]
_STAYS = ("id", "code", "width", "height", "depth", "weight", "depot", "note", "sent_at")
_RENAME = {"r": "_revision", "p": "_previous", "n": "_version"}


def _twin(name: str, *fields: str) -> type[msgspec.Struct]:
    return msgspec.defstruct(name, [*_OURS, *((field, Any) for field in fields)], rename=_RENAME, gc=False)


_Old = _twin("Old", *_STAYS, "mail", "zip", "name")
_New: Any = _twin("New", *_STAYS, "email", "zip", "first", "last", "carrier", "volume")
_decode: Any = msgspec.json.Decoder(_Old).decode
_encode = msgspec.json.Encoder().encode


class Rewritten(NamedTuple):
    """One record anew. before, after: its entries of the index."""

    name: str
    token: bytes
    data: bytes
    before: str
    after: str


def rewritten(name: str, data: bytes) -> Rewritten:
    """Bring a record into the newer shape."""
    o = _decode(data)
    code = int(o.zip)
    whole = volume(o.width, o.height, o.depth)
    new = _New(
        o.r, o.p, NEWER, o.id, o.code, o.width, o.height, o.depth, o.weight, o.depot, o.note, o.sent_at,
        o.mail, code, *split(o.name), "post", whole,
    )  # fmt: skip
    return Rewritten(name, data[14:30], _encode(new), f"{text_name(o.zip)} {name}", f"{number_name(code)} {name}")


def parts(made: list[Rewritten], number: int) -> Iterator[list[Rewritten]]:
    """Cut into as many as go into one step."""
    for start in range(0, len(made), number):
        yield made[start : start + number]
