"""Fixed ips; taking one from the pool is the race that Nova locks rows for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from manystore import Assignment, Exhausted, ManystoreError, col

from ..access import Deleted
from ..exception import (
    FixedIpAlreadyInUse,
    FixedIpNotFound,
    FixedIpNotFoundForAddress,
    FixedIpNotFoundForHost,
    FixedIpNotFoundForInstance,
    FixedIpNotFoundForNetwork,
    FixedIpNotFoundForNetworkHost,
    FixedIpNotFoundForVirtualInterface,
    NoFixedIpsDefined,
    NoMoreFixedIps,
)
from ..model.instance import Instance
from ..model.network import FixedIp, Network
from .guard import NovaRepository

if TYPE_CHECKING:
    from ..database import Nova

_FLOATING = (FixedIp.floating_ips,)
_FLOATING_NETWORK = (FixedIp.floating_ips, FixedIp.network)
_FLOATING_NETWORK_INSTANCE = (FixedIp.floating_ips, FixedIp.network, FixedIp.instance)
_RUNNING = 1  # of power_state


class FixedIpRepository(NovaRepository[FixedIp]):
    """Fixed ips. Whose an address is, its instance says."""

    entity = "fixed_ip"
    missing = (FixedIpNotFound, "id")
    owner = "instance_id"
    parent = "instance"
    refers = (("network_id", "network"), ("virtual_interface_id", "virtual_interface"))
    loads = _FLOATING_NETWORK_INSTANCE

    # -- taking one --

    def associate_pool(self, network_id: int, instance_id: int | None = None, host: str | None = None) -> str:
        """Take any free address of a network, or of none, for an instance or a host, and give it.

        Raises NoMoreFixedIps; NetworkNotFound, when only addresses of no network are free and there is no such network;
        or InstanceNotFound.
        """
        changes = [col(FixedIp.network_id).to(network_id)]
        if instance_id is not None:
            changes.append(col(FixedIp.instance_id).to(instance_id))
        if host is not None:
            changes.append(col(FixedIp.host).to(host))

        def take(db: Nova) -> str:
            taken = self._claim(db, network_id, changes) or self._claim(db, None, changes)
            if taken is None:
                raise NoMoreFixedIps
            _check(db, instance_id)
            return taken.address or ""

        return self.database.atomic(take)

    def _claim(self, db: Nova, network_id: int | None, changes: Sequence[Assignment]) -> FixedIp | None:
        """Take a free address of a network, or of none; None when there is none. Free is as in FixedIp.is_free."""
        try:
            taken = db.fixed_ip.claim(
                col(FixedIp.network_id).is_(network_id),
                col(FixedIp.reserved).is_(False),
                col(FixedIp.instance_id).is_(None),
                col(FixedIp.host).is_(None),
                changes=changes,
            )
        except Exhausted:
            return None
        if network_id is None and taken.network_id is not None:
            db.system.network.get(taken.network_id)
        return taken

    def associate(
        self, address: str, instance_id: int, network_id: int | None = None, *, reserved: bool = False
    ) -> str:
        """Take a given address, of a network or of none, for an instance, and give it.

        Raises FixedIpNotFoundForNetwork, FixedIpAlreadyInUse, NetworkNotFound or InstanceNotFound.
        """

        def take(db: Nova) -> str:
            found = db.fixed_ip.first(
                col(FixedIp.address) == address,
                col(FixedIp.reserved).is_(reserved),
                col(FixedIp.network_id).in_({network_id, None}),
            )
            if found is None:
                raise FixedIpNotFoundForNetwork(address=address, network_id=network_id)
            if found.instance_id is not None:
                raise FixedIpAlreadyInUse(address=address)
            if found.network_id is None and network_id is not None:
                found.network_id = db.system.network.get(network_id).id
            _check(db, instance_id)
            found.instance_id = instance_id
            return db.fixed_ip.save(found).address or ""

        return self.database.atomic(take)

    # -- giving it back --

    def disassociate(self, address: str) -> None:
        """Take an address from its instance, and change nothing else; raise FixedIpNotFoundForAddress."""
        self._change(address, col(FixedIp.instance_id).to(None))

    def disassociate_all_by_timeout(self, host: str, time: datetime) -> int:
        """Take back what instances gave up before a time, on all networks of a host; say how many there were.

        That it still is so is tested with each address's own change: one whose lease was renewed meanwhile stays.
        """
        networks = self.system.network.find(col(Network.host) == host, deleted="any")
        return self.update_where(
            col(FixedIp.network_id).in_([network.id for network in networks]),
            col(FixedIp.instance_id) >= 0,  # not None, in words that the index of the pool understands
            col(FixedIp.allocated).is_(False),
            col(FixedIp.updated_at) < time,
            changes=[col(FixedIp.instance_id).to(None), col(FixedIp.leased).to(False)],
            scan=True,  # as many as the host's networks have instances
        )

    # -- making them --

    def bulk_create(self, ips: Sequence[FixedIp]) -> None:
        """Add addresses, all or none; what one step cannot hold goes in several, which are taken back if one fails."""
        try:
            self.create_all(ips)
        except ManystoreError as error:
            for ip in ips[: error.done or 0]:
                self.purge(ip)
            raise

    # -- finding them --

    def get(
        self, key: int, /, *, deleted: Deleted | None = None, load: Sequence[object] = _FLOATING_NETWORK
    ) -> FixedIp:
        """Give the fixed ip with this id, its floating ips and its network; raise FixedIpNotFound."""
        return super().get(key, deleted=deleted, load=load)

    def get_all(self) -> list[FixedIp]:
        """Give every fixed ip and its floating ips; raise NoFixedIpsDefined when there is none."""
        found = self.find(load=_FLOATING, scan=True)  # all are asked for
        if not found:
            raise NoFixedIpsDefined
        return found

    def get_all_by_instance_host(self, host: str) -> list[FixedIp]:
        """Give the addresses of the instances that run on a host, and their floating ips; FixedIpNotFoundForHost."""
        running = self.system.instance.find(
            col(Instance.host) == host,
            col(Instance.power_state) == _RUNNING,
            deleted="any",
            scan=True,  # over the years a host has had many, most of which are deleted
        )
        found = self.find(col(FixedIp.instance_id).in_([instance.id for instance in running]), load=_FLOATING)
        if not found:
            raise FixedIpNotFoundForHost(host=host)
        return found

    def get_by_address(self, address: str, /, *, load: Sequence[object] = _FLOATING_NETWORK_INSTANCE) -> FixedIp:
        """Give the record of an address, its floating ips, network and instance; raise FixedIpNotFoundForAddress."""
        found = self.first(col(FixedIp.address) == address, load=load)
        if found is None:
            raise FixedIpNotFoundForAddress(address=address)
        return found

    def get_by_instance(self, instance_id: int) -> list[FixedIp]:
        """Give the addresses of an instance and their floating ips; raise FixedIpNotFoundForInstance."""
        found = self.find(col(FixedIp.instance_id) == instance_id, load=_FLOATING)
        if not found:
            raise FixedIpNotFoundForInstance(instance_id=instance_id)
        return found

    def get_by_network_host(self, network_id: int, host: str) -> FixedIp:
        """Give the first address that a host has in a network that the caller sees; FixedIpNotFoundForNetworkHost."""
        # Whose such an address is, no instance says: the network does.
        is_seen = self.database.network.exists(col(Network.id) == network_id)
        found = self.system.fixed_ip.first(col(FixedIp.network_id) == network_id, col(FixedIp.host) == host)
        if not is_seen or found is None:
            raise FixedIpNotFoundForNetworkHost(network_id=network_id, host=host)
        return found

    def get_by_virtual_interface(self, vif_id: int) -> list[FixedIp]:
        """Give the addresses on an interface and their floating ips; raise FixedIpNotFoundForVirtualInterface."""
        found = self.find(col(FixedIp.virtual_interface_id) == vif_id, load=_FLOATING)
        if not found:
            raise FixedIpNotFoundForVirtualInterface(vif_id=vif_id)
        return found

    def get_network(self, address: str) -> Network | None:
        """Give the network of an address, if it is of one; raise FixedIpNotFoundForAddress."""
        return self.get_by_address(address, load=(FixedIp.network,)).network

    # -- changing them by address --

    def update_by_address(self, address: str, /, *changes: Assignment) -> None:
        """Change the record of an address; raise FixedIpNotFoundForAddress."""
        self._change(address, *changes)

    def allocate(self, address: str, virtual_interface_id: int) -> None:
        """Put an address that an instance has onto its interface."""
        self._change(
            address,
            col(FixedIp.allocated).to(True),
            col(FixedIp.leased).to(True),
            col(FixedIp.virtual_interface_id).to(virtual_interface_id),
        )

    def deallocate(self, address: str) -> None:
        """Take an address off its interface; the instance keeps it until DHCP lets go."""
        self._change(address, col(FixedIp.allocated).to(False), col(FixedIp.virtual_interface_id).to(None))

    def release(self, address: str) -> None:
        """Let go of an address, as DHCP does: not leased, and, unless it is allocated anew, nobody's."""

        def release(db: Nova) -> None:
            found = db.fixed_ip.get_by_address(address, load=())
            found.leased = False
            if not found.allocated:
                found.instance_id = None
            db.fixed_ip.save(found)

        self.database.atomic(release)

    def _change(self, address: str, *changes: Assignment) -> None:
        """Change the record of an address, in one step with the look-up that tells whose it is."""

        def change(db: Nova) -> None:
            db.fixed_ip.change(db.fixed_ip.get_by_address(address, load=()), *changes)

        self.database.atomic(change)


def _check(db: Nova, instance_id: int | None) -> None:
    """Raise InstanceNotFound unless there is such an instance, or none is asked for; it must stay until the commit."""
    if instance_id is not None:
        db.system.instance.get(instance_id, load=())
