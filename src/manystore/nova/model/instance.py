"""Instances, the virtual machines that all the rest is there for, and what is kept about each."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from manystore import field, index, model, ref, related, unique

from ..options import filled, options
from .network import FixedIp
from .record import NovaRecord, is_live

ACTIVE, STOPPED, SOFT_DELETED = "active", "stopped", "soft-delete"  # of vm_state, in Nova's words
REBOOTING, DELETING = "rebooting", "deleting"  # of task_state

if TYPE_CHECKING:
    from .instance_type import InstanceType
    from .security_group import SecurityGroup, SecurityGroupInstanceAssociation
    from .volume import BlockDeviceMapping, Volume


@model(
    collection="instances",
    version=20,
    soft_delete=True,
    indexes=[
        index("host"),
        index("project_id"),
        index("user_id"),
        index("reservation_id"),
        index("task_state", "updated_at"),
        index("terminated_at"),
    ],
)
class Instance(NovaRecord):
    """A virtual machine. Sizes are copied from its type; host, type, user and project are ids without references."""

    id: int = field(key=True, generated=True)
    user_id: str | None = field(default=None, max_length=255)
    project_id: str | None = field(default=None, max_length=255, scope=True)
    image_ref: str | None = field(default=None, max_length=255)
    kernel_id: str | None = field(default=None, max_length=255)
    ramdisk_id: str | None = field(default=None, max_length=255)
    server_name: str | None = field(default=None, max_length=255)
    launch_index: int | None = None
    key_name: str | None = field(default=None, max_length=255)
    key_data: str | None = None
    power_state: int | None = None
    vm_state: str | None = field(default=None, max_length=255)
    task_state: str | None = field(default=None, max_length=255)
    memory_mb: int | None = None
    vcpus: int | None = None
    local_gb: int | None = None
    hostname: str | None = field(default=None, max_length=255)
    host: str | None = field(default=None, max_length=255)
    instance_type_id: int | None = field(default=None)
    user_data: str | None = None
    reservation_id: str | None = field(default=None, max_length=255)
    scheduled_at: datetime | None = None
    launched_at: datetime | None = None
    terminated_at: datetime | None = None
    availability_zone: str | None = field(default=None, max_length=255)
    display_name: str | None = field(default=None, max_length=255)
    display_description: str | None = field(default=None, max_length=255)
    launched_on: str | None = None
    locked: bool | None = None
    os_type: str | None = field(default=None, max_length=255)
    architecture: str | None = field(default=None, max_length=255)
    vm_mode: str | None = field(default=None, max_length=255)
    uuid: str | None = field(default=None, max_length=36, unique=True)
    root_device_name: str | None = field(default=None, max_length=255)
    default_local_device: str | None = field(default=None, max_length=255)
    default_swap_device: str | None = field(default=None, max_length=255)
    config_drive: str | None = field(default=None, max_length=255)
    access_ip_v4: str | None = field(default=None, max_length=255)
    access_ip_v6: str | None = field(default=None, max_length=255)
    managed_disk: bool | None = None
    progress: int | None = None

    fixed_ips: list[FixedIp] = related("FixedIp.instance_id")
    metadata: list[InstanceMetadataItem] = related("InstanceMetadataItem.instance_id")
    instance_type: InstanceType | None = related(instance_type_id)
    volumes: list[Volume] = related("Volume.instance_id")
    block_device_mappings: list[BlockDeviceMapping] = related("BlockDeviceMapping.instance_id")
    security_group_links: list[SecurityGroupInstanceAssociation] = related(
        "SecurityGroupInstanceAssociation.instance_id"
    )

    @property
    def name(self) -> str:
        """Give the name that hypervisors know it by."""
        return filled(options.instance_name_template, self)

    @property
    def security_groups(self) -> list[SecurityGroup]:
        """Give the live groups that it is under, once security_group_links and their groups are loaded."""
        return [link.security_group for link in self.security_group_links if is_live(link.security_group)]

    @property
    def is_active(self) -> bool:
        """Tell whether it runs."""
        return self.vm_state == ACTIVE

    @property
    def is_stopped(self) -> bool:
        """Tell whether it was stopped, to be started again."""
        return self.vm_state == STOPPED

    @property
    def is_soft_deleted(self) -> bool:
        """Tell whether its user deleted it and it waits to be reclaimed: the record itself is live."""
        return self.vm_state == SOFT_DELETED

    @property
    def is_busy(self) -> bool:
        """Tell whether something is being done to it."""
        return self.task_state is not None

    @property
    def is_going(self) -> bool:
        """Tell whether it is being deleted, or is."""
        return self.deleted or self.task_state == DELETING

    @property
    def fixed_addresses(self) -> list[str]:
        """Give its addresses inside, once fixed_ips is loaded."""
        return [ip.address for ip in self.fixed_ips if ip.address is not None]

    @property
    def floating_addresses(self) -> list[str]:
        """Give its addresses outside, once fixed_ips and their floating_ips are loaded."""
        return [ip.address for fixed in self.fixed_ips for ip in fixed.floating_ips if ip.address is not None]

    @property
    def metadata_by_key(self) -> dict[str, str | None]:
        """Give what its user pinned to it, once metadata is loaded."""
        return {item.key: item.value for item in self.metadata if item.key is not None}


@model(collection="instance_metadata", soft_delete=True, uniques=[unique("instance_id", "key", among="live")])
class InstanceMetadataItem(NovaRecord):
    """One key and value that a user pinned to an instance."""

    id: int = field(key=True, generated=True)
    key: str | None = field(default=None, max_length=255)
    value: str | None = field(default=None, max_length=255)
    instance_id: int = ref(Instance.id, on_delete="cascade", index=True)

    instance: Instance | None = related(instance_id)


@model(collection="instance_actions", soft_delete=True)
class InstanceAction(NovaRecord):
    """Something that was done to an instance, and how it failed if it did."""

    id: int = field(key=True, generated=True)
    instance_id: int | None = ref(Instance.id, default=None, on_delete="cascade", index=True)
    action: str | None = field(default=None, max_length=255)
    error: str | None = None


@model(
    collection="bw_usage_cache",
    soft_delete=True,
    indexes=[index("instance_id", "start_period")],
    uniques=[unique("instance_id", "network_label", "start_period", among="live")],
)
class BandwidthUsage(NovaRecord):
    """What an instance sent and received on one network in one period."""

    id: int = field(key=True, generated=True)
    instance_id: int
    network_label: str | None = field(default=None, max_length=255)
    start_period: datetime
    last_refreshed: datetime | None = None
    bw_in: int | None = None
    bw_out: int | None = None


@model(
    collection="migrations",
    version=4,
    soft_delete=True,
    indexes=[index("instance_uuid", "status"), index("status", "updated_at")],
)
class Migration(NovaRecord):
    """An instance on its way to another host or size. It names the instance by uuid."""

    id: int = field(key=True, generated=True)
    source_compute: str | None = field(default=None, max_length=255)
    dest_compute: str | None = field(default=None, max_length=255)
    dest_host: str | None = field(default=None, max_length=255)
    old_instance_type_id: int | None = None
    new_instance_type_id: int | None = None
    instance_uuid: str | None = field(default=None, max_length=255)
    status: str | None = field(default=None, max_length=255)
