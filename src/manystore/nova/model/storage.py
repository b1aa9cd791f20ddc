"""What stands behind volumes and images: arrays, the storage manager, and numbers for image uuids."""

from __future__ import annotations

from manystore import field, model, ref, related

from ..options import options
from .instance_type import InstanceType
from .record import NovaRecord
from .volume import Volume


@model(collection="virtual_storage_arrays", version=2, soft_delete=True)
class VirtualStorageArray(NovaRecord):
    """A set of controllers and drives that a project has made into one array."""

    id: int = field(key=True, generated=True)
    display_name: str | None = field(default=None, max_length=255)
    display_description: str | None = field(default=None, max_length=255)
    project_id: str | None = field(default=None, max_length=255, scope=True, index=True)
    availability_zone: str | None = field(default=None, max_length=255)
    instance_type_id: int | None = ref(InstanceType.id, default=None)
    image_ref: str | None = field(default=None, max_length=255)
    vc_count: int | None = 0
    vol_count: int | None = 0
    status: str | None = field(default=None, max_length=255)

    vsa_instance_type: InstanceType | None = related(instance_type_id)

    @property
    def name(self) -> str:
        """Give the name that its controllers are known by."""
        return options.vsa_name_template % self.id


@model(collection="sm_flavors", small=True)
class SMFlavor(NovaRecord):
    """A kind of storage. It is deleted for real, like all of the storage manager."""

    id: int = field(key=True, generated=True)
    label: str | None = field(default=None, max_length=255, index=True)
    description: str | None = field(default=None, max_length=255)


@model(collection="sm_backend_config", small=True)
class SMBackendConf(NovaRecord):
    """A storage repository of one kind, and how to reach it."""

    id: int = field(key=True, generated=True)
    flavor_id: int = ref(SMFlavor.id)
    sr_uuid: str | None = field(default=None, max_length=255, index=True)
    sr_type: str | None = field(default=None, max_length=255)
    config_params: str | None = field(default=None, max_length=2047, repr=False)


@model(collection="sm_volume")
class SMVolume(NovaRecord):
    """Where the storage manager keeps a volume. It has the id of the volume."""

    id: int = ref(Volume.id, key=True)
    backend_id: int = ref(SMBackendConf.id, index=True)
    vdi_uuid: str | None = field(default=None, max_length=255)


@model(collection="s3_images", soft_delete=True)
class S3Image(NovaRecord):
    """The number by which one API knows an image that another knows by uuid."""

    id: int = field(key=True, generated=True)
    uuid: str = field(max_length=36, index=True)
