"""Build: what was there before gets its entries, claims and references, whatever others write meanwhile."""

from __future__ import annotations

import pytest

from manystore import errors
from manystore.schema.operation import Build
from manystore.stores.keyvalue.bulk import Limits
from manystore.stores.keyvalue.memory import Memory
from manystore.stores.keyvalue.store import KeyValueStore

from .shop import BADGE, BASE, BETWEEN, BUILDING, RIDER, Cutting, Shop, content, due, rider


@pytest.fixture
def shop() -> Shop:
    made = Shop()
    made.fill()
    return made


def free() -> Shop:
    """Make a shop whose mails need not be unique so far."""
    made = Shop()
    made.turn(indexes={"rider.unique_mail": "absent"})
    made.fill()
    return made


def mail(shop: Shop, key: int, address: str | None) -> None:
    """Give a rider another mail, as a program of the base does."""
    values = list(rider(key))
    values[2] = address
    shop.replace(RIDER, *values)


def test_only_what_is_building_is_built_and_each_page_goes_on_after_the_last(shop):
    shop.open()
    first = shop.store.alter(Build(shop.catalog.epoch, "rider", None, 8))
    assert (first.done, first.after) == (8, "a8")
    assert len(shop.names("i:rider.by_city")) == 8
    shop.build()
    assert content(shop.kv, BASE, BETWEEN) == due(shop.kv, shop.catalog)
    shop.ready()
    assert shop.build() == 0


def test_nothing_happens_under_another_catalog(shop):
    shop.open()
    with pytest.raises(errors.EpochChanged):
        shop.store.alter(Build("f" * 16, "rider"))
    kv = Cutting(shop.kv)
    other = KeyValueStore(kv, wait=lambda _: None)
    kv.before = shop.ready
    with pytest.raises(errors.EpochChanged):
        other.alter(Build(shop.catalog.epoch, "rider"))
    assert shop.names("i:rider.by_city") == []


def test_commits_are_as_long_as_the_url_allows():
    kv = Cutting(Memory())
    numbers: list[int] = []
    commit = kv.commit
    kv.commit = lambda *parts, epoch: (numbers.append(sum(map(len, parts))), commit(*parts, epoch=epoch))[1]
    shop = Shop(store=KeyValueStore(kv, wait=lambda _: None, limits=Limits(20, 10_000)))
    shop.fill()
    shop.open()
    numbers.clear()
    shop.build(limit=500)
    assert max(numbers) <= 20
    assert max(numbers) > 14
    shop.ready()
    shop.raise_()
    numbers.clear()
    shop.sweep(limit=500)
    shop.end()
    shop.clear()
    assert max(numbers) == 20


def test_values_that_are_there_twice_are_told_with_their_keys():
    twice = free()
    for key in (5, 10, 15):
        mail(twice, key, "m1@x")
    twice.open()
    twice.turn(indexes={**BUILDING, "rider.unique_mail": "building"})
    with pytest.raises(errors.MigrationRefused) as caught:
        twice.build(limit=500)
    assert str(caught.value) == "Rider: mail must be unique, but is there more than once, in the records 1, 5, 10, 15"
    assert len(twice.names("i:rider.by_city")) == 17  # the others have theirs
    for key in (5, 10, 15):
        mail(twice, key, None)
    twice.build()
    assert content(twice.kv, BASE, BETWEEN) == due(twice.kv, twice.catalog)


def test_references_that_lead_nowhere_are_told(shop):
    shop.insert(BADGE, (50, 777), (51, 778))
    shop.open()
    with pytest.raises(errors.MigrationRefused) as caught:
        shop.build(limit=500)
    assert str(caught.value) == "Badge: rider must lead to a record of Rider, but leads nowhere, in the records 50, 51"


def test_a_claim_that_is_building_is_given_up_only_by_its_holder():
    """Two records had one value before. When one of them gets another, the other must go on holding it."""
    shop = free()
    mail(shop, 20, "m1@x")
    shop.open()
    shop.turn(indexes={**BUILDING, "rider.unique_mail": "building"})
    shop.store.alter(Build(shop.catalog.epoch, "rider", None, 5))  # 1 holds the value, 20 does not
    mail(shop, 20, "other@x")
    assert shop.kv.get([("u:rider.unique_email", "$m1@x!")]).values == [b"a1"]
    with pytest.raises(errors.Duplicate):
        mail(shop, 20, "m1@x")
    mail(shop, 19, "new@x")  # one that nobody holds yet
    shop.delete(RIDER, 20)
    shop.build()
    assert content(shop.kv, BASE, BETWEEN) == due(shop.kv, shop.catalog)


def test_a_build_that_comes_between_a_look_at_a_claim_and_giving_it_up():
    kv = Cutting(Memory())
    shop = Shop(kv)
    shop.fill()
    shop.open()
    kv.before = shop.build
    mail(shop, 19, "new@x")
    assert content(shop.kv, BASE, BETWEEN) == due(shop.kv, shop.catalog)
