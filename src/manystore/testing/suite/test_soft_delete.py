"""Soft delete: the dead are there for those who ask, and nobody else."""

from __future__ import annotations

import pytest

from manystore import Conflict, Duplicate, Exhausted, NotFound, TooLarge, UsageError, col, count, everything, sum_
from manystore.testing.models import Author, Book, Cloud, Host, Library, Server
from manystore.testing.provision import Clock, Place


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
    assert (
        servers.server.update_where(col(Server.vcpus) >= 0, changes=[col(Server.launched_at).to(None)], scan=True) == 2
    )
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


def test_a_soft_delete_is_a_change_of_the_record(servers: Cloud) -> None:
    stale, again = servers.server.get("0"), servers.server.get("0")
    servers.server.update("2", col(Server.vcpus).to(8))
    stale_two = servers.server.get("2")
    servers.server.update("2", col(Server.vcpus).to(9))
    with pytest.raises(Conflict):
        servers.server.delete(stale_two)
    assert (stale_two.deleted, stale_two.deleted_at) == (False, None)  # it is left as it was
    servers.server.delete(stale)
    assert stale.deleted is True
    with pytest.raises(Conflict):
        servers.server.save(again)
    stale.deleted = False
    servers.server.save(stale)  # it carries its new revision
    assert servers.server.get("0").hostname == "h0"


def test_claim_and_upsert_and_the_dead(servers: Cloud) -> None:
    with pytest.raises(Exhausted):
        servers.server.claim(col(Server.id) == "1", changes=[col(Server.vcpus).to(9)])
    unlaunched = col(Server.launched_at).is_(None)
    taken = {servers.server.claim(unlaunched, changes=[col(Server.vcpus).to(50)], scan=True).id for _ in range(9)}
    assert taken <= {"0", "2"}
    servers.server.upsert(Server(id="1", project="p", hostname="back"))  # the key finds it, dead as it is
    assert servers.server.get("1").hostname == "back"


def test_totals_see_the_live_unless_told_otherwise(servers: Cloud) -> None:
    assert servers.server.aggregate(sum_(Server.vcpus), scan=True) == 2
    assert servers.server.aggregate(sum_(Server.vcpus), scan=True, deleted="only") == 4
    assert servers.server.aggregate(sum_(Server.vcpus), col(Server.project) == "p", deleted="any", scan=True) == 6


def test_pages_skip_the_dead(cloud: Cloud) -> None:
    cloud.server.create_all([Server(id=f"{n:02}", project="p", hostname=f"h{n}", state="active") for n in range(30)])
    assert cloud.server.delete_where(col(Server.id).in_([f"{n:02}" for n in range(30) if n % 5])) == 24
    alive = ["00", "05", "10", "15", "20", "25"]
    where = (col(Server.project) == "p", col(Server.state) == "active")
    assert [s.id for s in cloud.server.find(*where, limit=4)] == alive[:4]
    assert [s.id for s in cloud.server.iterate(*where, page=2)] == alive
    assert len(list(cloud.server.iterate(*where, page=7, deleted="only"))) == 24


def test_a_where_inside_a_transaction_is_soft_as_well(servers: Cloud) -> None:
    with servers.transaction() as tx:
        assert tx.server.delete_where(everything(), scan=True) == 2
        assert tx.server.find(scan=True) == []
        assert tx.server.count(scan=True, deleted="only") == 4
        assert tx.server.purge_where(col(Server.id).in_(["1", "2"])) == 2
        with pytest.raises(NotFound):
            tx.server.get("2", deleted="any")
    assert [s.id for s in servers.server.find(scan=True, deleted="any")] == ["0", "3"]
    assert servers.server.count(scan=True) == 0


def test_inside_a_transaction_the_dead_are_not_there_for_writes(servers: Cloud) -> None:
    with servers.transaction() as tx:
        for write in (
            lambda: tx.server.update("1", col(Server.vcpus).to(9)),
            lambda: tx.server.increment("1", Server.vcpus),
            lambda: tx.server.delete("1"),
            lambda: tx.server.edit("1").__enter__(),
        ):
            with pytest.raises(NotFound):
                write()
        dead = tx.server.get("1", deleted="only")
        dead.deleted = False
        tx.server.save(dead)
        assert tx.server.get("1") is dead
        tx.server.purge("3")
    assert [s.id for s in servers.server.find(scan=True)] == ["0", "1", "2"]
    assert servers.server.find(scan=True, deleted="only") == []


def test_a_view_says_what_reads_see_that_do_not_say(servers: Cloud) -> None:
    for deleted, expected in (("no", ["0", "2"]), ("only", ["1", "3"]), ("any", ["0", "1", "2", "3"])):
        view = servers.seeing(deleted)  # type: ignore[arg-type]
        assert [s.id for s in view.server.find(scan=True)] == expected
        assert [s.id for s in view.server.iterate(scan=True, page=1)] == expected
        assert view.server.count(scan=True) == len(expected)
        assert view.server.aggregate(count(), scan=True) == len(expected)
        for key in "0123":
            assert view.server.exists(col(Server.id) == key) == (key in expected)
            assert (view.server.first(col(Server.id) == key) is not None) == (key in expected)
        assert view.server.count(scan=True, deleted="no") == 2
        with view.transaction() as tx:
            assert [s.id for s in tx.server.find(scan=True)] == expected
            assert tx.server.get(expected[0]).id == expected[0]
    assert [h.name for h in servers.seeing("only").host.find()] == [h.name for h in servers.host.find()]
    assert servers.server.count(scan=True) == 2
    with pytest.raises(UsageError):
        servers.seeing("yes")  # type: ignore[arg-type]


def test_changes_go_to_the_live_whatever_the_view_sees(servers: Cloud) -> None:
    view = servers.seeing("any")
    with pytest.raises(NotFound):
        view.server.update("1", col(Server.vcpus).to(9))
    assert view.server.update_where(everything(), changes=[col(Server.vcpus).to(9)], scan=True) == 2


# --- what a soft delete takes of a step ------------------------------------------------------------------------------


def test_a_step_counts_what_moves_only(place: Place) -> None:
    """A soft delete gives up the claims among the live; the other entries stay, and do not count."""
    place.url += ("&" if "?" in place.url else "?") + "max_operations=40"
    cloud = place.connect(Cloud)
    cloud.host.create(Host(name="h"))
    for n in range(11):
        cloud.server.create(Server(id=str(n), project="p", hostname=f"h{n}", serial=n, host="h"))
    with cloud.transaction() as tx:
        assert tx.server.delete_where(col(Server.id) < "8", scan=True) == 9  # 0 to 7, and 10
    assert [server.id for server in cloud.server.find(scan=True)] == ["8", "9"]
    with pytest.raises(TooLarge), cloud.transaction() as tx:
        for server in tx.server.find(deleted="only", scan=True):
            server.deleted, server.serial, server.host = False, None, None
            tx.server.save(server)
    assert cloud.server.count(deleted="only", scan=True) == 9
