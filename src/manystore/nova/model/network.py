"""Networks, the interfaces of instances on them, and the addresses those are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manystore import field, index, model, ref, related, unique

from ..ipv6 import to_global
from .record import NovaRecord

if TYPE_CHECKING:
    from .instance import Instance


@model(
    collection="networks",
    version=9,
    soft_delete=True,
    small=True,
    indexes=[index("project_id"), index("host")],
    uniques=[unique("vpn_public_address", "vpn_public_port")],
)
class Network(NovaRecord):
    """A range of addresses; free to be taken by a project while project_id is None."""

    id: int = field(key=True, generated=True)
    label: str | None = field(default=None, max_length=255)
    injected: bool | None = False
    cidr: str | None = field(default=None, max_length=255, unique=True)
    cidr_v6: str | None = field(default=None, max_length=255, unique=True)
    multi_host: bool | None = False
    gateway_v6: str | None = field(default=None, max_length=255)
    netmask_v6: str | None = field(default=None, max_length=255)
    netmask: str | None = field(default=None, max_length=255)
    bridge: str | None = field(default=None, max_length=255)
    bridge_interface: str | None = field(default=None, max_length=255)
    gateway: str | None = field(default=None, max_length=255)
    broadcast: str | None = field(default=None, max_length=255)
    dns1: str | None = field(default=None, max_length=255)
    dns2: str | None = field(default=None, max_length=255)
    vlan: int | None = None
    vpn_public_address: str | None = field(default=None, max_length=255)
    vpn_public_port: int | None = None
    vpn_private_address: str | None = field(default=None, max_length=255)
    dhcp_start: str | None = field(default=None, max_length=255)
    project_id: str | None = field(default=None, max_length=255, scope=True)
    priority: int | None = None
    host: str | None = field(default=None, max_length=255)
    uuid: str | None = field(default=None, max_length=36, index=True)

    virtual_interfaces: list[VirtualInterface] = related("VirtualInterface.network_id")
    fixed_ips: list[FixedIp] = related("FixedIp.network_id")

    @property
    def is_free(self) -> bool:
        """Tell whether a project may still take it."""
        return self.project_id is None


@model(collection="network_takings")
class NetworkTaking(NovaRecord):
    """That a project without a network took one, ours beside Nova's models.

    A project may have many networks, and need not have a record. Two that take its first one at once meet here.
    """

    project_id: str = field(key=True, max_length=255)


@model(collection="virtual_interfaces", version=2, indexes=[index("instance_id", "network_id")])
class VirtualInterface(NovaRecord):
    """An instance's port on a network, known by its MAC address. It is deleted for real."""

    id: int = field(key=True, generated=True)
    address: str | None = field(default=None, max_length=255, unique=True)
    network_id: int | None = ref(Network.id, default=None, on_delete="set_null", index=True)
    instance_id: int  # no reference since Nova's migration 047
    uuid: str | None = field(default=None, max_length=36, index=True)

    network: Network | None = related(network_id)
    fixed_ips: list[FixedIp] = related("FixedIp.virtual_interface_id")

    @property
    def fixed_ipv6(self) -> str | None:
        """Give its IPv6 address, once its network is loaded; None where that has no IPv6 range."""
        if self.network is None or self.network.cidr_v6 is None or self.address is None:
            return None
        return to_global(self.network.cidr_v6, self.address, None)


@model(
    collection="fixed_ips",
    version=5,
    soft_delete=True,
    indexes=[index("network_id", "instance_id", "reserved", name="pool"), index("network_id", "host"), index("host")],
)
class FixedIp(NovaRecord):
    """One address of a network.

    Three facts that do not follow from each other: instance_id set: it is an instance's; virtual_interface_id set (and
    allocated): it is in use on that interface; leased: the DHCP server has handed it out. host: it belongs to a host.
    """

    id: int = field(key=True, generated=True)
    address: str | None = field(default=None, max_length=255, index=True)
    network_id: int | None = ref(Network.id, default=None, on_delete="set_null")
    virtual_interface_id: int | None = ref(VirtualInterface.id, default=None, on_delete="set_null", index=True)
    # Deleting an instance for good is refused while it still holds an address.
    instance_id: int | None = ref(to="Instance.id", default=None, index=True)
    allocated: bool | None = False
    leased: bool | None = False
    reserved: bool | None = False
    host: str | None = field(default=None, max_length=255)

    network: Network | None = related(network_id)
    virtual_interface: VirtualInterface | None = related(virtual_interface_id)
    instance: Instance | None = related(instance_id)
    floating_ips: list[FloatingIp] = related("FloatingIp.fixed_ip_id")

    @property
    def is_free(self) -> bool:
        """Tell whether the pool may still give it away."""
        return self.instance_id is None and self.host is None and not self.reserved

    @property
    def is_associated(self) -> bool:
        """Tell whether it is an instance's."""
        return self.instance_id is not None

    @property
    def is_in_use(self) -> bool:
        """Tell whether it is on an interface."""
        return bool(self.allocated) and self.virtual_interface_id is not None

    @property
    def is_stale(self) -> bool:
        """Tell whether its instance has given it up, but DHCP has not: what the sweep takes back after a while."""
        return self.instance_id is not None and not self.allocated


@model(
    collection="floating_ips", version=3, soft_delete=True, indexes=[index("project_id", "fixed_ip_id", name="pool")]
)
class FloatingIp(NovaRecord):
    """An address of the outside; free while it has neither a project nor a fixed ip that it leads to."""

    id: int = field(key=True, generated=True)
    address: str | None = field(default=None, max_length=255, index=True)
    fixed_ip_id: int | None = ref(FixedIp.id, default=None, on_delete="set_null", index=True)
    project_id: str | None = field(default=None, max_length=255, scope=True)
    host: str | None = field(default=None, max_length=255, index=True)
    auto_assigned: bool = False

    fixed_ip: FixedIp | None = related(fixed_ip_id)

    @property
    def is_free(self) -> bool:
        """Tell whether a project may still take it."""
        return self.project_id is None and self.fixed_ip_id is None

    @property
    def is_associated(self) -> bool:
        """Tell whether it leads to a fixed ip."""
        return self.fixed_ip_id is not None
