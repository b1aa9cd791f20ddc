"""Anything between the reads of one writer and its commit: every pair of writes, pages of a build and of a sweep.

One thread plays all parts, so each run can be had again by its seed. Threads (test_beside.py) seldom meet so closely.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from manystore.schema.operation import Build, Sweep
from manystore.schema.schema import Index, Reference, Schema
from manystore.stores.keyvalue import unbuilt
from manystore.stores.keyvalue.memory import Memory
from manystore.stores.keyvalue.protocol import KeyValue

from .shop import BADGE, BASE, BETWEEN, BETWEEN_BADGE, BUILDING, HEAD, RIDER, Cutting, Shop, content, due, lift, rider
from .test_beside import REFUSALS, Player, new, old

RIDERS = 8
Turn = Callable[[Player, int], None]


class Meddled(Cutting):
    """A key-value store where something else may happen just before any commit, and before any reading."""

    def __init__(self, kv: KeyValue) -> None:
        super().__init__(kv)
        self.get = self._meddled(kv.get)
        self.scan = self._meddled(kv.scan)

    def _meddled(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def reading(*parts: Any, **options: Any) -> Any:
            if self.before is not None:
                then, self.before = self.before, None
                then()
            return read(*parts, **options)

        return reading


class Stage:
    """A shop where something else may happen just before any commit and any reading."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.kv = Meddled(Memory())
        self.shop = Shop(self.kv)
        self.shop.fill(RIDERS)

    def play(self, turn: Turn, page: Callable[[], object], number: int) -> None:
        """Let two programs and a deployer act, mostly one within the other."""
        players = [Player(self.shop, seed) for seed in (1, 2)]
        for player in players:
            player.random = self.pick

        def act() -> None:
            try:
                if self.pick.random() < 0.4:
                    page()
                else:
                    turn(self.pick.choice(players), self.pick.randrange(1, RIDERS + 1))
            except (*REFUSALS, AssertionError):
                return

        def between() -> None:
            self.kv.before = between if self.pick.random() < 0.4 else None
            if self.pick.random() < 0.6:
                act()

        for _ in range(number):
            self.kv.before = between
            act()
            self.kv.before = None

    def build_page(self) -> None:
        """Build from anywhere."""
        name = self.pick.choice(["rider", "badge"])
        self.shop.store.alter(Build(self.shop.catalog.epoch, name, self._somewhere(), self.pick.randrange(1, 5)))

    def build_badge(self) -> None:
        """Build for one badge."""
        after = self.pick.choice([None, *self.shop.names("r:badge")])
        self.shop.store.alter(Build(self.shop.catalog.epoch, "badge", after, 1))

    def sweep_page(self) -> None:
        """Sweep from anywhere."""
        page = Sweep(self.shop.catalog.epoch, "rider", lift, self._somewhere(), self.pick.randrange(1, 3))
        self.shop.store.alter(page)

    def _somewhere(self) -> str | None:
        return self.pick.choice([None, *self.shop.names("r:rider")])


def left(shop: Shop) -> dict[str, dict[str, bytes]]:
    """Give what is stored, without what only Clear takes away."""
    found = content(shop.kv, BASE, BETWEEN, HEAD)
    for space in ("r:note", "u:note.unique_text", "i:town.by_name"):
        found.pop(space, None)
    kept = {name: data for name, data in found.pop("b:rider", {}).items() if " note." not in name}
    return found | ({"b:rider": kept} if kept else {})


def badges(*, indexes: tuple[Index, ...] = (), references: tuple[Reference, ...] = ()) -> Schema:
    """Give what is kept while the window is open, with other badges."""
    badge = msgspec.structs.replace(BADGE, indexes=indexes, references=references)
    return Schema(tuple(badge if c.name == "badge" else c for c in BETWEEN.collections))


def deleting(me: Player, number: int) -> None:
    """Delete riders, have them back, and have badges lead to others."""
    what, badge = me.random.random(), me.random.randrange(1, 4 * RIDERS)
    if what < 0.5:
        me.delete(RIDER, number)
    elif what < 0.6:
        me.insert(RIDER, (number, "again", None, None, None, "z"))
    elif what < 0.7:
        me.insert(BADGE, (badge, number))
    elif what < 0.8:
        me.delete(BADGE, badge)
    else:
        me.replace(BADGE, badge, me.random.choice([None, number, 1 + badge % RIDERS]))


@pytest.mark.parametrize("rule", ["restrict", "cascade", "set_null"])
@pytest.mark.parametrize("way", ["index", "memory", "reading"])
@pytest.mark.parametrize("seed", range(8))
def test_what_is_led_to_goes_as_the_rule_says_while_it_is_building(seed, way, rule, monkeypatch):
    """Whoever refers to it, with an entry or without: none refers to nothing, and no entry is left over or lacking."""
    monkeypatch.setattr(unbuilt, "_PAGE", 3)
    monkeypatch.setattr(unbuilt, "_REMEMBERED", 2 if way == "reading" else 100)
    stage = Stage(seed)
    shop = stage.shop
    for number in range(1, RIDERS + 1):
        shop.replace(RIDER, *rider(number)[:4], None, "z")  # so that nobody's boss is in the way
    shop.insert(BADGE, *[(number, 1 + number % RIDERS) for number in range(10, 3 * RIDERS)])
    indexes = (Index("by_rider", ("rider", "id"), (False, False)),) if way == "index" else ()
    shop.open()
    shop.turn(stored=badges(indexes=indexes), indexes={**BUILDING, "badge.by_rider": "building"})
    shop.build()
    kept = badges(indexes=indexes, references=(Reference("rider", "rider", rule),))
    shop.turn(stored=kept, indexes={"badge.rider.reference": "building"})
    stage.play(deleting, stage.build_badge, 25)
    shop.build()
    assert content(shop.kv, BASE, kept) == due(shop.kv, shop.catalog)


@pytest.mark.parametrize("seed", range(25))
def test_any_two_in_one_another(seed):
    stage = Stage(seed)
    shop = stage.shop
    shop.open()
    stage.play(old, stage.build_page, 25)
    shop.build()
    assert content(shop.kv, BASE, BETWEEN) == due(shop.kv, shop.catalog)
    shop.ready()
    for name in shop.names("r:badge"):
        data = shop.kv.get([("r:badge", name)]).values[0]
        shop.delete(BETWEEN_BADGE, json.loads(data)["id"])
    shop.raise_()
    for _ in range(5):
        stage.play(new, stage.sweep_page, 5)
        assert left(shop) == dict(sorted(due(shop.kv, shop.catalog).items()))
    shop.sweep()
    assert {record["_version"] for record in shop.riders()} <= {2}
    assert left(shop) == due(shop.kv, shop.catalog)
