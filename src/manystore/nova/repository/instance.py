"""Instances."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from manystore import col, count, project, sum_

from ..exception import InstanceNotFound
from ..model.instance import Instance
from .guard import NovaRepository


@dataclass
class ProjectUse:
    """What the instances of a project use together."""

    instances: int
    vcpus: int | None
    memory_mb: int | None


PROJECT_USE = project(ProjectUse, instances=count(), vcpus=sum_(Instance.vcpus), memory_mb=sum_(Instance.memory_mb))


class InstanceRepository(NovaRepository[Instance]):
    """Instances."""

    entity = "instance"
    missing = (InstanceNotFound, "instance_id")
    owner = "project_id"

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
