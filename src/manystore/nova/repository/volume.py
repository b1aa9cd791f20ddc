"""Volumes and what users pinned to them."""

from __future__ import annotations

from ..exception import VolumeNotFound
from ..model.volume import Volume, VolumeMetadataItem
from .guard import NovaRepository


class VolumeRepository(NovaRepository[Volume]):
    """Volumes."""

    entity = "volume"
    missing = (VolumeNotFound, "volume_id")
    owner = "project_id"


class VolumeMetadataRepository(NovaRepository[VolumeMetadataItem]):
    """What users pinned to volumes."""

    entity = "volume_metadata"
    owner = "volume_id"
    parent = "volume"
