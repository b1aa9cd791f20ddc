"""Filters and orders: what matches, in which order, by which access path, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from manystore import (
    NoAccessPath,
    Predicate,
    TooManyExamined,
    UsageError,
    asc,
    col,
    count,
    desc,
    everything,
    project,
)
from manystore.testing.models import Author, Book, Cloud, Host, Library, Sample, Samples, State
from manystore.testing.provision import Place

WORDS = [None, "", "a", "A", "ab", "abc", "b", "\u00e9", "\u00e9a", "\uffff", "\U0001f600", "\U0001f600x", "\U0010ffff"]


@pytest.fixture
def words(samples: Samples) -> Samples:
    """Samples with texts: id is the place in WORDS."""
    samples.sample.create_all([Sample(id=n, text=text, note=text) for n, text in enumerate(WORDS)])
    return samples


def _texts(samples: Samples, *where: Predicate, scan: bool = True, **options: Any) -> list[str | None]:
    return [s.text for s in samples.sample.find(*where, scan=scan, **options)]


def _python(holds: Callable[[str | None], bool]) -> list[str | None]:
    return [text for text in WORDS if holds(text)]


EVERYTHING = everything()
TEXT, NOTE = col(Sample.text), col(Sample.note)


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        (lambda c: c == "a", lambda v: v == "a"),
        (lambda c: c.is_(None), lambda v: v is None),
        (lambda c: c.is_not(None), lambda v: v is not None),
        (lambda c: c != "a", lambda v: v != "a"),
        (lambda c: ~(c == "a"), lambda v: v != "a"),
        (lambda c: c < "b", lambda v: v is not None and v < "b"),
        (lambda c: ~(c < "b"), lambda v: not (v is not None and v < "b")),
        (lambda c: c >= "\uffff", lambda v: v is not None and v >= "\uffff"),
        (lambda c: ~(c >= "b"), lambda v: not (v is not None and v >= "b")),
        (lambda c: c.in_(["a", None, "zzz"]), lambda v: v in ("a", None)),
        (lambda c: c.in_([None]), lambda v: v is None),
        (lambda c: c.in_([]), lambda v: False),
        (lambda c: ~c.in_([]), lambda v: True),
        (lambda c: ~c.in_(["a", "b"]), lambda v: v not in ("a", "b")),
        (lambda c: ~c.in_(["a", None]), lambda v: v not in ("a", None)),
        (lambda c: c.between("A", "ab"), lambda v: v is not None and "A" <= v <= "ab"),
        (lambda c: ~c.between("A", "ab"), lambda v: not (v is not None and "A" <= v <= "ab")),
        (lambda c: c.between("b", "a"), lambda v: False),
        (lambda c: c.prefix("a"), lambda v: v is not None and v.startswith("a")),
        (lambda c: c.prefix("A"), lambda v: v is not None and v.startswith("A")),
        (lambda c: c.prefix("\u00e9"), lambda v: v is not None and v.startswith("\u00e9")),
        (lambda c: c.prefix("\U0001f600"), lambda v: v is not None and v.startswith("\U0001f600")),
        (lambda c: c.prefix("\U0010ffff"), lambda v: v is not None and v.startswith("\U0010ffff")),
        (lambda c: c.prefix("\uffff"), lambda v: v is not None and v.startswith("\uffff")),
        (lambda c: c.prefix(""), lambda v: v is not None),
        (lambda c: ~c.prefix("a"), lambda v: not (v is not None and v.startswith("a"))),
        (lambda c: (c == "a") | (c == "b"), lambda v: v in ("a", "b")),
        (lambda c: (c > "a") & (c < "b"), lambda v: v is not None and "a" < v < "b"),
        (lambda c: ~((c > "a") & (c < "b")), lambda v: not (v is not None and "a" < v < "b")),
        (lambda c: ~((c == "a") | c.is_(None)), lambda v: not (v == "a" or v is None)),
    ],
)
@pytest.mark.parametrize("column", [TEXT, NOTE], ids=["indexed", "plain"])
def test_filters_mean_what_python_means(words: Samples, column: Any, where: Any, holds: Any) -> None:
    asked, expected = where(column), _python(holds)
    assert _texts(words, asked) == expected
    assert words.sample.count(asked, scan=True) == len(expected)
    assert words.sample.exists(asked, scan=True) is bool(expected)
    first = words.sample.first(asked, scan=True)
    assert (first and first.text) == (expected[0] if expected else None)


def test_none_sorts_first_and_last_when_descending(words: Samples) -> None:
    known = sorted(text for text in WORDS if text is not None)
    assert _texts(words, order_by=asc(Sample.text)) == [None, *known]
    assert _texts(words, order_by=desc(Sample.text)) == [*reversed(known), None]
    assert _texts(words, order_by=asc(Sample.note)) == [None, *known]
    assert _texts(words, order_by=desc(Sample.note)) == [*reversed(known), None]


def test_without_an_order_results_come_in_key_order(samples: Samples) -> None:
    samples.sample.create_all([Sample(id=n, text="t") for n in (5, -1, 3, 2**40, 0)])
    assert [s.id for s in samples.sample.find(col(Sample.text) == "t")] == [-1, 0, 3, 5, 2**40]
    assert [s.id for s in samples.sample.find(scan=True)] == [-1, 0, 3, 5, 2**40]


def test_ties_end_in_the_key_ascending(samples: Samples) -> None:
    samples.sample.create_all([Sample(id=n, whole=n % 2) for n in (4, 1, 3, 2)])
    assert [s.id for s in samples.sample.find(order_by=asc(Sample.whole), limit=9)] == [2, 4, 1, 3]
    assert [s.id for s in samples.sample.find(order_by=desc(Sample.whole), scan=True)] == [1, 3, 2, 4]
    both = (desc(Sample.whole), desc(Sample.id))
    assert [s.id for s in samples.sample.find(order_by=both, limit=9)] == [3, 1, 4, 2]


def test_composite_index_with_directions(samples: Samples) -> None:
    rows = [(w, t) for w in (None, 1, 2) for t in (None, "a", "b")]
    samples.sample.create_all([Sample(id=n, whole=w, text=t) for n, (w, t) in enumerate(rows)])
    order = (asc(Sample.whole), desc(Sample.text), asc(Sample.at))
    expected = sorted(range(9), key=lambda n: (_low(rows[n][0]), _high(rows[n][1])))
    assert [s.id for s in samples.sample.find(order_by=order, limit=9)] == expected
    back = (desc(Sample.whole), asc(Sample.text), desc(Sample.at), desc(Sample.id))
    assert [s.id for s in samples.sample.find(order_by=back, limit=9)] == list(reversed(expected))
    within = samples.sample.find(col(Sample.whole) == 1, order_by=desc(Sample.text))
    assert [s.text for s in within] == ["b", "a", None]
    above = samples.sample.find(col(Sample.whole) == 2, col(Sample.text) > "a", order_by=desc(Sample.text))
    assert [s.text for s in above] == ["b"]


def _low(value: int | None) -> int:
    return -1 if value is None else value


def _high(text: str | None) -> int:
    return 0 if text is None else -ord(text)


def test_or_of_indexed_fields_finds_each_record_once(samples: Samples) -> None:
    samples.sample.create_all([Sample(id=n, whole=n % 3, text="ab"[n % 2], ratio=float(n)) for n in range(12)])
    asked = (col(Sample.whole) == 0) | (col(Sample.text) == "a")
    expected = [n for n in range(12) if n % 3 == 0 or n % 2 == 0]
    assert [s.id for s in samples.sample.find(asked)] == expected
    assert [s.id for s in samples.sample.find(asked, order_by=desc(Sample.ratio))] == expected[::-1]
    assert [s.id for s in samples.sample.find(asked, limit=3)] == expected[:3]
    assert samples.sample.count(asked) == len(expected)
    assert [s.id for s in samples.sample.find(asked, col(Sample.ratio) > 5.0)] == [n for n in expected if n > 5]


def test_in_on_keys_and_on_an_index(samples: Samples) -> None:
    samples.sample.create_all([Sample(id=n, whole=n // 2) for n in range(8)])
    assert [s.id for s in samples.sample.find(col(Sample.id).in_([7, 1, 1, 99]))] == [1, 7]
    assert [s.id for s in samples.sample.find(col(Sample.whole).in_([3, 0]))] == [0, 1, 6, 7]
    assert [s.id for s in samples.sample.find(col(Sample.whole).in_([3, 0]), order_by=desc(Sample.id), limit=3)] == [
        7,
        6,
        1,
    ]


def test_a_part_that_is_always_or_never_true(samples: Samples) -> None:
    samples.sample.create_all([Sample(id=n, whole=n) for n in range(4)])
    never, some = col(Sample.text).in_([]), (col(Sample.whole) < 1) | (col(Sample.whole) >= 3)
    assert [s.id for s in samples.sample.find(~(never & some), scan=True)] == [0, 1, 2, 3]
    assert [s.id for s in samples.sample.find(never | some)] == [0, 3]
    assert [s.id for s in samples.sample.find(~(never & some), col(Sample.whole) > 1)] == [2, 3]
    assert samples.sample.find(never & some) == []
    page = samples.sample.find(~(never & some), limit=2, order_by=asc(Sample.ratio), scan=True)
    rest = samples.sample.find(~(never & some), limit=9, order_by=asc(Sample.ratio), after=page[-1], scan=True)
    assert [s.id for s in (*page, *rest)] == [0, 1, 2, 3]


def test_limit(samples: Samples) -> None:
    samples.sample.create_all([Sample(id=n, whole=1) for n in range(5)])
    for limit in (0, 1, 4, 5, 6):
        assert [s.id for s in samples.sample.find(col(Sample.whole) == 1, limit=limit)] == list(range(5))[:limit]
    for wrong in (-1, 1.5, True, "3"):
        with pytest.raises(UsageError):
            samples.sample.find(limit=wrong)  # type: ignore[arg-type]


@pytest.fixture
def twelve_books(library: Library) -> Library:
    """A library with twelve books."""
    author = library.author.create(Author(name="a"))
    states = list(State)
    library.book.create_all(
        [Book(isbn=str(n), title=f"t{n}", author_id=author.id, pages=n, state=states[n % 3]) for n in range(12)]
    )
    return library


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ((col(Book.pages) == 3,), '@model(indexes=[index("pages")])'),
        ((col(Book.pages) > 3,), '@model(indexes=[index("pages")])'),
        ((col(Book.weight).is_(None), col(Book.pages) > 3), '@model(indexes=[index("weight", "pages")])'),
        ((col(Book.pages) != 3,), ""),
        ((~col(Book.title).prefix("t"),), ""),
        ((EVERYTHING,), ""),
        ((), ""),
        (((col(Book.pages) == 3) | (col(Book.title) == "t1"),), ""),
    ],
)
def test_without_an_access_path_it_is_refused_with_the_line_to_add(
    twelve_books: Library, place: Place, where: tuple[Predicate, ...], line: str
) -> None:
    before = len(place.calls)
    for read in (
        twelve_books.book.find,
        twelve_books.book.count,
        twelve_books.book.exists,
        twelve_books.book.first,
        twelve_books.book.explain,
    ):
        if read in (twelve_books.book.first, twelve_books.book.exists) and (not where or where == (EVERYTHING,)):
            continue  # the first in key order is bounded by itself
        with pytest.raises(NoAccessPath) as caught:
            read(*where)
        assert caught.value.model == "Book"
        assert caught.value.index == line or (not line and caught.value.index.startswith("@model"))
        assert "scan=True" in str(caught.value)
    assert len(place.calls) == before  # refused before the store was asked
    assert twelve_books.book.find(*where, scan=True) == [
        book for book in twelve_books.book.find(scan=True) if book in twelve_books.book.find(*where, scan=True)
    ]


def test_an_order_that_no_index_gives_is_refused_with_the_line_to_add(twelve_books: Library) -> None:
    with pytest.raises(NoAccessPath) as caught:
        twelve_books.book.find(order_by=desc(Book.pages), limit=3)
    assert caught.value.index == '@model(indexes=[index("-pages")])'
    assert [b.pages for b in twelve_books.book.find(order_by=desc(Book.pages), limit=3, scan=True)] == [11, 10, 9]


def test_an_order_that_an_index_gives_needs_a_limit_only(twelve_books: Library) -> None:
    assert [b.title for b in twelve_books.book.find(order_by=asc(Book.title), limit=2)] == ["t0", "t1"]
    down = (
        desc(Book.title),
        desc(Book.isbn),
    )  # ties end in the key, ascending unless told: an index walked back has it down
    assert [b.title for b in twelve_books.book.find(order_by=down, limit=2)] == ["t9", "t8"]
    with pytest.raises(NoAccessPath):
        twelve_books.book.find(order_by=asc(Book.title))


def test_a_residual_is_looked_at_on_the_record(twelve_books: Library) -> None:
    found = twelve_books.book.find(col(Book.state) == State.DRAFT, col(Book.pages) != 3, col(Book.weight).is_(None))
    assert sorted(b.pages for b in found) == [0, 6, 9]
    by_pages = twelve_books.book.find(col(Book.state) == State.DRAFT, order_by=(desc(Book.pages),))
    assert [b.pages for b in by_pages] == [9, 6, 3, 0]
    assert twelve_books.book.find(col(Book.state) == State.DRAFT, col(Book.pages) > 3, limit=1)[0].pages in (6, 9)


def test_a_small_model_may_be_read_whole(cloud: Cloud) -> None:
    for name in ("b", "a", "c"):
        cloud.host.create(Host(name=name, zone="z" if name != "c" else None, slots=ord(name)))
    assert [h.name for h in cloud.host.find()] == ["a", "b", "c"]
    assert [h.name for h in cloud.host.find(col(Host.zone) == "z", order_by=desc(Host.slots))] == ["b", "a"]
    assert cloud.host.count() == 3


@pytest.mark.parametrize(
    "wrong",
    [True, 1, "x", None, Book.title == "t", lambda: True],
)
def test_what_is_no_predicate_is_refused(twelve_books: Library, wrong: Any) -> None:
    with pytest.raises(UsageError):
        twelve_books.book.find(wrong, scan=True)
    with pytest.raises(UsageError):
        twelve_books.book.find((col(Book.title) == "t") & wrong)


def test_predicates_have_no_truth_value(twelve_books: Library) -> None:
    title = col(Book.title)
    wrongs: list[Callable[[], Any]] = [
        lambda: (title == "a") and (title == "b"),
        lambda: not (title == "a"),  # noqa: SIM201
        lambda: "a" < title < "b",
        lambda: "a" in title,
        lambda: title == "a" & title == "b",
        lambda: title.in_("abc"),
        lambda: title + "a",
        lambda: col("title"),
        lambda: col(twelve_books.book.get("1").title),
    ]
    for wrong in wrongs:
        with pytest.raises(UsageError):
            wrong()


def test_another_models_field_is_refused(twelve_books: Library) -> None:
    with pytest.raises(UsageError, match=r"Author\.name is no field of Book"):
        twelve_books.book.find(col(Author.name) == "a")
    with pytest.raises(UsageError):
        twelve_books.book.find(order_by=asc(Author.name), limit=1)


# --- the cap ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def capped(place: Place) -> Samples:
    """Twelve samples, at a place where one call may examine ten records."""
    place.url += ("&" if "?" in place.url else "?") + "max_examined=10"
    made = place.connect(Samples)
    made.sample.create_all([Sample(id=n, text="t", whole=n // 6, note=str(n % 2), ratio=float(-n)) for n in range(12)])
    for n in range(10):
        made.sample.update(n, col(Sample.word).to("one"))
    return made


def test_more_than_the_cap_is_refused(capped: Samples) -> None:
    assert len(capped.sample.find(col(Sample.word) == "one")) == 10
    for read in (capped.sample.find, capped.sample.count):
        with pytest.raises(TooManyExamined) as caught:
            read(col(Sample.text) == "t")
        assert (caught.value.model, caught.value.cap) == ("Sample", 10)
    assert capped.sample.count(col(Sample.text) == "t", scan=True) == 12
    assert len(capped.sample.find(col(Sample.text) == "t", scan=True)) == 12


def test_a_limit_filled_within_the_cap_is_answered(capped: Samples) -> None:
    assert len(capped.sample.find(col(Sample.text) == "t", limit=10)) == 10
    assert [s.id for s in capped.sample.find(col(Sample.text) == "t", col(Sample.note) == "1", limit=5)] == [
        1,
        3,
        5,
        7,
        9,
    ]
    with pytest.raises(TooManyExamined):
        capped.sample.find(col(Sample.text) == "t", col(Sample.note) == "1", limit=6)
    with pytest.raises(TooManyExamined):
        capped.sample.find(col(Sample.text) == "t", limit=11)
    assert capped.sample.exists(col(Sample.text) == "t")
    assert capped.sample.first(col(Sample.text) == "t", col(Sample.note) == "0") is not None


def test_a_sort_must_see_everything(capped: Samples) -> None:
    with pytest.raises(TooManyExamined):
        capped.sample.find(col(Sample.text) == "t", order_by=asc(Sample.ratio), limit=1)
    within = capped.sample.find(col(Sample.whole) == 1, order_by=asc(Sample.ratio), limit=1)
    assert [s.id for s in within] == [11]


def test_iterate_has_the_cap_for_each_page(capped: Samples) -> None:
    assert [s.id for s in capped.sample.iterate(col(Sample.text) == "t", page=5)] == list(range(12))
    with pytest.raises(TooManyExamined):
        list(capped.sample.iterate(col(Sample.text) == "t", page=11))


def test_every_access_is_counted(capped: Samples) -> None:
    text, keys = col(Sample.text) == "t", col(Sample.id)
    either = (col(Sample.whole) == 0) | (col(Sample.whole) == 1)
    for too_many in (
        keys.in_(range(11)),
        keys.in_(list(range(12))),
        keys >= 0,
        either,
        col(Sample.whole).in_([0, 1]),
        text,
    ):
        for read in (capped.sample.find, capped.sample.count, lambda p: capped.sample.aggregate(count(), p)):
            with pytest.raises(TooManyExamined):
                read(too_many)
        with pytest.raises(TooManyExamined):
            capped.sample.select(project(_Number, number=count()), too_many)
        with pytest.raises(TooManyExamined):
            capped.sample.find(too_many, order_by=asc(Sample.ratio), limit=1)
    for enough in (
        keys.in_(range(10)),
        keys < 10,
        keys.in_([1, 1, 2, 99]),
        either & (keys < 10),
        col(Sample.whole) == 1,
    ):
        assert (
            capped.sample.count(enough) == len(capped.sample.find(enough)) == len(capped.sample.find(enough, scan=True))
        )


@dataclass
class _Number:
    number: int
