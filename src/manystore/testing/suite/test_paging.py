"""Pages: after an object or after its cursor's text, whatever happens in between, up and down, on any store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from manystore import Order, UsageError, asc, col, desc
from manystore.testing import provision
from manystore.testing.models import Author, Library, Sample, Samples

ROWS = [(whole, text) for whole in (None, 1, 2) for text in (None, "a", "b", "\U0001f600") for _ in (1, 2)]
ORDERS: list[tuple[Order, ...]] = [
    (),
    (asc(Sample.id),),
    (desc(Sample.id),),
    (asc(Sample.whole),),
    (desc(Sample.whole),),
    (asc(Sample.text), desc(Sample.whole)),
    (asc(Sample.whole), desc(Sample.text), asc(Sample.at)),
    (desc(Sample.whole), asc(Sample.text), desc(Sample.id)),
    (desc(Sample.note), asc(Sample.ratio)),
]


@pytest.fixture
def rows(samples: Samples) -> Samples:
    """24 samples with many ties."""
    samples.sample.create_all(_rows())
    return samples


def _rows() -> list[Sample]:
    return [Sample(id=n, whole=whole, text=text, note=text, ratio=n % 3 / 2) for n, (whole, text) in enumerate(ROWS)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [1, 5, 24])
@pytest.mark.parametrize("by_text", [False, True])
def test_pages_make_up_the_whole(rows: Samples, order: Sequence[Order], size: int, *, by_text: bool) -> None:
    whole = rows.sample.find(order_by=order, scan=True)
    assert sorted(s.id for s in whole) == list(range(24))
    found: list[Sample] = []
    after: Any = None
    while page := rows.sample.find(order_by=order, limit=size, after=after, scan=True):
        assert len(page) <= size
        found += page
        after = rows.sample.cursor(page[-1], order_by=order) if by_text else page[-1]
    assert found == whole


@pytest.mark.parametrize("order", ORDERS)
def test_iterate_gives_the_whole(rows: Samples, order: Sequence[Order]) -> None:
    whole = rows.sample.find(order_by=order, scan=True)
    for page in (1, 7, 24, 25):
        assert list(rows.sample.iterate(order_by=order, page=page, scan=True)) == whole


@pytest.mark.parametrize("order", ORDERS)
def test_a_cursor_is_the_same_text_on_every_store(rows: Samples, tmp_path: Path, order: Sequence[Order]) -> None:
    with provision.place("memory:", tmp_path) as elsewhere:
        other = elsewhere.connect(Samples)
        other.sample.create_all(_rows())
        for place in (0, 11, 22):
            record = rows.sample.find(order_by=order, limit=place + 1, scan=True)[-1]
            text = rows.sample.cursor(record, order_by=order)
            assert text == other.sample.cursor(other.sample.get(record.id), order_by=order)
            assert text.isascii()
            here = rows.sample.find(order_by=order, after=text, scan=True)
            assert here == other.sample.find(order_by=order, after=text, scan=True)
            assert len(here) == 23 - place


def test_after_with_a_filter(rows: Samples) -> None:
    asked = col(Sample.whole) == 1
    first = rows.sample.find(asked, order_by=desc(Sample.text), limit=3)
    rest = rows.sample.find(asked, order_by=desc(Sample.text), after=first[-1])
    assert [s.id for s in (*first, *rest)] == [14, 15, 12, 13, 10, 11, 8, 9]


def test_the_limit_is_filled_past_what_the_residual_refuses(samples: Samples) -> None:
    samples.sample.create_all([Sample(id=n, whole=1, note="yes" if n % 50 == 49 else "no") for n in range(300)])
    asked = (col(Sample.whole) == 1, col(Sample.note) == "yes")
    assert [s.id for s in samples.sample.find(*asked, limit=4)] == [49, 99, 149, 199]
    after = samples.sample.get(199)
    assert [s.id for s in samples.sample.find(*asked, limit=4, after=after)] == [249, 299]
    assert [s.id for s in samples.sample.iterate(*asked, page=2)] == [49, 99, 149, 199, 249, 299]


def test_what_changes_between_two_pages(rows: Samples) -> None:
    order = asc(Sample.ratio)
    first = rows.sample.find(order_by=order, limit=6)
    last = first[-1]
    rows.sample.delete(last.id)  # the place stays, though its record is gone
    rows.sample.delete(first[0].id)
    moved = first[1].id
    rows.sample.update(moved, col(Sample.ratio).to(99.0))  # comes again, as it now is further on
    rows.sample.create(Sample(id=100, ratio=-1.0))  # behind us
    rows.sample.create(Sample(id=101, ratio=50.0))
    rest = rows.sample.find(order_by=order, after=last, limit=100)
    assert [s.id for s in rest][-2:] == [101, moved]
    assert last.id not in {s.id for s in rest}
    assert 100 not in {s.id for s in rest}
    assert len(rest) == 24 - 6 + 2


def test_an_object_stands_for_its_own_values(rows: Samples) -> None:
    record = rows.sample.get(3)
    record.whole = 2  # not saved: the place is where the object says
    found = rows.sample.find(order_by=asc(Sample.whole), after=record, limit=100)
    assert [s.id for s in found] == list(range(16, 24))


def test_cursors_of_every_kind(samples: Samples) -> None:
    at = datetime(2011, 11, 1, 0, 0, 0, 5, tzinfo=UTC)
    samples.sample.create_all([Sample(id=n, at=at, blob=bytes([n, 255]), flag=n > 0, ratio=n / 7) for n in range(3)])
    for slot in (
        Sample.at,
        Sample.blob,
        Sample.flag,
        Sample.ratio,
        Sample.day,
        Sample.price,
        Sample.token,
        Sample.address,
    ):
        for order in (asc(slot), desc(slot)):
            whole = samples.sample.find(order_by=order, scan=True)
            text = samples.sample.cursor(whole[0], order_by=order)
            assert samples.sample.find(order_by=order, after=text, scan=True) == whole[1:]


@pytest.mark.parametrize("wrong", ["", "x", "!!!", "bm90IGpzb24", 7, object(), "W10"])
def test_what_is_no_cursor_is_refused(rows: Samples, wrong: Any) -> None:
    with pytest.raises(UsageError):
        rows.sample.find(order_by=asc(Sample.whole), after=wrong, limit=1)


def test_the_cursor_of_another_order_is_refused(rows: Samples) -> None:
    text = rows.sample.cursor(rows.sample.get(1), order_by=asc(Sample.whole))
    for order in ((), (asc(Sample.text),), (desc(Sample.whole),)):
        with pytest.raises(UsageError):
            rows.sample.find(order_by=order, after=text, scan=True)


def test_a_record_without_a_key_is_no_place(library: Library) -> None:
    with pytest.raises(UsageError):
        library.author.cursor(Author(name="a"))
    with pytest.raises(UsageError):
        library.author.find(limit=1, after=Author(name="a"))
