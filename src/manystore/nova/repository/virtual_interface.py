"""The interfaces of instances on networks."""

from __future__ import annotations

from manystore import col

from ..exception import VirtualInterfaceNotFound
from ..model.network import VirtualInterface
from .guard import NovaRepository


class VirtualInterfaceRepository(NovaRepository[VirtualInterface]):
    """Interfaces. Deleting one is real, and the addresses that were on it let go of it."""

    entity = "virtual_interface"
    missing = (VirtualInterfaceNotFound, "vif_id")
    owner = "instance_id"
    parent = "instance"

    def get_by_address(self, address: str) -> VirtualInterface | None:
        """Give the interface with a MAC address, or None."""
        return self.first(col(VirtualInterface.address) == address)

    def get_by_instance(self, instance_id: int) -> list[VirtualInterface]:
        """Give the interfaces of an instance."""
        return self.find(col(VirtualInterface.instance_id) == instance_id)

    def get_by_instance_and_network(self, instance_id: int, network_id: int) -> VirtualInterface | None:
        """Give the interface of an instance on a network, or None."""
        return self.first(
            col(VirtualInterface.instance_id) == instance_id, col(VirtualInterface.network_id) == network_id
        )

    def delete_by_instance(self, instance_id: int) -> int:
        """Delete the interfaces of an instance; say how many there were."""
        return self.delete_where(col(VirtualInterface.instance_id) == instance_id)
