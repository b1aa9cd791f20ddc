"""Anything between the reads of one writer and its commit: every pair of writes, pages of a build and of a sweep.

One thread plays all parts, so each run can be had again by its seed. Threads (test_beside.py) seldom meet so closely.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from manystore.schema.operation import Build, Sweep
from manystore.stores.keyvalue.memory import Memory

from .shop import BASE, BETWEEN, BETWEEN_BADGE, HEAD, Cutting, Shop, content, due, lift
from .test_beside import REFUSALS, Player, new, old

RIDERS = 8
Turn = Callable[[Player, int], None]


class Stage:
    """A shop where something else may happen just before any commit."""

    def __init__(self, seed: int) -> None:
        self.pick = random.Random(seed)
        self.kv = Cutting(Memory())
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


@pytest.mark.parametrize("seed", range(25))
def test_any_two_in_one_another(seed):
    stage = Stage(seed)
    shop = stage.shop
    shop.open()
    stage.play(old, stage.build_page, 25)
    shop.build()
    assert content(shop.kv, BASE, BETWEEN) == due(shop.kv, shop.catalog)
    shop.ready()
    for badge in range(1, RIDERS + 1, 2):
        shop.delete(BETWEEN_BADGE, badge)
    shop.raise_()
    for _ in range(5):
        stage.play(new, stage.sweep_page, 5)
        assert left(shop) == dict(sorted(due(shop.kv, shop.catalog).items()))
    shop.sweep()
    assert {record["_version"] for record in shop.riders()} <= {2}
    assert left(shop) == due(shop.kv, shop.catalog)
