"""Instances: making, finding, changing and ending them, and who is at an address. instance_search.py knows filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from manystore import Assignment, Predicate, TooLarge, asc, col, count, project, sum_

from ..access import OWN
from ..exception import (
    FixedIpNotFoundForAddress,
    FixedIpNotFoundForInstance,
    InstanceNotFound,
    NetworkNotFoundForInstance,
)
from ..ipv6 import to_global, to_mac
from ..model.instance import REBOOTING, STOPPED, Instance, InstanceMetadataItem
from ..model.network import FixedIp, FloatingIp, VirtualInterface
from ..model.record import is_live
from ..model.security_group import SecurityGroup, SecurityGroupInstanceAssociation
from ..model.volume import BlockDeviceMapping
from ..options import options
from .guard import NovaRepository
from .instance_search import InstanceSearch
from .pairs import make_pairs

if TYPE_CHECKING:
    from ..access import Deleted
    from ..database import Nova

_ADDRESSES = (Instance.fixed_ips, FixedIp.floating_ips, FixedIp.network)
_GROUPS = (Instance.security_group_links, SecurityGroupInstanceAssociation.security_group)
ONE = (
    *_ADDRESSES,
    FixedIp.virtual_interface,
    *_GROUPS,
    SecurityGroup.rules,
    Instance.volumes,
    Instance.metadata,
    Instance.instance_type,
)
"""What comes with one instance."""

MANY = (*_ADDRESSES, *_GROUPS, Instance.metadata, Instance.instance_type)
"""What comes with each of several."""

FOUND = (*_ADDRESSES, FixedIp.virtual_interface, *_GROUPS, Instance.metadata, Instance.instance_type)
"""What comes with those that filters find."""

JOINED = (*_ADDRESSES, *_GROUPS, Instance.instance_type)


@dataclass
class ProjectUse:
    """What the instances of a project use together."""

    instances: int
    vcpus: int | None
    memory_mb: int | None


@dataclass
class Naming:
    """Both names of an instance."""

    id: int
    uuid: str | None


PROJECT_USE = project(ProjectUse, instances=count(), vcpus=sum_(Instance.vcpus), memory_mb=sum_(Instance.memory_mb))
NAMING = project(Naming, id=Instance.id, uuid=Instance.uuid)


class InstanceRepository(NovaRepository[Instance]):
    """Instances."""

    entity = "instance"
    missing = (InstanceNotFound, "instance_id")
    owner = "project_id"
    loads = (*ONE, Instance.block_device_mappings)

    # -- one --

    def get(self, key: int, /, *, deleted: Deleted | None = None, load: Sequence[object] = ONE) -> Instance:
        """Give the instance with this id and all that belongs to it; raise InstanceNotFound."""
        return super().get(key, deleted=deleted, load=load)

    def get_by_uuid(self, uuid: str, /, *, load: Sequence[object] = ONE) -> Instance:
        """Give the instance with a uuid and all that belongs to it; raise InstanceNotFound."""
        found = self.first(col(Instance.uuid) == uuid, load=load)
        if found is None:
            raise InstanceNotFound(instance_id=uuid)
        return found

    def get_by_fixed_ip(self, address: str) -> Instance:
        """Give the instance that has an address; raise FixedIpNotFoundForAddress."""
        holders = self.system.fixed_ip.find(col(FixedIp.address) == address, col(FixedIp.instance_id).is_not(None))
        found = self.first(col(Instance.id).in_([ip.instance_id for ip in holders if ip.instance_id]), load=ONE)
        if found is None:
            raise FixedIpNotFoundForAddress(address=address)
        return found

    def get_by_fixed_ipv6(self, address: str) -> Instance:
        """Give the instance whose interface has an IPv6 address; raise FixedIpNotFoundForAddress."""
        try:
            exact, mac = str(IPv6Address(address)), to_mac(address)
        except ValueError:
            raise FixedIpNotFoundForAddress(address=address) from None
        interface = self.system.virtual_interface.first(
            col(VirtualInterface.address) == mac, load=(VirtualInterface.network,)
        )
        if interface is not None:
            found = self.first(col(Instance.id) == interface.instance_id, load=ONE)
            if found is not None and _address_v6(interface, found) == exact:
                return found
        raise FixedIpNotFoundForAddress(address=address)

    def get_project_vpn(self, project_id: str) -> Instance | None:
        """Give the instance that a project's VPN runs on, or None."""
        is_vpn = col(Instance.image_ref) == options.vpn_image_id
        # scan: a project may have more instances than may be examined; which of them is the VPN no index tells.
        return self.first(col(Instance.project_id) == project_id, is_vpn, load=MANY, scan=True)

    # -- several; scan: there may be more of them than may be examined in one call --

    def get_all(self) -> list[Instance]:
        """Give every instance of the cloud: a scan, and meant to be one."""
        return self.find(load=MANY, scan=True)

    def get_all_by_filters(self, filters: Mapping[str, Any]) -> list[Instance]:
        """Give the instances that pass each filter, the newest first; see instance_search.py for what filters say."""
        found = InstanceSearch.of(filters, is_own=self.database.sees is OWN).run(self)
        self._load(found, FOUND, scan=True)
        return found

    def get_active_by_window(
        self, begin: datetime, end: datetime | None = None, project_id: str | None = None
    ) -> list[Instance]:
        """Give the instances launched before begin that still run, or ended after end if there is one."""
        return self.find(*_active(begin, end, project_id), scan=True)

    def get_active_by_window_joined(
        self, begin: datetime, end: datetime | None = None, project_id: str | None = None
    ) -> list[Instance]:
        """Give the same with their addresses, groups and types."""
        return self.find(*_active(begin, end, project_id), load=JOINED, scan=True)

    def get_all_by_user(self, user_id: str) -> list[Instance]:
        """Give the instances of a user."""
        return self.find(col(Instance.user_id) == user_id, load=MANY, scan=True)

    def get_all_by_project(self, project_id: str) -> list[Instance]:
        """Give the instances of a project."""
        return self.find(col(Instance.project_id) == project_id, load=MANY, scan=True)

    def get_all_by_host(self, host: str) -> list[Instance]:
        """Give the instances on a host."""
        return self.find(col(Instance.host) == host, load=MANY, scan=True)

    def get_all_by_reservation(self, reservation_id: str) -> list[Instance]:
        """Give the instances that were asked for together."""
        return self.find(col(Instance.reservation_id) == reservation_id, load=MANY, scan=True)

    def get_all_hung_in_rebooting(self, reboot_window: int) -> list[Instance]:
        """Give the instances that have been rebooting for that many seconds or longer."""
        since = self.database.now() - timedelta(seconds=reboot_window)
        return self.find(col(Instance.task_state) == REBOOTING, col(Instance.updated_at) <= since)

    def get_id_to_uuid_mapping(self, ids: Iterable[int]) -> dict[int, str | None]:
        """Give the uuids of those ids that there are."""
        found = self.select(NAMING, col(Instance.id).in_(ids), scan=True)
        return {naming.id: naming.uuid for naming in found}

    def data_get_for_project(self, project_id: str) -> tuple[int, int, int]:
        """Give the number of a project's instances, their vcpus and their memory."""
        found = self.select(PROJECT_USE, col(Instance.project_id) == project_id, scan=True)
        if not found:
            return 0, 0, 0
        return found[0].instances, found[0].vcpus or 0, found[0].memory_mb or 0

    # -- addresses --

    def get_fixed_addresses(self, instance_id: int) -> list[str]:
        """Give the addresses of an instance; raise InstanceNotFound."""
        return self.get(instance_id, load=(Instance.fixed_ips,)).fixed_addresses

    def get_fixed_addresses_v6(self, instance_id: int) -> list[str]:
        """Give the IPv6 address of each of its interfaces whose network has a range of such; raise InstanceNotFound.

        NetworkNotFoundForInstance when none of its interfaces is on a network.
        """
        instance = self.get(instance_id, load=())
        interfaces = self.system.virtual_interface.find(
            col(VirtualInterface.instance_id) == instance_id,
            order_by=asc(VirtualInterface.network_id),
            load=(VirtualInterface.network,),
        )
        if not any(interface.network for interface in interfaces):
            raise NetworkNotFoundForInstance(instance_id=instance_id)
        return [address for interface in interfaces if (address := _address_v6(interface, instance))]

    def get_floating_address(self, instance_id: int) -> str | None:
        """Give the floating address of the first fixed ip of an instance, or None; raise FixedIpNotFoundForInstance."""
        fixed_ip = self.database.fixed_ip.first(col(FixedIp.instance_id) == instance_id)
        if fixed_ip is None:
            raise FixedIpNotFoundForInstance(instance_id=instance_id)
        floating_ip = self.system.floating_ip.first(col(FloatingIp.fixed_ip_id) == fixed_ip.id)
        return None if floating_ip is None else floating_ip.address

    # -- changes --

    def create(self, record: Instance, /, *, metadata: Mapping[str, str] | None = None) -> Instance:
        """Add an instance and what its user pins to it, under a random uuid unless it has one."""
        if record.uuid is None:
            record.uuid = str(uuid4())
        if not metadata:
            super().create(record)
            record.metadata = []
            return record

        def both(db: Nova) -> None:
            db.instance.create(record)
            pinned_to = col(InstanceMetadataItem.instance_id)
            record.metadata = make_pairs(db.system.instance_metadata, pinned_to, record.id, metadata)

        self.database.atomic(both)
        return record

    def update(
        self,
        key: int | str,
        /,
        *changes: Assignment,
        metadata: Mapping[str, str] | None = None,
        revision: int | None = None,
    ) -> Instance:
        """Change some fields of the instance with this id or uuid; metadata: what is pinned to it from now on."""
        number = self.get_by_uuid(key, load=()).id if isinstance(key, str) else key
        if metadata is None and changes:
            return super().update(number, *changes, revision=revision)

        def both(db: Nova) -> Instance:
            found = db.instance.get(number, load=())
            if changes:
                db.instance.update(number, *changes, revision=revision)
            if metadata is not None:
                db.instance_metadata.replace(number, metadata, delete=True)
                db.system.instance.load([found], Instance.metadata)
            return found

        return self.database.atomic(both)

    def stop(self, instance_id: int) -> None:
        """Take an instance off its host as stopped, if it is there."""
        changes = col(Instance.host).to(None), col(Instance.vm_state).to(STOPPED), col(Instance.task_state).to(None)
        try:
            self.update(instance_id, *changes)
        except InstanceNotFound:
            return

    def destroy(self, instance_id: int, /) -> None:
        """Delete an instance, its place in groups, what is pinned to it and its devices, if it is there.

        One step; where more is pinned to it than a step holds (about 240 keys), that goes first, in steps of its own.
        """

        def destroy(db: Nova) -> None:
            found = db.instance.first(col(Instance.id) == instance_id)
            if not is_live(found):
                return
            links, system = SecurityGroupInstanceAssociation, db.system
            system.security_group_instance_association.delete_where(col(links.instance_id) == instance_id)
            system.instance_metadata.delete_where(col(InstanceMetadataItem.instance_id) == instance_id)
            system.block_device_mapping.delete_where(col(BlockDeviceMapping.instance_id) == instance_id)
            system.instance.delete(instance_id)

        try:
            self.database.atomic(destroy)
        except TooLarge:
            self.system.instance_metadata.delete_where(col(InstanceMetadataItem.instance_id) == instance_id)
            self.database.atomic(destroy)

    # -- security groups --

    def add_security_group(self, instance_id: int, security_group_id: int) -> None:
        """Put an instance under a group, unless it is; raise InstanceNotFound or SecurityGroupNotFound."""

        def add(db: Nova) -> None:
            instance, group = db.instance.get(instance_id, load=()), db.security_group.get(security_group_id, load=())
            links = db.system.security_group_instance_association
            if links.first(*_link(instance.id, group.id)) is None:
                db.system.instance.hold(instance.id)
                db.system.security_group.hold(group.id)
                links.create(SecurityGroupInstanceAssociation(instance_id=instance.id, security_group_id=group.id))

        self.database.atomic(add)

    def remove_security_group(self, instance_id: int, security_group_id: int) -> None:
        """Take an instance out of a group, if it is in it."""
        if self.first(col(Instance.id) == instance_id) is not None:
            self.system.security_group_instance_association.delete_where(*_link(instance_id, security_group_id))


def _active(begin: datetime, end: datetime | None, project_id: str | None) -> list[Predicate]:
    ended = col(Instance.terminated_at)
    is_active = ended.is_(None) if end is None else ended.is_(None) | (ended > end)
    mine = [] if project_id is None else [col(Instance.project_id) == project_id]
    return [col(Instance.launched_at) < begin, is_active, *mine]


def _link(instance_id: int, security_group_id: int) -> tuple[Predicate, Predicate]:
    links = SecurityGroupInstanceAssociation
    return col(links.security_group_id) == security_group_id, col(links.instance_id) == instance_id


def _address_v6(interface: VirtualInterface, instance: Instance) -> str | None:
    network = interface.network
    if network is None or network.cidr_v6 is None or interface.address is None:
        return None
    return to_global(network.cidr_v6, interface.address, instance.project_id)
