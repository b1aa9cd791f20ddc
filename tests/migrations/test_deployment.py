"""Carrying a history out on real stores: all at once, step by step beside programs, and back."""

from __future__ import annotations

from typing import Any

import pytest

from manystore import MigrationRefused, ProgramTooOld, col
from manystore.migrations import History
from manystore.migrations.deployment import Deployment
from manystore.migrations.judge import NOTICE
from manystore.testing.holdings import holdings

from .deployed import New, Old, OldRider, Rider, Site, expected, fill, new_riders, old_riders


def tables(site: Site) -> dict[str, Any]:
    """Give the columns, keys and indexes of all tables; nothing where a store has none."""
    held = holdings(site.store, site.prefix, site.catalog.base)
    return {name: parts for name, parts in held.items() if name.endswith((", columns", ", key", ", indexes"))}


def test_alone_up_does_all_of_it(site: Site) -> None:
    fill(site)
    site.deployment().up()
    assert site.told == [
        "open the window from 0001_initial to 0002_names",
        *site.told[1:-3],
        "from now on only programs of 0002_names write",
        "  sweep rider: 7 records",
        "done: at 0002_names",
    ]
    assert new_riders(site) == expected()
    catalog = site.catalog
    assert (catalog.phase, catalog.migration, catalog.target, catalog.indexes) == ("stable", "0002_names", "", {})
    assert (catalog.stored, catalog.older, catalog.absent, catalog.closed) == (None, None, {}, ())
    with site.connect(New) as db:
        assert [rider.id for rider in db.rider.find(col(Rider.last) == "Lovelace3")] == [3]
        assert [rider.id for rider in db.rider.find(col(Rider.zip) >= 3)] == [3, 5]
        assert db.rider.count(col(Rider.city) == "Oslo") == 7
        assert db.rider.first(col(Rider.email) == "ada2@example.org") == expected()[2]
    with pytest.raises(ProgramTooOld):
        site.connect(Old)
    site.told.clear()
    site.deployment().up()
    assert site.told == ["done: at 0002_names"]


def test_up_on_an_empty_store_makes_the_database(site: Site) -> None:
    assert site.deployment().status().due == "up"
    site.deployment().up()
    assert new_riders(site) == []
    assert site.catalog.migration == "0002_names"
    with site.connect(New) as db:
        db.rider.create(expected()[0])
    assert new_riders(site) == expected(1)


def test_down_leads_back_and_up_again(site: Site) -> None:
    fill(site)
    site.deployment().up()
    site.deployment().down("0001")
    before = [OldRider(id=r.id, name=f"{r.first} {r.last}", mail=r.email, zip=r.zip and str(r.zip)) for r in expected()]
    assert old_riders(site) == before
    assert site.catalog.base == site.catalog.head
    with site.connect(Old) as db:
        db.rider.create(OldRider(id=50, name="Grace Hopper", mail="ada1@example.org"))
        assert db.rider.count(col(OldRider.zip) == "3") == 1
        db.rider.delete(50)
    site.deployment().up()
    assert new_riders(site) == expected()


def test_a_program_of_the_base_holds_up_stops_at_open_and_finalize_refuses(site: Site) -> None:
    fill(site)
    lease, wait = site.lease("shop.py (process 7)", site.catalog.base)
    site.deployment(wait=wait).up()
    assert site.catalog.phase == "open"
    assert site.told[-1] == (
        "open: programs of both schemas can run. At work with the older one: shop.py (process 7). "
        "When they have ended: `manystore migrate finalize`"
    )
    with pytest.raises(MigrationRefused, match=r"shop.py \(process 7\): at work, with the older schema; end it first"):
        site.deployment(wait=wait).finalize()
    with site.connect(Old) as old, site.connect(New) as new:
        old.rider.create(OldRider(id=20, name="Grace Hopper", mail="grace@example.org", zip="x7"))
        assert new.rider.get(20) == Rider(id=20, first="Grace", last="Hopper", email="grace@example.org")
        changed = new.rider.get(3)
        changed.first, changed.city = "Augusta Ada", "Bergen"
        new.rider.save(changed)
        assert old.rider.get(3).name == "Augusta Ada Lovelace3"
    status = site.deployment().status()
    assert (status.phase, status.at, status.target, status.due) == ("open", "0001_initial", "0002_names", "finalize")
    assert [program.label for program in status.older] == ["shop.py (process 7)"]
    lease.release(site.catalog.epoch)
    steps = [(site.deployment().finalize, "raised"), (site.deployment().sweep, "swept")]
    for step, phase in [*steps, (site.deployment().contract, "stable")]:
        step()
        assert site.catalog.phase == phase
        step()  # given again, it does nothing
        assert site.catalog.phase == phase
    riders = {rider.id: rider for rider in new_riders(site)}
    assert (riders[3].first, riders[3].city, riders[20].zip) == ("Augusta Ada", "Bergen", None)
    assert len(riders) == 8


def test_status_tells_who_writes_from_who_was_killed_long_ago(site: Site) -> None:
    fill(site, 1)
    _, wait = site.lease("at work", site.catalog.base)
    site.lease("killed", site.catalog.base)
    status = site.deployment(wait=wait).status()
    assert {p.label: p.name in status.silent for p in status.older} == {"at work": False, "killed": True}
    assert status.watched >= NOTICE


def test_status_is_of_the_catalog_that_is_in_force_at_its_end(site: Site) -> None:
    fill(site, 1)
    _, at_work = site.lease("shop", site.catalog.base)

    def wait(seconds: float) -> None:
        at_work(seconds)
        if site.catalog.phase == "stable":
            site.deployment(wait=at_work).up()

    status = site.deployment(wait=wait).status()
    assert (status.phase, status.due) == ("open", "finalize")
    assert [program.label for program in status.older] == ["shop"]


def test_each_step_says_when_it_is_not_its_turn(site: Site) -> None:
    fill(site, 1)
    for verb in (site.deployment().finalize, site.deployment().sweep, site.deployment().contract):
        verb()
    assert site.told == [f"nothing to {v}: no window is open" for v in ("finalize", "sweep", "contract")]
    _, wait = site.lease("shop", site.catalog.base)
    site.deployment(wait=wait).up()
    site.told.clear()
    site.deployment().contract()
    assert site.told == ["nothing to contract: the window is open; next: `manystore migrate finalize`"]


def test_down_before_finalize_drops_the_window_and_what_only_new_programs_stored(site: Site) -> None:
    fill(site)
    before, made = old_riders(site), tables(site)
    lease, wait = site.lease("shop", site.catalog.base)
    site.deployment(wait=wait).up()
    with site.connect(New) as db:
        rider = db.rider.get(3)
        rider.first, rider.city, rider.zip = "Augusta Ada", "Bergen", 12345
        db.rider.save(rider)
    newer, at_work = site.lease("newer", site.catalog.head)
    with pytest.raises(MigrationRefused, match="newer: at work, with the newer schema, which would be dropped"):
        site.deployment(wait=at_work).down("0001")
    newer.release(site.catalog.epoch)
    site.deployment().down("0001")
    assert site.catalog.phase == "stable"
    assert site.catalog.kept == site.catalog.base
    assert tables(site) == made  # no column or index of the head stays
    now = {rider.id: rider for rider in old_riders(site)}
    assert now[3].name == "Augusta Ada Lovelace3"  # what the older schema can say stays
    assert now[3].zip == "12345"
    assert [now[n] for n in (0, 1, 2, 4, 5, 6)] == [before[n] for n in (0, 1, 2, 4, 5, 6)]
    lease.release(site.catalog.epoch)
    site.deployment().up()
    again = {rider.id: rider for rider in new_riders(site)}
    # "Augusta Ada" was said beside the record; that went with the window, and so did the city.
    assert (again[3].first, again[3].last, again[3].city) == ("Augusta", "Ada Lovelace3", "Oslo")


def test_duplicates_stop_up_before_anybody_is_refused(site: Site) -> None:
    fill(site)
    with site.connect(Old) as db:
        db.rider.create(OldRider(id=30, name="Twin", mail="ada1@example.org"))
    with pytest.raises(MigrationRefused):
        site.deployment().up()
    assert site.catalog.phase in ("stable", "open")
    with site.connect(Old) as db:
        db.rider.delete(30)
    site.deployment().up()
    assert new_riders(site) == expected()


def test_two_deployers_and_the_slower_is_told(site: Site) -> None:
    fill(site)
    other = site.deployment()

    class Slow:
        """The store of one deployer: while it opens the window, another one does all of it."""

        def __getattr__(self, name: str) -> object:
            return getattr(site.store, name)

        def alter(self, operation: object) -> object:
            if type(operation).__name__ == "ReplaceCatalog" and site.catalog.phase == "stable":
                other.up()
            return site.store.alter(operation)  # type: ignore[arg-type]

    with pytest.raises(MigrationRefused, match="another deployer changed the catalog meanwhile"):
        site.deployment(Slow()).up()  # type: ignore[arg-type]
    assert new_riders(site) == expected()


def test_a_store_of_another_history_is_refused(site: Site) -> None:
    with pytest.raises(MigrationRefused, match="the store is empty: `manystore migrate up` makes the database"):
        site.deployment().finalize()
    fill(site, 1)
    with pytest.raises(MigrationRefused, match="the store is at 0001_initial; 0002_names does not lie behind it"):
        site.deployment().down("0002")
    site.deployment().up()
    with pytest.raises(MigrationRefused, match="the store is at 0002_names, which 0001_initial does not follow"):
        site.deployment().up("0001")
    older = History.of(site.history.migrations[:1])
    for verb in ("status", "up"):
        with pytest.raises(MigrationRefused, match=r"at 0002_names, .*, and this history has none of that name"):
            getattr(Deployment(site.store, older, wait=site.wait), verb)()
