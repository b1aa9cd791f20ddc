"""The programs that make up the cloud, and what the hosts of compute services hold."""

from __future__ import annotations

from manystore import field, index, model, ref, related

from .record import NovaRecord


@model(
    collection="services",
    soft_delete=True,
    small=True,  # a handful for each host: the plane lists them all
    indexes=[index("host", "topic"), index("host", "binary"), index("topic")],
)
class Service(NovaRecord):
    """A program on a host (nova-compute, nova-network, ...) that reports in at a steady pace."""

    id: int = field(key=True, generated=True)
    host: str | None = field(default=None, max_length=255)
    binary: str | None = field(default=None, max_length=255)
    topic: str | None = field(default=None, max_length=255)
    report_count: int = 0
    disabled: bool | None = False
    availability_zone: str | None = field(default="nova", max_length=255)


@model(
    collection="compute_nodes",
    soft_delete=True,
    small=True,  # one for each host: finding room looks at them all, in key order
)
class ComputeNode(NovaRecord):
    """What a compute host has and how much of it is used; its service knows the host's name."""

    id: int = field(key=True, generated=True)
    service_id: int | None = ref(Service.id, default=None, index=True)
    vcpus: int | None = None
    memory_mb: int | None = None
    local_gb: int | None = None
    vcpus_used: int | None = None
    memory_mb_used: int | None = None
    local_gb_used: int | None = None
    hypervisor_type: str | None = None
    hypervisor_version: int | None = None
    cpu_info: str | None = None  # a JSON object as text, as the hypervisor's driver wrote it

    service: Service | None = related(service_id)
