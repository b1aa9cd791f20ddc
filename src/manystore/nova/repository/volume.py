"""Volumes and what users pinned to them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from manystore import Assignment, Exhausted, TooLarge, col, count, project, sum_

from ..access import Deleted
from ..exception import ISCSITargetNotFoundForVolume, NoMoreTargets, VolumeNotFound, VolumeNotFoundForInstance
from ..model.instance import Instance
from ..model.volume import IscsiTarget, Volume, VolumeMetadataItem
from .guard import NovaRepository
from .pairs import delete_pair, make_pairs, read_pairs, write_pairs

if TYPE_CHECKING:
    from ..database import Nova

_OF_INSTANCE = (Volume.volume_metadata, Volume.volume_type)
_LOADS = (Volume.instance, *_OF_INSTANCE)
_PINNED_TO = col(VolumeMetadataItem.volume_id)
_EC2_ID = re.compile("vol-([0-9a-f]{1,15})")


@dataclass
class VolumeUse:
    """What the volumes of a project use together."""

    volumes: int
    gigabytes: int | None


VOLUME_USE = project(VolumeUse, volumes=count(), gigabytes=sum_(Volume.size))


class VolumeRepository(NovaRepository[Volume]):
    """Volumes."""

    entity = "volume"
    missing = (VolumeNotFound, "volume_id")
    owner = "project_id"
    refers = (("instance_id", "instance"),)
    loads = _LOADS

    def create(self, record: Volume, /, *, metadata: Mapping[str, str | None] | None = None) -> Volume:
        """Add a volume and what is pinned to it, in one step."""
        if not metadata:
            super().create(record)
            record.volume_metadata = []
            return record

        def create(db: Nova) -> None:
            db.volume.create(record)
            record.volume_metadata = make_pairs(db.system.volume_metadata, _PINNED_TO, record.id, metadata)

        self.database.atomic(create)
        return record

    def get(self, key: int, /, *, deleted: Deleted | None = None, load: Sequence[object] = _LOADS) -> Volume:
        """Give a volume with its instance, type and what is pinned to it; raise VolumeNotFound."""
        return super().get(key, deleted=deleted, load=load)

    # -- several; scan: deleted ones count too, so there may be more than may be examined in one call --

    def get_all(self) -> list[Volume]:
        """Give all volumes."""
        return self.find(load=_LOADS, scan=True)

    def get_all_by_host(self, host: str) -> list[Volume]:
        """Give the volumes on a host."""
        return self.find(col(Volume.host) == host, load=_LOADS, scan=True)

    def get_all_by_instance(self, instance_id: int) -> list[Volume]:
        """Give the volumes of an instance; raise VolumeNotFoundForInstance when it has none."""
        found = self.find(col(Volume.instance_id) == instance_id, load=_OF_INSTANCE)
        if not found:
            raise VolumeNotFoundForInstance(instance_id=instance_id)
        return found

    def get_all_by_project(self, project_id: str) -> list[Volume]:
        """Give the volumes of a project."""
        return self.find(col(Volume.project_id) == project_id, load=_LOADS, scan=True)

    def data_get_for_project(self, project_id: str) -> tuple[int, int]:
        """Give the number of a project's volumes and their size."""
        found = self.select(VOLUME_USE, col(Volume.project_id) == project_id, scan=True)
        return (found[0].volumes, found[0].gigabytes or 0) if found else (0, 0)

    # -- one --

    def get_by_ec2_id(self, ec2_id: str) -> Volume:
        """Give the volume that users of the EC2 API know by this name; raise VolumeNotFound."""
        match = _EC2_ID.fullmatch(ec2_id)
        if match is None:
            raise VolumeNotFound(volume_id=ec2_id)
        return self.get(int(match[1], 16))

    def get_instance(self, volume_id: int) -> Instance | None:
        """Give the instance that a volume is attached to."""
        return self.get(volume_id, load=(Volume.instance,)).instance

    def get_iscsi_target_num(self, volume_id: int) -> int | None:
        """Give the number of a volume's target; raise ISCSITargetNotFoundForVolume."""
        found = self.database.iscsi_target.first(col(IscsiTarget.volume_id) == volume_id)
        if found is None:
            raise ISCSITargetNotFoundForVolume(volume_id=volume_id)
        return found.target_num

    # -- changes --

    def update(
        self,
        key: int,
        first: Assignment | None = None,
        /,
        *more: Assignment,
        revision: int | None = None,
        metadata: Mapping[str, str | None] | None = None,
    ) -> Volume:
        """Change a volume and, where metadata is given, put that in place of what is pinned to it; in one step."""
        if metadata is None and first is not None:
            return super().update(key, first, *more, revision=revision)

        def update(db: Nova) -> Volume:
            volume = db.volume.hold(key)
            if metadata is not None:
                write_pairs(db.system.volume_metadata, _PINNED_TO, key, metadata, delete=True)
            return volume if first is None else db.volume.update(key, first, *more, revision=revision)

        return self.database.atomic(update)

    def attached(self, volume_id: int, instance_id: int, mountpoint: str) -> None:
        """Say that an instance has a volume; raise VolumeNotFound or InstanceNotFound."""

        def attach(db: Nova) -> None:
            db.system.instance.get(instance_id, load=())
            db.volume.update(
                volume_id,
                col(Volume.status).to("in-use"),
                col(Volume.attach_status).to("attached"),
                col(Volume.mountpoint).to(mountpoint),
                col(Volume.instance_id).to(instance_id),
            )

        self.database.atomic(attach)

    def detached(self, volume_id: int) -> None:
        """Say that no instance has a volume any more; raise VolumeNotFound."""
        self.update(
            volume_id,
            col(Volume.status).to("available"),
            col(Volume.attach_status).to("detached"),
            col(Volume.mountpoint).to(None),
            col(Volume.instance_id).to(None),
        )

    def allocate_iscsi_target(self, volume_id: int, host: str) -> int | None:
        """Take any free target of a host for a volume, and give its number; raise NoMoreTargets or VolumeNotFound."""

        def allocate(db: Nova) -> int | None:
            db.volume.hold(volume_id)  # so that the target is not taken for a volume that goes
            target = db.iscsi_target.claim(
                col(IscsiTarget.host) == host,
                col(IscsiTarget.volume_id).is_(None),
                changes=[col(IscsiTarget.volume_id).to(volume_id)],
            )
            return target.target_num

        try:
            return self.database.atomic(allocate)
        except Exhausted:
            raise NoMoreTargets(f"host {host} has no free target") from None

    def delete(self, target: Volume | int, /) -> None:
        """Delete a volume, at any revision, and what is pinned to it, and free its target.

        So does destroy. One step; where more is pinned to it than a step holds, that goes first, in steps of its own.
        """
        volume_id = target.id if isinstance(target, Volume) else target

        def delete(db: Nova) -> None:
            super(VolumeRepository, db.volume).delete(volume_id)
            db.system.volume_metadata.delete_where(col(VolumeMetadataItem.volume_id) == volume_id)
            db.system.iscsi_target.update_where(
                col(IscsiTarget.volume_id) == volume_id, changes=[col(IscsiTarget.volume_id).to(None)]
            )

        try:
            self.database.atomic(delete)
        except TooLarge:
            self.system.volume_metadata.delete_where(col(VolumeMetadataItem.volume_id) == volume_id)
            self.database.atomic(delete)


class VolumeMetadataRepository(NovaRepository[VolumeMetadataItem]):
    """What users pinned to volumes."""

    entity = "volume_metadata"
    owner = "volume_id"
    parent = "volume"

    def get_by_volume(self, volume_id: int) -> dict[str, str | None]:
        """Give what is pinned to a volume; raise VolumeNotFound."""
        self.database.volume.get(volume_id, load=())
        return read_pairs(self.system.volume_metadata, _PINNED_TO, volume_id)

    def delete_by_key(self, volume_id: int, key: str) -> None:
        """Delete one key that is pinned to a volume, if it is there; raise VolumeNotFound."""
        self.database.volume.get(volume_id, load=())
        delete_pair(self.system.volume_metadata, _PINNED_TO, volume_id, key)

    def replace(self, volume_id: int, metadata: Mapping[str, str | None], *, delete: bool) -> dict[str, str | None]:
        """Pin keys and values to a volume, in one step; delete: and take off all other keys. Give what is there.

        Raises VolumeNotFound.
        """

        def replace(db: Nova) -> dict[str, str | None]:
            db.volume.hold(volume_id)
            return write_pairs(db.system.volume_metadata, _PINNED_TO, volume_id, metadata, delete=delete)

        return self.database.atomic(replace)
