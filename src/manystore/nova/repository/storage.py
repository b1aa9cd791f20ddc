"""Arrays, the storage manager, and numbers of images."""

from __future__ import annotations

from collections.abc import Sequence

from manystore import Assignment, col

from ..access import Deleted
from ..exception import (
    ImageNotFound,
    SMBackendConfNotFound,
    SMFlavorNotFound,
    SMVolumeNotFound,
    VirtualStorageArrayNotFound,
)
from ..model.storage import S3Image, SMBackendConf, SMFlavor, SMVolume, VirtualStorageArray
from .guard import NovaRepository

_LOADS = (VirtualStorageArray.vsa_instance_type,)


class VirtualStorageArrayRepository(NovaRepository[VirtualStorageArray]):
    """Arrays."""

    entity = "vsa"
    missing = (VirtualStorageArrayNotFound, "id")
    owner = "project_id"
    loads = _LOADS

    def get(
        self, key: int, /, *, deleted: Deleted | None = None, load: Sequence[object] = _LOADS
    ) -> VirtualStorageArray:
        """Give an array and the size of its controllers; raise VirtualStorageArrayNotFound."""
        return super().get(key, deleted=deleted, load=load)

    def get_all(self) -> list[VirtualStorageArray]:
        """Give all arrays."""
        return self.find(load=_LOADS, scan=True)  # all of them is what is asked for

    def get_all_by_project(self, project_id: str) -> list[VirtualStorageArray]:
        """Give the arrays of a project."""
        return self.find(col(VirtualStorageArray.project_id) == project_id, load=_LOADS)


class S3ImageRepository(NovaRepository[S3Image]):
    """Numbers of images."""

    entity = "s3_image"
    missing = (ImageNotFound, "image_id")

    def get_by_uuid(self, image_uuid: str) -> S3Image:
        """Give the number of an image; raise ImageNotFound."""
        found = self.first(col(S3Image.uuid) == image_uuid)
        if found is None:
            raise ImageNotFound(image_id=image_uuid)
        return found

    def create_for(self, image_uuid: str) -> S3Image:
        """Give an image a number."""
        return self.create(S3Image(uuid=image_uuid))


class SMBackendConfRepository(NovaRepository[SMBackendConf]):
    """Storage repositories."""

    entity = "sm_backend_conf"
    missing = (SMBackendConfNotFound, "id")

    def get_by_sr(self, sr_uuid: str) -> SMBackendConf:
        """Give the storage repository of a uuid; raise SMBackendConfNotFound."""
        found = self.first(col(SMBackendConf.sr_uuid) == sr_uuid)
        if found is None:
            raise SMBackendConfNotFound(id=sr_uuid)
        return found


class SMFlavorRepository(NovaRepository[SMFlavor]):
    """Kinds of storage."""

    entity = "sm_flavor"
    missing = (SMFlavorNotFound, "id")

    def get_by_label(self, label: str) -> SMFlavor:
        """Give the kind of a label; raise SMFlavorNotFound."""
        found = self.first(col(SMFlavor.label) == label)
        if found is None:
            raise SMFlavorNotFound(id=label)
        return found

    def update_by_label(self, label: str, first: Assignment, /, *more: Assignment) -> SMFlavor:
        """Change the kind of a label; raise SMFlavorNotFound."""
        return self.update(self.get_by_label(label).id, first, *more)

    def delete_by_label(self, label: str) -> None:
        """Delete the kinds of a label, if there are any."""
        self.delete_where(col(SMFlavor.label) == label)


class SMVolumeRepository(NovaRepository[SMVolume]):
    """Where the storage manager keeps volumes."""

    entity = "sm_volume"
    missing = (SMVolumeNotFound, "id")

    def get_all(self) -> list[SMVolume]:
        """Give where all volumes are kept."""
        return self.find(scan=True)  # all of them is what is asked for
