"""What on_call is told, what explain says, and how often a call may wait for the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from manystore import (
    Call,
    Conflict,
    Duplicate,
    NoAccessPath,
    NotFound,
    TooManyExamined,
    asc,
    col,
    count,
    desc,
    everything,
    sum_,
)
from manystore.testing.models import LINE, SHELF, Author, Book, Cloud, Copy, Folder, Host, Library, Quota, Server
from manystore.testing.provision import Place


@pytest.fixture
def watched(library: Library, place: Place) -> Library:
    """An author with eight books, two of them printed; the calls so far are forgotten."""
    library.author.create(Author(name="a"))
    printed = datetime(1968, 1, 1, tzinfo=UTC)
    library.book.create_all(
        [
            Book(isbn=f"b{n}", title=f"t{n // 2}", author_id=1, pages=n, printed_at=printed if n < 2 else None)
            for n in range(8)
        ]
    )
    library.copy.create(Copy(isbn="b0", number=1))
    place.calls.clear()
    return library


def _only(place: Place) -> Call:
    (call,) = place.calls
    place.calls.clear()
    return call


@contextmanager
def _trips(place: Place) -> Generator[list[int], None, None]:
    """Give a list that holds, after the block, how often its calls waited for the store."""
    place.calls.clear()
    counted: list[int] = []
    yield counted
    counted.append(sum(call.round_trips for call in place.calls))
    place.calls.clear()


# --- on_call ---------------------------------------------------------------------------------------------------------


_READS: list[tuple[str, Callable[[Library], object], str, int]] = [
    ("get", lambda db: db.book.get("b1"), "lookup by key", 1),
    ("find", lambda db: db.book.find(col(Book.title) == "t1"), "index by_title: title", 2),
    ("find", lambda db: db.book.find(col(Book.isbn).in_(["b1", "b2", "x"])), "lookup by several keys", 2),
    ("find", lambda db: db.book.find(col(Book.isbn) > "b5"), "key range: isbn", 2),
    ("find", lambda db: db.book.find(scan=True), "scan of", 8),
    ("find", lambda db: db.book.first(col(Book.isbn) == "b1"), "lookup by key", 1),
    ("find", lambda db: db.author.find(col(Author.name) == "a"), "lookup by unique_name", 1),
    ("count", lambda db: db.book.count(col(Book.title) == "t1"), "index by_title: title", 2),
    ("exists", lambda db: db.book.exists(col(Book.isbn) == "b1"), "lookup by key", 1),
    ("select", lambda db: db.book.select(LINE, col(Book.title) == "t1"), "index by_title: title", 2),
    ("aggregate", lambda db: db.book.aggregate(sum_(Book.pages), scan=True), "scan of", 8),
    ("aggregate", lambda db: db.book.select(SHELF, col(Book.title) == "t1"), "index by_title: title", 2),
]


@pytest.mark.parametrize(
    ("operation", "call", "access", "examined"),
    _READS,
)
def test_on_call_is_told_of_each_read(
    watched: Library,
    place: Place,
    operation: str,
    call: Callable[[Library], object],
    access: str,
    examined: int,
) -> None:
    call(watched)
    told = _only(place)
    assert told.operation == operation
    assert told.collection in ("book", "author")
    assert told.access.startswith(access)
    assert told.examined == examined
    assert told.round_trips >= 1
    assert 0 < told.seconds < 60
    assert told.error is None


def test_examined_counts_what_the_access_gave_not_what_was_found(watched: Library, place: Place) -> None:
    assert len(watched.book.find(col(Book.author_id) == 1, col(Book.pages) > 5)) == 2
    assert _only(place).examined == 8


_WRITES: list[tuple[str, Callable[[Library, Book], object], str]] = [
    ("create", lambda db, _: db.folder.create(Folder(path="x")), "insert"),
    ("save", lambda db, book: db.book.save(book), "replace"),
    ("update", lambda db, _: db.book.update("b0", col(Book.pages).to(1)), "patch"),
    ("increment", lambda db, _: db.book.increment("b0", Book.pages), "patch"),
    ("delete", lambda db, _: db.book.delete("b0"), "delete"),
]


@pytest.mark.parametrize(
    ("operation", "call", "kinds"),
    _WRITES,
)
def test_on_call_is_told_of_each_write(
    watched: Library, place: Place, operation: str, call: Callable[[Library, Book], object], kinds: str
) -> None:
    book = watched.book.get("b0")
    place.calls.clear()
    call(watched, book)
    told = _only(place)
    assert (told.operation, told.access, told.error) == (operation, kinds, None)
    assert told.collection in ("book", "folder")
    assert told.seconds > 0


def test_on_call_is_told_of_errors(watched: Library, place: Place) -> None:
    with pytest.raises(Duplicate):
        watched.book.create(Book(isbn="b0", title="t", author_id=1))
    assert _only(place).error == "Duplicate"
    with pytest.raises(NotFound):
        watched.book.update("none", col(Book.pages).to(1))
    assert _only(place).error == "NotFound"
    stale = watched.book.get("b0")
    watched.book.save(watched.book.get("b0"))
    place.calls.clear()
    with pytest.raises(Conflict):
        watched.book.save(stale)
    assert _only(place).error == "Conflict"
    with pytest.raises(NoAccessPath):
        watched.book.find(col(Book.pages) == 3)
    assert place.calls == []  # the store was not asked


def test_on_call_is_told_of_the_cap(place: Place) -> None:
    place.url += ("&" if "?" in place.url else "?") + "max_examined=3"
    mine = place.connect(Library)
    mine.author.create(Author(name="a"))
    mine.book.create_all([Book(isbn=str(n), title="t", author_id=1) for n in range(4)])
    place.calls.clear()
    with pytest.raises(TooManyExamined):
        mine.book.find(col(Book.title) == "t")
    told = _only(place)
    assert (told.operation, told.error) == ("find", "TooManyExamined")


def test_a_transaction_tells_of_its_reads_and_one_commit(watched: Library, place: Place) -> None:
    with watched.transaction() as tx:
        tx.book.get("b0")
        tx.book.update("b1", col(Book.pages).to(1))
        tx.author.delete(tx.author.create(Author(name="nobody")))
        tx.book.create(Book(isbn="b9", title="t", author_id=1))
    told = [(call.operation, call.collection) for call in place.calls if call.operation != "reserve ids"]
    assert told == [("get", "book"), ("update", "book"), ("commit", "book")]
    assert place.calls[-1].access == "check, replace, insert"


def test_neither_calls_nor_logs_nor_errors_hold_values(
    watched: Library, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "hunter2"
    with caplog.at_level(logging.DEBUG):
        watched.author.create(Author(name=secret))
        watched.author.find(col(Author.name) == secret)
        with pytest.raises(Duplicate) as caught:
            watched.author.create(Author(name=secret))
    assert secret not in repr(place.calls)
    assert secret not in caplog.text
    assert secret not in str(caught.value)


# --- explain ---------------------------------------------------------------------------------------------------------


def test_explain_names_the_access(watched: Library, place: Place) -> None:
    explain, title = watched.book.explain, col(Book.title)
    for said, access in (
        (explain(col(Book.isbn) == "b0"), "lookup by key"),
        (explain(col(Book.isbn).in_(["b0", "b1"])), "lookup by several keys"),
        (explain(col(Book.isbn) > "b0"), "key range: isbn >"),
        (watched.author.explain(col(Author.name) == "a"), "lookup by unique_name"),
        (explain(scan=True), "scan of key range"),
        (explain(title.in_([])), "nothing to read"),
    ):
        assert said.access.startswith(access)
        assert said.index is None
        assert str(said).startswith(f"{said.collection}: {said.access}")
        assert f"round trips: {said.round_trips}" in str(said)
    for said, name in (
        (explain(title == "t0"), "by_title"),
        (explain(title > "t0"), "by_title"),
        (explain(title.prefix("t")), "by_title"),
        (explain(col(Book.author_id) == 1, title == "t0"), "by_author_id_title"),
        (explain(col(Book.printed_at).is_(None)), "by_printed_at"),
    ):
        assert said.index == name
        assert name in str(said)
        assert not said.is_scan
    bounded = explain(order_by=asc(Book.title), limit=3)  # reads three records, and would read all without the limit
    assert (bounded.index, bounded.is_scan, bounded.sort) == ("by_title", True, "")
    assert place.calls == []  # explain reads nothing


def test_explain_names_the_residual_and_the_sort(watched: Library) -> None:
    said = watched.book.explain(col(Book.title) == "t0", col(Book.pages) > 3, order_by=desc(Book.pages))
    assert "pages >" in said.residual
    assert said.sort.startswith("pages descending")
    assert "residual: " in str(said)
    assert "sort: pages descending" in str(said)
    plain = watched.book.explain(col(Book.isbn) == "b0")
    assert (plain.residual, plain.sort) == ("", "")
    with pytest.raises(NoAccessPath):
        watched.book.explain(col(Book.pages) > 3)
    assert watched.book.explain(col(Book.pages) > 3, scan=True).is_scan


def test_explain_says_what_scope_and_soft_delete_add(cloud: Cloud) -> None:
    said = cloud.scoped("p").server.explain(col(Server.state) == "active")
    assert said.index == "by_project_state_vcpus"
    assert "deleted" in said.residual
    assert "deleted" not in cloud.scoped("p").server.explain(col(Server.state) == "active", deleted="any").residual
    assert cloud.host.explain(col(Host.slots) > 3).is_scan  # allowed: a small model
    assert "server" in str(said)


def test_explained_round_trips_are_those_of_the_read(watched: Library, place: Place) -> None:
    for where in (
        (col(Book.isbn) == "b0",),
        (col(Book.isbn).in_(["b0", "b3"]),),
        (col(Book.title) == "t0",),
        (col(Book.author_id) == 1, col(Book.title) == "t0"),
        (col(Book.title).in_([]),),
    ):
        said = watched.book.explain(*where).round_trips
        with _trips(place) as counted:
            watched.book.find(*where)
        assert counted == [said]


# --- round trips -----------------------------------------------------------------------------------------------------


def test_reads_wait_once(watched: Library, place: Place) -> None:
    reads: list[tuple[Callable[[], object], int]] = [
        (lambda: watched.book.get("b0"), 1),
        (lambda: watched.book.find(col(Book.title) == "t0"), watched.book.explain(col(Book.title) == "t0").round_trips),
        (lambda: watched.book.count(col(Book.title) == "t0"), 1),
        (lambda: watched.book.exists(col(Book.isbn) == "b0"), 1),
        # Where the store itself sorts or adds up, another statement may look first whether the cap allows it.
        (lambda: watched.book.aggregate(count(), col(Book.author_id) == 1), 2),
        (lambda: watched.book.get("b0", load=(Book.author,)), 2),
        (lambda: watched.copy.get(("b0", 1), load=(Copy.book, Book.author)), 3),
        # Where names and records come one after the other, each of the two levels waits twice.
        (lambda: watched.author.find(everything(), load=(Author.books,), limit=5), 4),
    ]
    for read, most in reads:
        with _trips(place) as counted:
            read()
        assert 1 <= counted[0] <= most


def test_writes_wait_twice_at_most(watched: Library, place: Place) -> None:
    book = watched.book.get("b0")
    writes: list[tuple[Callable[[], object], int]] = [
        (lambda: watched.book.create(Book(isbn="b9", title="t", author_id=1)), 2),
        (lambda: watched.book.save(book), 2),
        (lambda: watched.book.update("b1", col(Book.pages).to(3)), 3),
        (lambda: watched.book.increment("b1", Book.pages), 3),
    ]
    for write, most in writes:
        with _trips(place) as counted:
            write()
        assert 1 <= counted[0] <= most


def test_a_transaction_waits_for_its_reads_and_one_commit(cloud: Cloud, place: Place) -> None:
    for resource in ("cores", "ram", "disk"):
        cloud.quota.create(Quota(project="p", resource=resource))
    with _trips(place) as counted, cloud.transaction() as tx:
        for resource in ("cores", "ram"):
            quota = tx.quota.get(("p", resource))
            quota.used += 1
            tx.quota.save(quota)
        tx.quota.get(("p", "disk"))
        assert [call.round_trips for call in place.calls] == [1, 1, 1]
        place.calls.clear()
    # A key-value store needs two; a database in SQL begins, looks at the epoch, says each change, and commits.
    assert counted[0] <= 3 + 3
