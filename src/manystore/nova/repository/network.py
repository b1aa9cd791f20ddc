"""Networks: who has them, and the addresses that they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Network
from typing import TYPE_CHECKING
from uuid import uuid4

from manystore import Duplicate, Exhausted, TooLarge, col

from ..exception import (
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
)
from ..model.network import FixedIp, Network, NetworkTaking, VirtualInterface
from .guard import NovaRepository

if TYPE_CHECKING:
    from ..database import Nova

_LOWEST_RESERVED = 2  # the network's own address and its gateway
_LOWEST_RESERVED_VLAN = 3  # and the address of the project's VPN
_HIGHEST_RESERVED = 1  # the broadcast address
_CHUNK = 25  # addresses made in one step: each takes about a dozen of its primitive operations


class NetworkRepository(NovaRepository[Network]):
    """Networks."""

    entity = "network"
    missing = (NetworkNotFound, "network_id")
    owner = "project_id"
    is_shared = True

    # -- finding them --

    def get_all(self) -> list[Network]:
        """Give every network; raise NoNetworksFound when there is none."""
        found = self.find()
        if not found:
            raise NoNetworksFound
        return found

    def get_all_by_uuids(self, network_uuids: Sequence[str], project_id: str | None = None) -> list[Network]:
        """Give the networks with these uuids that are the project's, or of none.

        Raises NoNetworksFound when none of them is there, NetworkHostNotSet when one has no host, and when some are
        missing NetworkNotFoundForProject, or without a project NetworkNotFound.
        """
        found = self.find(col(Network.uuid).in_(network_uuids), col(Network.project_id).in_({project_id, None}))
        if not found:
            raise NoNetworksFound
        for network in found:
            if network.host is None:
                raise NetworkHostNotSet(network_id=network.id)
        there = {network.uuid for network in found}
        for uuid in network_uuids:
            if uuid not in there and project_id:
                raise NetworkNotFoundForProject(network_uuid=uuid, project_id=project_id)
            if uuid not in there:
                raise NetworkNotFound(network_id=uuid)
        return found

    def get_by_bridge(self, bridge: str) -> Network:
        """Give the first network with a bridge; raise NetworkNotFoundForBridge."""
        found = self.first(col(Network.bridge) == bridge)
        if found is None:
            raise NetworkNotFoundForBridge(bridge=bridge)
        return found

    def get_by_uuid(self, uuid: str) -> Network:
        """Give the network with a uuid; raise NetworkNotFoundForUUID."""
        found = self.first(col(Network.uuid) == uuid)
        if found is None:
            raise NetworkNotFoundForUUID(uuid=uuid)
        return found

    def get_by_cidr(self, cidr: str) -> Network:
        """Give the network with a range, IPv4 or IPv6; raise NetworkNotFoundForCidr."""
        found = self.first((col(Network.cidr) == cidr) | (col(Network.cidr_v6) == cidr))
        if found is None:
            raise NetworkNotFoundForCidr(cidr=cidr)
        return found

    def get_by_instance(self, instance_id: int) -> Network:
        """Give the first network that an instance has an address of; raise NetworkNotFoundForInstance."""
        return self.get_all_by_instance(instance_id)[0]

    def get_all_by_instance(self, instance_id: int) -> list[Network]:
        """Give the networks that an instance has addresses of, each once; raise NetworkNotFoundForInstance."""
        ips = self.database.fixed_ip.find(col(FixedIp.instance_id) == instance_id)
        found = self.find(col(Network.id).in_(_networks_of(ips)))
        if not found:
            raise NetworkNotFoundForInstance(instance_id=instance_id)
        return found

    def get_all_by_host(self, host: str) -> list[Network]:
        """Give the networks that a host serves, or has an address of, each once."""
        ips = self.database.fixed_ip.find(col(FixedIp.host) == host)
        return self.find((col(Network.host) == host) | col(Network.id).in_(_networks_of(ips)))

    # -- their addresses --

    def count_allocated_ips(self, network_id: int) -> int:
        """Count the addresses that are in use."""
        return self._count(network_id, allocated=True)

    def count_available_ips(self, network_id: int) -> int:
        """Count the addresses that are not in use and not kept back."""
        return self._count(network_id, allocated=False, reserved=False)

    def count_reserved_ips(self, network_id: int) -> int:
        """Count the addresses that are kept back."""
        return self._count(network_id, reserved=True)

    def _count(self, network_id: int, *, allocated: bool | None = None, reserved: bool | None = None) -> int:
        where = [col(FixedIp.network_id) == network_id]
        if allocated is not None:
            where.append(col(FixedIp.allocated).is_(allocated))
        if reserved is not None:
            where.append(col(FixedIp.reserved).is_(reserved))
        # All of a network's addresses are looked at, however large it is; nothing that Nova does while it runs counts.
        return self.database.fixed_ip.count(*where, scan=True)

    def get_associated_fixed_ips(self, network_id: int) -> list[FixedIp]:
        """Give the addresses that instances have on their interfaces, with the instances."""
        return self.database.fixed_ip.find(
            col(FixedIp.network_id) == network_id,
            col(FixedIp.instance_id) >= 0,  # not None, in words that the index of the pool understands
            col(FixedIp.virtual_interface_id).is_not(None),
            load=(FixedIp.instance,),
            scan=True,  # as many as a network has instances
        )

    def create_fixed_ips(self, network_id: int, num_vpn_clients: int) -> None:
        """Make the addresses of a network's range, those that are missing.

        Reserved are the lowest two (in a VLAN the VPN's as well), and the highest, with one for each of the VPN's
        clients. A series of steps; of two that do this at the same time neither makes an address that the other has.
        """
        network = self.get(network_id)
        if network.cidr is None:
            raise Invalid(f"network {network_id} has no range to make addresses of")
        pool = _Pool(network_id, IPv4Network(network.cidr), network.vlan is not None, num_vpn_clients)
        for first in range(0, pool.cidr.num_addresses, _CHUNK):
            self.database.atomic(partial(pool.fill, first=first))

    # -- what makes and changes them --

    def create(self, record: Network, /) -> Network:
        """Add a network, under a random uuid unless it has one."""
        if record.uuid is None:
            record.uuid = str(uuid4())
        return super().create(record)

    def create_safe(self, record: Network, /) -> Network | None:
        """Add a network; None when another has its range, or its VPN's public address and port.

        In a transaction a clash is only found, and raised as Duplicate, when that is committed.
        """
        try:
            return self.create(record)
        except Duplicate:
            return None

    def delete_safe(self, network_id: int) -> None:
        """Delete a network for good; its addresses and interfaces stay, of no network.

        One step, unless these are more than a step of this store may hold: then they leave the network before.
        """
        key = self.get(network_id).id
        try:
            self.purge(key)
        except TooLarge:
            ips, interfaces = self.system.fixed_ip, self.system.virtual_interface
            ips.update_where(
                col(FixedIp.network_id) == key,
                changes=[col(FixedIp.network_id).to(None)],
                scan=True,  # as many as the network has
            )
            interfaces.update_where(
                col(VirtualInterface.network_id) == key,
                changes=[col(VirtualInterface.network_id).to(None)],
                scan=True,  # the same
            )
            self.purge(key)

    def associate(self, project_id: str, *, force: bool = False) -> Network:
        """Give a project's network, or else take a free one for it; with force take one in any case.

        Raises NoMoreNetworks when none is free. Without force, all who do this for one project at the same time end
        with the same network: who takes one also writes the project's record of such takings (NetworkTaking), having
        read it before looking for a network. Of two that both found none, the second meets the first one's new record,
        begins again, and finds what the first took. Only a key that is made or changed once is needed for it: every
        store ensures that, and no record of the project must be there. Who takes with force need not be waited for:
        as if that came second. Within a transaction the very first such meeting may end in Duplicate at its commit.
        """
        if not force and (found := self.first(col(Network.project_id) == project_id)) is not None:
            return found

        def take(db: Nova) -> Network:
            if not force:
                _meet(db, project_id)
                if (found := db.network.first(col(Network.project_id) == project_id)) is not None:
                    return found
            try:
                return db.network.claim(
                    col(Network.project_id).is_(None), changes=[col(Network.project_id).to(project_id)]
                )
            except Exhausted:
                raise NoMoreNetworks(f"no network is left for project {project_id}") from None

        try:
            return self.database.atomic(take)
        except Duplicate:  # somebody made the project's record of takings at this moment; now it is there
            return self.database.atomic(take)

    def disassociate(self, network_id: int) -> None:
        """Take a network from its project and its host."""

        def disassociate(db: Nova) -> None:
            found = db.network.get(network_id)
            found.project_id = found.host = None
            db.network.save(found)

        self.database.atomic(disassociate)

    def disassociate_all(self) -> None:
        """Take all networks from their projects; they keep their hosts."""
        self.update_where(col(Network.project_id).is_not(None), changes=[col(Network.project_id).to(None)])

    def set_host(self, network_id: int, host_id: str) -> str:
        """Make a host the network's, unless it has one; give the host that it has then, the same to all who ask."""

        def set_host(db: Nova) -> str:
            found = db.network.get(network_id)
            if not found.host:
                found.host = host_id
                db.network.save(found)
            return found.host

        return self.database.atomic(set_host)

    # -- what 2011 declared and never wrote --

    def get_index(self, network_id: int) -> int:
        """Give a number, from 0 on, that no other network has: its place among all networks."""
        return self.count(col(Network.id) < self.get(network_id).id)

    def get_vpn_ip(self, network_id: int) -> str | None:
        """Give the address inside the network that its project's VPN listens on."""
        return self.get(network_id).vpn_private_address

    def set_cidr(self, network_id: int, cidr: str) -> None:
        """Give a network another range, and change nothing else; raise Duplicate when another has it."""
        self.update(network_id, col(Network.cidr).to(cidr))


class NetworkTakingRepository(NovaRepository[NetworkTaking, str]):
    """Where those who take a project's first network meet."""

    entity = "network_taking"


class _Pool:
    """The addresses of one network."""

    def __init__(self, network_id: int, cidr: IPv4Network, in_vlan: bool, vpn_clients: int) -> None:  # noqa: FBT001
        self.cidr = cidr
        self._network_id = network_id
        lowest = _LOWEST_RESERVED_VLAN if in_vlan else _LOWEST_RESERVED
        self._usable = range(lowest, cidr.num_addresses - _HIGHEST_RESERVED - vpn_clients)

    def fill(self, db: Nova, first: int) -> None:
        """Make some of the addresses, from the first one on, unless they are there."""
        network = db.network.get(self._network_id)
        db.network.save(network)  # two that do this meet at the network: neither would see what the other adds
        numbers = range(first, min(first + _CHUNK, self.cidr.num_addresses))
        wanted = {str(self.cidr[number]): number not in self._usable for number in numbers}
        there = db.fixed_ip.find(col(FixedIp.address).in_(list(wanted)))
        mine = {ip.address for ip in there if ip.network_id == self._network_id}
        db.fixed_ip.create_all(
            [
                FixedIp(address=address, network_id=self._network_id, reserved=reserved)
                for address, reserved in wanted.items()
                if address not in mine
            ]
        )


def _meet(db: Nova, project_id: str) -> None:
    """Write the project's record of takings: of two transactions that do, the second begins again."""
    found = db.network_taking.first(col(NetworkTaking.project_id) == project_id)
    if found is None:
        db.network_taking.create(NetworkTaking(project_id=project_id))
    else:
        db.network_taking.save(found)


def _networks_of(ips: Sequence[FixedIp]) -> list[int]:
    """Give the networks of addresses, each once."""
    return sorted({ip.network_id for ip in ips if ip.network_id is not None})
