"""select and aggregate: other shapes, totals, groups; of nothing, of None, of a transaction's own writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from manystore import (
    DeclarationError,
    NoAccessPath,
    UsageError,
    ValueRefused,
    asc,
    avg,
    col,
    count,
    desc,
    max_,
    min_,
    project,
    sum_,
)
from manystore.testing.models import (
    FIGURES,
    LINE,
    SHELF,
    Author,
    Book,
    Figures,
    Level,
    Library,
    Line,
    Sample,
    Samples,
    Shelf,
    State,
)

WHEN = [None, datetime(1968, 1, 1, tzinfo=UTC), datetime(2011, 11, 1, tzinfo=UTC)]


@pytest.fixture
def six_books(library: Library) -> Library:
    """Two authors with three books each."""
    for name in ("a", "b"):
        author = library.author.create(Author(name=name))
        for n, when in enumerate(WHEN):
            price = None if n == 0 else Decimal(n) / 4
            book = Book(
                isbn=f"{name}{n}", title=f"t{n}", author_id=author.id, pages=n * 10, printed_at=when, price=price
            )
            library.book.create(book)
    return library


def test_rows_of_another_shape(six_books: Library) -> None:
    found = six_books.book.select(LINE, col(Book.title) >= "t1", order_by=(desc(Book.title), asc(Book.isbn)))
    assert found == [Line("a2", "t2"), Line("b2", "t2"), Line("a1", "t1"), Line("b1", "t1")]
    assert six_books.book.select(LINE, col(Book.title) == "t1", limit=1) == [Line("a1", "t1")]
    assert six_books.book.select(LINE, col(Book.title) == "none") == []
    assert six_books.book.select(LINE, col(Book.title) == "t1", limit=0) == []
    with pytest.raises(NoAccessPath):
        six_books.book.select(LINE, col(Book.pages) == 0)


def test_groups(six_books: Library) -> None:
    assert six_books.book.select(SHELF, scan=True) == [Shelf(1, 3, 30, WHEN[2]), Shelf(2, 3, 30, WHEN[2])]
    assert six_books.book.select(SHELF, col(Book.author_id) == 2, col(Book.pages) < 20) == [Shelf(2, 2, 10, WHEN[1])]
    assert six_books.book.select(SHELF, col(Book.title) == "none") == []


def test_totals_over_all(six_books: Library) -> None:
    assert six_books.book.select(FIGURES, scan=True) == [Figures(6, 60, 0, 20, 10.0, Decimal("1.50"), Decimal("0.25"))]


def test_totals_of_nothing_are_one_row(library: Library) -> None:
    (figures,) = library.book.select(FIGURES, scan=True)
    assert figures == Figures(0, 0, None, None, None, Decimal(0), None)
    assert isinstance(figures.price, Decimal)
    assert library.book.aggregate(sum_(Book.pages), scan=True) == 0
    assert library.book.aggregate(min_(Book.pages), scan=True) is None
    assert library.book.aggregate(avg(Book.pages), scan=True) is None
    assert library.book.aggregate(count(), scan=True) == 0
    assert library.book.aggregate(sum_(Book.weight), scan=True) == 0.0


def test_aggregates_leave_none_out(six_books: Library) -> None:
    assert six_books.book.aggregate(avg(Book.price), scan=True) == 0.375
    assert six_books.book.aggregate(min_(Book.printed_at), scan=True) == WHEN[1]
    assert six_books.book.aggregate(max_(Book.printed_at), scan=True) == WHEN[2]
    assert six_books.book.aggregate(sum_(Book.weight), scan=True) == 0.0
    assert six_books.book.aggregate(max_(Book.weight), scan=True) is None
    assert six_books.book.aggregate(count(), col(Book.title) == "t0") == 2


def test_none_is_a_group_and_comes_first(samples: Samples) -> None:
    words: list[Any] = [None, "two", "one", None, "one"]
    samples.sample.create_all([Sample(id=n, word=word, whole=n) for n, word in enumerate(words)])
    shape = project(_Group, by=Sample.word, number=count(), total=sum_(Sample.whole))
    found = samples.sample.select(shape, scan=True)
    assert found == [_Group(None, 2, 3), _Group("one", 2, 6), _Group("two", 1, 1)]


@dataclass
class _Group:
    by: Any
    number: int
    total: Any


@dataclass
class _Two:
    one: Any
    two: Any
    number: int


def test_groups_by_two_fields_come_in_their_order(samples: Samples) -> None:
    samples.sample.create_all(
        [Sample(id=n, whole=w, text=t) for n, (w, t) in enumerate([(2, "b"), (1, None), (2, "a"), (1, "b"), (2, "a")])]
    )
    shape = project(_Two, two=Sample.text, one=Sample.whole, number=count())
    assert samples.sample.select(shape, scan=True) == [
        _Two(1, None, 1),
        _Two(2, "a", 2),
        _Two(1, "b", 1),
        _Two(2, "b", 1),
    ]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("flag", [False, True]),
        ("at", [datetime(1, 1, 1, tzinfo=UTC), datetime(2011, 11, 1, tzinfo=UTC)]),
        ("text", ["", "A", "a", "\u00e9", "\U0001f600"]),
        ("level", [Level.HIGH, Level.LOW]),
        ("state", [State.DRAFT, State.PRINTED]),
        ("price", [Decimal("-1.0000"), Decimal("0.5000")]),
        ("blob", [b"", b"\x00", b"\xff"]),
        ("ratio", [-1e300, 0.0, 1e-300]),
    ],
)
def test_smallest_largest_and_groups_of_every_kind(samples: Samples, name: str, values: list[Any]) -> None:
    samples.sample.create_all(
        [Sample(id=n, **{name: value}) for n, value in enumerate([*reversed(values), *values, None])]
    )
    slot = getattr(Sample, name)
    assert samples.sample.aggregate(min_(slot), scan=True) == values[0]
    assert samples.sample.aggregate(max_(slot), scan=True) == values[-1]
    found = samples.sample.select(project(_Group, by=slot, number=count(), total=min_(slot)), scan=True)
    assert found == [_Group(None, 1, None), *(_Group(value, 2, value) for value in values)]
    assert [type(group.by) for group in found[1:]] == [type(value) for value in values]


def test_a_sum_does_not_hang_on_the_order_of_floats(samples: Samples) -> None:
    values = [1e308, 1.0, -1e308, 0.1, 0.2, 1e-9]
    samples.sample.create_all([Sample(id=n, ratio=value) for n, value in enumerate(values)])
    assert samples.sample.aggregate(sum_(Sample.ratio), scan=True) == math.fsum(values)
    assert samples.sample.aggregate(avg(Sample.ratio), scan=True) == math.fsum(values) / 6


def test_a_sum_past_64_bits_is_refused(samples: Samples) -> None:
    samples.sample.create_all([Sample(id=n, whole=2**62) for n in range(3)])
    with pytest.raises(ValueRefused) as caught:
        samples.sample.aggregate(sum_(Sample.whole), scan=True)
    assert (caught.value.model, caught.value.field) == ("Sample", "whole")
    assert samples.sample.aggregate(avg(Sample.whole), scan=True) == float(2**62)


def test_the_mean_is_exact(samples: Samples) -> None:
    samples.sample.create_all([Sample(id=n, whole=2**53 + n, price=Decimal("0.1")) for n in (0, 1, 2)])
    assert samples.sample.aggregate(avg(Sample.whole), scan=True) == float(2**53 + 1)
    assert samples.sample.aggregate(avg(Sample.price), scan=True) == 0.1
    assert samples.sample.aggregate(sum_(Sample.price), scan=True) == Decimal("0.3")


def test_a_transaction_counts_its_own_writes(six_books: Library) -> None:
    with six_books.transaction() as tx:
        tx.book.delete("a0")
        tx.book.update("a1", col(Book.pages).to(1000))
        tx.book.create(Book(isbn="c", title="t1", author_id=2, pages=7))
        assert tx.book.select(SHELF, scan=True) == [Shelf(1, 2, 1020, WHEN[2]), Shelf(2, 4, 37, WHEN[2])]
        assert tx.book.aggregate(max_(Book.pages), scan=True) == 1000
        assert [line.isbn for line in tx.book.select(LINE, col(Book.title) == "t1")] == ["a1", "b1", "c"]
        assert tx.book.select(FIGURES, col(Book.title) == "none") == [Figures(0, 0, None, None, None, Decimal(0), None)]
    assert six_books.book.select(SHELF, scan=True)[0] == Shelf(1, 2, 1020, WHEN[2])


def test_what_makes_no_projection_is_refused(six_books: Library) -> None:
    wrongs: list[Callable[[], Any]] = [
        lambda: project(Line, isbn=Book.isbn, words=Author.name),
        lambda: project(Line, isbn="isbn", words=Book.title),
        lambda: project(Line, Book.isbn, Book.title),
        lambda: project(Line),  # type: ignore[call-arg]
        lambda: project(Line, isbn=Book.isbn),  # type: ignore[call-arg]
        lambda: project(Line, isbn=Book.isbn, words=Book.title, wrong=Book.pages),  # type: ignore[call-arg]
        lambda: project(Line, isbn=Book.extra, words=count()),  # type: ignore[arg-type] # groups by what is not compared
    ]
    for wrong in wrongs:
        with pytest.raises(DeclarationError):
            wrong()
    refused: list[Any] = [
        lambda: six_books.author.select(LINE, scan=True),
        lambda: six_books.book.select(Line, scan=True),  # type: ignore[arg-type]
        lambda: six_books.book.select(SHELF, scan=True, limit=1),
        lambda: six_books.book.aggregate(Book.pages, scan=True),
        lambda: six_books.book.aggregate(sum_(Sample.whole), scan=True),
        lambda: sum_(Book.title),  # type: ignore[type-var]
        lambda: avg(Book.printed_at),  # type: ignore[arg-type]
        lambda: max_(Book.extra),
    ]
    for call in refused:
        with pytest.raises(UsageError):
            call()
