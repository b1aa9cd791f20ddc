"""Instances, their metadata, and their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from manystore import Repository, asc, col, count, project, sum_

from ..exception import FlavorNotFound, InstanceNotFound, InstanceTypeNotFoundByName
from ..model.instance import Instance, InstanceMetadataItem
from ..model.instance_type import InstanceType


@dataclass
class ProjectUse:
    """What the instances of a project use together."""

    instances: int
    vcpus: int | None
    memory_mb: int | None


PROJECT_USE = project(ProjectUse, instances=count(), vcpus=sum_(Instance.vcpus), memory_mb=sum_(Instance.memory_mb))


class InstanceRepository(Repository[Instance, int]):
    """Instances."""

    def create(self, record: Instance, /) -> Instance:
        """Add an instance, under a random uuid unless it has one."""
        if record.uuid is None:
            record.uuid = str(uuid4())
        return super().create(record)

    def get_by_uuid(self, uuid: str) -> Instance:
        """Give the instance with a uuid and its addresses; raise InstanceNotFound."""
        found = self.first(col(Instance.uuid) == uuid, load=(Instance.fixed_ips,))
        if found is None:
            raise InstanceNotFound(instance_id=uuid)
        return found

    def get_all_by_host(self, host: str) -> list[Instance]:
        """Give the instances on a host and their addresses."""
        return self.find(col(Instance.host) == host, load=(Instance.fixed_ips,))

    def get_all_by_project(self, project_id: str) -> list[Instance]:
        """Give the instances of a project and their addresses."""
        return self.find(col(Instance.project_id) == project_id, load=(Instance.fixed_ips,))

    def get_all_by_user(self, user_id: str) -> list[Instance]:
        """Give the instances of a user and their addresses."""
        return self.find(col(Instance.user_id) == user_id, load=(Instance.fixed_ips,))

    def get_all_by_reservation(self, reservation_id: str) -> list[Instance]:
        """Give the instances that were asked for together, and their addresses."""
        return self.find(col(Instance.reservation_id) == reservation_id, load=(Instance.fixed_ips,))

    def data_get_for_project(self, project_id: str) -> tuple[int, int, int]:
        """Give the number of a project's instances, their vcpus and their memory."""
        found = self.select(PROJECT_USE, col(Instance.project_id) == project_id)
        if not found:
            return 0, 0, 0
        return found[0].instances, found[0].vcpus or 0, found[0].memory_mb or 0


class InstanceMetadataRepository(Repository[InstanceMetadataItem, int]):
    """What users pinned to instances."""

    def delete_all(self, instance_id: int) -> int:
        """Delete all that is pinned to an instance; say how much there was."""
        return self.delete_where(col(InstanceMetadataItem.instance_id) == instance_id)


class InstanceTypeRepository(Repository[InstanceType, int]):
    """Sizes."""

    def get_all(self, *, inactive: bool = False) -> list[InstanceType]:
        """Give the sizes by name, deleted ones too if wanted."""
        return self.find(order_by=asc(InstanceType.name), deleted="any" if inactive else "no")

    def get_by_name(self, name: str) -> InstanceType:
        """Give the size of a name, deleted or not; raise InstanceTypeNotFoundByName."""
        found = self.first(col(InstanceType.name) == name, deleted="any")
        if found is None:
            raise InstanceTypeNotFoundByName(instance_type_name=name)
        return found

    def get_by_flavor_id(self, flavor_id: str) -> InstanceType:
        """Give the size of a flavor id, deleted or not; raise FlavorNotFound."""
        found = self.first(col(InstanceType.flavorid) == flavor_id, deleted="any")
        if found is None:
            raise FlavorNotFound(flavor_id=flavor_id)
        return found
