"""The sizes that instances come in."""

from __future__ import annotations

from manystore import field, model, ref, related, unique

from .record import NovaRecord


@model(collection="instance_types", version=4, soft_delete=True, small=True)
class InstanceType(NovaRecord):
    """A size. A soft-deleted one goes on holding its name and flavorid."""

    id: int = field(key=True, generated=True)
    name: str | None = field(default=None, max_length=255, unique=True)
    memory_mb: int | None = None
    vcpus: int | None = None
    local_gb: int | None = None
    flavorid: str | None = field(default=None, max_length=255, unique=True)
    swap: int = 0
    rxtx_quota: int = 0
    rxtx_cap: int = 0
    vcpu_weight: int | None = None

    extra_specs: list[InstanceTypeExtraSpec] = related("InstanceTypeExtraSpec.instance_type_id")

    @property
    def specs(self) -> dict[str, str | None]:
        """Give what more it asks of its host, by key, once extra_specs is loaded."""
        return {spec.key: spec.value for spec in self.extra_specs if spec.key is not None}


@model(
    collection="instance_type_extra_specs", soft_delete=True, uniques=[unique("instance_type_id", "key", among="live")]
)
class InstanceTypeExtraSpec(NovaRecord):
    """One more thing that a size asks of its host."""

    id: int = field(key=True, generated=True)
    key: str | None = field(default=None, max_length=255)
    value: str | None = field(default=None, max_length=255)
    instance_type_id: int = ref(InstanceType.id, on_delete="cascade", index=True)

    instance_type: InstanceType | None = related(instance_type_id)
