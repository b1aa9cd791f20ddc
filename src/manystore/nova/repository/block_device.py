"""Snapshots, devices of instances, and iscsi targets."""

from __future__ import annotations

from ..exception import SnapshotNotFound
from ..model.volume import BlockDeviceMapping, IscsiTarget, Snapshot
from .guard import NovaRepository


class SnapshotRepository(NovaRepository[Snapshot]):
    """Snapshots."""

    entity = "snapshot"
    missing = (SnapshotNotFound, "snapshot_id")
    owner = "project_id"


class BlockDeviceMappingRepository(NovaRepository[BlockDeviceMapping]):
    """Devices of instances."""

    entity = "block_device_mapping"
    owner = "instance_id"
    parent = "instance"


class IscsiTargetRepository(NovaRepository[IscsiTarget]):
    """Targets that hosts offer volumes on."""

    entity = "iscsi_target"
