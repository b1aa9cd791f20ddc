"""Errors about volumes and what they lie on."""

from __future__ import annotations

from .root import Error, NotFound


class VolumeNotFound(NotFound):
    """No such volume that the caller may see."""

    template = "volume {volume_id} could not be found"


class VolumeNotFoundForInstance(VolumeNotFound):
    """The instance has no volume."""

    template = "volume not found for instance {instance_id}"


class VolumeTypeNotFound(NotFound):
    """No such type."""

    template = "volume type {volume_type_id} could not be found"


class VolumeTypeNotFoundByName(VolumeTypeNotFound):
    """No type of that name."""

    template = "volume type with name {volume_type_name} could not be found"


class SnapshotNotFound(NotFound):
    """No such snapshot that the caller may see."""

    template = "snapshot {snapshot_id} could not be found"


class BlockDeviceMappingNotFound(NotFound):
    """No such device of an instance that the caller may see."""

    template = "block device mapping {bdm_id} could not be found"


class ISCSITargetNotFoundForVolume(NotFound):
    """The volume has no target."""

    template = "no target id found for volume {volume_id}"


class NoMoreTargets(Error):
    """No target without a volume is left on the host."""


class VirtualStorageArrayNotFound(NotFound):
    """No such array that the caller may see."""

    template = "virtual storage array {id} could not be found"


class SMBackendConfNotFound(NotFound):
    """No such back end."""

    template = "storage backend {id} could not be found"


class SMFlavorNotFound(NotFound):
    """No such flavor of storage."""

    template = "storage flavor {id} could not be found"


class SMVolumeNotFound(NotFound):
    """No such volume of the storage manager."""

    template = "storage manager has no volume {id}"
