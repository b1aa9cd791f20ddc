"""Volumes, their types and snapshots, and how they reach instances."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from manystore import field, index, model, ref, related, unique

from ..options import options
from .record import NovaRecord

if TYPE_CHECKING:
    from .instance import Instance

_SWAP_OR_EPHEMERAL = re.compile("swap|ephemeral(0|[1-9][0-9]*)")


@model(collection="volumes", version=5, soft_delete=True)
class Volume(NovaRecord):
    """A disk that outlives the instances it is attached to."""

    id: int = field(key=True, generated=True)
    user_id: str | None = field(default=None, max_length=255)
    project_id: str | None = field(default=None, max_length=255, scope=True, index=True)
    snapshot_id: str | None = field(default=None, max_length=255)
    host: str | None = field(default=None, max_length=255, index=True)
    size: int | None = None
    availability_zone: str | None = field(default=None, max_length=255)
    instance_id: int | None = ref(to="Instance.id", default=None, index=True)
    mountpoint: str | None = field(default=None, max_length=255)
    attach_time: str | None = field(default=None, max_length=255)
    status: str | None = field(default=None, max_length=255)
    attach_status: str | None = field(default=None, max_length=255)
    scheduled_at: datetime | None = None
    launched_at: datetime | None = None
    terminated_at: datetime | None = None
    display_name: str | None = field(default=None, max_length=255)
    display_description: str | None = field(default=None, max_length=255)
    provider_location: str | None = field(default=None, max_length=255)
    provider_auth: str | None = field(default=None, max_length=255, repr=False)
    volume_type_id: int | None = field(default=None)

    instance: Instance | None = related(instance_id)
    volume_metadata: list[VolumeMetadataItem] = related("VolumeMetadataItem.volume_id")
    volume_type: VolumeType | None = related(volume_type_id)
    iscsi_targets: list[IscsiTarget] = related("IscsiTarget.volume_id")

    @property
    def name(self) -> str:
        """Give the name that hosts know it by."""
        return options.volume_name_template % self.id

    @property
    def ec2_id(self) -> str:
        """Give the name that users of the EC2 API know it by."""
        return f"vol-{self.id:08x}"

    @property
    def is_available(self) -> bool:
        """Tell whether it can be attached: it is made, and attached to nothing."""
        return self.status == "available" and not self.is_attached

    @property
    def is_attached(self) -> bool:
        """Tell whether an instance has it."""
        return self.attach_status == "attached"

    @property
    def pinned(self) -> dict[str, str | None]:
        """Give what is pinned to it as a mapping, once volume_metadata is loaded."""
        return {item.key or "": item.value for item in self.volume_metadata}

    @property
    def iscsi_target(self) -> IscsiTarget | None:
        """Give its target, once iscsi_targets is loaded."""
        return next(iter(self.iscsi_targets), None)


@model(collection="volume_metadata", soft_delete=True, uniques=[unique("volume_id", "key", among="live")])
class VolumeMetadataItem(NovaRecord):
    """One key and value that a user pinned to a volume."""

    id: int = field(key=True, generated=True)
    key: str | None = field(default=None, max_length=255)
    value: str | None = field(default=None, max_length=255)
    volume_id: int = ref(Volume.id, on_delete="cascade", index=True)

    volume: Volume | None = related(volume_id)


@model(collection="volume_types", soft_delete=True, small=True)
class VolumeType(NovaRecord):
    """A kind of volume. A soft-deleted one goes on holding its name."""

    id: int = field(key=True, generated=True)
    name: str | None = field(default=None, max_length=255, unique=True)

    extra_specs: list[VolumeTypeExtraSpec] = related("VolumeTypeExtraSpec.volume_type_id")

    @property
    def specs(self) -> dict[str, str | None]:
        """Give its extra specs as a mapping, once they are loaded."""
        return {spec.key or "": spec.value for spec in self.extra_specs}


@model(collection="volume_type_extra_specs", soft_delete=True, uniques=[unique("volume_type_id", "key", among="live")])
class VolumeTypeExtraSpec(NovaRecord):
    """One more thing that a kind of volume asks of its back end."""

    id: int = field(key=True, generated=True)
    key: str | None = field(default=None, max_length=255)
    value: str | None = field(default=None, max_length=255)
    volume_type_id: int = ref(VolumeType.id, on_delete="cascade", index=True)

    volume_type: VolumeType | None = related(volume_type_id)


@model(collection="snapshots", version=2, soft_delete=True)
class Snapshot(NovaRecord):
    """A volume as it was at one moment."""

    id: int = field(key=True, generated=True)
    user_id: str | None = field(default=None, max_length=255)
    project_id: str | None = field(default=None, max_length=255, scope=True, index=True)
    volume_id: int | None = field(default=None, index=True)
    status: str | None = field(default=None, max_length=255)
    progress: str | None = field(default=None, max_length=255)
    volume_size: int | None = None
    display_name: str | None = field(default=None, max_length=255)
    display_description: str | None = field(default=None, max_length=255)

    @property
    def name(self) -> str:
        """Give the name that hosts know it by."""
        return options.snapshot_name_template % self.id

    @property
    def ec2_id(self) -> str:
        """Give the name that users of the EC2 API know it by."""
        return f"snap-{self.id:08x}"

    @property
    def volume_name(self) -> str:
        """Give the name of its volume."""
        return options.volume_name_template % self.volume_id


@model(
    collection="block_device_mapping",
    version=2,
    soft_delete=True,
    uniques=[unique("instance_id", "device_name", among="live")],
)
class BlockDeviceMapping(NovaRecord):
    """What an instance sees under the name of a device."""

    id: int = field(key=True, generated=True)
    instance_id: int = ref(to="Instance.id", index=True)
    device_name: str = field(max_length=255)
    delete_on_termination: bool | None = False
    virtual_name: str | None = field(default=None, max_length=255)
    snapshot_id: int | None = ref(Snapshot.id, default=None)
    volume_id: int | None = ref(Volume.id, default=None)
    volume_size: int | None = None
    no_device: bool | None = None
    connection_info: str | None = field(default=None, repr=False)  # it may hold a password

    instance: Instance | None = related(instance_id)
    snapshot: Snapshot | None = related(snapshot_id)
    volume: Volume | None = related(volume_id)

    @property
    def is_swap_or_ephemeral(self) -> bool:
        """Tell whether it stands for a disk that is made with the instance; an instance has one of each such name."""
        return _SWAP_OR_EPHEMERAL.fullmatch(self.virtual_name or "") is not None


@model(
    collection="iscsi_targets",
    soft_delete=True,
    indexes=[index("host", "volume_id")],
    uniques=[unique("target_num", "host")],
)
class IscsiTarget(NovaRecord):
    """A numbered target on a host; free while it has no volume."""

    id: int = field(key=True, generated=True)
    target_num: int | None = None
    host: str | None = field(default=None, max_length=255)
    volume_id: int | None = ref(Volume.id, default=None, on_delete="set_null", index=True)

    volume: Volume | None = related(volume_id)

    @property
    def is_free(self) -> bool:
        """Tell whether no volume has it."""
        return self.volume_id is None
