"""Every verb of a repository, called by a program of the head through a window: the same answers as without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from manystore import Conflict, Duplicate, OutOfBounds, col, desc

from .deployed import New, Rider, Site, fill


def until_open(site: Site) -> None:
    """Lead the store to an open window, everything built."""
    lease, wait = site.lease("shop.py", site.catalog.base)
    site.deployment(wait=wait).up()
    lease.release(site.catalog.epoch)
    assert site.catalog.phase == "open"


def until_raised(site: Site) -> None:
    """Lead the store to a raised window, nothing swept."""
    until_open(site)
    site.deployment().finalize()
    assert site.catalog.phase == "raised"


def until_stable(site: Site) -> None:
    """Lead the store to the end."""
    site.deployment().up()
    assert site.catalog.phase == "stable"


def told(verb: Callable[[], Any]) -> Any:
    """Give what a verb gives, or the words of its refusal."""
    try:
        return verb()
    except (Conflict, Duplicate, OutOfBounds) as refused:
        return str(refused)


def answers(db: New) -> list[Any]:
    """Call every verb; give what each gave."""
    rider = db.rider
    new = Rider(id=50, first="Grace", last="Hopper", email="grace@example.org", zip=1, city="Bern")
    twin = Rider(id=51, first="Grace B", last="Hopper", email="grace@example.org", zip=2, city="Bern")
    found = [
        told(lambda: rider.upsert(new)),
        told(lambda: rider.upsert(twin, by=(Rider.email,))),
        told(lambda: rider.increment(50, Rider.zip, 5)),
        told(lambda: rider.increment(50, Rider.zip, 5, high=8)),
        told(lambda: rider.claim(col(Rider.city) == "Bern", changes=[col(Rider.zip).to(99)])),
        told(lambda: rider.update_where(col(Rider.zip) == 99, changes=[col(Rider.last).to("Murray")], scan=True)),
        told(lambda: rider.update(1, col(Rider.first).to("Augusta"), col(Rider.zip).to(None))),
        told(lambda: rider.create(Rider(id=9, first="a", last="b", email="grace@example.org"))),
        rider.count(col(Rider.zip) > 1, scan=True),
    ]
    with rider.edit(50) as edited:
        edited.first = "Grace Brewster"
    stale, fresh = rider.get(2), rider.get(2)
    fresh.city = "Bergen"
    rider.save(fresh)
    found += [told(lambda: rider.save(stale)), rider.get(50), rider.get(2)]
    with db.transaction() as tx:
        one, other = tx.rider.get(0), tx.rider.get(3)
        one.city, other.city = "Ålesund", "Molde"
        tx.rider.save(one)
        tx.rider.save(other)
        tx.rider.create(Rider(id=60, first="Mary", last="Kenneth", email="mary@example.org"))
        tx.rider.increment(50, Rider.zip, 1)
        tx.rider.delete(5)
    many = [Rider(id=100 + n, first="M", last=f"{n}", email=f"m{n}@example.org", zip=n) for n in range(40)]
    found += [len(rider.create_all(many)), rider.exists(col(Rider.email) == "m7@example.org")]
    pages, after = list[list[int]](), None
    while page := rider.find(order_by=desc(Rider.last), limit=9, after=after, scan=True):
        pages.append([each.id for each in page])
        after = page[-1]
    found += [pages, [each.id for each in rider.iterate(scan=True)]]
    found += [rider.delete_where(col(Rider.first) == "M", scan=True), rider.find(scan=True)]
    return found


@pytest.mark.parametrize("lead", [until_open, until_raised])
def test_the_answers_are_those_of_a_stable_database(site: Site, lead: Callable[[Site], None]) -> None:
    fill(site)
    lead(site)
    with site.connect(New) as db:
        there = answers(db)
        assert type(db._engine.store).__name__ == "WindowStore"
    wanted = Site(f"memory://wanted-{uuid4().hex}")
    fill(wanted)
    until_stable(wanted)
    with wanted.connect(New) as db:
        assert there == answers(db)
    site.deployment().up()
    with site.connect(New) as db:
        assert db.rider.find(scan=True) == there[-1]
