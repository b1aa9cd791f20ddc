"""What users pinned to instances, by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from manystore import col

from ..model.instance import InstanceMetadataItem
from .guard import NovaRepository
from .pairs import delete_pair, read_pairs, write_pairs

if TYPE_CHECKING:
    from ..database import Nova

_PINNED_TO = col(InstanceMetadataItem.instance_id)


class InstanceMetadataRepository(NovaRepository[InstanceMetadataItem]):
    """What users pinned to instances. The operations raise InstanceNotFound."""

    entity = "instance_metadata"
    owner = "instance_id"
    parent = "instance"

    def get_by_instance(self, instance_id: int) -> dict[str, str | None]:
        """Give what is pinned to an instance, by key."""
        self.database.instance.get(instance_id, load=())
        return read_pairs(self.system.instance_metadata, _PINNED_TO, instance_id)

    def delete_by_key(self, instance_id: int, key: str) -> None:
        """Take one key off an instance, if it is there."""
        self.database.instance.get(instance_id, load=())
        delete_pair(self.system.instance_metadata, _PINNED_TO, instance_id, key)

    def replace(self, instance_id: int, metadata: Mapping[str, str | None], *, delete: bool) -> dict[str, str | None]:
        """Pin keys and values to an instance, in one step; delete: and take off all other keys. Give what is there."""

        def replace(db: Nova) -> dict[str, str | None]:
            db.instance.hold(instance_id)
            return write_pairs(db.system.instance_metadata, _PINNED_TO, instance_id, metadata, delete=delete)

        return self.database.atomic(replace)
