"""Networks and interfaces: what their operations give, what they raise, and whom they serve."""

from __future__ import annotations

import pytest

from manystore import Duplicate, col
from manystore.nova.context import RequestContext, get_admin_context
from manystore.nova.database import Nova
from manystore.nova.exception import (
    AdminRequired,
    InstanceNotFound,
    Invalid,
    NetworkHostNotSet,
    NetworkNotFound,
    NetworkNotFoundForBridge,
    NetworkNotFoundForCidr,
    NetworkNotFoundForInstance,
    NetworkNotFoundForProject,
    NetworkNotFoundForUUID,
    NoMoreNetworks,
    NoNetworksFound,
    NotAuthorized,
    VirtualInterfaceCreateException,
    VirtualInterfaceNotFound,
)
from manystore.nova.model.instance import Instance
from manystore.nova.model.network import FixedIp, Network, VirtualInterface

MINE, OTHER = RequestContext("alice", "blue"), RequestContext("bob", "red")


def add(db: Nova, **fields: str | int | None) -> Network:
    return db.network.create(Network(**fields))  # type: ignore[arg-type]


def numbers(networks: list[Network]) -> list[int]:
    return [network.id for network in networks]


def test_networks_are_found_by_what_is_theirs(db: Nova):
    with pytest.raises(NoNetworksFound):
        db.network.get_all()
    first = add(db, cidr="10.0.0.0/24", cidr_v6="fd00::/64", bridge="br100", uuid="one")
    second = add(db, cidr="10.1.0.0/24", bridge="br100")
    assert numbers(db.network.get_all()) == [first.id, second.id]
    assert db.network.count() == 2
    assert db.network.get_by_bridge("br100") == first
    assert db.network.get_by_uuid("one") == first
    assert second.uuid is not None
    assert len(second.uuid) == 36
    assert db.network.get_by_cidr("10.0.0.0/24") == db.network.get_by_cidr("fd00::/64") == first
    access = db.network.explain((col(Network.cidr) == "x") | (col(Network.cidr_v6) == "x")).access
    assert "unique_cidr" in access
    assert "unique_cidr_v6" in access
    for ask, error in (
        (lambda: db.network.get(9), NetworkNotFound),
        (lambda: db.network.get_by_bridge("x"), NetworkNotFoundForBridge),
        (lambda: db.network.get_by_uuid("x"), NetworkNotFoundForUUID),
        (lambda: db.network.get_by_cidr("x"), NetworkNotFoundForCidr),
    ):
        with pytest.raises(error):
            ask()


def test_networks_that_are_asked_for_must_all_be_there_and_have_a_host(db: Nova):
    mine, free = add(db, uuid="mine", project_id="blue", host="h"), add(db, uuid="free", host="h")
    add(db, uuid="theirs", project_id="red", host="h")
    assert numbers(db.network.get_all_by_uuids(["free", "mine"], "blue")) == [mine.id, free.id]
    assert numbers(db.network.get_all_by_uuids(["free"])) == [free.id]
    with pytest.raises(NoNetworksFound):
        db.network.get_all_by_uuids(["theirs", "none"], "blue")
    with pytest.raises(NetworkNotFoundForProject, match="network theirs is missing or not for project blue"):
        db.network.get_all_by_uuids(["mine", "theirs"], "blue")
    with pytest.raises(NetworkNotFound, match="network mine could not be found"):
        db.network.get_all_by_uuids(["free", "mine"])
    without = add(db, uuid="without")
    with pytest.raises(NetworkHostNotSet, match=f"network {without.id}"):  # before the missing one is noticed
        db.network.get_all_by_uuids(["without", "none"])


def test_networks_of_an_instance_and_of_a_host(db: Nova):
    instance = db.instance.create(Instance())
    first, second, served, with_gateway = (add(db, host=host) for host in (None, None, "h", None))
    for number, network in enumerate((second, first, first)):
        db.fixed_ip.create(FixedIp(address=f"10.0.0.{number}", network_id=network.id, instance_id=instance.id))
    db.fixed_ip.create(FixedIp(address="10.1.0.1", network_id=with_gateway.id, host="h"))
    db.fixed_ip.create(FixedIp(address="10.1.0.2", network_id=served.id, host="h"))
    assert numbers(db.network.get_all_by_instance(instance.id)) == [first.id, second.id]
    assert db.network.get_by_instance(instance.id).id == first.id
    assert numbers(db.network.get_all_by_host("h")) == [served.id, with_gateway.id]
    assert db.network.get_all_by_host("x") == []
    for ask in (db.network.get_by_instance, db.network.get_all_by_instance):
        with pytest.raises(NetworkNotFoundForInstance):
            ask(9)


def test_the_addresses_of_a_network(db: Nova):
    network, instance = add(db), db.instance.create(Instance())
    interface = db.virtual_interface.create(VirtualInterface(network_id=network.id, instance_id=instance.id))
    db.fixed_ip.bulk_create(
        [
            FixedIp(address="1", network_id=network.id, reserved=True),
            FixedIp(address="2", network_id=network.id, instance_id=instance.id),
            FixedIp(address="3", network_id=network.id),
            FixedIp(address="4"),
            FixedIp(
                address="5",
                network_id=network.id,
                instance_id=instance.id,
                allocated=True,
                virtual_interface_id=interface.id,
            ),
        ]
    )
    assert db.network.count_reserved_ips(network.id) == 1
    assert db.network.count_available_ips(network.id) == 2
    assert db.network.count_allocated_ips(network.id) == 1
    (found,) = db.network.get_associated_fixed_ips(network.id)
    assert (found.address, found.instance) == ("5", instance)


def test_a_network_is_not_made_twice(db: Nova):
    made = db.network.create_safe(Network(cidr="10.0.0.0/24", cidr_v6="fd00::/64"))
    assert made is not None
    assert made.uuid is not None
    assert db.network.create_safe(Network(cidr="10.0.0.0/24")) is None
    assert db.network.create_safe(Network(cidr_v6="fd00::/64")) is None
    vpn = Network(vpn_public_address="a", vpn_public_port=1)
    assert db.network.create_safe(vpn) is not None
    assert db.network.create_safe(Network(vpn_public_address="a", vpn_public_port=1)) is None
    assert db.network.create_safe(Network(vpn_public_address="a", vpn_public_port=2)) is not None
    assert db.network.create_safe(Network()) is not None
    assert db.network.count() == 4


def test_a_network_is_deleted_for_real(db: Nova):
    network = add(db, cidr="10.0.0.0/24")
    db.network.create_fixed_ips(network.id, 0)
    interface = db.virtual_interface.create(VirtualInterface(network_id=network.id, instance_id=1))
    db.network.delete_safe(network.id)
    assert db.network.find(deleted="any") == []
    assert db.fixed_ip.get_by_address("10.0.0.7").network is None
    assert db.virtual_interface.get(interface.id).network_id is None
    assert db.network.create_safe(Network(cidr="10.0.0.0/24")) is not None
    with pytest.raises(NetworkNotFound):
        db.network.delete_safe(network.id)


def test_a_project_takes_a_network(db: Nova):
    for _ in range(3):
        add(db)
    taken = db.network.associate("blue")
    assert taken.project_id == "blue"
    assert not taken.is_free
    assert db.network.associate("blue") == taken
    assert db.network.associate("blue", force=True).id != taken.id
    assert len(db.project.get_networks("blue")) == 2
    db.network.associate("red")
    assert db.network.associate("red")
    for force in (False, True):
        with pytest.raises(NoMoreNetworks):
            db.network.associate("green", force=force)
    db.network.set_host(taken.id, "h")
    db.network.disassociate(taken.id)
    found = db.network.get(taken.id)
    assert (found.project_id, found.host, found.is_free) == (None, None, True)
    assert db.network.associate("green").id == taken.id
    db.network.set_host(taken.id, "h")
    db.network.disassociate_all()
    assert [network.is_free for network in db.network.get_all()] == [True] * 3
    assert db.network.get(taken.id).host == "h"
    with pytest.raises(NetworkNotFound):
        db.network.disassociate(9)


def test_a_network_is_taken_within_a_transaction_too(db: Nova):
    add(db)
    for _ in range(2):
        with db.transaction() as tx:
            assert tx.network.associate("blue").id == 1
    assert db.network.get(1).project_id == "blue"


def test_the_networks_of_a_project(db: Nova):
    free = add(db)
    view = db.for_context(MINE)
    assert db.project.get_networks("blue", associate=False) == view.project.get_networks("blue", associate=False) == []
    with pytest.raises(AdminRequired):
        view.project.get_networks("blue")
    with pytest.raises(NotAuthorized):
        view.project.get_networks("red")
    assert numbers(db.for_context(get_admin_context()).project.get_networks("blue")) == [free.id]
    assert numbers(view.project.get_networks("blue")) == numbers(view.project.get_networks_v6("blue")) == [free.id]
    with pytest.raises(NoMoreNetworks):
        db.project.get_networks_v6("red")


def test_the_first_host_stays(db: Nova):
    network, empty = add(db), add(db, host="")
    assert [db.network.set_host(network.id, host) for host in ("a", "b")] == ["a", "a"]
    assert db.network.set_host(empty.id, "b") == "b"
    with pytest.raises(NetworkNotFound):
        db.network.set_host(9, "a")


def test_a_user_sees_and_changes_the_projects_networks_only(db: Nova):
    network, free = add(db, project_id="blue"), add(db)
    mine, theirs = db.for_context(MINE).network, db.for_context(OTHER).network
    assert mine.update(network.id, col(Network.label).to("new")).label == mine.get(network.id).label == "new"
    with pytest.raises(NotAuthorized):
        mine.update(network.id, col(Network.project_id).to("red"))
    for number in (network.id, free.id):
        with pytest.raises(NetworkNotFound):
            theirs.get(number)
        with pytest.raises(NetworkNotFound):
            theirs.update(number, col(Network.label).to("mine"))


def test_what_2011_never_wrote(db: Nova):
    flat, vlan = add(db, cidr="10.0.0.0/28"), add(db, cidr="10.1.0.0/27", vlan=7, vpn_private_address="10.1.0.2")
    db.network.create_fixed_ips(flat.id, 0)
    db.fixed_ip.purge_where(col(FixedIp.address) == "10.0.0.5", deleted="any")
    for _ in range(2):
        db.network.create_fixed_ips(flat.id, 0)
        db.network.create_fixed_ips(vlan.id, 4)
    reserved = {ip.address for ip in db.fixed_ip.get_all() if ip.reserved}
    assert len(db.fixed_ip.get_all()) == 16 + 32
    assert reserved == {
        *(f"10.0.0.{n}" for n in (0, 1, 15)),
        *(f"10.1.0.{n}" for n in (0, 1, 2, 27, 28, 29, 30, 31)),
    }
    assert [db.network.get_index(network.id) for network in (flat, vlan)] == [0, 1]
    assert (db.network.get_vpn_ip(vlan.id), db.network.get_vpn_ip(flat.id)) == ("10.1.0.2", None)
    db.network.set_cidr(flat.id, "10.2.0.0/28")
    assert db.network.get_by_cidr("10.2.0.0/28").id == flat.id
    with pytest.raises(Duplicate):
        db.network.set_cidr(flat.id, "10.1.0.0/27")
    with pytest.raises(Invalid):
        db.network.create_fixed_ips(add(db).id, 0)


# -- interfaces --


def plug(db: Nova, mac: str, instance: Instance, network: Network | None = None) -> VirtualInterface:
    network_id = network and network.id
    made = VirtualInterface(address=mac, uuid=f"vif-{mac}", instance_id=instance.id, network_id=network_id)
    return db.virtual_interface.create(made)


def test_interfaces_are_found_by_what_is_theirs(db: Nova):
    instance, network = db.instance.create(Instance()), add(db, cidr_v6="fd00::/64")
    interface, second = plug(db, "02:16:3e:00:00:01", instance, network), plug(db, "02:16:3e:00:00:02", instance)
    ip = db.fixed_ip.create(FixedIp(address="10.0.0.1", virtual_interface_id=interface.id))
    loose = db.fixed_ip.create(FixedIp(address="10.0.0.2"))
    vif = db.virtual_interface
    for found in (
        vif.get(interface.id),
        vif.get_by_address("02:16:3e:00:00:01"),
        vif.get_by_uuid("vif-02:16:3e:00:00:01"),
        vif.get_by_fixed_ip(ip.id),
        vif.get_by_instance(instance.id)[0],
        vif.get_by_instance_and_network(instance.id, network.id),
        vif.get_by_network(network.id)[0],
        vif.get_all()[0],
    ):
        assert found is not None
        assert (found.id, found.network, found.fixed_ips) == (interface.id, network, [ip])
        assert found.fixed_ipv6 == "fd00::16:3eff:fe00:1"
    assert [found.id for found in vif.get_all()] == [interface.id, second.id]
    assert vif.get(second.id).fixed_ipv6 is None
    with pytest.raises(AttributeError):  # NotLoaded
        _ = vif.find(col(VirtualInterface.instance_id) == instance.id)[0].fixed_ipv6
    assert vif.get_by_address("x") is vif.get_by_uuid("x") is vif.get_by_fixed_ip(loose.id) is None
    assert vif.get_by_fixed_ip(99) is vif.get_by_instance_and_network(instance.id, 99) is None
    assert vif.get_by_network(99) == []
    with pytest.raises(VirtualInterfaceNotFound):
        vif.get(99)
    with pytest.raises(InstanceNotFound):
        vif.get_by_instance(99)


def test_an_interface_is_made_once_and_deleted_for_real(db: Nova):
    instance = db.instance.create(Instance())
    interface = plug(db, "a", instance)
    with pytest.raises(VirtualInterfaceCreateException):
        plug(db, "a", instance)
    plug(db, "b", instance)
    ip = db.fixed_ip.create(FixedIp(address="10.0.0.1", virtual_interface_id=interface.id, instance_id=instance.id))
    assert db.virtual_interface.update(interface.id, col(VirtualInterface.uuid).to("new")).uuid == "new"
    db.virtual_interface.delete(interface.id)
    assert db.fixed_ip.get(ip.id).virtual_interface_id is None
    db.virtual_interface.delete_by_instance(instance.id)
    assert db.virtual_interface.get_all() == []
    with pytest.raises(VirtualInterfaceNotFound):
        db.virtual_interface.delete(interface.id)
    with pytest.raises(VirtualInterfaceNotFound):
        db.virtual_interface.update(interface.id, col(VirtualInterface.uuid).to("new"))
    with pytest.raises(InstanceNotFound):
        db.virtual_interface.delete_by_instance(99)


def test_whose_instance_is_deleted_is_found_by_an_administrator_who_asks_for_it(db: Nova):
    instance = db.instance.create(Instance(project_id="blue"))
    plug(db, "a", instance)
    db.instance.delete(instance.id)
    for view in (db, db.for_context(MINE), db.for_context(RequestContext("alice", "blue", read_deleted=True))):
        with pytest.raises(InstanceNotFound):
            view.virtual_interface.get_by_instance(instance.id)
    asked = db.for_context(get_admin_context(read_deleted=True))
    assert len(asked.virtual_interface.get_by_instance(instance.id)) == 1


def test_a_user_reaches_the_interfaces_of_the_projects_instances_only(db: Nova):
    instance, network = db.instance.create(Instance(project_id="blue")), add(db)
    interface = plug(db, "a", instance, network)
    ip = db.fixed_ip.create(FixedIp(address="10.0.0.1", virtual_interface_id=interface.id))
    mine, theirs = db.for_context(MINE).virtual_interface, db.for_context(OTHER).virtual_interface
    assert [found.id for found in mine.get_all()] == [interface.id]
    assert theirs.get_all() == []
    assert theirs.get_by_address("a") is theirs.get_by_uuid("vif-a") is theirs.get_by_fixed_ip(ip.id) is None
    assert theirs.get_by_instance_and_network(instance.id, network.id) is None
    for ask in (theirs.get_by_instance, theirs.delete_by_instance):
        with pytest.raises(InstanceNotFound):
            ask(instance.id)
    for ask in (theirs.get, theirs.delete, lambda key: theirs.update(key, col(VirtualInterface.uuid).to("x"))):
        with pytest.raises(VirtualInterfaceNotFound):
            ask(interface.id)
    with pytest.raises(NotAuthorized):
        theirs.create(VirtualInterface(address="b", instance_id=instance.id))
    mine.create(VirtualInterface(address="b", instance_id=instance.id))
    mine.delete_by_instance(instance.id)
    assert db.virtual_interface.get_all() == []
