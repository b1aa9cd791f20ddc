"""Nova's operations by Nova's names: what they give, what they raise, and what a race cannot break."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from manystore import MissingReference, NotLoaded, OutOfBounds, Restricted, col
from manystore.nova.database import Nova
from manystore.nova.exception import (
    ComputeHostNotFound,
    FixedIpAlreadyInUse,
    FixedIpNotFoundForAddress,
    FixedIpNotFoundForInstance,
    FixedIpNotFoundForNetwork,
    FlavorNotFound,
    HostBinaryNotFound,
    InstanceNotFound,
    InstanceTypeNotFoundByName,
    NetworkNotFoundForCidr,
    NoMoreFixedIps,
    NoNetworksFound,
    NovaException,
    ProjectQuotaNotFound,
)
from manystore.nova.model.instance import Instance, InstanceMetadataItem
from manystore.nova.model.instance_type import InstanceType, InstanceTypeExtraSpec
from manystore.nova.model.network import FixedIp, Network, VirtualInterface
from manystore.nova.model.quota import Quota, QuotaUse
from manystore.nova.model.service import ComputeNode, Service


def add_network(db: Nova, addresses: int) -> Network:
    network = db.network.create(Network(cidr="10.0.0.0/24"))
    ips = [FixedIp(address=f"10.0.0.{n}", network_id=network.id, reserved=n == 0) for n in range(addresses + 1)]
    db.fixed_ip.bulk_create(ips)
    return network


def add_node(db: Nova, host: str, vcpus: int, used: int = 0) -> ComputeNode:
    service = db.service.create(Service(host=host, binary="nova-compute", topic="compute"))
    node = ComputeNode(service_id=service.id, vcpus=vcpus, memory_mb=1000, vcpus_used=used, memory_mb_used=0)
    return db.compute_node.create(node)


def test_services(db: Nova):
    node = add_node(db, "a", 4)
    service = db.service.get_by_args("a", "nova-compute")
    assert db.service.get_by_host_and_topic("a", "compute") == service
    assert db.service.get_all_by_topic("compute") == db.service.get_all_by_host("a") == [service]
    assert db.service.get_all_compute_by_host("a") == [service]
    assert db.compute_node.get_by_service(service.id).id == node.id
    assert db.compute_node.get_all() == [node]
    db.service.report(service.id)
    assert db.service.get(service.id).report_count == 1
    db.service.update(service.id, col(Service.disabled).to(True))
    assert db.service.get_by_host_and_topic("a", "compute") is None
    assert db.service.get_all_by_topic("compute") == []


def test_first_fit_is_in_key_order_and_looks_at_each_host(db: Nova):
    for number, vcpus in enumerate((2, 4, 8, *[1] * 20, 16)):
        add_node(db, f"host-{number}", vcpus)

    def fit(vcpus: int, memory_mb: int = 1) -> int | None:
        node = db.compute_node.first_fit(vcpus, memory_mb, largest=(16, 1000))
        assert db.compute_node.first_fit(vcpus, memory_mb) == node
        return node.id if node else None

    assert [fit(1), fit(2), fit(3), fit(8), fit(9), fit(17)] == [1, 1, 2, 3, 24, None]
    assert fit(1, 1001) is None
    db.retrying(lambda tx: tx.compute_node.take(1, 1, 1000))
    assert fit(1) == 2


def test_networks_and_interfaces(db: Nova):
    with pytest.raises(NoNetworksFound):
        db.network.get_all()
    network = add_network(db, 1)
    assert db.network.get_all() == [db.network.get_by_cidr("10.0.0.0/24")] == [network]
    instance = db.instance.create(Instance())
    made = VirtualInterface(address="02:16", network_id=network.id, instance_id=instance.id)
    interface = db.virtual_interface.create(made)
    assert db.virtual_interface.get_by_address("02:16") == interface
    assert db.virtual_interface.get_by_instance(instance.id) == [interface]
    assert db.virtual_interface.get_by_instance_and_network(instance.id, network.id) == interface
    db.virtual_interface.delete_by_instance(instance.id)
    assert db.virtual_interface.get_by_address("02:16") is None


def test_the_pool(db: Nova):
    network, instance = add_network(db, 2), db.instance.create(Instance())
    taken = {db.fixed_ip.associate_pool(network.id, instance.id) for _ in range(2)}
    assert taken == {"10.0.0.1", "10.0.0.2"}  # the reserved one never
    with pytest.raises(NoMoreFixedIps):
        db.fixed_ip.associate_pool(network.id, instance.id)
    db.fixed_ip.disassociate("10.0.0.1")
    assert db.fixed_ip.associate_pool(network.id, host="gateway") == "10.0.0.1"


def test_the_pool_takes_an_address_of_no_network_too(db: Nova):
    network, instance = add_network(db, 0), db.instance.create(Instance())
    db.fixed_ip.create(FixedIp(address="192.168.0.1"))
    assert db.fixed_ip.associate_pool(network.id, instance.id) == "192.168.0.1"
    assert db.fixed_ip.get_by_address("192.168.0.1").network_id == network.id


def test_a_given_address(db: Nova):
    network, instance = add_network(db, 1), db.instance.create(Instance())
    assert db.fixed_ip.associate("10.0.0.1", instance.id, network.id) == "10.0.0.1"
    assert db.fixed_ip.get_by_address("10.0.0.1").instance_id == instance.id
    with pytest.raises(FixedIpAlreadyInUse):
        db.fixed_ip.associate("10.0.0.1", instance.id, network.id)
    with pytest.raises(FixedIpNotFoundForNetwork):
        db.fixed_ip.associate("10.0.0.0", instance.id, network.id)
    assert db.fixed_ip.associate("10.0.0.0", instance.id, network.id, reserved=True)


def test_an_address_goes_onto_an_interface_and_comes_back(db: Nova):
    network, instance = add_network(db, 1), db.instance.create(Instance())
    interface = db.virtual_interface.create(VirtualInterface(network_id=network.id, instance_id=instance.id))
    address = db.fixed_ip.associate_pool(network.id, instance.id)
    db.fixed_ip.allocate(address, interface.id)
    db.fixed_ip.release(address)
    ip = db.fixed_ip.get_by_address(address)
    assert (ip.instance_id, ip.allocated, ip.leased) == (instance.id, True, False)
    db.virtual_interface.delete(interface.id)
    assert db.fixed_ip.get_by_address(address).virtual_interface_id is None
    db.fixed_ip.deallocate(address)
    db.fixed_ip.release(address)
    with pytest.raises(FixedIpNotFoundForInstance):
        db.fixed_ip.get_by_instance(instance.id)


def test_instances(db: Nova):
    instance = db.instance.create(Instance(host="a", project_id="p", user_id="u", reservation_id="r", vcpus=2))
    assert instance.uuid is not None
    assert len(instance.uuid) == 36
    for found in (
        db.instance.get_by_uuid(instance.uuid),
        *db.instance.get_all_by_host("a"),
        *db.instance.get_all_by_project("p"),
        *db.instance.get_all_by_user("u"),
        *db.instance.get_all_by_reservation("r"),
    ):
        assert found == instance
        assert found.fixed_ips == []
    with pytest.raises(NotLoaded):
        _ = db.instance.get(instance.id, load=()).metadata
    assert db.instance.data_get_for_project("p") == (1, 2, 0)
    assert db.instance.data_get_for_project("q") == (0, 0, 0)
    db.instance_metadata.create(InstanceMetadataItem(key="k", value="v", instance_id=instance.id))
    assert [item.value for item in db.instance.get(instance.id, load=(Instance.metadata,)).metadata] == ["v"]
    db.instance_metadata.delete_by_key(instance.id, "k")
    assert db.instance.get(instance.id).metadata == []
    db.instance.delete(instance.id)
    assert db.instance.get(instance.id, deleted="only").deleted_at is not None


def test_an_instance_that_holds_an_address_is_not_purged(db: Nova):
    network, instance = add_network(db, 1), db.instance.create(Instance())
    db.fixed_ip.associate_pool(network.id, instance.id)
    with pytest.raises(Restricted):
        db.instance.purge(instance.id)
    with pytest.raises(MissingReference):
        db.fixed_ip.create(FixedIp(instance_id=99))


def test_sizes(db: Nova):
    size = db.instance_type.create(InstanceType(name="c1", flavorid="1"))
    db.instance_type_extra_spec.create(InstanceTypeExtraSpec(key="k", value="v", instance_type_id=size.id))
    db.instance_type.delete(size.id)
    assert db.instance_type.get_by_name("c1").deleted
    assert db.instance_type.get_by_flavor_id("1").deleted
    assert db.instance_type.get_all() == []
    assert len(db.instance_type.get_all(inactive=True)) == 1


def test_quotas(db: Nova):
    db.quota.create(Quota(project_id="p", resource="cores", hard_limit=-1))
    db.quota.create(Quota(project_id="p", resource="ram", hard_limit=None))
    limits = db.quota.limits("p")
    assert (limits["instances"], limits["cores"], limits["ram"]) == (10, None, None)
    assert db.quota.get_all_by_project("p") == {"project_id": "p", "cores": -1, "ram": None}
    for resource in ("instances", "cores"):
        db.quota_use.create(QuotaUse(project_id="p", resource=resource))
    db.retrying(lambda tx: tx.quota_use.reserve("p", limits, {"instances": 10, "cores": 1000}))
    with pytest.raises(OutOfBounds):
        db.retrying(lambda tx: tx.quota_use.reserve("p", limits, {"cores": 1, "instances": 1}))
    assert db.quota_use.get(("p", "cores")).used == 1000  # all or none
    with pytest.raises(OutOfBounds):
        db.retrying(lambda tx: tx.quota_use.give_back("p", {"instances": 11}))


@pytest.mark.parametrize(
    ("ask", "error", "told"),
    [
        (lambda db: db.service.get_by_args("a", "b"), HostBinaryNotFound, "could not find binary b on host a"),
        (lambda db: db.service.get_all_compute_by_host("a"), ComputeHostNotFound, "compute host a could not be found"),
        (lambda db: db.compute_node.get_by_service(3), ComputeHostNotFound, "compute host 3 could not be found"),
        (lambda db: db.network.get_by_cidr("x"), NetworkNotFoundForCidr, "network could not be found with cidr x"),
        (lambda db: db.fixed_ip.get_by_address("x"), FixedIpNotFoundForAddress, "fixed ip not found for address x"),
        (lambda db: db.instance.get_by_uuid("x"), InstanceNotFound, "instance x could not be found"),
        (lambda db: db.instance_type.get_by_name("x"), InstanceTypeNotFoundByName, "with name x could not be found"),
        (lambda db: db.instance_type.get_by_flavor_id("x"), FlavorNotFound, "flavor x could not be found"),
        (lambda db: db.quota.get_by_project("p", "x"), ProjectQuotaNotFound, "quota for project p could not be found"),
    ],
)
def test_what_is_not_there(db: Nova, ask: Callable[[Nova], object], error: type[NovaException], told: str):
    with pytest.raises(error, match=told):
        ask(db)


def test_no_race_overfills_a_host_or_gives_an_address_twice(db: Nova):
    node = add_node(db, "a", vcpus=20)
    network, instance = add_network(db, 20), db.instance.create(Instance())

    def work(_: int) -> Counter[str]:
        done: Counter[str] = Counter()
        for _ in range(10):
            try:
                db.retrying(lambda tx: tx.compute_node.take(node.id, 1, 1))
                done["taken"] += 1
            except OutOfBounds:
                done["full"] += 1
            try:
                address = db.retrying(lambda tx: tx.fixed_ip.associate_pool(network.id, instance.id))
                done[address] += 1
            except NoMoreFixedIps:
                done["none"] += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        done = sum(pool.map(work, range(4)), Counter[str]())
    assert (done.pop("taken"), done.pop("full"), done.pop("none")) == (20, 20, 20)
    assert set(done.values()) == {1}
    assert len(done) == 20
    assert db.compute_node.get(node.id).vcpus_used == 20
