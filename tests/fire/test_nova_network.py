"""Four programs at Nova's networks and addresses: nothing is given twice, no renewal is lost, the first one wins."""

from __future__ import annotations

from typing import Any

import pytest

from manystore import col
from manystore.nova.database import Nova
from manystore.nova.exception import NoMoreFixedIps, NoMoreFloatingIps, SecurityGroupNotFound
from manystore.nova.model.instance import Instance
from manystore.nova.model.network import FixedIp, FloatingIp, Network, VirtualInterface
from manystore.nova.model.security_group import (
    SecurityGroup,
    SecurityGroupInstanceAssociation,
    SecurityGroupRule,
)
from manystore.testing.crew import Crew
from manystore.testing.provision import Place

from . import network_contest as contest
from .network_contest import LONG_AGO, Address

POOL = 40
ROUNDS = pytest.mark.parametrize("rounds", [8, pytest.param(200, marks=pytest.mark.soak)])


@pytest.fixture
def nova(place: Place) -> Nova:
    return place.connect(Nova, on_call=None)


@pytest.fixture
def network(nova: Nova) -> int:
    return nova.network.create(Network(cidr="10.0.0.0/16", host="gateway")).id


@pytest.fixture
def instances(nova: Nova, crew: Crew) -> list[int]:
    return [made.id for made in nova.instance.create_all([Instance() for _ in range(crew.size)])]


def add_addresses(nova: Nova, number: int, network_id: int | None, begin: str = "10.0.1", **fields: Any) -> list[str]:
    ips = [FixedIp(address=f"{begin}.{n}", network_id=network_id, **fields) for n in range(number)]
    nova.fixed_ip.bulk_create(ips)
    return [ip.address or "" for ip in ips]


def test_each_address_of_the_pool_is_given_once(
    nova: Nova, place: Place, crew: Crew, network: int, instances: list[int]
) -> None:
    free = add_addresses(nova, POOL, network)
    nova.fixed_ip.create(FixedIp(address="10.0.2.1"))  # of no network
    nova.fixed_ip.create(FixedIp(address="10.0.2.2", network_id=network, reserved=True))
    nova.fixed_ip.create(FixedIp(address="10.0.2.3", network_id=network, host="gateway"))
    taken = crew.run(contest.take_from_pool, Address.of(place), network, instances)
    assert sorted(ip for each in taken for ip in each) == sorted([*free, "10.0.2.1"])
    for instance, each in zip(instances, taken, strict=True):
        found = nova.fixed_ip.find(col(FixedIp.instance_id) == instance)
        assert sorted(ip.address or "" for ip in found) == sorted(each)
        assert {ip.network_id for ip in found} <= {network}
    with pytest.raises(NoMoreFixedIps):
        nova.fixed_ip.associate_pool(network, instances[0])


@ROUNDS
def test_a_given_address_is_one_instances(
    nova: Nova, place: Place, crew: Crew, network: int, instances: list[int], rounds: int
) -> None:
    ips = add_addresses(nova, rounds, None)
    outcomes = crew.run(contest.take_given, Address.of(place), network, instances, ips)
    for ip, told in zip(ips, zip(*outcomes, strict=True), strict=True):
        assert sorted(told) == ["FixedIpAlreadyInUse"] * (crew.size - 1) + ["done"]
        found = nova.fixed_ip.get_by_address(ip)
        assert (found.instance_id, found.network_id) == (instances[told.index("done")], network)


@ROUNDS
def test_what_is_renewed_is_not_swept(nova: Nova, place: Place, crew: Crew, instances: list[int], rounds: int) -> None:
    stale: dict[str, list[str]] = {}
    for number in range(rounds):
        host = f"gateway-{number}"
        made = nova.network.create(Network(host=host))
        stale[host] = add_addresses(nova, 6, made.id, f"10.0.{number}", instance_id=instances[0], updated_at=LONG_AGO)
    told = crew.run(contest.sweep_or_renew, Address.of(place), stale)
    renewed = {ip for each in told for ip in each}
    for ip in nova.fixed_ip.find(scan=True):
        kept = ip.address in renewed
        assert (ip.instance_id, ip.leased) == ((instances[0], True) if kept else (None, False))


def test_each_floating_address_is_given_once(nova: Nova, place: Place, crew: Crew) -> None:
    pool = [f"192.0.2.{number}" for number in range(POOL)]
    nova.floating_ip.create_all([FloatingIp(address=address) for address in pool])
    nova.floating_ip.create(FloatingIp(address="192.0.3.1", project_id="another"))
    taken = crew.run(contest.take_floating, Address.of(place))
    assert sorted(ip for each in taken for ip in each) == sorted(pool)
    for number, each in enumerate(taken):
        found = nova.floating_ip.find(col(FloatingIp.project_id) == f"project-{number}")
        assert sorted(ip.address or "" for ip in found) == sorted(each)
    with pytest.raises(NoMoreFloatingIps):
        nova.floating_ip.allocate_address("project-0")


@ROUNDS
def test_giving_an_address_up_and_letting_it_lead_undo_nothing_of_each_other(
    nova: Nova, place: Place, crew: Crew, rounds: int
) -> None:
    """They change the host both: the last of those who were at it says which; what only one changes stands."""
    fixed = {n: nova.fixed_ip.create(FixedIp(address=f"10.0.1.{n}")).id for n in range(1, crew.size, 2)}
    pool = [f"192.0.2.{number}" for number in range(rounds)]
    nova.floating_ip.create_all([FloatingIp(address=ip, project_id="p", auto_assigned=True) for ip in pool])
    outcomes = crew.run(contest.give_up_or_lead, Address.of(place), pool)
    assert outcomes == [["done"] * rounds] * crew.size
    for ip in pool:
        found = nova.floating_ip.get_by_address(ip, load=())
        assert (found.project_id, found.auto_assigned) == (None, False)
        assert found.fixed_ip_id in fixed.values()
        assert found.host is None or fixed[int(found.host[-1])] == found.fixed_ip_id


@ROUNDS
def test_nothing_is_left_of_a_group_that_others_add_to(
    nova: Nova, place: Place, crew: Crew, instances: list[int], rounds: int
) -> None:
    parent = nova.security_group.create(SecurityGroup(name="parent")).id
    groups = [made.id for made in nova.security_group.create_all([SecurityGroup() for _ in range(rounds)])]
    destroyed, *added = crew.run(contest.destroy_or_join, Address.of(place), groups, parent, instances)
    assert destroyed == ["done"] * rounds
    assert {told for each in added for told in each} <= {"done", SecurityGroupNotFound.__name__}
    for group in groups:
        assert nova.security_group.get(group, deleted="only", load=()).deleted_at is not None
        assert nova.security_group_rule.find(col(SecurityGroupRule.group_id) == group) == []
        links = nova.security_group_instance_association
        assert links.find(col(SecurityGroupInstanceAssociation.security_group_id) == group) == []


@ROUNDS
def test_a_fresh_project_gets_one_network(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    free = crew.size * rounds
    nova.network.create_all([Network(label=str(number)) for number in range(free)])
    projects = [f"project-{number}" for number in range(rounds)]
    told = crew.run(contest.take_network, Address.of(place), projects)
    for project, taken in zip(projects, zip(*told, strict=True), strict=True):
        assert [network.id for network in nova.network.find(col(Network.project_id) == project)] == [taken[0]]
        assert set(taken) == {taken[0]}
    assert nova.network.count(col(Network.project_id).is_(None)) == free - rounds


@ROUNDS
def test_the_first_host_of_a_network_stays(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    made = nova.network.create_all([Network(host=None if number % 2 else "") for number in range(rounds)])
    told = crew.run(contest.serve, Address.of(place), [network.id for network in made])
    for network, hosts in zip(made, zip(*told, strict=True), strict=True):
        assert set(hosts) == {nova.network.get(network.id).host}
        assert hosts[0] in {f"host-{number}" for number in range(crew.size)}


@ROUNDS
def test_a_range_is_one_networks(nova: Nova, place: Place, crew: Crew, rounds: int) -> None:
    ranges = [f"10.{number}.0.0/16" for number in range(rounds)]
    outcomes = crew.run(contest.make_network, Address.of(place), ranges)
    for cidr, told in zip(ranges, zip(*outcomes, strict=True), strict=True):
        assert sorted(told) == ["None"] * (crew.size - 1) + ["done"]
        assert nova.network.get_by_cidr(cidr).label == str(told.index("done"))
    assert nova.network.count() == rounds


def test_no_address_of_a_range_is_made_twice(nova: Nova, place: Place, crew: Crew) -> None:
    network = nova.network.create(Network(cidr="10.9.0.0/26")).id
    assert crew.run(contest.make_addresses, Address.of(place), network) == [64] * crew.size
    assert len({ip.address for ip in nova.fixed_ip.find(col(FixedIp.network_id) == network)}) == 64


@ROUNDS
def test_a_mac_address_is_one_interfaces(nova: Nova, place: Place, crew: Crew, network: int, rounds: int) -> None:
    macs = [f"02:16:3e:00:00:{number:02x}" for number in range(rounds)]
    outcomes = crew.run(contest.plug, Address.of(place), network, macs)
    for mac, told in zip(macs, zip(*outcomes, strict=True), strict=True):
        assert sorted(told) == ["VirtualInterfaceCreateException"] * (crew.size - 1) + ["done"]
        found = nova.virtual_interface.get_by_address(mac)
        assert found is not None
        assert found.instance_id == told.index("done")
    assert nova.virtual_interface.count(col(VirtualInterface.network_id) == network) == rounds


def test_a_network_of_any_size_is_deleted(nova: Nova) -> None:
    """In one step, or in several where one cannot hold all that changes."""
    network = nova.network.create(Network(cidr="10.8.0.0/22")).id
    nova.network.create_fixed_ips(network, 0)
    interface = nova.virtual_interface.create(VirtualInterface(network_id=network, instance_id=1))
    nova.network.delete_safe(network)
    assert nova.network.find(deleted="any") == []
    assert nova.fixed_ip.count(col(FixedIp.network_id).is_(None)) == 1024
    assert nova.virtual_interface.get(interface.id).network_id is None
