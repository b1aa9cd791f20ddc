"""Fixed and floating ips: what their operations give, what they raise, and whom they serve."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from manystore import MissingReference, NotLoaded, UsageError, col
from manystore.nova.context import RequestContext, get_admin_context
from manystore.nova.database import Nova
from manystore.nova.exception import (
    AdminRequired,
    FixedIpAlreadyInUse,
    FixedIpNotFound,
    FixedIpNotFoundForAddress,
    FixedIpNotFoundForHost,
    FixedIpNotFoundForInstance,
    FixedIpNotFoundForNetwork,
    FixedIpNotFoundForNetworkHost,
    FixedIpNotFoundForVirtualInterface,
    FloatingIpNotFound,
    FloatingIpNotFoundForAddress,
    FloatingIpNotFoundForHost,
    FloatingIpNotFoundForProject,
    InstanceNotFound,
    NetworkNotFound,
    NoFixedIpsDefined,
    NoFloatingIpsDefined,
    NoMoreFixedIps,
    NoMoreFloatingIps,
    NotAuthorized,
)
from manystore.nova.model.instance import Instance
from manystore.nova.model.network import FixedIp, FloatingIp, Network, VirtualInterface

MINE, OTHER = RequestContext("alice", "blue"), RequestContext("bob", "red")
OLD = datetime(2011, 1, 1, tzinfo=UTC)


@pytest.fixture
def network(db: Nova) -> Network:
    return db.network.create(Network(cidr="10.0.0.0/24", host="gateway", project_id="blue"))


@pytest.fixture
def instance(db: Nova) -> Instance:
    return db.instance.create(Instance(project_id="blue", host="h", power_state=1))


def fixed(db: Nova, address: str, **fields: object) -> FixedIp:
    return db.fixed_ip.create(FixedIp(address=address, **fields))  # type: ignore[arg-type]


def floating(db: Nova, address: str, **fields: object) -> FloatingIp:
    return db.floating_ip.create(FloatingIp(address=address, **fields))  # type: ignore[arg-type]


def test_an_address_is_taken_from_the_pool(db: Nova, network: Network, instance: Instance):
    fixed(db, "10.0.0.1", network_id=network.id, reserved=True)
    fixed(db, "10.0.0.2", network_id=network.id, host="gateway")
    fixed(db, "10.0.0.3", network_id=network.id, allocated=True, leased=True)  # of these nobody asks
    fixed(db, "10.0.0.4")
    fixed(db, "10.0.0.5")
    fixed(db, "10.9.0.1", network_id=db.network.create(Network()).id)
    with pytest.raises(InstanceNotFound):
        db.fixed_ip.associate_pool(network.id, 99)
    assert db.fixed_ip.associate_pool(network.id, instance.id) == "10.0.0.3"
    with pytest.raises(NetworkNotFound):
        db.fixed_ip.associate_pool(99, instance.id)
    assert db.fixed_ip.associate_pool(network.id) in ("10.0.0.4", "10.0.0.5")  # and stays free
    assert db.fixed_ip.associate_pool(network.id, host="other") in ("10.0.0.4", "10.0.0.5")
    assert db.fixed_ip.associate_pool(network.id, instance.id, "other") in ("10.0.0.4", "10.0.0.5")
    with pytest.raises(NoMoreFixedIps):
        db.fixed_ip.associate_pool(network.id, 99)
    assert [ip.host for ip in db.fixed_ip.get_by_instance(instance.id)] in ([None, "other"], ["other", None])
    assert {ip.network_id for ip in db.fixed_ip.get_by_instance(instance.id)} == {network.id}


def test_no_address_is_given_to_an_instance_that_is_gone(db: Nova, network: Network, instance: Instance):
    fixed(db, "10.0.0.1", network_id=network.id)
    db.instance.delete(instance.id)
    with pytest.raises(InstanceNotFound):
        db.fixed_ip.associate_pool(network.id, instance.id)
    with pytest.raises(InstanceNotFound):
        db.fixed_ip.associate("10.0.0.1", instance.id, network.id)
    assert db.fixed_ip.get_by_address("10.0.0.1").is_free


def test_a_given_address_is_taken(db: Nova, network: Network, instance: Instance):
    fixed(db, "10.0.0.1", network_id=network.id)
    fixed(db, "10.0.0.2", network_id=network.id, reserved=True)
    fixed(db, "10.0.0.3")
    fixed(db, "10.0.0.4")
    take = db.fixed_ip.associate
    for address, network_id, reserved in (
        ("10.0.0.1", None, False),
        ("10.0.0.1", 99, False),
        ("10.0.0.1", network.id, True),
        ("10.0.0.2", network.id, False),
        ("10.0.0.9", network.id, False),
    ):
        with pytest.raises(FixedIpNotFoundForNetwork):
            take(address, instance.id, network_id, reserved=reserved)
    with pytest.raises(NetworkNotFound):
        take("10.0.0.3", instance.id, 99)
    with pytest.raises(InstanceNotFound):
        take("10.0.0.3", 99, network.id)
    assert take("10.0.0.1", instance.id, network.id) == "10.0.0.1"
    with pytest.raises(FixedIpAlreadyInUse, match=r"10\.0\.0\.1"):
        take("10.0.0.1", instance.id, network.id)
    assert take("10.0.0.2", instance.id, network.id, reserved=True) == "10.0.0.2"
    assert take("10.0.0.3", instance.id, network.id) == "10.0.0.3"
    assert take("10.0.0.4", instance.id) == "10.0.0.4"
    taken = {ip.address: ip.network_id for ip in db.fixed_ip.get_by_instance(instance.id)}
    assert taken == {"10.0.0.1": network.id, "10.0.0.2": network.id, "10.0.0.3": network.id, "10.0.0.4": None}


def test_the_sweep(db: Nova, network: Network, instance: Instance):
    stale = {"network_id": network.id, "instance_id": instance.id, "leased": True, "updated_at": OLD}
    fixed(db, "10.0.0.1", **stale)
    fixed(db, "10.0.0.2", **{**stale, "allocated": True})
    fixed(db, "10.0.0.3", **{**stale, "updated_at": None})
    fixed(db, "10.0.0.4", **{**stale, "updated_at": OLD + timedelta(seconds=2)})
    fixed(db, "10.0.0.5", **{**stale, "instance_id": None})
    fixed(db, "10.0.0.6", **{**stale, "network_id": db.network.create(Network(host="other")).id})
    assert [db.fixed_ip.get_by_address(f"10.0.0.{n}").is_stale for n in (1, 2, 3, 4, 5)] == [
        True,
        False,
        True,
        True,
        False,
    ]
    db.network.delete(network.id)  # its addresses are swept all the same
    assert db.fixed_ip.disassociate_all_by_timeout("gateway", OLD + timedelta(seconds=1)) == 1
    assert db.fixed_ip.disassociate_all_by_timeout("gateway", OLD + timedelta(seconds=1)) == 0
    swept = db.fixed_ip.get_by_address("10.0.0.1")
    assert (swept.instance_id, swept.leased) == (None, False)
    assert swept.updated_at is not None
    assert swept.updated_at > OLD
    assert len(db.fixed_ip.get_by_instance(instance.id)) == 4


def test_addresses_are_made_all_or_none(db: Nova, network: Network):
    many = [FixedIp(address=f"10.{n // 256}.{n % 256}.1", network_id=network.id) for n in range(300)]
    many.append(FixedIp(address="10.9.9.9", network_id=99))
    with pytest.raises(MissingReference):
        db.fixed_ip.bulk_create(many)
    with pytest.raises(NoFixedIpsDefined):
        db.fixed_ip.get_all()
    db.fixed_ip.bulk_create([FixedIp(address=ip.address, network_id=network.id) for ip in many])
    assert len(db.fixed_ip.get_all()) == 301


def test_fixed_ips_are_found_by_what_is_theirs(db: Nova, network: Network, instance: Instance):
    interface = db.virtual_interface.create(VirtualInterface(address="a", instance_id=instance.id))
    ip = fixed(
        db, "10.0.0.1", network_id=network.id, instance_id=instance.id, virtual_interface_id=interface.id, host="h"
    )
    outside = floating(db, "192.0.2.1", fixed_ip_id=ip.id)
    gone = db.instance.create(Instance(host="h", power_state=4))
    fixed(db, "10.0.0.2", instance_id=gone.id)
    every = db.fixed_ip
    for found in (
        every.get(ip.id),
        every.get_all()[0],
        every.get_by_address("10.0.0.1"),
        *every.get_all_by_instance_host("h"),
        *every.get_by_instance(instance.id),
        *every.get_by_virtual_interface(interface.id),
    ):
        assert (found.id, found.floating_ips) == (ip.id, [outside])
    assert every.get(ip.id).network == every.get_by_address("10.0.0.1").network == network
    assert every.get_by_address("10.0.0.1").instance == instance
    assert every.get_by_network_host(network.id, "h").id == ip.id
    assert every.get_network("10.0.0.1") == network
    assert every.get_network("10.0.0.2") is None
    every.delete(ip.id)
    assert [found.address for found in every.get_all()] == ["10.0.0.1", "10.0.0.2"]  # it does not look at the flag
    with pytest.raises(FixedIpNotFoundForAddress):
        every.get_by_address("10.0.0.1")


def test_fixed_ips_that_are_not_there(db: Nova):
    every = db.fixed_ip
    for ask, error in (
        (lambda: every.get(9), FixedIpNotFound),
        (every.get_all, NoFixedIpsDefined),
        (lambda: every.get_by_address("x"), FixedIpNotFoundForAddress),
        (lambda: every.get_all_by_instance_host("x"), FixedIpNotFoundForHost),
        (lambda: every.get_by_instance(9), FixedIpNotFoundForInstance),
        (lambda: every.get_by_network_host(9, "x"), FixedIpNotFoundForNetworkHost),
        (lambda: every.get_by_virtual_interface(9), FixedIpNotFoundForVirtualInterface),
        (lambda: every.get_network("x"), FixedIpNotFoundForAddress),
        (lambda: every.disassociate("x"), FixedIpNotFoundForAddress),
        (lambda: every.update_by_address("x", col(FixedIp.leased).to(True)), FixedIpNotFoundForAddress),
    ):
        with pytest.raises(error):
            ask()


def test_a_fixed_ip_is_changed_by_its_address(db: Nova, network: Network, instance: Instance):
    interface = db.virtual_interface.create(VirtualInterface(address="a", instance_id=instance.id))
    ip = fixed(db, "10.0.0.1", network_id=network.id, instance_id=instance.id)
    assert (ip.is_associated, ip.is_in_use, ip.is_free) == (True, False, False)
    db.fixed_ip.update_by_address(
        "10.0.0.1", col(FixedIp.allocated).to(True), col(FixedIp.virtual_interface_id).to(interface.id)
    )
    assert db.fixed_ip.get(ip.id).is_in_use
    db.fixed_ip.disassociate("10.0.0.1")
    found = db.fixed_ip.get(ip.id)
    assert (found.instance_id, found.allocated, found.virtual_interface_id) == (None, True, interface.id)
    assert (found.is_associated, found.is_free) == (False, True)
    assert found.updated_at is not None
    with pytest.raises(UsageError):
        db.fixed_ip.update_by_address("10.0.0.1", col(FloatingIp.host).to("h"))


def test_deleted_addresses_are_changed_by_who_asks_for_them(db: Nova):
    ip, outside = fixed(db, "10.0.0.1"), floating(db, "192.0.2.1", project_id="blue")
    db.fixed_ip.delete(ip.id)
    db.floating_ip.destroy_by_address("192.0.2.1")
    with pytest.raises(FloatingIpNotFoundForAddress):
        db.floating_ip.destroy_by_address("192.0.2.1")
    asked = db.for_context(get_admin_context(read_deleted=True))
    asked.fixed_ip.update_by_address("10.0.0.1", col(FixedIp.host).to("h"))
    asked.floating_ip.deallocate("192.0.2.1")
    assert asked.fixed_ip.get(ip.id).host == "h"
    assert db.floating_ip.get(outside.id, deleted="only").project_id is None


def test_a_user_reaches_the_addresses_of_the_projects_instances_only(db: Nova, network: Network, instance: Instance):
    interface = db.virtual_interface.create(VirtualInterface(address="a", instance_id=instance.id))
    ip = fixed(db, "10.0.0.1", network_id=network.id, instance_id=instance.id, virtual_interface_id=interface.id)
    free = fixed(db, "10.0.0.2", network_id=network.id, host="h")
    theirs = db.instance.create(Instance(project_id="red"))
    mine, others = db.for_context(MINE).fixed_ip, db.for_context(OTHER).fixed_ip
    assert mine.get(ip.id) == mine.get_by_address("10.0.0.1") == ip
    assert mine.get_by_instance(instance.id) == mine.get_by_virtual_interface(interface.id) == [ip]
    assert mine.get_by_network_host(network.id, "h") == free
    change = col(FixedIp.leased).to(True)
    for ask in (
        lambda: others.get(ip.id),
        lambda: others.get_by_address("10.0.0.1"),
        lambda: others.disassociate("10.0.0.1"),
        lambda: others.update_by_address("10.0.0.1", change),
        lambda: others.get(free.id),
        lambda: others.update_by_address("10.0.0.2", change),
        lambda: mine.update_by_address("10.0.0.1", col(FixedIp.instance_id).to(theirs.id)),
    ):
        with pytest.raises(NotAuthorized):
            ask()
    for ask, error in (
        (lambda: others.get_by_instance(instance.id), FixedIpNotFoundForInstance),
        (lambda: others.get_by_virtual_interface(interface.id), FixedIpNotFoundForVirtualInterface),
        (lambda: others.get_by_network_host(network.id, "h"), FixedIpNotFoundForNetworkHost),
        (lambda: mine.associate_pool(network.id), AdminRequired),
    ):
        with pytest.raises(error):
            ask()
    mine.update_by_address("10.0.0.1", change)
    mine.disassociate("10.0.0.1")
    found = db.fixed_ip.get(ip.id)
    assert (found.leased, found.instance_id) == (True, None)


# -- floating --


def test_a_floating_ip_is_taken_and_given_back(db: Nova):
    ip = fixed(db, "10.0.0.1")
    floating(db, "192.0.2.1", fixed_ip_id=ip.id)
    floating(db, "192.0.2.2", project_id="red")
    assert floating(db, "192.0.2.3").is_free
    mine = db.for_context(MINE).floating_ip
    with pytest.raises(NotAuthorized):
        mine.allocate_address("red")
    assert mine.allocate_address("blue") == "192.0.2.3"
    with pytest.raises(NoMoreFloatingIps):
        mine.allocate_address("blue")
    assert mine.count_by_project("blue") == 1
    db.floating_ip.fixed_ip_associate("192.0.2.3", "10.0.0.1", "h")
    found = mine.get_by_address("192.0.2.3")
    assert (found.is_free, found.is_associated, found.host) == (False, True, "h")
    mine.set_auto_assigned("192.0.2.3")
    assert mine.count_by_project("blue") == 0
    mine.deallocate("192.0.2.3")
    found = db.floating_ip.get(found.id)
    assert (found.project_id, found.host, found.auto_assigned, found.fixed_ip_id) == (None, None, False, ip.id)


def test_a_floating_ip_leads_to_a_fixed_one(db: Nova, network: Network, instance: Instance):
    first = fixed(db, "10.0.0.1", network_id=network.id, instance_id=instance.id)
    fixed(db, "10.0.0.2", instance_id=instance.id)
    made = floating(db, "192.0.2.1", project_id="blue")
    every = db.floating_ip
    assert every.disassociate("192.0.2.1") is None
    every.fixed_ip_associate("192.0.2.1", "10.0.0.2", "h1")
    every.fixed_ip_associate("192.0.2.1", "10.0.0.1", "h2")  # without a complaint
    assert [found.id for found in every.get_by_fixed_address("10.0.0.1")] == [made.id]
    assert every.get_by_fixed_address("10.0.0.2") == []
    for found in (
        every.get(made.id),
        *every.get_all(),
        *every.get_all_by_host("h2"),
        *every.get_all_by_project("blue"),
    ):
        assert found.fixed_ip is not None
        assert (found.id, found.fixed_ip.id, found.fixed_ip.instance) == (made.id, first.id, instance)
    for found in (every.get_by_address("192.0.2.1"), *every.get_by_fixed_address("10.0.0.1")):
        assert found.fixed_ip is not None
        assert (found.fixed_ip.id, found.fixed_ip.network) == (first.id, network)
        with pytest.raises(NotLoaded):
            _ = found.fixed_ip.instance
    assert every.disassociate("192.0.2.1") == "10.0.0.1"
    found = every.get(made.id)
    assert (found.fixed_ip, found.host, found.project_id) == (None, None, "blue")
    every.update_by_address("192.0.2.1", col(FloatingIp.host).to("h3"))
    assert every.get(made.id).host == "h3"
    every.destroy_by_address("192.0.2.1")
    gone = every.get(made.id, deleted="only")
    assert gone.deleted_at is not None
    assert gone.deleted_at == gone.updated_at


def test_floating_ips_that_are_not_there(db: Nova):
    every = db.floating_ip
    floating(db, "192.0.2.9", project_id="red", auto_assigned=True)
    for ask, error in (
        (lambda: every.get(99), FloatingIpNotFound),
        (lambda: every.get_all_by_host("x"), FloatingIpNotFoundForHost),
        (lambda: every.get_all_by_project("red"), FloatingIpNotFoundForProject),
        (lambda: every.get_by_address("x"), FloatingIpNotFoundForAddress),
        (lambda: every.get_by_fixed_address("x"), FixedIpNotFoundForAddress),
        (lambda: every.fixed_ip_associate("x", "x", "h"), FloatingIpNotFoundForAddress),
        (lambda: every.fixed_ip_associate("192.0.2.9", "x", "h"), FixedIpNotFoundForAddress),
        (lambda: every.deallocate("x"), FloatingIpNotFoundForAddress),
        (lambda: every.disassociate("x"), FloatingIpNotFoundForAddress),
        (lambda: every.set_auto_assigned("x"), FloatingIpNotFoundForAddress),
        (lambda: every.update_by_address("x"), FloatingIpNotFoundForAddress),
        (lambda: every.destroy_by_address("192.0.2.9"), None),
        (every.get_all, NoFloatingIpsDefined),
    ):
        if error is None:
            ask()
            continue
        with pytest.raises(error):
            ask()


def test_a_user_reaches_the_projects_floating_ips_only(db: Nova, instance: Instance):
    fixed(db, "10.0.0.1", instance_id=instance.id)
    fixed(db, "10.0.0.2", instance_id=db.instance.create(Instance(project_id="red")).id)
    made, free = floating(db, "192.0.2.1", project_id="blue"), floating(db, "192.0.2.2")
    mine, others = db.for_context(MINE).floating_ip, db.for_context(OTHER).floating_ip
    mine.fixed_ip_associate("192.0.2.1", "10.0.0.1", "h")
    assert [found.id for found in mine.get_all_by_project("blue")] == [made.id]
    assert others.get_by_address("192.0.2.2") == free
    for ask in (
        lambda: others.get_by_address("192.0.2.1"),
        lambda: others.get_by_fixed_address("10.0.0.1"),
        lambda: others.deallocate("192.0.2.1"),
        lambda: others.disassociate("192.0.2.1"),
        lambda: others.set_auto_assigned("192.0.2.1"),
        lambda: others.update_by_address("192.0.2.1", col(FloatingIp.host).to("x")),
        lambda: others.fixed_ip_associate("192.0.2.1", "10.0.0.2", "h"),
        lambda: mine.fixed_ip_associate("192.0.2.1", "10.0.0.2", "h"),
        lambda: mine.update_by_address("192.0.2.1", col(FloatingIp.project_id).to("red")),
        lambda: others.get_all_by_project("blue"),
        lambda: mine.destroy_by_address("192.0.2.1"),
    ):
        with pytest.raises(NotAuthorized):
            ask()
    with pytest.raises(FloatingIpNotFound):
        others.get(made.id)
    found = db.floating_ip.get(made.id)
    assert (found.project_id, found.host, found.auto_assigned) == ("blue", "h", False)
