"""Instances, the virtual machines that all the rest is there for, and the notes users pin to them."""

from __future__ import annotations

from datetime import datetime

from manystore import field, index, model, ref, related

from .network import FixedIp
from .record import NovaRecord

NAME_TEMPLATE = "instance-%08x"


@model(
    collection="instances",
    soft_delete=True,
    indexes=[index("host"), index("project_id"), index("user_id"), index("reservation_id")],
)
class Instance(NovaRecord):
    """A virtual machine. Sizes are copied from its type; host, type, user and project are ids without references."""

    id: int = field(key=True, generated=True)
    user_id: str | None = field(default=None, max_length=255)
    project_id: str | None = field(default=None, max_length=255)
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
    instance_type_id: int | None = None
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

    @property
    def name(self) -> str:
        """Give the name that hypervisors know it by."""
        return NAME_TEMPLATE % self.id


@model(collection="instance_metadata", soft_delete=True)
class InstanceMetadataItem(NovaRecord):
    """One key and value that a user pinned to an instance."""

    id: int = field(key=True, generated=True)
    key: str | None = field(default=None, max_length=255)
    value: str | None = field(default=None, max_length=255)
    instance_id: int = ref(Instance.id, on_delete="cascade", index=True)

    instance: Instance | None = related(instance_id)
