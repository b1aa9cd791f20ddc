"""The catalog's stored form: read back whole, refused when newer, called corrupted otherwise."""

from __future__ import annotations

import msgspec
import pytest

from manystore import Corrupted, ProgramTooOld, field, model
from manystore.schema.catalog import FORMAT, Catalog, new_epoch
from manystore.schema.schema import Schema
from manystore.schema.system import SYSTEM


@model
class Note:
    id: int = field(key=True)
    text: str = ""


@model(collection="note")
class NewNote:
    id: int = field(key=True)
    text: str = ""
    at: int = field(default=0, index=True)


def first() -> Catalog:
    return Catalog.first(Schema.of([Note], SYSTEM))


def test_epochs_are_random() -> None:
    epochs = {new_epoch() for _ in range(100)}
    assert len(epochs) == 100
    assert all(len(epoch) == 16 and int(epoch, 16) >= 0 for epoch in epochs)


def test_a_stable_catalog_comes_back() -> None:
    catalog = first()
    again = Catalog.decode(catalog.encode())
    assert again == catalog
    assert again.head is again.base
    assert Catalog.decode(catalog.encode().decode()) == catalog


def test_an_open_window_comes_back() -> None:
    catalog = first().changed(
        head=Schema.of([NewNote], SYSTEM), phase="open", indexes={"note.by_at": "building", "note.old": "absent"}
    )
    again = Catalog.decode(catalog.encode())
    assert again == catalog
    assert again.head != again.base
    assert [again.state("note", name) for name in ("by_at", "old", "other")] == ["building", "absent", "ready"]


def test_a_change_gets_a_new_epoch() -> None:
    catalog = first()
    changed = catalog.changed(phase="closed")
    assert changed.epoch != catalog.epoch
    assert (changed.phase, changed.base) == ("closed", catalog.base)


def test_it_begins_with_what_any_program_can_read() -> None:
    catalog = first()
    assert catalog.encode().startswith(f'{{"format":{FORMAT},"epoch":"{catalog.epoch}"'.encode())


def test_a_newer_format() -> None:
    with pytest.raises(ProgramTooOld, match=f"has format {FORMAT + 1}; this program reads up to {FORMAT}"):
        Catalog.decode(msgspec.json.encode({"format": FORMAT + 1, "whatever": "it means"}))


WHOLE = msgspec.json.decode(first().encode())


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        first().encode()[:-20],
        msgspec.json.encode({**WHOLE, "format": "1"}),
        msgspec.json.encode({**WHOLE, "phase": "half"}),
        msgspec.json.encode({**WHOLE, "base": []}),
        msgspec.json.encode({**WHOLE, "base": {"note": {"model": "Note"}}}),
        msgspec.json.encode({**WHOLE, "indexes": {"note.x": "soon"}}),
        msgspec.json.encode({"format": 1, "epoch": "0"}),
    ],
    ids=range(12),  # their bytes hold a random epoch, and every worker must find the same names
)
def test_what_is_no_catalog(stored: bytes) -> None:
    with pytest.raises(Corrupted, match="the catalog cannot be read"):
        Catalog.decode(stored)
