"""Around transactions: running one again, idempotency keys, the limit of a step, threads, and the end of it all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import pytest

from manystore import (
    AlreadyCommitted,
    Closed,
    Conflict,
    Duplicate,
    NotFound,
    TooLarge,
    UsageError,
    col,
    everything,
)
from manystore.testing.models import Author, Book, Folder, Library, Reader
from manystore.testing.provision import Place


@pytest.fixture
def borrower(library: Library) -> Reader:
    """The only reader."""
    return library.reader.create(Reader(name="r", card="0"))


def _disturb(library: Library) -> None:
    """Change the only reader, as another program would."""
    (reader,) = library.reader.find(scan=True)
    library.reader.update(reader.id, col(Reader.card).to(str(int(reader.card or 0) + 100)))


# --- running it again ------------------------------------------------------------------------------------------------


def test_retrying_gives_what_its_function_gives(library: Library, borrower: Reader) -> None:
    assert library.retrying(lambda tx: tx.reader.get(borrower.id)) == borrower
    made = library.retrying(lambda tx: tx.reader.create(Reader(name="new")))
    assert library.reader.get(made.id).name == "new"


def test_retrying_runs_again_after_a_conflict(place: Place, library: Library, borrower: Reader) -> None:
    pauses: list[float] = []
    mine = place.connect(Library, wait=pauses.append)
    seen: list[str | None] = []

    def run(tx: Library) -> int:
        reader = tx.reader.get(borrower.id)
        seen.append(reader.card)
        if len(seen) < 4:
            _disturb(library)
        tx.reader.update(borrower.id, col(Reader.name).to(f"try {len(seen)}"))
        return len(seen)

    assert mine.retrying(run) == 4
    assert seen == ["0", "100", "200", "300"]  # each try reads anew
    assert library.reader.get(borrower.id).name == "try 4"
    assert len(pauses) == 3
    assert all(pause >= 0 for pause in pauses)
    assert len(set(pauses)) > 1  # they are random


def test_retrying_gives_up_at_its_deadline(place: Place, library: Library, borrower: Reader) -> None:
    pauses: list[float] = []
    mine = place.connect(Library, wait=pauses.append)

    def run(tx: Library) -> None:
        tx.reader.get(borrower.id)
        _disturb(library)

    with pytest.raises(Conflict):
        mine.retrying(run, deadline=2.0)
    assert len(pauses) > 2
    assert sum(pauses) < 2.0
    pauses.clear()
    with pytest.raises(Conflict):
        mine.retrying(run, deadline=0.0)
    assert pauses == []


def test_an_error_over_stale_reads_is_a_conflict(place: Place, library: Library, borrower: Reader) -> None:
    pauses: list[float] = []
    mine = place.connect(Library, wait=pauses.append)
    tries = 0

    def run(tx: Library) -> str:
        nonlocal tries
        tries += 1
        reader = tx.reader.get(borrower.id)
        if tries == 1:
            _disturb(library)
        assert reader.card is not None
        if reader.card == "0":
            raise ValueError("what it read led to this")
        return reader.card

    assert mine.retrying(run) == "100"
    assert (tries, len(pauses)) == (2, 1)


@pytest.mark.parametrize("error", [ValueError("mine"), NotFound("Reader", 99), UsageError("mine")])
def test_an_error_over_what_still_holds_is_raised_as_it_is(
    library: Library, borrower: Reader, error: Exception
) -> None:
    tries = 0

    def run(tx: Library) -> None:
        nonlocal tries
        tries += 1
        tx.reader.update(borrower.id, col(Reader.name).to("never"))
        raise error

    with pytest.raises(type(error)) as caught:
        library.retrying(run)
    assert caught.value is error
    assert tries == 1
    assert library.reader.get(borrower.id).name == "r"


def test_retrying_adds_up_what_several_threads_write(place: Place, library: Library, borrower: Reader) -> None:
    databases = [place.connect(Library) for _ in range(2)]
    failed: list[Exception] = []

    def bump(tx: Library) -> None:
        reader = tx.reader.get(borrower.id)
        reader.card = str(int(reader.card or 0) + 1)
        tx.reader.save(reader)

    def work(db: Library) -> None:
        try:
            for _ in range(10):
                db.retrying(bump)
        except Exception as error:  # noqa: BLE001 - it is asserted on in the test's own thread
            failed.append(error)

    _together([partial(work, db) for db in databases for _ in range(2)])
    assert failed == []
    assert library.reader.get(borrower.id).card == "40"


def _together(work: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_atomic_runs_alone_or_within_the_transaction(library: Library, borrower: Reader) -> None:
    tries = 0

    def rename(tx: Library) -> str:
        nonlocal tries
        tries += 1
        reader = tx.reader.get(borrower.id)
        if tries == 1:
            _disturb(library)
        reader.name = f"{tries}"
        return tx.reader.save(reader).name

    assert library.atomic(rename) == "2"  # alone it is run again after the conflict
    with library.transaction() as tx:
        assert tx.atomic(rename) == "3"
        assert library.reader.get(borrower.id).name == "2"
    assert library.reader.get(borrower.id).name == "3"


# --- idempotency keys ------------------------------------------------------------------------------------------------


def test_an_idempotency_key_lets_one_commit_through(library: Library, place: Place, borrower: Reader) -> None:
    with library.transaction(idempotency_key="order 7") as tx:
        tx.reader.update(borrower.id, col(Reader.name).to("once"))
    entered = False
    with pytest.raises(AlreadyCommitted) as caught, place.connect(Library).transaction(idempotency_key="order 7"):
        entered = True
    assert not entered
    assert caught.value.key == "order 7"
    with pytest.raises(AlreadyCommitted):
        library.retrying(lambda tx: tx.reader.get(borrower.id), idempotency_key="order 7")
    with library.transaction(idempotency_key="order 8") as tx:
        tx.reader.update(borrower.id, col(Reader.name).to("twice"))
    assert library.reader.get(borrower.id).name == "twice"


def test_two_at_once_with_one_idempotency_key(library: Library, place: Place) -> None:
    with pytest.raises(AlreadyCommitted), library.transaction(idempotency_key="k") as slow:
        slow.folder.create(Folder(path="slow"))
        with place.connect(Library).transaction(idempotency_key="k") as fast:
            fast.folder.create(Folder(path="fast"))
    assert [f.path for f in library.folder.find(scan=True)] == ["fast"]


def test_a_failed_commit_leaves_its_idempotency_key_free(library: Library) -> None:
    library.folder.create(Folder(path="there"))
    with pytest.raises(Duplicate) as caught, library.transaction(idempotency_key="k") as tx:
        tx.folder.create(Folder(path="there"))
    assert caught.value.model == "Folder"
    with library.transaction(idempotency_key="k") as tx:
        tx.folder.create(Folder(path="new"))
    assert library.folder.count(scan=True) == 2


def test_a_forgotten_idempotency_key_may_be_used_again(library: Library) -> None:
    for path in ("a", "b"):
        with library.transaction(idempotency_key="k") as tx:
            tx.folder.create(Folder(path=path))
        library.forget("k")
    assert library.folder.count(scan=True) == 2
    with pytest.raises(NotFound):
        library.forget("k")


def test_a_commit_of_nothing_but_an_idempotency_key(library: Library) -> None:
    with library.transaction(idempotency_key="k"):
        pass
    with pytest.raises(AlreadyCommitted), library.transaction(idempotency_key="k"):
        pass


@pytest.mark.parametrize("wrong", ["", "x" * 256, 7])
def test_what_is_no_idempotency_key_is_refused(library: Library, wrong: Any) -> None:
    with pytest.raises(UsageError), library.transaction(idempotency_key=wrong):
        pass


# --- the limit of a step ---------------------------------------------------------------------------------------------


@pytest.fixture
def narrow(place: Place) -> Library:
    """A library at a place where a step holds 40 primitive operations and 5,000 bytes."""
    place.url += ("&" if "?" in place.url else "?") + "max_operations=40&max_bytes=5000"
    return place.connect(Library)


def test_too_many_operations_are_refused_before_anything_is_sent(narrow: Library, place: Place) -> None:
    before = 0
    with pytest.raises(TooLarge) as caught, narrow.transaction() as tx:
        for n in range(40):
            tx.folder.create(Folder(path=str(n)))
        before = len(place.calls)
    assert len(place.calls) == before
    assert caught.value.limit == 40
    assert caught.value.size > 40
    assert narrow.folder.count(scan=True) == 0


def test_too_many_bytes_are_refused_before_anything_is_sent(narrow: Library, place: Place) -> None:
    narrow.author.create(Author(name="a"))
    before = 0
    with pytest.raises(TooLarge) as caught, narrow.transaction() as tx:
        tx.book.create(Book(isbn="1", title="t", author_id=1, extra={"text": "x" * 3000}))
        tx.book.create(Book(isbn="2", title="t", author_id=1, extra={"text": "x" * 3000}))
        before = len(place.calls)
    assert len(place.calls) == before
    assert (caught.value.what, caught.value.limit) == ("bytes", 5000)
    assert narrow.book.count(scan=True) == 0


def test_reads_count_towards_the_limit(narrow: Library) -> None:
    narrow.folder.create_all([Folder(path=str(n)) for n in range(50)])
    with pytest.raises(TooLarge), narrow.transaction() as tx:
        assert len(tx.folder.find(scan=True)) == 50
    with narrow.transaction() as tx:
        assert len(tx.peek.folder.find(scan=True)) == 50
        tx.folder.create(Folder(path="new"))


def test_one_record_over_the_limit_is_refused_outside_too(narrow: Library) -> None:
    narrow.author.create(Author(name="a"))
    wide = Book(isbn="1", title="t", author_id=1, extra={"text": "x" * 6000})
    with pytest.raises(TooLarge):
        narrow.book.create(wide)
    with pytest.raises(TooLarge):
        narrow.book.create_all([wide])
    assert narrow.book.count(scan=True) == 0


def test_in_bulk_outside_a_transaction_the_limit_makes_several_steps(narrow: Library) -> None:
    narrow.folder.create_all([Folder(path=f"{n:03}") for n in range(100)])
    assert narrow.folder.update_where(everything(), changes=[col(Folder.parent).to("000")], scan=True) == 100
    narrow.folder.update_where(everything(), changes=[col(Folder.parent).to(None)], scan=True)
    assert narrow.folder.delete_where(everything(), scan=True) == 100


def test_a_bulk_call_that_fails_says_how_far_it_got(narrow: Library) -> None:
    narrow.author.create(Author(name="70"))
    authors = [Author(name=str(n), born=date(2000, 1, 1)) for n in range(100)]
    with pytest.raises(Duplicate) as caught:
        narrow.author.create_all(authors)
    done = caught.value.done
    assert done is not None
    assert 0 < done <= 70
    assert narrow.author.count(scan=True) == 1 + done
    narrow.author.create_all([author for author in authors[done:] if author.name != "70"])
    assert narrow.author.count(scan=True) == 100


# --- threads, and the end --------------------------------------------------------------------------------------------


def test_a_transaction_belongs_to_one_thread(library: Library, borrower: Reader) -> None:
    caught: list[BaseException] = []

    def elsewhere(call: Callable[[], object]) -> None:
        try:
            call()
        except UsageError as error:
            caught.append(error)

    with library.transaction() as tx:
        calls: list[Callable[[], object]] = [
            lambda: tx.reader.get(borrower.id),
            lambda: tx.reader.find(scan=True),
            lambda: tx.reader.count(scan=True),
            lambda: tx.reader.create(Reader(name="no")),
            lambda: tx.reader.delete(borrower),
        ]
        _together([partial(elsewhere, call) for call in calls])
        assert len(caught) == len(calls)
        tx.reader.update(borrower.id, col(Reader.name).to("here"))
    assert [r.name for r in library.reader.find(scan=True)] == ["here"]


def test_after_its_end_a_transaction_is_closed(library: Library, borrower: Reader) -> None:
    with library.transaction() as tx:
        tx.reader.get(borrower.id)
    with pytest.raises(ZeroDivisionError), library.transaction() as broken:
        _ = 1 // 0
    for ended in (tx, broken):
        calls: list[Callable[[Library], object]] = [
            lambda db: db.reader.get(borrower.id),
            lambda db: db.reader.find(scan=True),
            lambda db: db.reader.count(scan=True),
            lambda db: db.reader.create(Reader(name="no")),
            lambda db: db.reader.save(borrower),
            lambda db: db.reader.delete(borrower.id),
            lambda db: db.peek.reader.get(borrower.id),
            lambda db: db.reader.delete_where(everything(), scan=True),
        ]
        for call in calls:
            with pytest.raises(Closed):
                call(ended)
    assert library.reader.count(scan=True) == 1


def test_transactions_do_not_nest(library: Library) -> None:
    with library.transaction() as tx:
        with pytest.raises(UsageError), tx.transaction():
            pass
        with pytest.raises(UsageError):
            tx.retrying(lambda _: None)
        tx.folder.create(Folder(path="still open"))
    assert library.folder.count(scan=True) == 1


def test_two_transactions_beside_each_other(library: Library, borrower: Reader) -> None:
    with pytest.raises(Conflict), library.transaction() as outer:
        outer.reader.update(borrower.id, col(Reader.name).to("outer"))
        with library.transaction() as inner:
            assert inner.reader.get(borrower.id).name == "r"
            inner.reader.update(borrower.id, col(Reader.name).to("inner"))
    assert library.reader.get(borrower.id).name == "inner"


def test_after_close_everything_is_closed(place: Place) -> None:
    mine = place.connect(Library)
    mine.close()
    mine.close()
    calls: list[Callable[[], object]] = [
        lambda: mine.folder.get("a"),
        lambda: mine.folder.find(scan=True),
        lambda: mine.folder.create(Folder(path="a")),
        lambda: mine.folder.count(scan=True),
        lambda: mine.author.create(Author(name="a")),
        lambda: mine.forget("k"),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()
    with pytest.raises(Closed), mine.transaction(idempotency_key="k"):
        pass
