"""Threads at the same records: claims, increments, saves, creates, retries, and a target with its referrers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address

from manystore import Conflict, Duplicate, Exhausted, MissingReference, OutOfBounds, Restricted, asc, col
from manystore.testing.models import Address, Author, Book, Cloud, Library, Quota
from manystore.testing.provision import Place


def _race(number: int, work: Callable[[int], object]) -> list[BaseException]:
    """Do work(n) in so many threads at once; give what they raised."""
    barrier, failed = threading.Barrier(number), list[BaseException]()

    def run(n: int) -> None:
        barrier.wait()
        try:
            work(n)
        except Exception as error:  # noqa: BLE001 - handed to the test
            failed.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_racing_claims_never_take_the_same_one(place: Place) -> None:
    programs = [place.connect(Cloud), place.connect(Cloud)]
    programs[0].address.create_all([Address(ip=IPv4Address(f"10.0.0.{n}")) for n in range(40)])
    taken: list[IPv4Address] = []
    is_free = col(Address.server_id).is_(None)

    def work(n: int) -> None:
        changes = [col(Address.server_id).to(f"s{n}")]
        taken.extend(programs[n % 2].address.claim(is_free, changes=changes).ip for _ in range(10))

    assert _race(4, work) == []
    assert len(set(taken)) == len(taken) == 40
    holders = Counter(a.server_id for a in programs[0].address.find(limit=50))
    assert holders == {f"s{n}": 10 for n in range(4)}
    failed = _race(2, work)
    assert [type(error) for error in failed] == [Exhausted, Exhausted]


def test_racing_increments_lose_nothing_and_keep_the_bound(cloud: Cloud) -> None:
    cloud.quota.create(Quota(project="p", resource="cores", used=5))

    def work(_: int) -> None:
        for _ in range(10):
            cloud.quota.increment(("p", "cores"), Quota.used, high=40)

    failed = _race(4, work)
    assert cloud.quota.get(("p", "cores")).used == 40
    assert {type(error) for error in failed} == {OutOfBounds}


def test_of_racing_saves_one_wins(library: Library) -> None:
    author = library.author.create(Author(name="a"))
    copies = [library.author.get(author.id) for _ in range(4)]

    def work(n: int) -> None:
        copies[n].first = f"thread {n}"
        library.author.save(copies[n])

    failed = _race(4, work)
    assert [type(error) for error in failed] == [Conflict] * 3
    assert library.author.get(author.id).first in {f"thread {n}" for n in range(4)}


def test_of_racing_creates_one_has_the_unique(library: Library) -> None:
    failed = _race(4, lambda n: library.author.create(Author(name="same", first=str(n))))
    assert [type(error) for error in failed] == [Duplicate] * 3
    assert len(library.author.find(order_by=asc(Author.id), limit=9)) == 1


def test_racing_retries_all_come_through(library: Library) -> None:
    author = library.author.create(Author(name="a", first=""))

    def work(n: int) -> None:
        def add(tx: Library) -> None:
            with tx.author.edit(author.id) as there:
                there.first = f"{there.first}{n}"

        for _ in range(5):
            library.retrying(add)

    assert _race(3, work) == []
    assert Counter(library.author.get(author.id).first) == {"0": 5, "1": 5, "2": 5}


def test_a_target_and_its_referrers_at_once_leave_no_orphan(place: Place, library: Library) -> None:
    other = place.connect(Library)
    for n in range(12):
        author = library.author.create(Author(name=f"n{n}"))
        book = Book(isbn=str(n), title="t", author_id=author.id)
        calls = partial(other.book.create, book), partial(library.author.delete, author.id)
        failed = _race(2, lambda n, calls=calls: calls[n]())  # type: ignore[misc]
        assert [type(error) for error in failed] in ([Restricted], [MissingReference])
        assert library.author.exists(col(Author.id) == author.id) == library.book.exists(col(Book.isbn) == book.isbn)
