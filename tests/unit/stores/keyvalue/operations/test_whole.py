"""A whole window: what is left is what a database made fresh from the final records has, cut off or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from manystore import errors

from .shop import BASE, BETWEEN, BETWEEN_BADGE, HEAD, HEAD_RIDER, HEAD_TOWN, Shop, content, due, lifted

BUILD, SWEEP, CLEAR = 1, 4, 6  # places among the steps


def steps(shop: Shop) -> list[Callable[[], Any]]:
    """List all that a deployer does, in order."""
    return [shop.open, shop.build, shop.ready, shop.raise_, shop.sweep, shop.end, shop.clear, shop.contract]


def begun(fresh: Callable[[], Shop], step: int) -> Shop:
    """Make a shop in which everything before a step is done."""
    shop = fresh()
    shop.fill(9)
    for run in steps(shop)[:step]:
        run()
    return shop


def test_a_window_leaves_what_a_fresh_database_has(fresh):
    shop = begun(fresh, 8)
    found = content(shop.kv, BASE, BETWEEN, HEAD)
    assert found == due(shop.kv, shop.catalog)
    assert {record["_version"] for record in shop.riders()} == {2}
    other = fresh()
    other.turn(base=HEAD, head=HEAD)
    other.insert(HEAD_TOWN, *[(n, f"town {n}") for n in range(1, 4)])
    for n in range(1, 10):
        other.insert(HEAD_RIDER, lifted(n))
    other.insert(BETWEEN_BADGE, *[(n, n if n % 4 else None) for n in range(1, 10, 2)])
    names = {space: set(held) for space, held in content(other.kv, BASE, BETWEEN, HEAD).items()}
    assert names == {space: set(held) for space, held in found.items()}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", [BUILD, SWEEP, CLEAR])
def test_an_operation_that_is_cut_off_and_given_again(fresh, step, after):
    whole = begun(fresh, step)
    whole.kv.commits = 0
    steps(whole)[step]()
    expected, number = content(whole.kv, BASE, BETWEEN, HEAD), whole.kv.commits
    assert number > 2
    for place in range(1, number + 1):
        shop = begun(fresh, step)
        with shop.kv.cut(place, after=after):
            steps(shop)[step]()
        steps(shop)[step]()
        assert content(shop.kv, BASE, BETWEEN, HEAD) == expected


def test_a_catalog_that_was_replaced_stops_every_operation(fresh):
    for step in (BUILD, SWEEP, CLEAR):
        shop = begun(fresh, step)
        before = content(shop.kv, BASE, BETWEEN, HEAD)
        shop.kv.before = lambda shop=shop: Shop.turn(shop)
        with pytest.raises(errors.EpochChanged):
            steps(shop)[step]()
        assert content(shop.kv, BASE, BETWEEN, HEAD) == before
