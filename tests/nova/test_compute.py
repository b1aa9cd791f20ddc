"""Hosts, sizes, moves, consoles and the rest of the compute area by Nova's operations."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from manystore import Duplicate, NotLoaded, OutOfBounds, col
from manystore.nova.context import RequestContext
from manystore.nova.database import Nova
from manystore.nova.exception import (
    AdminRequired,
    AgentBuildNotFound,
    ComputeHostNotFound,
    ConsoleNotFound,
    ConsoleNotFoundForInstance,
    ConsoleNotFoundInPoolForInstance,
    ConsolePoolNotFound,
    ConsolePoolNotFoundForHostType,
    FlavorNotFound,
    HostBinaryNotFound,
    InstanceNotFound,
    InstanceTypeNotFound,
    InstanceTypeNotFoundByName,
    Invalid,
    MigrationNotFound,
    MigrationNotFoundByStatus,
    NotAuthorized,
    ServiceNotFound,
    ZoneNotFound,
)
from manystore.nova.model.console import Console, ConsolePool
from manystore.nova.model.instance import BandwidthUsage, Instance, InstanceAction, Migration
from manystore.nova.model.instance_type import InstanceType, InstanceTypeExtraSpec
from manystore.nova.model.network import Network
from manystore.nova.model.service import AgentBuild, ComputeNode, Service, Zone
from manystore.nova.model.volume import Volume
from manystore.nova.options import options

START = datetime(2011, 11, 11, tzinfo=UTC)


class Clock:
    """The time stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def db(url: str, clock: Clock) -> Iterator[Nova]:
    with Nova.connect(url, clock=clock) as opened:
        yield opened


def user(db: Nova, project: str = "p") -> Nova:
    return db.for_context(RequestContext("u", project))


def admin(db: Nova, **options: Any) -> Nova:
    return db.for_context(RequestContext(is_admin=True, **options))


def serve(db: Nova, host: str, topic: str = "compute", **fields: Any) -> Service:
    return db.service.create(Service(host=host, binary=f"nova-{topic}", topic=topic, **fields))


def test_services(db: Nova, monkeypatch: pytest.MonkeyPatch):
    up, off = serve(db, "a"), serve(db, "b", disabled=True)
    node = db.compute_node.create(ComputeNode(service_id=up.id, vcpus=4))
    assert [found.id for found in db.service.get(up.id).compute_node] == [node.id]
    assert db.service.get_all() == [up, off]
    assert (db.service.get_all(disabled=True), db.service.get_all(disabled=False)) == ([off], [up])
    assert db.service.get_all_by_topic("compute") == [up]
    assert db.service.get_all_by_host("b") == db.service.get_all_compute_by_host("b") == [off]
    assert db.service.get_all_compute_by_host("a")[0].compute_node == [node]
    assert db.service.get_by_host_and_topic("b", "compute") is None
    assert db.service.get_by_host_and_topic("a", "compute") == up
    assert db.service.get_by_args("b", "nova-compute") == off
    assert db.service.update(up.id, col(Service.report_count).to(3)).report_count == 3
    monkeypatch.setattr(options, "enable_new_services", False)
    assert serve(db, "c").disabled
    for refused in (user(db), db.for_context(RequestContext())):
        with pytest.raises(AdminRequired):
            refused.service.get_all()


def test_a_service_goes_with_its_node(db: Nova):
    first, second, third = serve(db, "a"), serve(db, "b"), serve(db, "c", topic="network")
    for service in (first, second, third):
        db.compute_node.create(ComputeNode(service_id=service.id))
    db.service.destroy(first.id)
    assert [node.service_id for node in db.compute_node.get_all()] == [second.id, third.id]
    db.service.destroy(third.id)  # no compute service: its node is left
    assert [node.service_id for node in db.compute_node.get_all()] == [second.id, third.id]
    deleted = admin(db, read_deleted=True)
    assert deleted.service.get(first.id).deleted_at is not None
    assert [service.id for service in deleted.service.get_all()] == [first.id, third.id]
    assert deleted.service.get_by_args("a", "nova-compute").id == first.id
    for ask in (
        lambda: db.service.get(first.id),
        lambda: db.service.destroy(first.id),
        lambda: db.service.update(first.id, col(Service.disabled).to(True)),
    ):
        with pytest.raises(ServiceNotFound):
            ask()
    with pytest.raises(HostBinaryNotFound):
        db.service.get_by_args("a", "nova-compute")
    with pytest.raises(ComputeHostNotFound):
        db.service.get_all_compute_by_host("a")
    deleted.service.destroy(first.id)  # gone already


def test_the_least_used_hosts_come_first(db: Nova):
    for host in ("full", "idle", "half", "twin", "off"):
        for topic in ("compute", "network", "volume"):
            serve(db, host, topic, disabled=host == "off")
    for number, (host, amount) in enumerate([("full", 4), ("full", 4), ("half", 3), ("twin", 3), ("off", 1)]):
        db.instance.create(Instance(host=host, vcpus=amount))
        db.network.create(Network(host=host, cidr=f"10.0.{number}.0/24"))
        db.volume.create(Volume(host=host, size=10 * amount))
    gone = db.instance.create(Instance(host="idle", vcpus=9))
    db.instance.destroy(gone.id)

    def told(found: list[tuple[Service, int]]) -> list[tuple[str | None, int]]:
        return [(service.host, total) for service, total in found]

    assert told(db.service.get_all_compute_sorted()) == [("idle", 0), ("half", 3), ("twin", 3), ("full", 8)]
    assert told(db.service.get_all_network_sorted()) == [("idle", 0), ("half", 1), ("twin", 1), ("full", 2)]
    assert told(db.service.get_all_volume_sorted()) == [("idle", 0), ("half", 30), ("twin", 30), ("full", 80)]
    assert {service.topic for service, _ in db.service.get_all_volume_sorted()} == {"volume"}


def test_a_service_is_up_while_it_reports(db: Nova, clock: Clock):
    service = serve(db, "a")
    assert service.is_up(START + timedelta(seconds=60))
    assert not service.is_up(START + timedelta(seconds=61))
    clock.now += timedelta(minutes=1)
    db.service.report(service.id)
    assert db.service.get(service.id).is_up(START + timedelta(minutes=2))
    assert not Service().is_up(START)


def test_compute_nodes(db: Nova):
    service = serve(db, "a")
    node = db.compute_node.create(
        ComputeNode(service_id=service.id, vcpus=4, memory_mb=100, local_gb=9, local_gb_used=2)
    )
    (found,) = db.compute_node.get_all()
    assert found.service == service
    assert (found.vcpus_free, found.memory_mb_free, found.local_gb_free) == (4, 100, 7)
    taken = db.retrying(lambda tx: tx.compute_node.take(node.id, 3, 100))
    assert (taken.vcpus_free, taken.memory_mb_free) == (1, 0)
    assert not taken.has_room(1, 1)
    with pytest.raises(OutOfBounds):
        db.retrying(lambda tx: tx.compute_node.take(node.id, 2, 0))
    assert db.compute_node.update(node.id, col(ComputeNode.vcpus).to(8)).has_room(5, 0)
    db.compute_node.delete(node.id)
    assert admin(db, read_deleted=True).compute_node.get(node.id).id == node.id
    for ask in (lambda: db.compute_node.get(node.id), lambda: db.compute_node.update(99, col(ComputeNode.vcpus).to(1))):
        with pytest.raises(ComputeHostNotFound, match="compute host"):
            ask()


def test_migrations(db: Nova, clock: Clock):
    made = db.migration.create(Migration(instance_uuid="i", status="FINISHED", dest_host="b"))
    clock.now += timedelta(hours=1)
    assert db.migration.get_all_unconfirmed(60) == []  # never changed, so it has no time
    db.migration.update(made.id, col(Migration.source_compute).to("a"))
    assert db.migration.get_all_unconfirmed(60) == []
    clock.now += timedelta(minutes=1)
    assert [found.id for found in db.migration.get_all_unconfirmed(60)] == [made.id]
    assert db.migration.get_by_instance_and_status("i", "FINISHED").dest_host == "b"
    with pytest.raises(MigrationNotFoundByStatus, match="instance i with status confirmed"):
        db.migration.get_by_instance_and_status("i", "confirmed")
    db.migration.delete(made.id)
    assert admin(db).migration.get(made.id).deleted
    assert admin(db).migration.get_by_instance_and_status("i", "FINISHED").id == made.id
    with pytest.raises(MigrationNotFound):
        db.migration.get(99)


def test_actions(db: Nova):
    instance, other = db.instance.create(Instance(project_id="p")), db.instance.create(Instance(project_id="q"))
    made = user(db).instance_action.create(InstanceAction(instance_id=instance.id, action="reboot"))
    with pytest.raises(NotAuthorized):
        user(db).instance_action.create(InstanceAction(instance_id=other.id, action="reboot"))
    db.instance.destroy(instance.id)
    actions = admin(db).instance_action.get_all_by_instance
    assert actions(instance.id) == [made]
    assert actions(other.id) == actions(99) == []
    assert db.instance_action.get_all_by_instance(other.uuid or "") == []
    assert [a.action for a in admin(db).instance_action.get_all_by_instance(instance.uuid or "")] == ["reboot"]
    with pytest.raises(InstanceNotFound):
        actions("nobody")
    with pytest.raises(AdminRequired):
        user(db).instance_action.get_all_by_instance(instance.id)


def test_bandwidth(db: Nova, clock: Clock):
    instance, other = db.instance.create(Instance(project_id="p")), db.instance.create(Instance(project_id="q"))
    mine = user(db).bw_usage
    mine.record(instance.id, "public", START, 1, 2)
    clock.now += timedelta(minutes=1)
    mine.record(instance.id, "public", START, 3, 4)
    mine.record(instance.id, "private", START, 5, 6)
    mine.record(instance.id, "public", clock.now, 7, 8)
    found = {usage.network_label: usage for usage in mine.get_by_instance(instance.id, START)}
    assert {label: (usage.bw_in, usage.bw_out) for label, usage in found.items()} == {
        "public": (3, 4),
        "private": (5, 6),
    }
    assert found["public"].last_refreshed == clock.now
    assert found["public"].created_at == START
    assert db.bw_usage.count(scan=True) == 3
    assert user(db, "q").bw_usage.get_by_instance(instance.id, START) == []
    for ask in (lambda: mine.record(other.id, "public", START, 9, 9), lambda: db.bw_usage.record(99, "x", START, 9, 9)):
        with pytest.raises(InstanceNotFound):
            ask()
    with db.transaction() as tx:
        tx.bw_usage.record(other.id, "public", START, 1, 1)
    assert db.bw_usage.get_by_instance(other.id, START)[0].bw_in == 1
    db.bw_usage.delete_where(col(BandwidthUsage.instance_id) == other.id)
    assert admin(db).bw_usage.get_by_instance(other.id, START)[0].deleted


def test_agent_builds(db: Nova):
    build = db.agent_build.create(AgentBuild(hypervisor="xen", os="linux", architecture="x86", version="1"))
    assert db.agent_build.get_by_triple("xen", "linux", "x86") == build
    assert db.agent_build.get_by_triple("xen", "linux", "arm") is None
    assert db.agent_build.update(build.id, col(AgentBuild.version).to("2")).version == "2"
    assert [found.version for found in db.agent_build.find()] == ["2"]
    for _ in range(2):
        admin(db).agent_build.destroy(build.id)
    assert db.agent_build.find() == []
    assert db.agent_build.get(build.id, deleted="only").deleted_at is not None
    with pytest.raises(AgentBuildNotFound):
        db.agent_build.update(99, col(AgentBuild.version).to("2"))


def test_zones(db: Nova):
    zone = db.zone.create(Zone(name="z", api_url="http://z"))
    assert db.zone.update(zone.id, col(Zone.username).to("me")).username == "me"
    assert admin(db).zone.find() == [db.zone.get(zone.id)]
    for _ in range(2):
        db.zone.destroy(zone.id)
    for ask in (lambda: db.zone.get(zone.id), lambda: db.zone.update(zone.id, col(Zone.username).to("me"))):
        with pytest.raises(ZoneNotFound):
            ask()


def test_consoles(db: Nova):
    instance, other = db.instance.create(Instance(project_id="p")), db.instance.create(Instance(project_id="q"))
    pool = db.console_pool.create(ConsolePool(host="proxy", compute_host="c1", console_type="vnc"))
    console = user(db).console.create(Console(pool_id=pool.id, instance_id=instance.id, port=1))
    found = db.console_pool.get_by_host_type("c1", "proxy", "vnc")
    assert found.consoles == [console]
    assert [each.consoles for each in db.console_pool.get_all_by_host_type("proxy", "vnc")] == [[console]]
    assert db.console_pool.get_all_by_host_type("proxy", "xvp") == []
    assert db.console_pool.get(pool.id).compute_host == "c1"
    mine, theirs = user(db).console, user(db, "q").console
    for one in (
        mine.get_for(console.id),
        mine.get_for(console.id, instance.id),
        mine.get_by_pool_instance(pool.id, instance.id),
        *mine.get_all_by_instance(instance.id),
    ):
        assert one == console
        assert one.pool == pool
    assert theirs.get_all_by_instance(instance.id) == []
    theirs.destroy(console.id)
    for ask, error in (
        (lambda: db.console_pool.get_by_host_type("c2", "proxy", "vnc"), ConsolePoolNotFoundForHostType),
        (lambda: db.console_pool.get(99), ConsolePoolNotFound),
        (lambda: mine.get_for(99), ConsoleNotFound),
        (lambda: theirs.get_for(console.id), ConsoleNotFound),
        (lambda: mine.get_for(console.id, other.id), ConsoleNotFoundForInstance),
        (lambda: mine.get_by_pool_instance(pool.id, other.id), ConsoleNotFoundInPoolForInstance),
        (lambda: theirs.create(Console(pool_id=pool.id, instance_id=instance.id)), NotAuthorized),
    ):
        with pytest.raises(error):
            ask()
    for _ in range(2):
        mine.destroy(console.id)
    assert db.console.find(scan=True) == []


def test_sizes(db: Nova):
    small = db.instance_type.create(
        InstanceType(name="m1.small", flavorid="1", memory_mb=512, local_gb=0), extra_specs={"arch": "x86"}
    )
    large = db.instance_type.create(InstanceType(name="m1.large", flavorid="2", memory_mb=4096, local_gb=40))
    assert (small.specs, large.specs) == ({"arch": "x86"}, {})
    mine = user(db).instance_type
    for found in (mine.get(small.id), mine.get_by_name("m1.small"), mine.get_by_flavor_id("1")):
        assert found == small
        assert found.specs == {"arch": "x86"}
    assert [size.name for size in mine.get_all()] == ["m1.large", "m1.small"]
    assert mine.get_all(filters={"min_memory_mb": 513}) == mine.get_all(filters={"min_local_gb": 1}) == [large]
    assert mine.get_all(filters={"min_memory_mb": 1, "min_local_gb": 41}) == []
    with pytest.raises(Invalid):
        mine.get_all(filters={"min_vcpus": 1})
    for twin in (InstanceType(name="m1.small", flavorid="9"), InstanceType(name="x", flavorid="1")):
        with pytest.raises(Duplicate):
            db.instance_type.create(twin, extra_specs={"a": "b"})
    for _ in range(2):
        db.instance_type.destroy_by_name("m1.small")
    assert mine.get_by_name("m1.small").deleted_at is not None
    assert mine.get(small.id).specs == {"arch": "x86"}
    assert mine.get_all() == [large]
    assert [size.specs for size in mine.get_all(inactive=True)] == [{}, {"arch": "x86"}]
    db.instance_type.purge_by_name("m1.small")
    assert db.instance_type_extra_spec.find(scan=True, deleted="any") == []
    for ask, error in (
        (lambda: mine.get(small.id), InstanceTypeNotFound),
        (lambda: mine.get_by_name("m1.small"), InstanceTypeNotFoundByName),
        (lambda: mine.get_by_flavor_id("1"), FlavorNotFound),
        (lambda: db.instance_type.destroy_by_name("m1.small"), InstanceTypeNotFoundByName),
        (lambda: db.instance_type.purge_by_name("m1.small"), InstanceTypeNotFoundByName),
        (lambda: mine.create(InstanceType(name="mine")), AdminRequired),
    ):
        with pytest.raises(error):
            ask()
    with pytest.raises(NotLoaded):
        _ = db.instance_type.find()[0].specs


def test_extra_specs(db: Nova):
    size = db.instance_type.create(InstanceType(name="m1", flavorid="1"), extra_specs={"a": "1"})
    specs = db.instance_type_extra_spec
    assert specs.update_or_create(size.id, {"a": "2", "b": "3"}) == {"a": "2", "b": "3"}
    assert user(db).instance_type_extra_spec.get_by_type(size.id) == {"a": "2", "b": "3"}
    assert db.instance_type.get(size.id).updated_at == size.updated_at
    for _ in range(2):
        specs.delete_by_key(size.id, "a")
    assert specs.update_or_create(size.id, {"c": "4"}) == {"b": "3", "c": "4"}
    assert len(specs.find(col(InstanceTypeExtraSpec.instance_type_id) == size.id, deleted="any")) == 3
    assert specs.get_by_type(99) == {}
    with pytest.raises(InstanceTypeNotFound):
        specs.update_or_create(99, {"a": "1"})
    with pytest.raises(AdminRequired):
        user(db).instance_type_extra_spec.update_or_create(size.id, {"a": "9"})


def test_queues():
    assert Nova.queue.get_for("compute", "host-1") == "compute.host-1"
