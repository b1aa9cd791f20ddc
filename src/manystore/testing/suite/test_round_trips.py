"""How often a call may wait for the store when nothing goes wrong: bounds, by the store's own word on its indexes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Address

import pytest

from manystore import asc, avg, col, count, desc, everything
from manystore.testing.models import SHELF, Address, Author, Book, Cloud, Copy, Host, Library, Quota, Reader, Server
from manystore.testing.provision import Place

PRINTED = datetime(1968, 1, 1, tzinfo=UTC)


@pytest.fixture
def counted(library: Library, place: Place) -> Library:
    """Three authors, eight books of the first, a copy of each and its reader."""
    for name in "abc":  # the next two keys are reserved by now
        library.author.create(Author(name=name))
    library.reader.create(Reader(name="r"))
    library.book.create_all(
        [Book(isbn=f"b{n}", title=f"t{n // 2}", author_id=1, pages=n, printed_at=PRINTED) for n in range(8)]
    )
    library.copy.create_all([Copy(isbn=f"b{n}", number=1, reader_id=1) for n in range(8)])
    _warm(library)
    place.calls.clear()
    return library


def _warm(library: Library) -> None:
    """Do a little of everything: what a store must learn once is learnt."""
    library.book.create(Book(isbn="warm", title="warm", author_id=2))
    library.book.update("warm", col(Book.pages).to(1))
    library.book.increment("warm", Book.pages)
    library.book.save(library.book.get("warm"))
    library.book.delete("warm")


def _trips(place: Place, act: Callable[[], object]) -> int:
    """Give how often the calls of an act waited for the store."""
    place.calls.clear()
    act()
    return sum(call.round_trips for call in place.calls)


def _too_many(place: Place, acts: Mapping[str, tuple[Callable[[], object], int]]) -> dict[str, tuple[int, int]]:
    """Give those that waited more often than they may, or not at all: how often they did, and may."""
    counted = {name: (_trips(place, act), most) for name, (act, most) in acts.items()}
    return {name: (trips, most) for name, (trips, most) in counted.items() if not 1 <= trips <= most}


def _index_trips(library: Library) -> int:
    """Give what the store says of itself: how often a find by an index waits."""
    return library.book.explain(col(Book.title) == "t0").round_trips


def test_an_index_takes_one_trip_or_two(counted: Library) -> None:
    assert _index_trips(counted) in (1, 2)


def test_reads_by_key_wait_once(counted: Library, place: Place) -> None:
    for read in (
        lambda: counted.book.get("b0"),
        lambda: counted.copy.get(("b0", 1)),
        lambda: counted.book.first(col(Book.isbn) == "b0"),
        lambda: counted.book.first(col(Book.isbn) == "none"),
        lambda: counted.book.find(col(Book.isbn).in_(["b0", "b3", "none"])),
        lambda: counted.book.exists(col(Book.isbn) == "b0"),
        lambda: counted.book.count(col(Book.isbn) == "b0"),
        lambda: counted.book.get("b0", deleted="any"),
    ):
        assert _trips(place, read) == 1


def test_reads_by_an_index_wait_as_the_store_says(counted: Library, place: Place) -> None:
    by_index = _index_trips(counted)
    find, title, author = counted.book.find, col(Book.title), col(Book.author_id)
    reads: dict[str, tuple[Callable[[], object], int]] = {
        "equal": (lambda: find(title == "t0"), by_index),
        "equal to nothing": (lambda: find(title == "none"), by_index),
        "the first of many": (lambda: find(author == 1, limit=3), by_index),
        "in order": (lambda: find(author == 1, order_by=asc(Book.title), limit=3), by_index),
        # Among equals the order is by key, so what a limit cuts must be read to its end.
        "in the other order": (lambda: find(author == 1, order_by=desc(Book.title), limit=3), by_index),
        "greater": (lambda: find(title > "t1"), by_index),
        "prefix": (lambda: find(title.prefix("t")), by_index),
        # Where the store itself filters or adds up, another statement may look whether the cap was met.
        "with a residual": (lambda: find(title == "t0", col(Book.pages) > 0), 2),
        "sorted": (lambda: find(author == 1, order_by=desc(Book.pages)), by_index),
        "a walk": (lambda: find(order_by=asc(Book.title), limit=3), by_index),
        "a unique": (lambda: counted.author.first(col(Author.name) == "a"), by_index),
        "an unknown unique": (lambda: counted.author.first(col(Author.name) == "z"), by_index),
        "page by page": (lambda: list(counted.book.iterate(author == 1)), by_index),
        "a range of keys": (lambda: find(col(Book.isbn) > "b3"), by_index),
        "a scan": (lambda: find(scan=True), by_index),
        "count": (lambda: counted.book.count(title == "t0"), 1),
        "exists": (lambda: counted.book.exists(title == "t0"), by_index),
        "count with a residual": (lambda: counted.book.count(title == "t0", col(Book.pages) > 0), by_index),
        "aggregate": (lambda: counted.book.aggregate(count(), author == 1), 2),
        "average": (lambda: counted.book.aggregate(avg(Book.pages), author == 1), 2),
        "groups": (lambda: counted.book.select(SHELF, author == 1), 2),
        "one of one": (lambda: find(title.in_(["t0"])), by_index),
    }
    assert _too_many(place, reads) == {}


def test_each_level_that_is_brought_along_waits_once_more(counted: Library, place: Place) -> None:
    by_index = _index_trips(counted)
    reads: dict[str, tuple[Callable[[], object], int]] = {
        "a target": (lambda: counted.book.get("b0", load=(Book.author,)), 1 + 1),
        "a target of a composite key": (lambda: counted.copy.get(("b0", 1), load=(Copy.book,)), 1 + 1),
        "two levels": (lambda: counted.copy.get(("b0", 1), load=(Copy.book, Book.author)), 1 + 1 + 1),
        "two targets": (lambda: counted.copy.get(("b0", 1), load=(Copy.book, Copy.reader)), 1 + 1 + 1),
        "of a find": (lambda: counted.book.find(col(Book.title) == "t0", load=(Book.author,)), by_index + 1),
        "of eight": (
            lambda: counted.copy.find(col(Copy.reader_id) == 1, load=(Copy.book, Book.author)),
            by_index + 1 + 1,
        ),
        # What refers to a record is found by an index.
        "referrers of one": (lambda: counted.author.get(1, load=(Author.books,)), 1 + by_index),
    }
    assert _too_many(place, reads) == {}


def test_several_values_of_an_index_wait_like_one(counted: Library, place: Place) -> None:
    by_index, book = _index_trips(counted), counted.book
    three, ten = ["t0", "t1", "t2"], [f"t{n}" for n in range(10)]
    reads: dict[str, tuple[Callable[[], object], int]] = {
        "one of three": (lambda: book.find(col(Book.title).in_(three)), by_index),
        "one of ten, in order": (lambda: book.find(col(Book.title).in_(ten), order_by=desc(Book.pages)), by_index),
        "the first of ten": (lambda: book.find(col(Book.title).in_(ten), limit=2), by_index),
        "counted": (lambda: book.count(col(Book.title).in_(ten)), 1),
        "looked for": (lambda: book.exists(col(Book.title).in_(["none", "no", "t1"])), by_index),
        "a part of several keys": (lambda: counted.copy.find(col(Copy.isbn).in_(["b0", "b3", "none"])), by_index),
        "referrers of two": (
            lambda: counted.author.find(everything(), load=(Author.books,), limit=5),
            by_index + by_index,
        ),
        "referrers of referrers": (
            lambda: counted.author.get(1, load=(Author.books, Book.copies)),
            1 + by_index + by_index,
        ),
    }
    assert _too_many(place, reads) == {}


def test_lists_of_many_records_are_brought_along_in_one_wait_a_level(counted: Library, place: Place) -> None:
    by_index = _index_trips(counted)
    number = 150  # more than some stores take into one request without being told to
    counted.author.create_all([Author(name=f"many {n}") for n in range(number)])
    many = [author.id for author in counted.author.find(col(Author.name).prefix("many"), scan=True)]
    counted.book.create_all(
        [Book(isbn=f"m{n}", title=f"many {n // 3}", author_id=many[n // 3]) for n in range(3 * number)]
    )
    counted.copy.create_all([Copy(isbn=f"m{n}", number=each) for n in range(3 * number) for each in (1, 2)])

    def read() -> None:
        authors = counted.author.find(col(Author.id).in_(many), load=(Author.books, Book.copies))
        assert [len(author.books) for author in authors] == [3] * number
        assert [len(book.copies) for author in authors for book in author.books] == [2] * 3 * number

    # Two thousand names are a page.
    assert _trips(place, read) <= 1 + by_index + by_index


def test_writes_of_one_record_wait_twice_at_most(counted: Library, place: Place) -> None:
    book = counted.book.get("b0")
    copy = counted.copy.get(("b0", 1))

    def save() -> None:
        book.pages += 100
        book.title = "another"
        counted.book.save(book)

    def move() -> None:
        copy.reader_id = None
        counted.copy.save(copy)

    writes: dict[str, tuple[Callable[[], object], int]] = {
        "create": (lambda: counted.reader.create(Reader(name="s")), 2),
        "create of what refers": (lambda: counted.book.create(Book(isbn="b9", title="t", author_id=1)), 2),
        "create under a unique": (lambda: counted.author.create(Author(name="d")), 2),
        "save": (save, 2),
        "save of what refers": (move, 2),
    }
    assert _too_many(place, writes) == {}


def test_changes_by_key_wait_three_times_at_most(counted: Library, place: Place) -> None:
    """The store makes the change by itself: what has no language for that looks, changes, and looks at nothing else."""
    book = counted.book
    writes: dict[str, tuple[Callable[[], object], int]] = {
        "update": (lambda: book.update("b1", col(Book.pages).to(3)), 2),
        "update of an index": (lambda: book.update("b1", col(Book.title).to("u")), 3),
        "increment": (lambda: book.increment("b1", Book.pages), 2),
        "bounded increment": (lambda: book.increment("b1", Book.pages, 5, low=0, high=1_000), 2),
        "delete": (lambda: counted.copy.delete(("b1", 1)), 2),
        "delete of what may be referred to": (lambda: counted.author.delete(2), 2),
        "upsert": (lambda: book.upsert(Book(isbn="b3", title="v", author_id=1)), 3),
    }
    assert _too_many(place, writes) == {}


def test_a_claim_is_a_find_and_a_change(cloud: Cloud, place: Place) -> None:
    cloud.address.create_all([Address(ip=IPv4Address(n)) for n in range(40)])
    free = col(Address.server_id).is_(None)
    index_trips = cloud.address.explain(free).round_trips
    for _ in range(3):
        assert _trips(place, lambda: cloud.address.claim(free, changes=[col(Address.server_id).to("s")])) <= (
            index_trips + 2
        )


def test_a_transaction_waits_twice_more_than_its_reads(cloud: Cloud, place: Place) -> None:
    cloud.quota.create_all([Quota(project="p", resource=resource) for resource in ("cores", "ram", "disk")])
    cloud.host.create(Host(name="h"))

    def run(number: int) -> None:
        with cloud.transaction() as tx:
            for resource in ("cores", "ram"):
                quota = tx.quota.get(("p", resource))
                quota.used += 1
                tx.quota.save(quota)
            tx.quota.get(("p", "disk"))  # only checked
            for each in range(number):
                name = f"{number}.{each}"
                tx.server.create(Server(id=name, project="p", hostname=name, host="h"))

    for number in (1, 30):
        assert _trips(place, lambda number=number: run(number)) <= 3 + 2  # type: ignore[misc]
