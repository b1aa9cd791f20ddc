"""The sizes that instances come in."""

from __future__ import annotations

from manystore import asc, col

from ..exception import FlavorNotFound, InstanceTypeNotFound, InstanceTypeNotFoundByName
from ..model.instance_type import InstanceType, InstanceTypeExtraSpec
from .guard import NovaRepository


class InstanceTypeRepository(NovaRepository[InstanceType]):
    """Sizes."""

    entity = "instance_type"
    missing = (InstanceTypeNotFound, "instance_type_id")

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


class InstanceTypeExtraSpecRepository(NovaRepository[InstanceTypeExtraSpec]):
    """What sizes ask of their hosts."""

    entity = "instance_type_extra_spec"
