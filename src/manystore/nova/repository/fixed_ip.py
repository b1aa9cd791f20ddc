"""Fixed ips; taking one from the pool is the race that Nova locks rows for."""

from __future__ import annotations

from collections.abc import Sequence

from manystore import Exhausted, col

from ..exception import (
    FixedIpAlreadyInUse,
    FixedIpNotFound,
    FixedIpNotFoundForAddress,
    FixedIpNotFoundForInstance,
    FixedIpNotFoundForNetwork,
    NoMoreFixedIps,
)
from ..model.network import FixedIp
from .guard import NovaRepository


class FixedIpRepository(NovaRepository[FixedIp]):
    """Fixed ips."""

    entity = "fixed_ip"
    missing = (FixedIpNotFound, "id")
    owner = "instance_id"
    parent = "instance"

    def associate_pool(self, network_id: int, instance_id: int | None = None, host: str | None = None) -> FixedIp:
        """Take any free address of a network, or of none, for an instance or a host; raise NoMoreFixedIps."""
        changes = [col(FixedIp.network_id).to(network_id)]
        if instance_id is not None:
            changes.append(col(FixedIp.instance_id).to(instance_id))
        if host is not None:
            changes.append(col(FixedIp.host).to(host))
        for place in (network_id, None):
            try:
                return self.claim(
                    col(FixedIp.network_id).is_(place),
                    col(FixedIp.reserved).is_(False),
                    col(FixedIp.instance_id).is_(None),
                    col(FixedIp.host).is_(None),
                    changes=changes,
                )
            except Exhausted:
                continue
        raise NoMoreFixedIps

    def associate(self, address: str, instance_id: int, network_id: int, *, reserved: bool = False) -> FixedIp:
        """Take a given address for an instance; raise FixedIpNotFoundForNetwork or FixedIpAlreadyInUse."""
        found = self.first(
            col(FixedIp.address) == address,
            col(FixedIp.reserved).is_(reserved),
            col(FixedIp.network_id).in_((network_id, None)),
        )
        if found is None:
            raise FixedIpNotFoundForNetwork(address=address, network_id=network_id)
        if found.instance_id is not None:
            raise FixedIpAlreadyInUse(address=address)
        found.instance_id, found.network_id = instance_id, network_id
        return self.save(found)

    def bulk_create(self, ips: Sequence[FixedIp]) -> None:
        """Add addresses, all or none."""
        self.create_all(ips)

    def get_by_address(self, address: str) -> FixedIp:
        """Give the record of an address; raise FixedIpNotFoundForAddress."""
        found = self.first(col(FixedIp.address) == address)
        if found is None:
            raise FixedIpNotFoundForAddress(address=address)
        return found

    def get_by_instance(self, instance_id: int) -> list[FixedIp]:
        """Give the addresses of an instance; raise FixedIpNotFoundForInstance when it has none."""
        found = self.find(col(FixedIp.instance_id) == instance_id)
        if not found:
            raise FixedIpNotFoundForInstance(instance_id=instance_id)
        return found

    def allocate(self, address: str, virtual_interface_id: int) -> None:
        """Put an address that an instance has onto its interface."""
        found = self.get_by_address(address)
        self.update(
            found.id,
            col(FixedIp.allocated).to(True),
            col(FixedIp.leased).to(True),
            col(FixedIp.virtual_interface_id).to(virtual_interface_id),
        )

    def deallocate(self, address: str) -> None:
        """Take an address off its interface; the instance keeps it until DHCP lets go."""
        found = self.get_by_address(address)
        self.update(found.id, col(FixedIp.allocated).to(False), col(FixedIp.virtual_interface_id).to(None))

    def release(self, address: str) -> None:
        """Let go of an address, as DHCP does: not leased, and, unless it is allocated anew, nobody's."""
        found = self.get_by_address(address)
        if found.allocated:
            self.update(found.id, col(FixedIp.leased).to(False))
        else:
            self.update(found.id, col(FixedIp.leased).to(False), col(FixedIp.instance_id).to(None))

    def disassociate(self, address: str) -> None:
        """Take an address from its instance, and change nothing else."""
        self.update(self.get_by_address(address).id, col(FixedIp.instance_id).to(None))
