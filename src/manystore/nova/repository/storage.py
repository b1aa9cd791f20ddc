"""Arrays, the storage manager, and numbers of images."""

from __future__ import annotations

from ..exception import (
    ImageNotFound,
    SMBackendConfNotFound,
    SMFlavorNotFound,
    SMVolumeNotFound,
    VirtualStorageArrayNotFound,
)
from ..model.storage import S3Image, SMBackendConf, SMFlavor, SMVolume, VirtualStorageArray
from .guard import NovaRepository


class VirtualStorageArrayRepository(NovaRepository[VirtualStorageArray]):
    """Arrays."""

    entity = "vsa"
    missing = (VirtualStorageArrayNotFound, "id")
    owner = "project_id"


class S3ImageRepository(NovaRepository[S3Image]):
    """Numbers of images."""

    entity = "s3_image"
    missing = (ImageNotFound, "image_id")


class SMBackendConfRepository(NovaRepository[SMBackendConf]):
    """Storage repositories."""

    entity = "sm_backend_conf"
    missing = (SMBackendConfNotFound, "id")


class SMFlavorRepository(NovaRepository[SMFlavor]):
    """Kinds of storage."""

    entity = "sm_flavor"
    missing = (SMFlavorNotFound, "id")


class SMVolumeRepository(NovaRepository[SMVolume]):
    """Where the storage manager keeps volumes."""

    entity = "sm_volume"
    missing = (SMVolumeNotFound, "id")
