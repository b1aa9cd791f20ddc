"""What users pinned to instances."""

from __future__ import annotations

from manystore import col

from ..model.instance import InstanceMetadataItem
from .guard import NovaRepository


class InstanceMetadataRepository(NovaRepository[InstanceMetadataItem]):
    """What users pinned to instances."""

    entity = "instance_metadata"
    owner = "instance_id"
    parent = "instance"

    def delete_all(self, instance_id: int) -> int:
        """Delete all that is pinned to an instance; say how much there was."""
        return self.delete_where(col(InstanceMetadataItem.instance_id) == instance_id)
