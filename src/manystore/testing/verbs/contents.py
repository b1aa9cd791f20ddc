"""What the tests of the verbs store: a catalog of nothing but an epoch, and names and values as manystore makes them.

Stores may rely on the form of names and values (docs/format.md), so none is used here that manystore would not use.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from manystore.schema.encoding import END
from manystore.stores.keyvalue.protocol import CATALOG, Key, KeyValue, Put, Span
from manystore.testing.provision import Place

RECORDS, ENTRIES, CLAIMS, REFERENCES = "r:a", "i:a.by_x", "u:a.unique_y", "b:a"
EPOCH, OTHER = f"{1:016x}", f"{2:016x}"
TOKEN, OTHER_TOKEN = f"{7:016x}", f"{8:016x}"
_AT_ONCE = 15  # puts in a commit: no store takes fewer


def opened(place: Place) -> KeyValue:
    """Give the verbs of a fresh place, with a catalog."""
    kv: KeyValue = place.verbs()
    kv.commit([], [catalog(EPOCH)], [], epoch=None)
    return kv


def catalog(epoch: str) -> Put:
    """Give a catalog of that epoch."""
    return (*CATALOG, f'{{"format":1,"epoch":"{epoch}"}}'.encode())


def record(name: str, number: int = 0, *, token: str = TOKEN, version: int = 1) -> bytes:
    """Give the value of a record; it says itself whose it is."""
    head = f'"_revision":"{token}","_previous":null,"_version":{version}'
    return f'{{{head},"name":"{name}","number":{number}}}'.encode()


def name_in(value: bytes) -> str:
    """Give whose value it is."""
    return str(msgspec.json.decode(value)["name"])


def number_in(value: bytes) -> int:
    """Give the number in the value of a record."""
    return int(msgspec.json.decode(value)["number"])


def entry(value: str, owner: str) -> str:
    """Give the name of an entry."""
    return f"${value}! {owner}"


def of_value(value: str) -> Span:
    """Give the span of the entries of a value."""
    return Span(ENTRIES, f"${value}!", f"${value}!{END}")


def referring(target: str) -> Span:
    """Give the span of the references to a record."""
    return Span(REFERENCES, f"{target} ", f"{target} {END}")


def store(kv: KeyValue, puts: Sequence[Put]) -> None:
    """Put them, a few at once."""
    for start in range(0, len(puts), _AT_ONCE):
        assert kv.commit([], puts[start : start + _AT_ONCE], [], epoch=EPOCH) is None, "a commit without checks failed"


def stored(kv: KeyValue, *keys: Key) -> list[bool]:
    """Say of each key whether something is there."""
    return [value is not None for value in kv.get(keys).values]
