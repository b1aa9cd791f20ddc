"""Clear and Explain: what goes away and what does not, and what is said before."""

from __future__ import annotations

import msgspec
import pytest

from manystore.schema.operation import Build, Clear, Contract, Explain, Prepare, Sweep, Words
from manystore.schema.schema import Schema
from manystore.schema.system import SYSTEM

from .shop import BADGE, BASE, BETWEEN, HEAD, NOTE, RIDER, TOWN, Shop, content, due, lift


@pytest.fixture
def shop() -> Shop:
    made = Shop()
    made.fill()
    return made


def swept(shop: Shop) -> Shop:
    shop.open()
    shop.build()
    shop.ready()
    shop.raise_()
    shop.sweep()
    shop.end()
    return shop


def test_what_the_kept_schema_has_not_goes_page_by_page(shop):
    swept(shop)
    before = content(shop.kv, BASE, BETWEEN)
    assert before["r:note"]
    assert before["u:note.unique_text"]
    assert before["i:town.by_name"]
    assert any(" note.rider " in name for name in before["b:rider"])
    first = shop.store.alter(Clear(shop.catalog.epoch, BETWEEN, None, 5))
    assert first.after is not None
    shop.clear()
    assert shop.clear() == 0
    assert content(shop.kv, BASE, BETWEEN, HEAD) == due(shop.kv, shop.catalog)


def test_a_window_that_is_given_up_leaves_what_the_base_has(shop):
    before = content(shop.kv, BASE, BETWEEN)
    shop.open()
    shop.build()
    shop.turn(head=BASE, stored=None, phase="stable", indexes={}, absent={})
    assert content(shop.kv, BASE, BETWEEN) != before
    shop.clear(BETWEEN)
    assert content(shop.kv, BASE, BETWEEN) == before


def test_an_earlier_generation_goes_with_all_that_refers_to_it(shop):
    again = msgspec.structs.replace(RIDER, generation=2)
    schema = Schema((BADGE, NOTE, again, TOWN, *SYSTEM))
    shop.turn(stored=schema)
    shop.insert(RIDER, (1, "A", "m1@x", 1, None, "z"))
    shop.clear(BASE)
    assert shop.names("r:rider") == []
    assert shop.names("u:rider.unique_mail") == []
    assert shop.names("r:rider@2") == ["a1"]
    assert shop.names("b:town") == ["a1 rider@2.town a1"]
    assert shop.names("b:rider") == []


def said(shop: Shop, operation) -> tuple[str, ...]:
    words = shop.store.alter(Explain(operation))
    assert isinstance(words, Words)
    assert not words.blocking
    return words.statements


def test_each_operation_says_what_it_would_do_and_does_nothing(shop):
    shop.open()
    before = content(shop.kv, BASE, BETWEEN, HEAD)
    epoch = shop.catalog.epoch
    assert said(shop, Build(epoch, "rider")) == (
        "put i:rider.by_city, u:rider.unique_email of 20 records of Rider, 500 at a time",
    )
    assert said(shop, Build(epoch, "badge")) == ("put b:rider from rider of 10 records of Badge, 500 at a time",)
    assert said(shop, Build(epoch, "other")) == ("other has no records yet",)
    assert said(shop, Sweep(epoch, "rider", lift)) == (
        "rewrite the older records among 20 records of Rider, 1000 at a time",
    )
    assert said(shop, Contract(epoch, shop.catalog))[0].startswith("the last catalog")
    assert said(shop, Prepare(shop.catalog))[0].startswith("nothing is made beforehand")
    shop.ready()
    shop.raise_()
    assert said(shop, Clear(epoch, BETWEEN)) == (
        "take away the references to rider",
        "take away the claims of Note by unique_text",
        "take away the entries of Rider by by_name",
        "take away the claims of Rider by unique_mail",
        "take away the entries of Town by by_name",
        "take away the records of Note",
    )
    assert content(shop.kv, BASE, BETWEEN, HEAD) == before
    assert shop.store.alter(Prepare(shop.catalog)) is None
