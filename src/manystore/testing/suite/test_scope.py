"""Scope: a view of one project neither sees nor touches what belongs to another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from manystore import (
    Conflict,
    Duplicate,
    Exhausted,
    NoAccessPath,
    NotFound,
    OutOfScope,
    UsageError,
    ValueRefused,
    asc,
    col,
    count,
    everything,
    project,
    sum_,
)
from manystore.testing.models import Address, Cloud, Host, Quota, Server, Volume


@dataclass
class Share:
    """What each project has."""

    project: str
    servers: int


SHARE = project(Share, project=Server.project, servers=count())


@pytest.fixture
def tenants(cloud: Cloud) -> Cloud:
    """Projects p and q with two servers each: p1, p2, q1, q2; p2 and q2 are dead."""
    for tenant in ("p", "q"):
        for n in (1, 2):
            cloud.server.create(
                Server(id=f"{tenant}{n}", project=tenant, hostname=f"h{n}", vcpus=n, serial=10 * ord(tenant) + n)
            )
        cloud.server.delete(f"{tenant}2")
    return cloud


def _all(cloud: Cloud) -> list[tuple[str, str, int, bool]]:
    return [(s.id, s.project, s.vcpus, s.deleted) for s in cloud.server.find(scan=True, deleted="any")]


def test_reads_see_one_scope(tenants: Cloud) -> None:
    p = tenants.scoped("p")
    assert p.server.get("p1").hostname == "h1"
    assert p.server.get("p2", deleted="any").hostname == "h2"
    assert [s.id for s in p.server.find(scan=True)] == ["p1"]
    assert [s.id for s in p.server.find(scan=True, deleted="any", order_by=asc(Server.vcpus))] == ["p1", "p2"]
    assert [s.id for s in p.server.find(col(Server.id).in_(["p1", "q1"]))] == ["p1"]
    assert [s.id for s in p.server.find(col(Server.project) == "q", scan=True)] == []
    assert [s.id for s in p.server.iterate(page=1, scan=True, deleted="any")] == ["p1", "p2"]
    assert p.server.first(col(Server.id) == "q1") is None
    assert p.server.count(scan=True) == 1
    assert p.server.count(scan=True, deleted="only") == 1
    assert p.server.exists(col(Server.id) == "p1")
    assert not p.server.exists(col(Server.id) == "q1")
    assert p.server.aggregate(sum_(Server.vcpus), scan=True, deleted="any") == 3
    assert p.server.select(SHARE, scan=True) == [Share("p", 1)]
    assert tenants.server.select(SHARE, scan=True) == [Share("p", 1), Share("q", 1)]


_BY_KEY: list[Callable[[Cloud], object]] = [
    lambda db: db.server.get("q1"),
    lambda db: db.server.get("q2", deleted="any"),
    lambda db: db.server.get("q2", deleted="only"),
    lambda db: db.server.delete("q1"),
    lambda db: db.server.purge("q1"),
    lambda db: db.server.purge("q2"),
    lambda db: db.server.update("q1", col(Server.vcpus).to(9)),
    lambda db: db.server.increment("q1", Server.vcpus),
    lambda db: db.server.edit("q1").__enter__(),
]


@pytest.mark.parametrize(
    "read",
    _BY_KEY,
)
@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_by_key_another_scopes_record_is_not_there(
    tenants: Cloud, read: Callable[[Cloud], object], *, inside: bool
) -> None:
    before, p = _all(tenants), tenants.scoped("p")
    if inside:
        with p.transaction() as tx, pytest.raises(NotFound):
            read(tx)
    else:
        with pytest.raises(NotFound):
            read(p)
    assert _all(tenants) == before


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_writes_over_a_filter_stay_in_scope(tenants: Cloud, *, inside: bool) -> None:
    def write(db: Cloud) -> None:
        assert db.server.update_where(everything(), changes=[col(Server.vcpus).to(5)], scan=True) == 1
        assert db.server.update_where(col(Server.project) == "q", changes=[col(Server.vcpus).to(6)], scan=True) == 0
        with pytest.raises(Exhausted):
            db.server.claim(col(Server.id) == "q1", changes=[col(Server.vcpus).to(7)])
        assert db.server.claim(col(Server.hostname) == "h1", changes=[col(Server.vcpus).to(8)], scan=True).id == "p1"
        assert db.server.delete_where(everything(), scan=True) == 1

    p = tenants.scoped("p")
    if inside:
        with p.transaction() as tx:
            write(tx)
    else:
        write(p)
    assert _all(tenants) == [("p1", "p", 8, True), ("p2", "p", 2, True), ("q1", "q", 1, False), ("q2", "q", 2, True)]
    assert p.server.purge_where(everything(), scan=True) == 2
    assert [s[0] for s in _all(tenants)] == ["q1", "q2"]


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_anothers_record_is_neither_saved_nor_deleted(tenants: Cloud, *, inside: bool) -> None:
    p, before = tenants.scoped("p"), _all(tenants)
    writes: list[Callable[[Cloud, Server], object]] = [
        lambda db, record: db.server.save(record),
        lambda db, record: db.server.delete(record),
        lambda db, record: db.server.purge(record),
    ]
    for write in writes:
        foreign = tenants.server.get("q1")
        with pytest.raises((OutOfScope, NotFound)):
            if inside:
                with p.transaction() as tx:
                    write(tx, foreign)
            else:
                write(p, foreign)
        assert _all(tenants) == before
        disguised = tenants.server.get("q1")
        disguised.project = "p"  # the stored record is looked at, not what the caller says of it
        with pytest.raises((OutOfScope, NotFound)):
            if inside:
                with p.transaction() as tx:
                    write(tx, disguised)
            else:
                write(p, disguised)
        assert _all(tenants) == before


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_nothing_is_made_in_or_moved_to_another_scope(tenants: Cloud, *, inside: bool) -> None:
    p, before = tenants.scoped("p"), _all(tenants)

    def moved(db: Cloud) -> None:
        server = db.server.get("p1")
        server.project = "q"
        db.server.save(server)

    writes: list[Callable[[Cloud], object]] = [
        lambda db: db.server.create(Server(id="x", project="q", hostname="x")),
        lambda db: db.server.create_all([_server("x", "p"), _server("y", "q")]),
        lambda db: db.server.upsert(_server("x", "q")),
        lambda db: db.server.upsert(_server("p1", "q")),
        lambda db: db.server.update("p1", col(Server.project).to("q")),
        lambda db: db.server.update_where(everything(), changes=[col(Server.project).to("q")], scan=True),
        lambda db: db.server.claim(everything(), changes=[col(Server.project).to("q")], scan=True),
        moved,
    ]
    for write in writes:
        with pytest.raises(OutOfScope) as caught:
            if inside:
                with p.transaction() as tx:
                    write(tx)
            else:
                write(p)
        assert (caught.value.model, caught.value.field) == ("Server", "project")
        assert _all(tenants) == before


def _server(key: str, tenant: str, **values: Any) -> Server:
    return Server(id=key, project=tenant, hostname=f"host-{key}", **values)


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_upsert_does_not_take_over_anothers_record(tenants: Cloud, *, inside: bool) -> None:
    p, before = tenants.scoped("p"), _all(tenants)
    for by, record in (((), _server("q1", "p")), ((Server.serial,), _server("x", "p", serial=10 * ord("q") + 1))):
        with pytest.raises(Duplicate):  # as for anybody who makes a key or a value that is taken
            if inside:
                with p.transaction() as tx:
                    tx.server.upsert(record, by=by)
            else:
                p.server.upsert(record, by=by)
        assert _all(tenants) == before
    p.server.upsert(Server(id="p1", project="p", hostname="h1", vcpus=9))
    assert tenants.server.get("p1").vcpus == 9


def test_a_transaction_in_scope_checks_and_writes_its_own(tenants: Cloud) -> None:
    with tenants.scoped("p").transaction() as tx:
        assert tx.server.get("p1").vcpus == 1
        tx.server.create(_server("p3", "p"))
        assert [s.id for s in tx.server.find(scan=True)] == ["p1", "p3"]
        tx.server.update("p1", col(Server.vcpus).to(4))
        tenants.server.update("q1", col(Server.vcpus).to(4))  # nobody's conflict
    with pytest.raises(Conflict), tenants.scoped("p").transaction() as tx:
        tx.server.get("p1")
        tenants.server.update("p1", col(Server.vcpus).to(5))
    assert tenants.server.get("p3").project == "p"


def test_a_transaction_can_be_scoped_as_well(tenants: Cloud) -> None:
    with tenants.transaction() as tx:
        tx.server.get("q1").vcpus = 7
        p = tx.scoped("p")
        p.server.create(_server("p3", "p"))
        assert [s.id for s in p.server.find(scan=True)] == ["p1", "p3"]
        with pytest.raises(NotFound):
            p.server.get("q1")
        with pytest.raises(OutOfScope):
            p.server.create(_server("q3", "q"))
    assert tenants.server.get("p3").project == "p"


def test_a_record_moved_away_meanwhile_is_out_of_reach(tenants: Cloud) -> None:
    p = tenants.scoped("p")
    mine = p.server.get("p1")
    tenants.server.update("p1", col(Server.project).to("q"), col(Server.hostname).to("moved"))
    mine.vcpus = 9
    with pytest.raises((Conflict, NotFound, OutOfScope)):
        p.server.save(mine)
    with pytest.raises((Conflict, NotFound, OutOfScope)):
        p.server.purge(mine)
    assert tenants.server.get("p1").vcpus == 1


def test_models_without_a_scope_are_everybodys(tenants: Cloud) -> None:
    p = tenants.scoped("p")
    p.host.create(Host(name="h"))
    assert tenants.scoped("q").host.get("h").name == "h"
    p.volume.create(Volume(server_id="q1"))
    assert tenants.volume.count(scan=True) == 1
    p.quota.create(Quota(project="q", resource="cores"))
    assert p.quota.increment(("q", "cores"), Quota.used).used == 1
    assert p.address.count(col(Address.server_id) == "none") == 0


def test_a_scoped_index_serves_a_filter_without_the_scope(tenants: Cloud) -> None:
    p = tenants.scoped("p")
    explained = p.server.explain(col(Server.state) == "building")
    assert explained.index == "by_project_state_vcpus"
    assert [s.id for s in p.server.find(col(Server.state) == "building")] == ["p1"]
    assert p.server.explain().index == "by_project_state_vcpus"  # the scope alone is a bound
    assert [s.id for s in p.server.find()] == ["p1"]
    with pytest.raises(NoAccessPath):
        tenants.server.find(col(Server.state) == "building")


def test_a_scoped_unique_is_each_scopes_own(tenants: Cloud) -> None:
    with pytest.raises(Duplicate) as caught:
        tenants.scoped("p").server.create(Server(id="x", project="p", hostname="h1"))
    assert caught.value.fields == ("project", "hostname")
    found = tenants.scoped("q").server.find(col(Server.hostname) == "h1")
    assert [s.id for s in found] == ["q1"]
    assert tenants.scoped("r").server.create(Server(id="x", project="r", hostname="h1")).project == "r"


def test_a_view_is_no_database_of_its_own(tenants: Cloud) -> None:
    p = tenants.scoped("p")
    assert isinstance(p, Cloud)
    with pytest.raises(UsageError):  # who was given a view has no way out of it
        p.scoped("q")
    with pytest.raises(UsageError):
        tenants.scoped(None)
    with pytest.raises(ValueRefused):
        tenants.scoped(7)
    assert len(tenants.server.find(scan=True)) == 2  # the database that it came from sees everything
