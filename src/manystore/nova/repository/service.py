"""Services and compute nodes: who is there, and which host has room."""

from __future__ import annotations

from manystore import asc, col

from ..exception import AgentBuildNotFound, ComputeHostNotFound, HostBinaryNotFound, ServiceNotFound, ZoneNotFound
from ..model.service import AgentBuild, ComputeNode, Service, Zone
from .guard import NovaRepository

_PAGE = 8  # hosts looked at in one read: the first that the store gives has room, unless hosts differ in size


class ServiceRepository(NovaRepository[Service]):
    """Services."""

    entity = "service"
    missing = (ServiceNotFound, "service_id")

    def get_by_args(self, host: str, binary: str) -> Service:
        """Give the program of that name on a host; raise HostBinaryNotFound."""
        found = self.first(col(Service.host) == host, col(Service.binary) == binary)
        if found is None:
            raise HostBinaryNotFound(host=host, binary=binary)
        return found

    def get_by_host_and_topic(self, host: str, topic: str) -> Service | None:
        """Give a host's enabled service for a topic, or None."""
        return self.first(col(Service.host) == host, col(Service.topic) == topic, col(Service.disabled).is_(False))

    def get_all_by_topic(self, topic: str) -> list[Service]:
        """Give the enabled services for a topic."""
        return self.find(col(Service.topic) == topic, col(Service.disabled).is_(False))

    def get_all_by_host(self, host: str) -> list[Service]:
        """Give the services on a host, disabled ones too."""
        return self.find(col(Service.host) == host)

    def get_all_compute_by_host(self, host: str) -> list[Service]:
        """Give the compute services on a host, disabled ones too; raise ComputeHostNotFound when there is none."""
        found = self.find(col(Service.host) == host, col(Service.topic) == "compute")
        if not found:
            raise ComputeHostNotFound(host=host)
        return found

    def report(self, service_id: int) -> None:
        """Count one more report of a service; what Nova's report_state writes."""
        self.increment(service_id, Service.report_count)


class ComputeNodeRepository(NovaRepository[ComputeNode]):
    """Compute nodes."""

    entity = "compute_node"
    missing = (ComputeHostNotFound, "host")

    def get_all(self) -> list[ComputeNode]:
        """Give every compute node."""
        return self.find()

    def get_by_service(self, service_id: int) -> ComputeNode:
        """Give the node of a compute service; raise ComputeHostNotFound."""
        found = self.first(col(ComputeNode.service_id) == service_id)
        if found is None:
            raise ComputeHostNotFound(host=service_id)
        return found

    def first_fit(self, vcpus: int, memory_mb: int, *, largest: tuple[int, int] | None = None) -> ComputeNode | None:
        """Give the first node in key order with room for an instance, or None.

        largest: the vcpus and memory of the biggest host; with it the store itself passes over hosts that are too full.
        """
        where = (
            ()
            if largest is None
            else (
                col(ComputeNode.vcpus_used) <= largest[0] - vcpus,
                col(ComputeNode.memory_mb_used) <= largest[1] - memory_mb,
            )
        )
        last: ComputeNode | None = None
        while page := self.find(*where, order_by=asc(ComputeNode.id), limit=_PAGE, after=last):
            for node in page:
                if has_room(node, vcpus, memory_mb):
                    return node
            last = page[-1]
        return None

    def take(self, node_id: int, vcpus: int, memory_mb: int) -> ComputeNode:
        """Use some of a node, within a transaction; refused with OutOfBounds when it has less."""
        node = self.get(node_id)
        self.increment(node_id, ComputeNode.vcpus_used, vcpus, high=node.vcpus)
        return self.increment(node_id, ComputeNode.memory_mb_used, memory_mb, high=node.memory_mb)

    def give_back(self, node_id: int, vcpus: int, memory_mb: int) -> None:
        """Use less of a node, within a transaction."""
        self.increment(node_id, ComputeNode.vcpus_used, -vcpus, low=0)
        self.increment(node_id, ComputeNode.memory_mb_used, -memory_mb, low=0)


class AgentBuildRepository(NovaRepository[AgentBuild]):
    """Builds of the agent inside guests."""

    entity = "agent_build"
    missing = (AgentBuildNotFound, "id")


class ZoneRepository(NovaRepository[Zone]):
    """Clouds below this one."""

    entity = "zone"
    missing = (ZoneNotFound, "zone_id")


def has_room(node: ComputeNode, vcpus: int, memory_mb: int) -> bool:
    """Tell whether a node has room for an instance."""
    return (
        (node.vcpus_used or 0) + vcpus <= (node.vcpus or 0)
        and (node.memory_mb_used or 0) + memory_mb <= (node.memory_mb or 0)
    )  # fmt: skip
