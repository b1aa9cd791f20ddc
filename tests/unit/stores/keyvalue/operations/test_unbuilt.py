"""Who refers to what goes by a reference that is building: by an index, from memory, or by reading all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from manystore.errors import Restricted
from manystore.schema.operation import Build
from manystore.schema.schema import Index, Reference, Schema
from manystore.stores.keyvalue import unbuilt
from manystore.stores.keyvalue.memory import Memory

from .shop import BADGE, BASE, BETWEEN, BUILDING, RIDER, Cutting, Shop, content, due, rider

WAYS = ["index", "memory", "reading"]


class Counted(Cutting):
    """A key-value store that counts the scans of each space, and lets something happen after one of them."""

    def __init__(self) -> None:
        super().__init__(Memory())
        self.scans = Counter[str]()
        self.then: tuple[str, Callable[[], None]] | None = None
        self._scan, self.scan = self.scan, self._counted

    def _counted(self, spans: Any, /, **options: Any) -> Any:
        space = spans[0].space
        self.scans[space] += 1
        page = self._scan(spans, **options)
        if self.then is not None and self.then[0] == space:
            (_, act), self.then = self.then, None
            act()
        return page


def opened(way: str, rule: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Shop, Schema]:
    """Open a window in which badges come to refer to riders: 1 to 4 to the riders 1 and 2, 5 to 9 to nobody."""
    monkeypatch.setattr(unbuilt, "_REMEMBERED", 1 if way == "reading" else 100)
    monkeypatch.setattr(unbuilt, "_PAGE", 4)
    shop = Shop(Counted())
    shop.insert(RIDER, *[(number, f"Ann{number}", None, None, None, "z") for number in range(1, 7)])
    shop.insert(BADGE, *[(number, 1 + number % 2 if number < 5 else None) for number in range(1, 10)])
    indexes = (Index("by_rider", ("rider", "id"), (False, False)),) if way == "index" else ()
    badge = msgspec.structs.replace(BADGE, indexes=indexes)
    shop.turn(phase="open", stored=_with(badge), indexes={**BUILDING, "badge.by_rider": "building"})
    shop.build()
    badge = msgspec.structs.replace(badge, references=(Reference("rider", "rider", rule),))
    shop.turn(stored=_with(badge), indexes={"badge.rider.reference": "building"})
    shop.kv.scans.clear()  # type: ignore[attr-defined]
    return shop, _with(badge)


def _with(badge: Any) -> Schema:
    return Schema(tuple(badge if c.name == "badge" else c for c in BETWEEN.collections))


def leading(shop: Shop) -> dict[int, int | None]:
    """Give whom each badge leads to."""
    return {n: shop.record(BADGE, n)["rider"] for n in range(1, 10) if shop.kv.get([shop.key(BADGE, n)]).values[0]}


def complete(shop: Shop, kept: Schema) -> None:
    shop.build()
    assert content(shop.kv, BASE, kept) == due(shop.kv, shop.catalog)


@pytest.mark.parametrize("way", WAYS)
def test_each_rule_reaches_those_without_an_entry(way, monkeypatch):
    shop, kept = opened(way, "restrict", monkeypatch)
    with pytest.raises(Restricted) as caught:
        shop.delete(RIDER, 2)
    assert (caught.value.model, caught.value.by) == ("Rider", "Badge.rider")
    complete(shop, kept)
    shop, kept = opened(way, "set_null", monkeypatch)
    shop.delete(RIDER, 2)
    assert leading(shop) == {n: 1 if n in (2, 4) else None for n in range(1, 10)}
    complete(shop, kept)
    shop, kept = opened(way, "cascade", monkeypatch)
    shop.store.alter(Build(shop.catalog.epoch, "badge", None, 1))  # badge 1 has its entry, 3 has none
    shop.delete(RIDER, 2)
    assert set(leading(shop)) == {2, 4, 5, 6, 7, 8, 9}
    complete(shop, kept)


@pytest.mark.parametrize("rule", ["restrict", "cascade", "set_null"])
@pytest.mark.parametrize("way", WAYS)
def test_who_led_there_before_and_does_no_more_is_left_alone(way, rule, monkeypatch):
    """One that was pointed elsewhere, one that is gone, and one that is a new one under the same key."""
    shop, kept = opened(way, rule, monkeypatch)
    shop.delete(RIDER, 6)  # whoever remembers does so from here
    shop.replace(BADGE, 1, 3)
    shop.delete(BADGE, 3)
    shop.insert(BADGE, (3, 4))
    shop.delete(RIDER, 2)
    assert leading(shop) == {1: 3, 2: 1, 3: 4, 4: 1, **dict.fromkeys(range(5, 10))}
    complete(shop, kept)


@pytest.mark.parametrize("rule", ["restrict", "cascade", "set_null"])
@pytest.mark.parametrize(
    ("way", "space"), [("index", "i:badge.by_rider"), ("memory", "r:badge"), ("reading", "r:badge")]
)
def test_who_is_pointed_elsewhere_after_it_was_found_is_left_alone(way, space, rule, monkeypatch):
    shop, kept = opened(way, rule, monkeypatch)

    def others() -> None:
        shop.replace(BADGE, 1, 3)
        shop.replace(BADGE, 3, None)

    shop.kv.then = (space, others)  # type: ignore[attr-defined]
    shop.delete(RIDER, 2)
    assert leading(shop) == {1: 3, 2: 1, 3: None, 4: 1, **dict.fromkeys(range(5, 10))}
    complete(shop, kept)


def test_an_index_or_memory_spares_reading_all(monkeypatch):
    shop, _ = opened("index", "restrict", monkeypatch)
    for key in (3, 4):
        shop.delete(RIDER, key)
    assert (shop.kv.scans["r:badge"], shop.kv.scans["i:badge.by_rider"]) == (0, 2)  # type: ignore[attr-defined]
    shop, _ = opened("memory", "restrict", monkeypatch)
    for key in (3, 4):
        shop.delete(RIDER, key)
    assert shop.kv.scans["r:badge"] == 3  # type: ignore[attr-defined] # pages, once
    shop, _ = opened("reading", "restrict", monkeypatch)
    for key in (3, 4):
        shop.delete(RIDER, key)
    assert shop.kv.scans["r:badge"] == 6  # type: ignore[attr-defined]


def test_what_is_built_is_not_looked_for(monkeypatch):
    shop, _ = opened("memory", "restrict", monkeypatch)
    shop.build()
    shop.ready()
    shop.kv.scans.clear()  # type: ignore[attr-defined]
    shop.delete(RIDER, 3)
    with pytest.raises(Restricted):
        shop.delete(RIDER, 2)
    assert shop.kv.scans["r:badge"] == 0  # type: ignore[attr-defined]


def test_a_column_that_records_lack_leads_where_the_catalog_says():
    """A reference may come with a constant, which no record has yet."""
    shop = Shop()
    shop.insert(RIDER, (*rider(20)[:3], None, None, "z"), (1, "Ann", None, None, None, "z"))
    shop.insert(BADGE, (1, None))
    fields = (*BADGE.fields, msgspec.structs.replace(BADGE.fields[1], name="owner", column="owner"))
    badge = msgspec.structs.replace(BADGE, fields=fields, references=(Reference("owner", "rider", "restrict"),))
    states: Any = {**BUILDING, "badge.owner.reference": "building"}
    shop.turn(phase="open", stored=_with(badge), indexes=states, absent={"badge": {"owner": 20}})
    shop.delete(RIDER, 1)
    with pytest.raises(Restricted):
        shop.delete(RIDER, 20)
