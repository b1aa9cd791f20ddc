"""`up` is cut off, before or after each of its operations, and given again: what comes of it is as if nothing was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from manystore.testing import provision

from .deployed import Cut, CutStore, Site, expected, fill, new_riders
from .test_deployment_closed import GEARS, SEEDS, TRANSLATED, after, begun, rows, translated

EVER = 10_000


def cut_everywhere(site: Site, *, put: bool) -> int:
    """Run `up`, each time cut off one operation further on, until it gets to its end; give how often that was."""
    number = 1
    while True:
        store: Any = CutStore(site.store, number, after=put)
        try:
            site.deployment(store).up()
        except Cut:
            number += 1
            continue
        return number


@pytest.mark.slow
@pytest.mark.parametrize("put", [False, True])
def test_side_by_side(site: Site, put: bool) -> None:
    fill(site)
    assert cut_everywhere(site, put=put) > 3
    assert new_riders(site) == expected()
    assert site.catalog.phase == "stable"
    assert site.deployment().status().due == ""


@pytest.mark.slow
@pytest.mark.parametrize("put", [False, True])
def test_made_anew(site: Site, put: bool) -> None:
    begun(site, after(*TRANSLATED), after(*SEEDED, name="0003_seeds", follows="0002_next"))
    assert cut_everywhere(site, put=put) > 5
    assert rows(site, "bike") == [*translated(), {"id": 40, "kind_id": 1, "code": "C40", "parent": None}]
    assert rows(site, "gear") == GEARS
    assert [note["text"] for note in rows(site, "note")] == ["first", "seventh"]


SEEDED = (*SEEDS[:3], type(SEEDS[3])("bike", ({"id": 40, "kind_id": 1, "code": "C40"},)))


@pytest.mark.parametrize("number", range(1, 14))
def test_each_operation_by_itself(tmp_path: Path, number: int) -> None:
    for put in (False, True):
        with provision.place("memory:", tmp_path) as place:
            site = Site(place.url, place.prefix)
            fill(site)
            store: Any = CutStore(site.store, number, after=put)
            try:
                site.deployment(store).up()
            except Cut:
                site.deployment().up()
            assert new_riders(site) == expected()
            site.store.close()


def test_a_drop_is_resumed(site: Site) -> None:
    fill(site)
    lease, wait = site.lease("shop", site.catalog.base)
    site.deployment(wait=wait).up()
    lease.release(site.catalog.epoch)
    number = 1
    while number < EVER:
        store: Any = CutStore(site.store, number, after=True)
        try:
            site.deployment(store).down("0001")
        except Cut:
            number += 1
            continue
        break
    assert number > 2
    assert site.catalog.kept == site.catalog.base
    site.deployment().up()
    assert new_riders(site) == expected()
