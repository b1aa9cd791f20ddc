"""Programs that write beside a deployer, in threads: no entry, claim or reference is lost, and none left over."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from manystore import errors

from .shop import (
    BADGE,
    BASE,
    BETWEEN,
    BETWEEN_BADGE,
    BETWEEN_RIDER,
    HEAD,
    HEAD_RIDER,
    HEAD_TOWN,
    RIDER,
    Shop,
    content,
    due,
)

RIDERS = 30
WAITING = 60.0
REFUSALS = (errors.Conflict, errors.Duplicate, errors.NotFound, errors.Restricted, errors.MissingReference)


class Player(Shop):
    """A program on a shop's store; what the data refuse is part of its day."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.store, self.kv, self.catalog = shop.store, shop.kv, shop.catalog
        self.random = random.Random(seed)
        self._next = 1000 * seed
        self.done = 0

    def play(self, is_over: threading.Event, turn: Callable[[Player, int], None]) -> int:
        """Write until the end."""
        while not is_over.is_set():
            try:
                turn(self, self.random.randrange(1, RIDERS + 1))
                self.done += 1
            except (*REFUSALS, AssertionError):  # no such record, as record() says
                continue
        return self.done

    def new(self) -> int:
        """Give a key that nobody has."""
        self._next += 1
        return self._next


def old(me: Player, number: int) -> None:
    """Do what a program of the base may do while the window is open."""
    what, key = me.random.random(), me.new()
    if what < 0.3:
        me.insert(RIDER, (key, f"new {key}", f"k{key}@x", 1, None, "z"))
    elif what < 0.7:
        me.replace(RIDER, number, f"n{key}", f"w{me.random.randrange(9)}@x", 1 + key % 3, None, f"z{key % 3}")
    elif what < 0.75:
        me.patch(BETWEEN_RIDER, number, city=f"c{number % 7}")
    elif what < 0.8:
        me.insert(BADGE, (key, number))
    elif what < 0.9:
        me.replace(BADGE, number, me.random.choice([None, 1 + number // 2, number]))
    elif what < 0.98:
        me.delete(RIDER, number)
    else:
        me.delete(BADGE, number)


def new(me: Player, number: int) -> None:
    """Do what a program of the head may do after the raise."""
    what, key = me.random.random(), me.new()
    town, email = 1 + key % 3, f"w{me.random.randrange(40)}@x"
    if what < 0.3:
        me.insert(HEAD_RIDER, (key, f"f{key % 5}", "l", email, town, None, "z", "Rome"))
    elif what < 0.7:
        me.replace(HEAD_RIDER, number, f"f{key % 5}", "l", email, town, None, f"z{key % 3}", "Rome")
    elif what < 0.85:
        me.delete(HEAD_RIDER, number)
    elif what < 0.95:
        me.insert(HEAD_TOWN, (town, "again"))
    else:
        me.delete(HEAD_TOWN, town)


def beside(shop: Shop, turn: Callable[[Player, int], None], work: Callable[[], object]) -> None:
    """Let two programs write while a deployer works, and a while before and after."""
    is_over, pause = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        played = [pool.submit(Player(shop, seed).play, is_over, turn) for seed in (1, 2)]
        try:
            for _ in range(3):
                pause.wait(0.1)
                work()
        finally:
            is_over.set()
        assert all(each.result(WAITING) > 0 for each in played)


def test_programs_of_the_base_beside_a_build(fresh):
    shop = fresh()
    shop.fill(RIDERS)
    shop.open()
    beside(shop, old, lambda: shop.build(limit=5))
    shop.build()
    assert content(shop.kv, BASE, BETWEEN) == due(shop.kv, shop.catalog)


def test_programs_of_the_head_beside_a_sweep(fresh):
    shop = fresh()
    shop.fill(RIDERS)
    for key in range(1, RIDERS + 1, 2):
        shop.delete(BETWEEN_BADGE, key)  # so that more of them may go
    shop.open()
    shop.build()
    shop.ready()
    shop.raise_()
    beside(shop, new, lambda: shop.sweep(limit=3))
    shop.sweep()
    assert {record["_version"] for record in shop.riders()} == {2}
    shop.end()
    shop.clear()
    assert content(shop.kv, BASE, BETWEEN, HEAD) == due(shop.kv, shop.catalog)
