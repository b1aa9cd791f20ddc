"""Snapshots, devices of instances, and iscsi targets."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from manystore import Duplicate, col

from ..exception import BlockDeviceMappingNotFound, SnapshotNotFound
from ..model.volume import BlockDeviceMapping, IscsiTarget, Snapshot
from ..options import options
from .guard import NovaRepository

if TYPE_CHECKING:
    from ..database import Nova

_DEVICE = (BlockDeviceMapping.instance_id, BlockDeviceMapping.device_name)


class SnapshotRepository(NovaRepository[Snapshot]):
    """Snapshots."""

    entity = "snapshot"
    missing = (SnapshotNotFound, "snapshot_id")
    owner = "project_id"

    def get_all(self) -> list[Snapshot]:
        """Give all snapshots."""
        return self.find(scan=True)  # all of them is what is asked for

    def get_all_by_project(self, project_id: str) -> list[Snapshot]:
        """Give the snapshots of a project."""
        # scan: deleted ones count too, so there may be more than may be examined in one call
        return self.find(col(Snapshot.project_id) == project_id, scan=True)


class BlockDeviceMappingRepository(NovaRepository[BlockDeviceMapping]):
    """Devices of instances."""

    entity = "block_device_mapping"
    missing = (BlockDeviceMappingNotFound, "bdm_id")
    owner = "instance_id"
    parent = "instance"
    refers = (("volume_id", "volume"), ("snapshot_id", "snapshot"))

    def get_all_by_instance(self, instance_id: int) -> list[BlockDeviceMapping]:
        """Give the devices of an instance."""
        return self.find(col(BlockDeviceMapping.instance_id) == instance_id)

    def update_or_create(self, record: BlockDeviceMapping) -> BlockDeviceMapping:
        """Put a device in place of the one with its name, or add it; give it as it is stored.

        A swap or ephemeral disk also takes the place of the instance's others of the same virtual name. All in one
        step. Raise InstanceNotFound.
        """

        def put(db: Nova) -> BlockDeviceMapping:
            db.instance.hold(record.instance_id)
            self._check_named(record)
            devices = db.system.block_device_mapping
            stored = devices.upsert(copy(record), by=_DEVICE)
            if stored.is_swap_or_ephemeral:
                devices.delete_where(
                    col(BlockDeviceMapping.instance_id) == stored.instance_id,
                    col(BlockDeviceMapping.virtual_name) == stored.virtual_name,
                    col(BlockDeviceMapping.device_name) != stored.device_name,
                )
            return stored

        return self.database.atomic(put)

    def destroy_by_instance_and_volume(self, instance_id: int, volume_id: int) -> None:
        """Delete the devices that a volume is to an instance, if there are any."""

        def destroy(db: Nova) -> None:
            of_instance = col(BlockDeviceMapping.instance_id) == instance_id
            for device in db.block_device_mapping.find(of_instance, col(BlockDeviceMapping.volume_id) == volume_id):
                db.system.block_device_mapping.delete(device)

        self.database.atomic(destroy)


class IscsiTargetRepository(NovaRepository[IscsiTarget]):
    """Targets that hosts offer volumes on."""

    entity = "iscsi_target"

    def count_by_host(self, host: str) -> int:
        """Count the targets of a host."""
        return self.count(col(IscsiTarget.host) == host)

    def create_safe(self, record: IscsiTarget) -> IscsiTarget | None:
        """Add a target; give None when the host has one of this number already."""
        there = col(IscsiTarget.host) == record.host, col(IscsiTarget.target_num) == record.target_num
        if self.exists(*there, deleted="any"):  # within a transaction a clash would be told at its end only
            return None
        try:
            return self.create(record)
        except Duplicate as clash:
            if "target_num" in clash.fields:
                return None
            raise

    def fill(self, host: str) -> None:
        """Give a host as many targets as the option says, numbered from 1; several may do so at once."""
        if self.count_by_host(host) >= options.iscsi_num_targets:
            return
        there = {target.target_num for target in self.find(col(IscsiTarget.host) == host, deleted="any")}
        for number in range(1, options.iscsi_num_targets + 1):
            if number not in there:
                self.create_safe(IscsiTarget(host=host, target_num=number))
