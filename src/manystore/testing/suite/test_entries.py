"""The length of an index entry with its key is limited alike everywhere, whichever call makes it too long."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from manystore import Database, Repository, ValueRefused, col, field, index, model
from manystore.testing.provision import Place

LONG = "x" * 1500  # two of these pass the 2,600 bytes that an entry may have, one does not


@model(indexes=[index("title", "note")])
class Sheet:
    """Has an index over two texts that may be long."""

    id: int = field(key=True)
    title: str | None = field(default=None, max_length=2000)
    note: str | None = field(default=None, max_length=2000)
    pages: int = field(default=0, index=True)


class Sheets(Database):
    """A database of sheets."""

    sheet: Repository[Sheet, int]


def _save(sheets: Sheets) -> object:
    sheet = sheets.sheet.get(1)
    sheet.note = LONG
    return sheets.sheet.save(sheet)


def _in_a_transaction(sheets: Sheets) -> None:
    with sheets.transaction() as tx:
        tx.sheet.update(1, col(Sheet.note).to(LONG))


@pytest.mark.parametrize(
    "act",
    [
        lambda sheets: sheets.sheet.create(Sheet(id=2, title=LONG, note=LONG)),
        lambda sheets: sheets.sheet.create_all([Sheet(id=2), Sheet(id=3, title=LONG, note=LONG)]),
        lambda sheets: sheets.sheet.upsert(Sheet(id=1, title=LONG, note=LONG)),
        lambda sheets: sheets.sheet.update(1, col(Sheet.note).to(LONG)),
        lambda sheets: sheets.sheet.update_where(col(Sheet.pages) == 0, changes=[col(Sheet.note).to(LONG)]),
        lambda sheets: sheets.sheet.claim(col(Sheet.pages) == 0, changes=[col(Sheet.note).to(LONG)]),
        _save,
        _in_a_transaction,
    ],
    ids=["create", "create_all", "upsert", "update", "update_where", "claim", "save", "transaction"],
)
def test_an_entry_that_gets_too_long_is_refused(place: Place, act: Callable[[Sheets], object]) -> None:
    sheets = place.connect(Sheets)
    sheets.sheet.create(Sheet(id=1, title=LONG))
    with pytest.raises(ValueRefused, match=r"^Sheet\.(title|note): 3,\d\d\d bytes in an index entry"):
        act(sheets)
    assert [(sheet.id, sheet.note) for sheet in sheets.sheet.find(scan=True)] == [(1, None)]


def test_an_entry_that_stays_short_is_taken(place: Place) -> None:
    sheets = place.connect(Sheets)
    sheets.sheet.create(Sheet(id=1, title=LONG))
    assert sheets.sheet.update(1, col(Sheet.title).to("t"), col(Sheet.note).to(LONG)).note == LONG
    assert sheets.sheet.update(1, col(Sheet.note).to("n"), revision=None).note == "n"
    assert [sheet.id for sheet in sheets.sheet.find(col(Sheet.title) == "t", col(Sheet.note) == "n")] == [1]
