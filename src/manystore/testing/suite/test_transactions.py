"""Transactions: what is seen inside, what the end writes or refuses, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from manystore import (
    Conflict,
    Duplicate,
    MissingReference,
    NotFound,
    OutOfBounds,
    UsageError,
    asc,
    col,
    count,
    desc,
    max_,
    sum_,
)
from manystore.testing.models import FIGURES, LINE, SHELF, Address, Author, Book, Cloud, Library, Quota
from manystore.testing.provision import Place


@pytest.fixture
def stacks(library: Library) -> Library:
    """An author with four books, b0 to b3, of 0 to 30 pages."""
    author = library.author.create(Author(name="a"))
    library.book.create_all(
        [Book(isbn=f"b{n}", title=f"t{n}", author_id=author.id, pages=10 * n, extra={"n": n}) for n in range(4)]
    )
    return library


def _pages(library: Library) -> dict[str, int]:
    return {book.isbn: book.pages for book in library.book.find(scan=True)}


def _write_a_bit_of_everything(tx: Library) -> None:
    """Leaves b0 with 5 pages, b1 gone, b2 as it was, b3 with another title, b9 new with 90 pages."""
    tx.book.update("b0", col(Book.pages).to(5))
    tx.book.delete("b1")
    book = tx.book.get("b3")
    book.title = "t0"
    tx.book.save(book)
    tx.book.create(Book(isbn="b9", title="t9", author_id=1, pages=90))


# --- what is seen inside ---------------------------------------------------------------------------------------------


def test_its_own_writes_are_seen_by_get_find_first_and_exists(stacks: Library) -> None:
    with stacks.transaction() as tx:
        _write_a_bit_of_everything(tx)
        assert _pages(tx) == {"b0": 5, "b2": 20, "b3": 30, "b9": 90}
        assert tx.book.get("b9").pages == 90
        with pytest.raises(NotFound):
            tx.book.get("b1")
        assert [b.isbn for b in tx.book.find(col(Book.title) == "t0")] == ["b0", "b3"]
        assert tx.book.find(col(Book.title).in_(["t1", "t3"])) == []
        assert not tx.book.exists(col(Book.title) == "t1")
        assert tx.book.exists(col(Book.title) == "t9")
        first = tx.book.first(col(Book.pages) > 50, scan=True)
        assert first is not None
        assert first.isbn == "b9"
        assert [b.isbn for b in tx.book.iterate(page=2, scan=True)] == ["b0", "b2", "b3", "b9"]
        assert _pages(stacks) == {"b0": 0, "b1": 10, "b2": 20, "b3": 30}  # and nobody else sees them
    assert _pages(stacks) == {"b0": 5, "b2": 20, "b3": 30, "b9": 90}
    assert [b.isbn for b in stacks.book.find(col(Book.title) == "t0")] == ["b0", "b3"]


def test_its_own_writes_are_counted_and_added_up(stacks: Library) -> None:
    with stacks.transaction() as tx:
        _write_a_bit_of_everything(tx)
        inside = (
            tx.book.count(scan=True),
            tx.book.count(col(Book.title) == "t0"),
            tx.book.aggregate(sum_(Book.pages), col(Book.author_id) == 1),
            tx.book.aggregate(max_(Book.pages), scan=True),
            tx.book.aggregate(count(), col(Book.title) == "t1"),
            tx.book.select(SHELF, scan=True),
            tx.book.select(FIGURES, scan=True),
            tx.book.select(FIGURES, col(Book.title) == "none"),
            tx.book.select(LINE, col(Book.author_id) == 1, order_by=desc(Book.title)),
        )
    assert inside[:5] == (4, 2, 145, 90, 0)
    assert inside == (
        stacks.book.count(scan=True),
        stacks.book.count(col(Book.title) == "t0"),
        stacks.book.aggregate(sum_(Book.pages), col(Book.author_id) == 1),
        stacks.book.aggregate(max_(Book.pages), scan=True),
        stacks.book.aggregate(count(), col(Book.title) == "t1"),
        stacks.book.select(SHELF, scan=True),
        stacks.book.select(FIGURES, scan=True),
        stacks.book.select(FIGURES, col(Book.title) == "none"),
        stacks.book.select(LINE, col(Book.author_id) == 1, order_by=desc(Book.title)),
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9])
def test_find_with_limit_order_and_after_over_pending_changes(stacks: Library, limit: int) -> None:
    expected = ["b9", "b3", "b2", "b0"]
    with stacks.transaction() as tx:
        _write_a_bit_of_everything(tx)
        order = (desc(Book.pages), asc(Book.title))
        found = tx.book.find(order_by=order, limit=limit, scan=True)
        assert [b.isbn for b in found] == expected[:limit]
        after = tx.book.find(order_by=order, limit=limit, after=found[0], scan=True)
        assert [b.isbn for b in after] == expected[1 : 1 + limit]
        text = tx.book.cursor(found[-1], order_by=order)
        rest = tx.book.find(order_by=order, limit=limit, after=text, scan=True)
        assert [b.isbn for b in rest] == expected[limit : 2 * limit]
        in_key_order = tx.book.find(col(Book.author_id) == 1, limit=limit)
        assert [b.isbn for b in in_key_order] == ["b0", "b2", "b3", "b9"][:limit]


def test_a_limit_is_filled_past_records_deleted_inside(stacks: Library) -> None:
    with stacks.transaction() as tx:
        for isbn in ("b0", "b1", "b2"):
            tx.book.delete(isbn)
        assert [b.isbn for b in tx.book.find(order_by=asc(Book.isbn), limit=1)] == ["b3"]
        assert [b.isbn for b in tx.book.find(col(Book.author_id) == 1, limit=2)] == ["b3"]
        assert tx.book.find(col(Book.author_id) == 1, limit=0) == []


def test_one_key_is_one_object(stacks: Library) -> None:
    with stacks.transaction() as tx:
        book = tx.book.get("b1")
        assert tx.book.get("b1") is book
        assert tx.book.find(col(Book.title) == "t1")[0] is book
        assert tx.book.first(col(Book.isbn) == "b1") is book
        assert tx.book.update("b1", col(Book.pages).to(1)) is book
        assert tx.book.find(col(Book.title) == "t1")[0] is book
        made = tx.book.create(Book(isbn="b9", title="t9", author_id=1))
        assert tx.book.get("b9") is made
        assert tx.book.find(col(Book.title) == "t9") == [made]
        assert tx.book.find(col(Book.title) == "t9")[0] is made


def test_what_is_not_saved_is_not_written(stacks: Library) -> None:
    with stacks.transaction() as tx:
        tx.book.get("b0").pages = 100
        saved = tx.book.get("b1")
        saved.pages = 11
        saved.extra["n"] = 11
        tx.book.save(saved)
        saved.pages = 12
        saved.extra["n"] = 12
        made = tx.book.create(Book(isbn="b9", title="t9", author_id=1, extra={"n": 9}))
        made.pages = 99
        made.extra["n"] = 99
        assert tx.book.count(col(Book.pages) == 12, scan=True) == 0  # a filter sees what was saved
    assert _pages(stacks) == {"b0": 0, "b1": 11, "b2": 20, "b3": 30, "b9": 0}
    assert [stacks.book.get(isbn).extra for isbn in ("b1", "b9")] == [{"n": 11}, {"n": 9}]


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_record_that_was_read_and_changed_elsewhere_is_a_conflict(stacks: Library) -> None:
    reads: list[Callable[[Library], object]] = [
        lambda tx: tx.book.get("b0"),
        lambda tx: tx.book.find(col(Book.title) == "t0"),
        lambda tx: tx.book.first(col(Book.isbn) == "b0"),
        lambda tx: list(tx.book.iterate(col(Book.title) == "t0")),
    ]
    for read in reads:
        with pytest.raises(Conflict) as caught, stacks.transaction() as tx:
            read(tx)
            tx.book.update("b1", col(Book.pages).to(11))
            stacks.book.update("b0", col(Book.weight).to(1.0))
        assert (caught.value.model, caught.value.key) == ("Book", "b0")
    assert stacks.book.get("b1").pages == 10


def test_a_record_that_was_read_and_deleted_elsewhere_is_a_conflict(stacks: Library) -> None:
    with pytest.raises(Conflict), stacks.transaction() as tx:
        tx.book.get("b0")
        tx.book.create(Book(isbn="b9", title="t9", author_id=1))
        stacks.book.delete("b0")
    assert set(_pages(stacks)) == {"b1", "b2", "b3"}


def test_only_reads_are_checked_as_well(stacks: Library) -> None:
    with pytest.raises(Conflict), stacks.transaction() as tx:
        tx.book.get("b0")
        stacks.book.update("b0", col(Book.pages).to(1))


def _make_anew(tx: Library) -> None:
    tx.book.delete("b0")
    tx.book.create(Book(isbn="b0", title="u", author_id=1))


_WRITES: list[Callable[[Library], object]] = [
    lambda tx: tx.book.update("b0", col(Book.pages).to(5)),
    lambda tx: tx.book.delete("b0"),
    lambda tx: tx.book.save(tx.book.get("b0")),
    lambda tx: tx.book.increment("b0", Book.pages),
    lambda tx: tx.book.upsert(Book(isbn="b0", title="u", author_id=1)),
    lambda tx: tx.book.claim(col(Book.title) == "t0", changes=[col(Book.pages).to(5)]),
    lambda tx: tx.book.update_where(col(Book.title) == "t0", changes=[col(Book.pages).to(5)]),
    lambda tx: tx.book.delete_where(col(Book.title) == "t0"),
    _make_anew,
]


@pytest.mark.parametrize(
    "write",
    _WRITES,
    ids=["update", "delete", "save", "increment", "upsert", "claim", "update_where", "delete_where", "anew"],
)
def test_a_record_written_here_and_elsewhere_is_a_conflict(stacks: Library, write: Callable[[Library], object]) -> None:
    with pytest.raises(Conflict), stacks.transaction() as tx:
        write(tx)
        stacks.book.update("b0", col(Book.pages).to(77))
    assert stacks.book.get("b0").pages == 77


def test_peek_is_not_checked(stacks: Library) -> None:
    with stacks.transaction() as tx:
        assert tx.peek.book.get("b0").pages == 0
        assert len(tx.peek.book.find(col(Book.author_id) == 1)) == 4
        tx.book.update("b1", col(Book.pages).to(11))
        assert tx.peek.book.get("b1").pages == 11  # it sees what is pending
        stacks.book.update("b0", col(Book.pages).to(1))
    assert _pages(stacks) == {"b0": 1, "b1": 11, "b2": 20, "b3": 30}
    with pytest.raises(UsageError):
        _ = stacks.peek


def test_an_exception_rolls_back(stacks: Library, place: Place) -> None:
    before = 0
    with pytest.raises(ZeroDivisionError), stacks.transaction() as tx:
        _write_a_bit_of_everything(tx)
        before = len(place.calls)
        _ = 1 // 0
    assert len(place.calls) == before  # nothing was sent
    assert _pages(stacks) == {"b0": 0, "b1": 10, "b2": 20, "b3": 30}


def test_a_failed_commit_writes_nothing_and_leaves_revisions(stacks: Library) -> None:
    book = stacks.book.get("b2")
    made = Book(isbn="b9", title="t9", author_id=1)
    with pytest.raises(MissingReference), stacks.transaction() as tx:
        book.pages = 21
        tx.book.save(book)
        tx.book.create(made)
        tx.book.delete("b0")
        tx.book.create(Book(isbn="b8", title="t8", author_id=99))
    assert _pages(stacks) == {"b0": 0, "b1": 10, "b2": 20, "b3": 30}
    with pytest.raises(UsageError):
        stacks.book.save(made)  # it was never stored
    stacks.book.save(book)  # still the revision that the store has
    stacks.book.create(made)
    assert _pages(stacks) == {"b0": 0, "b1": 10, "b2": 21, "b3": 30, "b9": 0}


def test_a_commit_gives_the_objects_their_new_revisions(stacks: Library) -> None:
    with stacks.transaction() as tx:
        changed = tx.book.update("b0", col(Book.pages).to(1))
        made = tx.book.create(Book(isbn="b9", title="t9", author_id=1))
        changed_twice = tx.book.increment("b1", Book.pages)
        tx.book.save(changed_twice)
    for book in (changed, made, changed_twice):
        book.pages += 100
        stacks.book.save(book)
    assert _pages(stacks) == {"b0": 101, "b1": 111, "b2": 20, "b3": 30, "b9": 100}


def test_a_taken_key_is_found_at_the_end_or_at_once(stacks: Library) -> None:
    with pytest.raises(Duplicate) as caught, stacks.transaction() as tx:
        tx.book.update("b1", col(Book.pages).to(11))
        tx.book.create(Book(isbn="b0", title="t", author_id=1))
    assert caught.value.fields == ("isbn",)
    assert stacks.book.get("b1").pages == 10
    with stacks.transaction() as tx:
        tx.book.get("b0")
        with pytest.raises(Duplicate):
            tx.book.create(Book(isbn="b0", title="t", author_id=1))
        tx.book.create(Book(isbn="b9", title="t", author_id=1))
        with pytest.raises(Duplicate):
            tx.book.create(Book(isbn="b9", title="t", author_id=1))
    assert len(_pages(stacks)) == 5


def test_created_and_deleted_in_one_is_nothing(stacks: Library, place: Place) -> None:
    with stacks.transaction() as tx:
        made = tx.book.create(Book(isbn="b9", title="t9", author_id=1))
        tx.book.delete(made)
        with pytest.raises(NotFound):
            tx.book.get("b9")
        before = len(place.calls)
    assert len(place.calls) == before  # there was nothing to write
    assert "b9" not in _pages(stacks)


def test_deleted_and_created_in_one_is_a_new_record(stacks: Library) -> None:
    old = stacks.book.get("b0")
    with stacks.transaction() as tx:
        tx.book.delete("b0")
        made = tx.book.create(Book(isbn="b0", title="new", author_id=1, pages=7))
        assert tx.book.get("b0") is made
    assert (stacks.book.get("b0").title, stacks.book.get("b0").extra) == ("new", {})
    assert not stacks.book.exists(col(Book.title) == "t0")
    with pytest.raises(Conflict):
        stacks.book.save(old)
    stacks.book.save(made)


def test_saved_twice_in_one(stacks: Library) -> None:
    with stacks.transaction() as tx:
        book = tx.book.get("b0")
        for pages in (1, 2):
            book.pages = pages
            tx.book.save(book)
        tx.book.increment("b0", Book.pages, 40)
        made = tx.book.create(Book(isbn="b9", title="t9", author_id=1))
        made.pages = 9
        tx.book.save(made)
        made.title = "u9"
        tx.book.save(made)
    assert _pages(stacks) == {"b0": 42, "b1": 10, "b2": 20, "b3": 30, "b9": 9}
    assert not stacks.book.exists(col(Book.title) == "t9")
    assert stacks.book.exists(col(Book.title) == "u9")


def test_a_stale_object_is_refused_inside(stacks: Library) -> None:
    stale = stacks.book.get("b0")
    stacks.book.update("b0", col(Book.pages).to(1))
    with pytest.raises(Conflict), stacks.transaction() as tx:
        tx.book.get("b0")
        tx.book.save(stale)
    with pytest.raises(Conflict), stacks.transaction() as tx:
        tx.book.save(stale)
    with stacks.transaction() as tx:
        tx.book.delete("b1")
        with pytest.raises(NotFound):
            tx.book.update("b1", col(Book.pages).to(3))
        with pytest.raises(NotFound):
            tx.book.delete("b1")


def test_increment_and_claim_inside(cloud: Cloud) -> None:
    cloud.quota.create(Quota(project="p", resource="cores", used=3))
    cloud.address.create_all([Address(ip=IPv4Address(f"10.0.0.{n}")) for n in range(3)])
    free = col(Address.server_id).is_(None)
    with cloud.transaction() as tx:
        assert tx.quota.increment(("p", "cores"), Quota.used, 2, high=5).used == 5
        with pytest.raises(OutOfBounds):
            tx.quota.increment(("p", "cores"), Quota.used, 1, high=5)
        taken = {tx.address.claim(free, changes=[col(Address.server_id).to("s")]).ip for _ in range(3)}
        assert len(taken) == 3
        assert tx.address.count(free) == 0
    assert cloud.quota.get(("p", "cores")).used == 5
    assert cloud.address.count(col(Address.server_id) == "s") == 3
