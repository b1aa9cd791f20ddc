"""What users pinned to instances, by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from manystore import col

from ..model.instance import Instance, InstanceMetadataItem
from .guard import NovaRepository

if TYPE_CHECKING:
    from ..database import Nova


class InstanceMetadataRepository(NovaRepository[InstanceMetadataItem]):
    """What users pinned to instances. The operations raise InstanceNotFound."""

    entity = "instance_metadata"
    owner = "instance_id"
    parent = "instance"

    def get_by_instance(self, instance_id: int) -> dict[str, str | None]:
        """Give what is pinned to an instance, by key."""
        return self.database.instance.get(instance_id, load=(Instance.metadata,)).metadata_by_key

    def delete_by_key(self, instance_id: int, key: str) -> None:
        """Take one key off an instance, if it is there."""
        self.database.instance.get(instance_id, load=())
        self.system.instance_metadata.delete_where(
            col(InstanceMetadataItem.instance_id) == instance_id, col(InstanceMetadataItem.key) == key
        )

    def replace(self, instance_id: int, metadata: Mapping[str, str], *, delete: bool) -> dict[str, str | None]:
        """Pin each key and value to an instance, in one step; delete: and take off all other keys. Give what is there.

        A key that was there before keeps its record; one that was deleted gets a new one.
        """

        def replace(db: Nova) -> dict[str, str | None]:
            db.system.instance.hold(db.instance.get(instance_id, load=()).id)
            items = db.system.instance_metadata
            there = {item.key: item for item in items.find(col(InstanceMetadataItem.instance_id) == instance_id)}
            for key, value in metadata.items():
                item = there.get(key)
                if item is None:
                    there[key] = items.create(InstanceMetadataItem(key=key, value=value, instance_id=instance_id))
                elif item.value != value:
                    items.update(item.id, col(InstanceMetadataItem.value).to(value))
            if delete:
                for gone in there.keys() - metadata.keys():
                    items.delete(there.pop(gone).id)
            return {key: item.value for key, item in there.items() if key is not None}

        return self.database.atomic(replace)
