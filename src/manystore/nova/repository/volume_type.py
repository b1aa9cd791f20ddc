"""The kinds of volumes."""

from __future__ import annotations

from ..exception import VolumeTypeNotFound
from ..model.volume import VolumeType, VolumeTypeExtraSpec
from .guard import NovaRepository


class VolumeTypeRepository(NovaRepository[VolumeType]):
    """Kinds of volumes."""

    entity = "volume_type"
    missing = (VolumeTypeNotFound, "volume_type_id")


class VolumeTypeExtraSpecRepository(NovaRepository[VolumeTypeExtraSpec]):
    """What kinds of volumes ask of their back ends."""

    entity = "volume_type_extra_spec"
