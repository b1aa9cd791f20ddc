"""The programs that make up the cloud, what the hosts of compute services hold, and other clouds."""

from __future__ import annotations

from datetime import datetime, timedelta

from manystore import field, index, model, ref, related

from .record import NovaRecord

DOWN_AFTER = timedelta(seconds=60)  # without a report a service counts as down, by Nova's default


@model(
    collection="services",
    version=2,
    soft_delete=True,
    small=True,
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

    compute_node: list[ComputeNode] = related("ComputeNode.service_id")

    def is_up(self, now: datetime, within: timedelta = DOWN_AFTER) -> bool:
        """Tell whether it has reported in lately."""
        last = self.updated_at or self.created_at
        return last is not None and now - last <= within


@model(collection="compute_nodes", version=2, soft_delete=True, small=True)
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

    @property
    def vcpus_free(self) -> int:
        """Give the vcpus that no instance uses; negative when more are promised than there are."""
        return (self.vcpus or 0) - (self.vcpus_used or 0)

    @property
    def memory_mb_free(self) -> int:
        """Give the memory that no instance uses."""
        return (self.memory_mb or 0) - (self.memory_mb_used or 0)

    @property
    def local_gb_free(self) -> int:
        """Give the disk that no instance uses."""
        return (self.local_gb or 0) - (self.local_gb_used or 0)

    def has_room(self, vcpus: int, memory_mb: int) -> bool:
        """Tell whether there is room for an instance."""
        return vcpus <= self.vcpus_free and memory_mb <= self.memory_mb_free


@model(collection="agent_builds", soft_delete=True, small=True, indexes=[index("hypervisor", "os", "architecture")])
class AgentBuild(NovaRecord):
    """A build of the agent that runs inside guests of one kind."""

    id: int = field(key=True, generated=True)
    hypervisor: str | None = field(default=None, max_length=255)
    os: str | None = field(default=None, max_length=255)
    architecture: str | None = field(default=None, max_length=255)
    version: str | None = field(default=None, max_length=255)
    url: str | None = field(default=None, max_length=255)
    md5hash: str | None = field(default=None, max_length=255)


@model(collection="zones", version=3, small=True)
class Zone(NovaRecord):
    """Another cloud below this one, and the key to its API. It is deleted for real."""

    id: int = field(key=True, generated=True)
    name: str | None = field(default=None, max_length=255)
    api_url: str | None = field(default=None, max_length=255)
    username: str | None = field(default=None, max_length=255)
    password: str | None = field(default=None, max_length=255, repr=False)
    weight_offset: float | None = 0.0
    weight_scale: float | None = 1.0
