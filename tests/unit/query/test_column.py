"""col() and predicates: the rules of what may be compared with what, checked before any store is asked."""

from __future__ import annotations

import functools
import operator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest

from manystore import (
    UNSET,
    Database,
    DeclarationError,
    NoAccessPath,
    Repository,
    UsageError,
    ValueRefused,
    asc,
    avg,
    col,
    count,
    desc,
    everything,
    field,
    max_,
    min_,
    model,
    project,
    ref,
    related,
    sum_,
)
from manystore.query.order import orders
from manystore.query.predicate import And, Compare, Or, Predicate, conjunction


class State(StrEnum):
    NEW = "new"
    OLD = "old"


@model
class Author:
    id: int = field(key=True, generated=True)
    name: str = field(unique=True)


@model
class Book:
    isbn: str = field(key=True)
    title: str = field(index=True, max_length=10)
    author_id: int | None = ref(Author.id, default=None)
    author: Author | None = related(author_id)
    pages: int = 0
    level: Literal[1, 3, 5] = 1
    cover: Literal["hard", "soft"] = "soft"
    state: State = State.NEW
    price: Decimal = field(default=Decimal(0), digits=6, scale=2)
    scan: bytes = field(default=b"", max_length=2)
    printed_at: datetime | None = None
    lent: bool = False
    extra: dict[str, Any] | None = None


class Plain:
    __slots__ = ("name",)


class Library(Database):
    author: Repository[Author, int]
    book: Repository[Book, str]


@pytest.fixture
def library() -> Library:
    return Library.connect("memory://")


WRONG: Any = None  # stands where checkers would complain

# --- rule 1: col takes a slot ---


def test_col_takes_slots_only() -> None:
    book = Book(isbn="1", title="Emma")
    for given in (book.title, "title", 5, None, [], col(Book.title), Book):
        with pytest.raises(UsageError, match=r"col\(\) takes a field written on its class, as in col\(Book.title\)"):
            col(given)
    with pytest.raises(TypeError):
        col(book.pages)
    with pytest.raises(UsageError, match=r"Book.author is no stored field"):
        col(Book.author)
    with pytest.raises(UsageError, match=r"Plain.name is no stored field"):
        col(Plain.name)  # type: ignore[attr-defined]


def test_one_col_a_slot() -> None:
    assert col(Book.title) is col(Book.title)
    assert repr(col(Book.title)) == "col(Book.title)"


# --- rule 2: no truth value ---

TITLE, PAGES = col(Book.title), col(Book.pages)


@pytest.mark.parametrize(
    "use",
    [
        lambda: (TITLE == "a") and (PAGES == 1),
        lambda: (TITLE == "a") or (PAGES == 1),
        lambda: not (TITLE == "a"),  # noqa: SIM201
        lambda: 1 < PAGES < 4,
        lambda: any([PAGES == 1]),
        lambda: all([PAGES == 1]),
        lambda: list(filter(lambda p: p, [PAGES == 1])),
        lambda: bool(PAGES),
        lambda: PAGES in [1, 2],  # ... == PAGES, and its truth
        lambda: "a" in TITLE,
        lambda: list(TITLE),
        lambda: bool(everything()),
    ],
)
def test_no_truth_value(use: Any) -> None:
    with pytest.raises(
        UsageError, match=r"write & \| ~ for and, or, not; \.in_\(\) for in; \.between\(\) for a < b < c"
    ):
        use()


@pytest.mark.parametrize(
    "use",
    [lambda: PAGES + 1, lambda: 1 + PAGES, lambda: PAGES - 1, lambda: 2 * PAGES, lambda: PAGES / 2, lambda: -PAGES,
     lambda: PAGES % 2],
)  # fmt: skip
def test_no_arithmetic(use: Any) -> None:
    with pytest.raises(UsageError, match="is a field, not its value; compute in Python, or use increment"):
        use()


# --- rule 3: every argument and side is a predicate ---


def test_sides() -> None:
    right = TITLE == "a"
    for wrong in (True, 1, None, "x", TITLE):
        for combine in (operator.and_, operator.or_):
            with pytest.raises(UsageError):
                combine(right, wrong)
            with pytest.raises(UsageError):
                combine(wrong, right)
    with pytest.raises(UsageError, match="put parentheses around each comparison"):
        TITLE == "a" & PAGES == 1  # type: ignore[operator]  # noqa: B015
    with pytest.raises(UsageError, match="put parentheses"):
        ~PAGES  # type: ignore[operator]  # noqa: B018


def test_arguments(library: Library) -> None:
    for wrong in (True, Book.title == "a", None, [TITLE == "a"], TITLE):
        with pytest.raises(UsageError, match="argument 2 is no predicate but a"):
            library.book.find(TITLE == "a", WRONG or wrong)
        with pytest.raises(UsageError):
            library.book.count(WRONG or wrong)
        with pytest.raises(UsageError):
            library.book.delete_where(WRONG or wrong)
    with pytest.raises(UsageError, match="argument 1 is no predicate but a bool"):
        conjunction([True])  # type: ignore[list-item]
    assert conjunction([]) is None


# --- rule 4 ---


def test_identity_is_a_bool(library: Library) -> None:
    assert TITLE in [TITLE]
    with pytest.raises(UsageError):
        library.book.find(TITLE in [TITLE])  # type: ignore[arg-type]


# --- rule 5: everything is said aloud; in_ and prefix ---


def test_everything(library: Library) -> None:
    for ask in (library.book.find, library.book.count):
        with pytest.raises(NoAccessPath):
            ask()
        with pytest.raises(NoAccessPath):
            ask(everything())
        ask(everything(), scan=True)
    for ask in (library.book.delete_where, library.book.update_where):
        with pytest.raises((UsageError, TypeError)):
            ask()


def test_in() -> None:
    nothing = TITLE.in_([])
    assert nothing.shape == ("or",)
    with pytest.raises(UsageError, match="takes several values, not one str"):
        TITLE.in_("abc")
    with pytest.raises(UsageError, match="takes several values, not one bytes"):
        col(Book.scan).in_(b"ab")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="takes several values, not one int"):
        PAGES.in_(3)  # type: ignore[arg-type]
    given = ["a", "b"]
    found = TITLE.in_(given)
    given.append("c")
    assert list(found.values()) == [("a", "b")]
    assert list(PAGES.in_(n for n in (1, 2)).values()) == [(1, 2)]
    optional = col(Book.author_id).in_([1, None])
    assert optional.shape == ("or", ("in", "author_id"), ("null", "author_id"))
    assert col(Book.author_id).in_([None]).shape == ("null", "author_id")


def test_the_empty_prefix_is_a_scan(library: Library) -> None:
    assert TITLE.prefix("").shape == ("not_null", "title")
    with pytest.raises(NoAccessPath):
        library.book.find(TITLE.prefix(""))
    assert library.book.find(TITLE.prefix("E")) == []


# --- rule 6: operands ---


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda: PAGES == True, "Book.pages: bool where int is wanted"),  # noqa: E712
        (lambda: PAGES == "1", "Book.pages: str where int is wanted"),
        (lambda: PAGES < 2**63, "Book.pages: outside 64 bits"),
        (lambda: col(Book.lent) == 1, "Book.lent: int where bool is wanted"),
        (lambda: TITLE == 5, "Book.title: int where str is wanted"),
        (lambda: TITLE == "x" * 11, "Book.title: 11 characters; at most 10"),
        (lambda: TITLE == "a\0", "Book.title: holds a NUL character"),
        (lambda: TITLE > "\ud800", "Book.title: holds a lone surrogate"),
        (lambda: TITLE.in_(["a", 5]), "Book.title: int where str is wanted"),
        (lambda: TITLE.prefix(5), "Book.title: int where str is wanted"),
        (lambda: TITLE == None, "Book.title: None, but the field is not optional"),  # noqa: E711
        (lambda: TITLE.is_(None), "Book.title: None, but the field is not optional"),
        (lambda: TITLE.is_not(None), "Book.title: None, but the field is not optional"),
        (lambda: TITLE.in_(["a", None]), "Book.title: None, but the field is not optional"),
        (lambda: TITLE.to(None), "Book.title: None, but the field is not optional"),
        (lambda: col(Book.author_id) < None, "Book.author_id: NoneType where int is wanted"),
        (lambda: col(Book.author_id).between(1, None), "Book.author_id: NoneType where int is wanted"),
        (lambda: col(Book.author_id) == UNSET, "Book.author_id: UNSET; create the record first"),
        (lambda: col(Book.author_id).to(UNSET), "Book.author_id: UNSET; create the record first"),
        (lambda: col(Book.printed_at) < datetime(2011, 1, 1), "without a time zone"),  # noqa: DTZ001
        (lambda: col(Book.printed_at) < date(2011, 1, 1), "date where datetime is wanted"),
        (lambda: col(Book.state) == "new", "str where State is wanted"),
        (lambda: col(Book.cover) == "paper", "not one of hard, soft"),
        (lambda: col(Book.level) == 2, "not one of 1, 3, 5"),
        (lambda: col(Book.level).to(2), "not one of 1, 3, 5"),
        (lambda: col(Book.price) == Decimal("0.001"), "more than 2 digits after the point"),
        (lambda: PAGES.to("1"), "str where int is wanted"),
    ],
)
def test_operands(ask: Any, reason: str) -> None:
    with pytest.raises(ValueRefused) as caught:
        ask()
    assert reason in str(caught.value)


def test_bounds_may_be_what_no_record_holds() -> None:
    assert isinstance(TITLE < "x" * 11, Predicate)
    assert isinstance(TITLE.prefix("x" * 11), Predicate)
    assert isinstance(col(Book.cover) > "i", Predicate)
    assert isinstance(col(Book.level) >= 2, Predicate)
    assert isinstance(col(Book.scan) < b"abc", Predicate)
    assert isinstance(col(Book.state) > State.NEW, Predicate)


def test_json_is_compared_with_none_only() -> None:
    extra = col(Book.extra)
    assert extra.is_(None).shape == ("null", "extra")
    for ask in (lambda: extra == {}, lambda: extra.in_([{}]), lambda: extra < {}, lambda: extra.prefix("a")):  # type: ignore[operator, misc, list-item]
        with pytest.raises(UsageError):
            ask()
    assert extra.to({"a": 1}).value == {"a": 1}


def test_prefix_goes_with_text() -> None:
    for field_ in (PAGES, col(Book.state), col(Book.scan)):
        with pytest.raises(UsageError, match=r"prefix\(\) goes with str fields"):
            field_.prefix("a")  # type: ignore[misc]


def test_datetimes_are_compared_as_instants() -> None:
    # In the hour that comes twice, Python calls a datetime unequal to its own instant elsewhere.
    late = datetime(2011, 10, 30, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    instant = datetime(2011, 10, 30, 1, 30, tzinfo=UTC)
    assert late != instant
    printed = col(Book.printed_at)
    assert list((printed == late).values()) == [instant]
    assert list(printed.in_([late]).values()) == [(instant,)]
    assert list((printed < datetime(2011, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))).values()) == [
        datetime(2011, 1, 1, tzinfo=UTC)
    ]
    assert printed.to(late).value is late


# --- rules 7 and 9: whose field it is ---


def test_the_owner(library: Library) -> None:
    with pytest.raises(UsageError, match=r"Author.name is no field of Book"):
        library.book.find(col(Author.name) == "a")
    with pytest.raises(UsageError, match=r"Author.name is no field of Book"):
        library.book.find((TITLE == "a") | ~(col(Author.name) == "a"))
    with pytest.raises(UsageError, match=r"Author.name is no field of Book"):
        library.book.find(TITLE == "a", order_by=asc(Author.name))


def test_load_takes_related_slots(library: Library) -> None:
    for wrong in (("author",), "author", (Book.title,), (Author.name,)):
        with pytest.raises(UsageError, match="load="):
            library.book.find(TITLE == "a", load=WRONG or wrong)


# --- rule 8: what ruff would complain of works ---


def test_equality_with_singletons() -> None:
    assert (col(Book.author_id) == None).shape == ("null", "author_id")  # noqa: E711
    assert (col(Book.author_id) != None).shape == ("not_null", "author_id")  # noqa: E711
    assert (col(Book.lent) == False).shape == ("eq", "lent")  # noqa: E712
    assert col(Book.lent).is_(True).shape == ("eq", "lent")


# --- rule 10: orders, aggregates and projections take slots ---


@pytest.mark.parametrize("make", [asc, desc, sum_, min_, max_, avg])
def test_slots_without_col(make: Any) -> None:
    for wrong in ("title", 5, col(Book.pages), Book):
        with pytest.raises(UsageError, match=r"a field written on its class is wanted, as in Book.title"):
            make(wrong)
    for wrong in (Plain.name, Book.author):  # type: ignore[attr-defined]
        with pytest.raises(UsageError, match=r"^(Plain.name|Book.author) is no stored field$"):
            make(wrong)
    with pytest.raises(UsageError, match=r"Book.extra"):
        make(Book.extra)


@pytest.mark.parametrize("make", [sum_, avg])
def test_what_adds_up(make: Any) -> None:
    for wrong in (Book.title, Book.state, Book.lent, Book.printed_at):
        with pytest.raises(UsageError, match=r"no (sum|avg) of"):
            make(wrong)
    assert make(Book.price).field == "price"
    assert max_(Book.printed_at).field == "printed_at"  # type: ignore[union-attr]


def test_orders() -> None:
    one = desc(Book.title)
    assert orders(one) == orders([one]) == (one,)
    assert orders(()) == ()
    for wrong in ("title", [Book.title], Book.title, None, 5):
        with pytest.raises(UsageError, match="order_by takes"):
            orders(wrong)  # type: ignore[arg-type]


def shelf(*, title: str, books: int) -> tuple[str, int]:
    return title, books


def test_projections() -> None:
    made = project(shelf, title=Book.title, books=count())
    assert made.plain == (("title", "title"),)
    assert [name for name, _ in made.aggregates] == ["books"]
    assert made.owner is Book
    for wrong, reason in (
        (lambda: project(shelf), r"project\(shelf\): no columns"),
        (lambda: project(shelf, Book.title), "columns are given by keyword"),
        (lambda: project(shelf, title="x", books=count()), "project.shelf., title: a field written on its class"),
        (lambda: project(shelf, title=Author.name, books=Book.pages), "fields of two models, Author and Book"),
    ):
        with pytest.raises(DeclarationError, match=reason):
            wrong()  # type: ignore[no-untyped-call]


# --- rule 11 ---


def test_the_class_level_value_is_no_value() -> None:
    with pytest.raises(TypeError):
        Book.pages + 1


# --- shapes and trees ---


def test_shapes_hold_no_operand() -> None:
    asked = (TITLE == "a") & ((PAGES > 3) | PAGES.between(1, 2)) & col(Book.author_id).is_(None)
    assert asked.shape == (
        "and",
        ("eq", "title"),
        ("or", ("gt", "pages"), ("and", ("ge", "pages"), ("le", "pages"))),
        ("null", "author_id"),
    )
    assert list(asked.values()) == ["a", 3, 1, 2]
    assert {name for _, name in asked.owners()} == {"title", "pages", "author_id"}
    assert "a" not in repr(TITLE == "a").removeprefix("Book.title")  # an operand may be a secret


def test_chains_are_flat() -> None:
    asked = functools.reduce(operator.or_, [n == PAGES for n in range(5_000)])
    assert isinstance(asked, Or)
    assert len(asked.parts) == 5_000
    assert len(list(asked.values())) == 5_000
    assert isinstance(~asked, And)
    assert isinstance(functools.reduce(operator.and_, [PAGES == 1] * 3), And)


def test_negation_of_a_comparison() -> None:
    assert (~(PAGES < 3)).shape == ("ge", "pages")
    assert (~(col(Book.author_id) < 3)).shape == ("or", ("ge", "author_id"), ("null", "author_id"))
    assert (~TITLE.prefix("a")).shape == ("not_prefix", "title")
    live = ~Compare(Book, "lent", "live", False, optional=False)
    assert live.shape == ("ne", "lent")
    assert (~everything()).shape == ("or",)
