"""The interfaces of instances on networks."""

from __future__ import annotations

from collections.abc import Sequence

from manystore import Duplicate, col

from ..access import SPLIT, Deleted, deleted_for
from ..exception import VirtualInterfaceCreateException, VirtualInterfaceNotFound
from ..model.network import FixedIp, VirtualInterface
from .guard import NovaRepository

_LOADS = (VirtualInterface.network, VirtualInterface.fixed_ips)


class VirtualInterfaceRepository(NovaRepository[VirtualInterface]):
    """Interfaces. Deleting one is real, and the addresses that were on it let go of it."""

    entity = "virtual_interface"
    missing = (VirtualInterfaceNotFound, "vif_id")
    owner = "instance_id"
    parent = "instance"
    refers = (("network_id", "network"),)
    loads = _LOADS

    def create(self, record: VirtualInterface, /) -> VirtualInterface:
        """Add an interface; raise VirtualInterfaceCreateException when its MAC address is taken.

        In a transaction that is only found, and raised as Duplicate, when it is committed.
        """
        try:
            return super().create(record)
        except Duplicate:
            raise VirtualInterfaceCreateException from None

    def get(self, key: int, /, *, deleted: Deleted | None = None, load: Sequence[object] = _LOADS) -> VirtualInterface:
        """Give the interface with this id, its network and its addresses; raise VirtualInterfaceNotFound."""
        return super().get(key, deleted=deleted, load=load)

    def get_by_address(self, address: str) -> VirtualInterface | None:
        """Give the interface with a MAC address, its network and its addresses, or None."""
        return self.first(col(VirtualInterface.address) == address, load=_LOADS)

    def get_by_uuid(self, vif_uuid: str) -> VirtualInterface | None:
        """Give the interface with a uuid, its network and its addresses, or None."""
        return self.first(col(VirtualInterface.uuid) == vif_uuid, load=_LOADS)

    def get_by_fixed_ip(self, fixed_ip_id: int) -> VirtualInterface | None:
        """Give the interface that a fixed ip is on, its network and all its addresses, or None."""
        fixed = self.system.fixed_ip.first(col(FixedIp.id) == fixed_ip_id, deleted="any")
        if fixed is None or fixed.virtual_interface_id is None:
            return None
        return self.first(col(VirtualInterface.id) == fixed.virtual_interface_id, load=_LOADS)

    def get_by_instance(self, instance_id: int) -> list[VirtualInterface]:
        """Give the interfaces of an instance, their networks and addresses; raise InstanceNotFound."""
        self._check_instance(instance_id)
        return self.find(col(VirtualInterface.instance_id) == instance_id, load=_LOADS)

    def get_by_instance_and_network(self, instance_id: int, network_id: int) -> VirtualInterface | None:
        """Give the interface of an instance on a network, the network and its addresses, or None."""
        return self.first(
            col(VirtualInterface.instance_id) == instance_id,
            col(VirtualInterface.network_id) == network_id,
            load=_LOADS,
        )

    def get_by_network(self, network_id: int) -> list[VirtualInterface]:
        """Give the interfaces on a network, it and their addresses."""
        # scan: a network may have more than may be examined in one call
        return self.find(col(VirtualInterface.network_id) == network_id, load=_LOADS, scan=True)

    def get_all(self) -> list[VirtualInterface]:
        """Give every interface, its network and its addresses."""
        return self.find(load=_LOADS, scan=True)  # all are asked for

    def delete_by_instance(self, instance_id: int) -> None:
        """Delete the interfaces of an instance; raise InstanceNotFound."""
        self._check_instance(instance_id)
        self.delete_where(col(VirtualInterface.instance_id) == instance_id)

    def _check_instance(self, instance_id: int) -> None:
        """Raise InstanceNotFound unless the caller sees the instance: live or deleted as for instance.get."""
        self.database.instance.get(instance_id, deleted=deleted_for(SPLIT, self.context), load=())
