"""Soft delete: the dead are there for those who ask, and nobody else."""

from __future__ import annotations

import pytest

from manystore import Duplicate, NotFound, UsageError, col, count
from manystore.testing.models import Author, Book, Cloud, Library, Server
from manystore.testing.provision import Clock


@pytest.fixture
def servers(cloud: Cloud) -> Cloud:
    """Four servers, two of them dead."""
    for n in range(4):
        cloud.server.create(Server(id=str(n), project="p", hostname=f"h{n}", vcpus=n, state="active"))
    cloud.server.delete("1")
    cloud.server.delete(cloud.server.get("3"))
    return cloud


def test_reads_see_the_live_unless_told_otherwise(servers: Cloud) -> None:
    for deleted, expected in (("no", ["0", "2"]), ("only", ["1", "3"]), ("any", ["0", "1", "2", "3"])):
        assert [s.id for s in servers.server.find(scan=True, deleted=deleted)] == expected  # type: ignore[arg-type]
        assert servers.server.count(scan=True, deleted=deleted) == len(expected)  # type: ignore[arg-type]
        assert servers.server.aggregate(count(), scan=True, deleted=deleted) == len(expected)  # type: ignore[arg-type]
        by_index = servers.server.find(col(Server.project) == "p", col(Server.state) == "active", deleted=deleted)  # type: ignore[arg-type]
        assert [s.id for s in by_index] == expected
        for key in "0123":
            if key in expected:
                assert servers.server.get(key, deleted=deleted).id == key  # type: ignore[arg-type]
            else:
                with pytest.raises(NotFound):
                    servers.server.get(key, deleted=deleted)  # type: ignore[arg-type]


def test_exists_and_first_see_the_live(servers: Cloud) -> None:
    assert not servers.server.exists(col(Server.id) == "1")
    assert servers.server.exists(col(Server.id) == "1", deleted="any")
    assert servers.server.first(col(Server.id) == "1") is None
    found = servers.server.first(col(Server.id) == "1", deleted="only")
    assert found is not None
    assert found.deleted is True


def test_the_clock_stamps_the_death(cloud: Cloud, clock: Clock) -> None:
    cloud.server.create(Server(id="s", project="p", hostname="h"))
    before = clock.now
    cloud.server.delete("s")
    dead = cloud.server.get("s", deleted="only")
    assert dead.deleted is True
    assert dead.deleted_at is not None
    assert before < dead.deleted_at <= clock.now


def test_the_dead_cannot_be_deleted_updated_or_claimed_again(servers: Cloud) -> None:
    with pytest.raises(NotFound):
        servers.server.delete("1")
    with pytest.raises(NotFound):
        servers.server.update("1", col(Server.vcpus).to(9))
    with pytest.raises(NotFound):
        servers.server.increment("1", Server.vcpus)
    with pytest.raises(NotFound), servers.server.edit("1") as server:
        server.vcpus = 9
    assert servers.server.update_where(col(Server.vcpus) >= 0, changes=[col(Server.launched_at).to(None)], scan=True) == 2
    assert servers.server.get("1", deleted="any").vcpus == 1


def test_the_dead_keep_their_key(servers: Cloud) -> None:
    with pytest.raises(Duplicate) as caught:
        servers.server.create(Server(id="1", project="p", hostname="other"))
    assert caught.value.fields == ("id",)


def test_a_dead_record_can_be_brought_back(servers: Cloud) -> None:
    dead = servers.server.get("1", deleted="only")
    dead.deleted, dead.deleted_at = False, None
    servers.server.save(dead)
    assert servers.server.get("1").hostname == "h1"


def test_delete_where_is_soft_and_purge_where_is_not(servers: Cloud) -> None:
    assert servers.server.delete_where(col(Server.vcpus) == 0, scan=True) == 1
    assert servers.server.get("0", deleted="only").deleted is True
    assert servers.server.purge_where(col(Server.vcpus) >= 0, scan=True) == 3
    assert [s.id for s in servers.server.find(scan=True, deleted="any")] == ["2"]


def test_purge_takes_the_live_and_the_dead(servers: Cloud) -> None:
    servers.server.purge("1")
    servers.server.purge("0")
    servers.server.purge(servers.server.get("3", deleted="any"))
    assert [s.id for s in servers.server.find(scan=True, deleted="any")] == ["2"]
    with pytest.raises(NotFound):
        servers.server.purge("1")


def test_in_a_transaction(servers: Cloud) -> None:
    with servers.transaction() as tx:
        tx.server.delete("0")
        with pytest.raises(NotFound):
            tx.server.get("0")
        assert tx.server.get("0", deleted="any").deleted is True
        assert [s.id for s in tx.server.find(scan=True)] == ["2"]
        assert [s.id for s in tx.server.find(scan=True, deleted="only")] == ["0", "1", "3"]
        assert tx.server.count(scan=True) == 1
    assert servers.server.get("0", deleted="only").deleted is True


def test_only_goes_with_soft_delete(library: Library) -> None:
    library.author.create(Author(name="a"))
    with pytest.raises(UsageError):
        library.author.find(deleted="only", scan=True)
    assert len(library.author.find(deleted="any", scan=True)) == 1
    with pytest.raises(UsageError):
        library.book.find(col(Book.title) == "t", deleted="yes")  # type: ignore[arg-type]
