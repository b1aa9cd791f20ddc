"""Changes in place and in bulk: update, edit, upsert, increment, claim, update_where, delete_where."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Any, Literal

import pytest

from manystore import (
    Conflict,
    Database,
    Duplicate,
    Exhausted,
    NoAccessPath,
    NotFound,
    OutOfBounds,
    Repository,
    UsageError,
    ValueRefused,
    col,
    everything,
    field,
    model,
    ref,
)
from manystore.testing.models import (
    Address,
    Author,
    Book,
    Cloud,
    Library,
    Quota,
    Reader,
    Sample,
    Samples,
    State,
)
from manystore.testing.provision import Clock, Place

# --- update and edit -------------------------------------------------------------------------------------------------


@pytest.fixture
def ten_books(library: Library) -> Library:
    """An author with ten books."""
    author = library.author.create(Author(name="a"))
    library.book.create_all([Book(isbn=str(n), title=f"t{n}", author_id=author.id, pages=n) for n in range(10)])
    return library


def test_update_changes_the_named_fields_and_gives_the_record(ten_books: Library) -> None:
    stale = ten_books.book.get("3")
    updated = ten_books.book.update("3", col(Book.pages).to(99), col(Book.state).to(State.PRINTED))
    assert (updated.pages, updated.state, updated.title) == (99, State.PRINTED, "t3")
    assert ten_books.book.get("3") == updated
    ten_books.book.save(updated)  # what update gives can be saved
    with pytest.raises(Conflict):
        ten_books.book.save(stale)


def test_update_keeps_indexes_right(ten_books: Library) -> None:
    ten_books.book.update("3", col(Book.title).to("zzz"))
    assert ten_books.book.find(col(Book.title) == "t3") == []
    assert [b.isbn for b in ten_books.book.find(col(Book.title) > "t9")] == ["3"]


def test_update_of_nothing_is_not_found(ten_books: Library) -> None:
    with pytest.raises(NotFound) as caught:
        ten_books.book.update("none", col(Book.pages).to(1))
    assert caught.value.key == "none"


def test_update_to_none_and_back(ten_books: Library) -> None:
    ten_books.book.update("3", col(Book.price).to(Decimal("9.90")))
    assert ten_books.book.get("3").price == Decimal("9.90")
    ten_books.book.update("3", col(Book.price).to(None))
    assert ten_books.book.get("3").price is None


def test_update_refuses_what_makes_no_sense(ten_books: Library) -> None:
    with pytest.raises(ValueRefused):
        ten_books.book.update("3", col(Book.isbn).to("33"))
    with pytest.raises(UsageError):
        ten_books.book.update("3", col(Book.pages).to(1), col(Book.pages).to(2))
    with pytest.raises(UsageError):
        ten_books.book.update("3", col(Author.name).to("x"))
    with pytest.raises(UsageError):
        ten_books.book.update("3", col(Book.pages) == 1)  # type: ignore[arg-type]
    assert ten_books.book.get("3").pages == 3


def test_update_sets_the_stamp(ten_books: Library, clock: Clock) -> None:
    clock.now += timedelta(days=1)
    before = clock.now
    updated = ten_books.book.update("3", col(Book.pages).to(1))
    assert updated.updated_at is not None
    assert before < updated.updated_at <= clock.now


def test_edit_saves_at_the_end(ten_books: Library) -> None:
    with ten_books.book.edit("3") as book:
        book.pages += 1
        book.extra["a"] = 1
        assert ten_books.book.get("3").pages == 3
    assert ten_books.book.get("3").pages == 4
    assert ten_books.book.get("3").extra == {"a": 1}


def test_edit_writes_nothing_when_the_block_raises(ten_books: Library) -> None:
    with pytest.raises(ZeroDivisionError), ten_books.book.edit("3") as book:
        book.pages = 1 // 0
    assert ten_books.book.get("3").pages == 3


def test_edit_loses_to_another_change(ten_books: Library) -> None:
    with pytest.raises(Conflict), ten_books.book.edit("3") as book:
        ten_books.book.update("3", col(Book.pages).to(50))
        book.pages = 60
    assert ten_books.book.get("3").pages == 50


# --- in bulk ---------------------------------------------------------------------------------------------------------


def test_update_where(ten_books: Library) -> None:
    assert ten_books.book.update_where(col(Book.title) >= "t7", changes=[col(Book.state).to(State.PULPED)]) == 3
    assert [b.isbn for b in ten_books.book.find(col(Book.state) == State.PULPED)] == ["9", "8", "7"][::-1]
    assert ten_books.book.update_where(col(Book.title) == "none", changes=[col(Book.pages).to(0)]) == 0


def test_update_where_of_the_field_it_looks_at(ten_books: Library) -> None:
    assert ten_books.book.update_where(col(Book.title) >= "t0", changes=[col(Book.title).to("t5")]) == 10
    assert ten_books.book.count(col(Book.title) == "t5") == 10
    assert ten_books.book.count(col(Book.title) != "t5", scan=True) == 0


def test_bulk_needs_a_filter_and_a_path(ten_books: Library) -> None:
    wrongs: list[Callable[[], Any]] = [
        lambda: ten_books.book.update_where(changes=[col(Book.pages).to(0)]),  # type: ignore[call-arg]
        lambda: ten_books.book.delete_where(),  # type: ignore[call-arg]  # noqa: PLW0108 - not called here
    ]
    for wrong in wrongs:
        with pytest.raises((UsageError, TypeError)):
            wrong()
    with pytest.raises(NoAccessPath):
        ten_books.book.delete_where(col(Book.pages) == 3)
    with pytest.raises(NoAccessPath):
        ten_books.book.delete_where(everything())
    assert ten_books.book.count(scan=True) == 10
    assert ten_books.book.delete_where(everything(), scan=True) == 10


def test_delete_where(ten_books: Library) -> None:
    assert ten_books.book.delete_where(col(Book.title).in_(["t1", "t4", "none"])) == 2
    assert [b.isbn for b in ten_books.book.find(limit=20)] == ["0", "2", "3", "5", "6", "7", "8", "9"]


def test_bulk_is_a_series_of_steps_that_tells_how_far_it_got(place: Place) -> None:
    place.url += ("&" if "?" in place.url else "?") + "max_operations=20"
    library = place.connect(Library)
    kept = library.reader.create(Reader(name="kept", card="c30"))
    records = [Reader(name=f"r{n}", card=f"c{n}") for n in range(60)]
    with pytest.raises(Duplicate) as caught:
        library.reader.create_all(records)
    done = caught.value.done
    assert done is not None
    assert 0 < done <= 30
    stored = library.reader.find(scan=True)
    assert [r.name for r in stored] == ["kept", *(r.name for r in records[:done])]
    assert library.reader.get(records[done - 1].id) == records[done - 1]
    library.reader.delete(kept)
    library.reader.create_all(records[done:])
    assert library.reader.count(scan=True) == 60
    assert library.reader.update_where(everything(), changes=[col(Reader.card).to(None)], scan=True) == 60
    assert library.reader.delete_where(everything(), scan=True) == 60


def test_update_where_tells_how_far_it_got(place: Place) -> None:
    place.url += ("&" if "?" in place.url else "?") + "max_operations=20"
    library = place.connect(Library)
    library.reader.create_all([Reader(name=f"r{n}") for n in range(20)])
    with pytest.raises(Duplicate) as caught:
        library.reader.update_where(everything(), changes=[col(Reader.card).to("same")], scan=True)
    assert caught.value.done == 0
    assert library.reader.count(col(Reader.card).is_not(None), scan=True) == 0


# --- upsert ----------------------------------------------------------------------------------------------------------


def test_upsert_by_key(samples: Samples) -> None:
    samples.sample.upsert(Sample(id=1, text="new", whole=1))
    made = samples.sample.upsert(Sample(id=1, text="newer"))
    assert samples.sample.find(limit=9) == [Sample(id=1, text="newer")] == [made]
    made.text = "newest"
    samples.sample.save(made)
    assert samples.sample.find(col(Sample.text) == "new") == []


def test_upsert_by_a_unique(library: Library) -> None:
    ada = library.author.upsert(Author(name="Ada", first="A"), by=(Author.name,))
    again = library.author.upsert(Author(name="Ada", first="Augusta"), by=(Author.name,))
    assert again.id == ada.id
    assert [(a.name, a.first) for a in library.author.find(limit=9)] == [("Ada", "Augusta")]
    with pytest.raises(UsageError):
        library.author.upsert(Author(name="x"), by=(Author.first,))


def test_upsert_of_a_generated_key_creates(library: Library) -> None:
    one, two = library.reader.upsert(Reader(name="r")), library.reader.upsert(Reader(name="r"))
    assert one.id != two.id


@model
class WareKind:
    """What wares refer to."""

    code: int = field(key=True)


@model
class Ware:
    """Has ints that are more than numbers."""

    id: int = field(key=True)
    shop: int = field(scope=True)
    kind: int = ref(WareKind.code)
    size: Literal[1, 2] = 1


class WareShop(Database):
    """A shop."""

    kind: Repository[WareKind, int]
    ware: Repository[Ware, int]


# --- increment -------------------------------------------------------------------------------------------------------


@pytest.fixture
def quota(cloud: Cloud) -> Cloud:
    """One quota, at 5."""
    cloud.quota.create(Quota(project="p", resource="cores", used=5))
    return cloud


def test_increment(quota: Cloud) -> None:
    key = ("p", "cores")
    assert quota.quota.increment(key, Quota.used).used == 6
    assert quota.quota.increment(key, Quota.used, 10).used == 16
    assert quota.quota.increment(key, Quota.used, -20).used == -4
    assert quota.quota.increment(key, Quota.reserved, 3).reserved == 3  # None counts as 0
    assert quota.quota.increment(key, Quota.spent, Decimal("1.25")).spent == Decimal("1.25")
    read = quota.quota.get(key)
    assert (read.used, read.reserved, read.spent) == (-4, 3, Decimal("1.25"))
    with pytest.raises(NotFound):
        quota.quota.increment(("p", "none"), Quota.used)


def test_increment_leaves_keys_references_and_scopes_alone(place: Place) -> None:
    shop = place.connect(WareShop)
    shop.kind.create(WareKind(code=1))
    shop.ware.create(Ware(id=1, shop=1, kind=1))
    for slot in (Ware.id, Ware.shop, Ware.kind, Ware.size):
        for view in (shop, shop.scoped(1)):
            with pytest.raises(UsageError):
                view.ware.increment(1, slot)
    assert shop.ware.get(1) == Ware(id=1, shop=1, kind=1)


@pytest.mark.parametrize(
    ("by", "low", "high", "result"),
    [(5, None, 10, 10), (6, None, 10, None), (-5, 0, None, 0), (-6, 0, None, None), (0, 6, 9, None), (3, 0, 8, 8)],
)
def test_increment_within_bounds(quota: Cloud, by: int, low: int | None, high: int | None, result: int | None) -> None:
    key = ("p", "cores")
    if result is not None:
        assert quota.quota.increment(key, Quota.used, by, low=low, high=high).used == result
        return
    with pytest.raises(OutOfBounds) as caught:
        quota.quota.increment(key, Quota.used, by, low=low, high=high)
    assert (caught.value.model, caught.value.field) == ("Quota", "used")
    assert quota.quota.get(key).used == 5


def test_increment_stays_within_what_the_field_holds(quota: Cloud) -> None:
    key = ("p", "cores")
    quota.quota.update(key, col(Quota.used).to(2**63 - 2), col(Quota.spent).to(Decimal("999999.98")))
    assert quota.quota.increment(key, Quota.used).used == 2**63 - 1
    with pytest.raises(OutOfBounds):
        quota.quota.increment(key, Quota.used)
    assert quota.quota.increment(key, Quota.spent, Decimal("0.01")).spent == Decimal("999999.99")
    with pytest.raises(OutOfBounds):
        quota.quota.increment(key, Quota.spent, Decimal("0.01"))


def test_increment_goes_with_numbers(quota: Cloud) -> None:
    wrongs: list[Callable[[], Any]] = [
        lambda: quota.quota.increment(("p", "cores"), Quota.project),  # type: ignore[arg-type]
        lambda: quota.quota.increment(("p", "cores"), 5),
        lambda: quota.quota.increment(("p", "cores"), Author.id),
    ]
    for wrong in wrongs:
        with pytest.raises(UsageError):
            wrong()
    for refused in (1.5, "1", True):
        with pytest.raises(ValueRefused):
            quota.quota.increment(("p", "cores"), Quota.used, refused)


# --- claim ----------------------------------------------------------------------------------------------------------


def _addresses(cloud: Cloud, number: int) -> None:
    cloud.address.create_all([Address(ip=IPv4Address(f"10.0.0.{n}")) for n in range(number)])


FREE = col(Address.server_id).is_(None)


def test_claim_takes_one_that_matches(cloud: Cloud) -> None:
    _addresses(cloud, 3)
    taken = {cloud.address.claim(FREE, changes=[col(Address.server_id).to(f"s{n}")]).ip for n in range(3)}
    assert len(taken) == 3
    assert sorted(str(a.server_id) for a in cloud.address.find(limit=9)) == ["s0", "s1", "s2"]
    with pytest.raises(Exhausted) as caught:
        cloud.address.claim(FREE, changes=[col(Address.server_id).to("s3")])
    assert caught.value.model == "Address"
    cloud.address.update_where(col(Address.server_id) == "s1", changes=[col(Address.server_id).to(None)])
    claimed = cloud.address.claim(FREE, changes=[col(Address.server_id).to("s4")])
    assert claimed.server_id == "s4"
    claimed.server_id = None
    cloud.address.save(claimed)  # what claim gives can be saved


def test_claim_needs_a_filter_with_a_path(cloud: Cloud) -> None:
    _addresses(cloud, 1)
    with pytest.raises((UsageError, TypeError)):
        cloud.address.claim(changes=[col(Address.server_id).to("s")])
    with pytest.raises(NoAccessPath):
        cloud.address.claim(col(Address.leased_at).is_(None), changes=[col(Address.server_id).to("s")])
    with pytest.raises(UsageError):
        cloud.address.claim(FREE, changes=[])
