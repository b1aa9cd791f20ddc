"""The sizes that instances come in, and what more they ask of hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from manystore import asc, col

from ..exception import FlavorNotFound, InstanceTypeNotFound, InstanceTypeNotFoundByName, Invalid
from ..model.instance_type import InstanceType, InstanceTypeExtraSpec
from .guard import NovaRepository
from .pairs import delete_pair, make_pairs, read_pairs, write_pairs

if TYPE_CHECKING:
    from ..access import Deleted
    from ..database import Nova

_SPECS = (InstanceType.extra_specs,)
_ASKED_BY = col(InstanceTypeExtraSpec.instance_type_id)
_AT_LEAST = {"min_memory_mb": col(InstanceType.memory_mb), "min_local_gb": col(InstanceType.local_gb)}


class InstanceTypeRepository(NovaRepository[InstanceType]):
    """Sizes, each with its extra specs. A deleted one is still found: instances have it."""

    entity = "instance_type"
    missing = (InstanceTypeNotFound, "instance_type_id")

    def get(self, key: int, /, *, deleted: Deleted | None = None, load: Sequence[object] = _SPECS) -> InstanceType:
        """Give the size with this id; raise InstanceTypeNotFound."""
        return super().get(key, deleted=deleted, load=load)

    def get_all(self, *, inactive: bool = False, filters: Mapping[str, int] | None = None) -> list[InstanceType]:
        """Give the sizes by name, deleted ones too if wanted; filters: min_memory_mb, min_local_gb."""
        unknown = sorted((filters or {}).keys() - _AT_LEAST.keys())
        if unknown:
            raise Invalid(f"instance types have no filter {unknown[0]}")
        where = [_AT_LEAST[name] >= least for name, least in (filters or {}).items()]
        order, deleted = asc(InstanceType.name), "any" if inactive else "no"
        return self.find(*where, order_by=order, load=_SPECS, deleted=deleted)  # type: ignore[arg-type]

    def get_by_name(self, name: str) -> InstanceType:
        """Give the size of a name; raise InstanceTypeNotFoundByName."""
        return self._named(name, load=_SPECS)

    def get_by_flavor_id(self, flavor_id: str) -> InstanceType:
        """Give the size of a flavor id; raise FlavorNotFound."""
        found = self.first(col(InstanceType.flavorid) == flavor_id, load=_SPECS, deleted="any")
        if found is None:
            raise FlavorNotFound(flavor_id=flavor_id)
        return found

    def create(self, record: InstanceType, /, *, extra_specs: Mapping[str, str | None] | None = None) -> InstanceType:
        """Add a size and what more it asks of its host; raise Duplicate."""
        if not extra_specs:
            super().create(record)
            record.extra_specs = []
            return record

        def create(db: Nova) -> None:
            db.instance_type.create(record)
            record.extra_specs = make_pairs(db.instance_type_extra_spec, _ASKED_BY, record.id, extra_specs)

        self.database.atomic(create)
        return record

    def destroy_by_name(self, name: str) -> None:
        """Delete the size of a name, which stays its own; raise InstanceTypeNotFoundByName. Again does nothing."""
        self.destroy(self._named(name).id)

    def purge_by_name(self, name: str) -> None:
        """Delete the size of a name for good, with its extra specs; raise InstanceTypeNotFoundByName."""
        self.purge(self._named(name).id)

    def _named(self, name: str, load: Sequence[object] = ()) -> InstanceType:
        found = self.first(col(InstanceType.name) == name, load=load, deleted="any")
        if found is None:
            raise InstanceTypeNotFoundByName(instance_type_name=name)
        return found


class InstanceTypeExtraSpecRepository(NovaRepository[InstanceTypeExtraSpec]):
    """What sizes ask of their hosts."""

    entity = "instance_type_extra_spec"

    def get_by_type(self, instance_type_id: int) -> dict[str, str | None]:
        """Give what a size asks, by key; nothing for one that there is none of."""
        return read_pairs(self, _ASKED_BY, instance_type_id)

    def delete_by_key(self, instance_type_id: int, key: str) -> None:
        """Ask one thing less, if it was asked."""
        delete_pair(self, _ASKED_BY, instance_type_id, key)

    def update_or_create(self, instance_type_id: int, extra_specs: Mapping[str, str | None]) -> dict[str, str | None]:
        """Ask these things, in one step, and the others as before; give all. Raises InstanceTypeNotFound."""

        def update(db: Nova) -> dict[str, str | None]:
            db.instance_type.hold(instance_type_id)
            return write_pairs(db.instance_type_extra_spec, _ASKED_BY, instance_type_id, extra_specs, delete=False)

        return self.database.atomic(update)
