"""The kinds of volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from manystore import asc, col

from ..access import Deleted
from ..exception import VolumeTypeNotFound, VolumeTypeNotFoundByName
from ..model.volume import VolumeType, VolumeTypeExtraSpec
from .guard import NovaRepository
from .pairs import delete_pair, make_pairs, read_pairs, write_pairs

if TYPE_CHECKING:
    from ..database import Nova

_LOADS = (VolumeType.extra_specs,)
_ASKED_BY = col(VolumeTypeExtraSpec.volume_type_id)


class VolumeTypeRepository(NovaRepository[VolumeType]):
    """Kinds of volumes."""

    entity = "volume_type"
    missing = (VolumeTypeNotFound, "volume_type_id")

    def create(self, record: VolumeType, /, *, extra_specs: Mapping[str, str | None] | None = None) -> VolumeType:
        """Add a kind and its extra specs, in one step; raise Duplicate when one had the name, deleted or not."""
        if not extra_specs:
            super().create(record)
            record.extra_specs = []
            return record

        def create(db: Nova) -> None:
            db.volume_type.create(record)
            record.extra_specs = make_pairs(db.volume_type_extra_spec, _ASKED_BY, record.id, extra_specs)

        self.database.atomic(create)
        return record

    def get(self, key: int, /, *, deleted: Deleted | None = None, load: Sequence[object] = _LOADS) -> VolumeType:
        """Give a kind and its extra specs, deleted or not; raise VolumeTypeNotFound."""
        return super().get(key, deleted=deleted, load=load)

    def get_all(self, *, inactive: bool = False) -> dict[str, VolumeType]:
        """Give the kinds and their extra specs by name, deleted ones too if wanted."""
        found = self.find(order_by=asc(VolumeType.name), load=_LOADS, deleted="any" if inactive else "no")
        return {kind.name or "": kind for kind in found}

    def get_by_name(self, name: str) -> VolumeType:
        """Give the kind of a name and its extra specs, deleted or not; raise VolumeTypeNotFoundByName."""
        found = self.first(col(VolumeType.name) == name, load=_LOADS)
        if found is None:
            raise VolumeTypeNotFoundByName(volume_type_name=name)
        return found

    def destroy_by_name(self, name: str) -> None:
        """Delete the kind of a name, which goes on holding it; raise VolumeTypeNotFoundByName."""
        self.destroy(self.get_by_name(name).id)

    def purge_by_name(self, name: str) -> None:
        """Delete the kind of a name and its extra specs for good; raise VolumeTypeNotFoundByName."""
        if not self.purge_where(col(VolumeType.name) == name, deleted="any"):
            raise VolumeTypeNotFoundByName(volume_type_name=name)


class VolumeTypeExtraSpecRepository(NovaRepository[VolumeTypeExtraSpec]):
    """What kinds of volumes ask of their back ends."""

    entity = "volume_type_extra_spec"

    def get_by_type(self, volume_type_id: int) -> dict[str, str | None]:
        """Give the extra specs of a kind."""
        return read_pairs(self, _ASKED_BY, volume_type_id)

    def delete_by_key(self, volume_type_id: int, key: str) -> None:
        """Delete one extra spec of a kind, if it is there."""
        delete_pair(self, _ASKED_BY, volume_type_id, key)

    def update_or_create(self, volume_type_id: int, extra_specs: Mapping[str, str | None]) -> dict[str, str | None]:
        """Change or add extra specs of a kind, in one step, and give all; raise VolumeTypeNotFound."""

        def update(db: Nova) -> dict[str, str | None]:
            db.volume_type.hold(volume_type_id)
            return write_pairs(db.volume_type_extra_spec, _ASKED_BY, volume_type_id, extra_specs, delete=False)

        return self.database.atomic(update)
