"""Services and compute nodes: who is there, and which host has room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from manystore import asc, col, count, project, sum_

from ..exception import AgentBuildNotFound, ComputeHostNotFound, HostBinaryNotFound, ServiceNotFound, ZoneNotFound
from ..model.instance import Instance
from ..model.network import Network
from ..model.service import AgentBuild, ComputeNode, Service, Zone
from ..model.volume import Volume
from ..options import options
from .guard import NovaRepository

if TYPE_CHECKING:
    from ..access import Deleted
    from ..database import Nova

_COMPUTE = "compute"
_NODES = (Service.compute_node,)
_PAGE = 8  # hosts looked at in one read: the first that the store gives has room, unless hosts differ in size


@dataclass
class HostUse:
    """How much of something a host has to do."""

    host: str | None
    total: int | None


VCPUS = project(HostUse, host=Instance.host, total=sum_(Instance.vcpus))
NETWORKS = project(HostUse, host=Network.host, total=count())
GIGABYTES = project(HostUse, host=Volume.host, total=sum_(Volume.size))


class ServiceRepository(NovaRepository[Service]):
    """Services."""

    entity = "service"
    missing = (ServiceNotFound, "service_id")

    def get(self, key: int, /, *, deleted: Deleted | None = None, load: Sequence[object] = _NODES) -> Service:
        """Give the service with this id and its compute node; raise ServiceNotFound."""
        return super().get(key, deleted=deleted, load=load)

    def get_all(self, *, disabled: bool | None = None) -> list[Service]:
        """Give every service; disabled: only those that are, or are not."""
        return self.find(*([] if disabled is None else [col(Service.disabled).is_(disabled)]))

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
        found = self.find(col(Service.host) == host, col(Service.topic) == _COMPUTE, load=_NODES)
        if not found:
            raise ComputeHostNotFound(host=host)
        return found

    # scan: totals are of all that is there, however much may be examined in one call.

    def get_all_compute_sorted(self) -> list[tuple[Service, int]]:
        """Give the enabled compute services and the vcpus of their instances, the least used first."""
        services, hosts = self._serving(_COMPUTE)
        return _by_use(services, self.system.instance.select(VCPUS, col(Instance.host).in_(hosts), scan=True))

    def get_all_network_sorted(self) -> list[tuple[Service, int]]:
        """Give the enabled network services and the number of their networks, the least used first."""
        services, hosts = self._serving("network")
        return _by_use(services, self.system.network.select(NETWORKS, col(Network.host).in_(hosts), scan=True))

    def get_all_volume_sorted(self) -> list[tuple[Service, int]]:
        """Give the enabled volume services and the gigabytes of their volumes, the least used first."""
        services, hosts = self._serving("volume")
        return _by_use(services, self.system.volume.select(GIGABYTES, col(Volume.host).in_(hosts), scan=True))

    def _serving(self, topic: str) -> tuple[list[Service], list[str]]:
        services = self.get_all_by_topic(topic)
        return services, sorted({service.host for service in services if service.host is not None})

    def create(self, record: Service, /) -> Service:
        """Add a service; disabled, unless new ones are to be enabled."""
        if not options.enable_new_services:
            record.disabled = True
        return super().create(record)

    def destroy(self, service_id: int, /) -> None:
        """Delete a service, and its compute node if it is a compute service; raise ServiceNotFound."""

        def destroy(db: Nova) -> None:
            service = db.service.get(service_id, load=())
            if service.topic == _COMPUTE:
                db.system.compute_node.delete_where(col(ComputeNode.service_id) == service_id)
            if not service.deleted:
                db.system.service.delete(service_id)

        self.database.atomic(destroy)

    def report(self, service_id: int) -> None:
        """Count one more report of a service; what Nova's report_state writes."""
        self.increment(service_id, Service.report_count)


class ComputeNodeRepository(NovaRepository[ComputeNode]):
    """Compute nodes."""

    entity = "compute_node"
    missing = (ComputeHostNotFound, "host")

    def get_all(self) -> list[ComputeNode]:
        """Give every compute node and its service."""
        return self.find(load=(ComputeNode.service,))

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
                if node.has_room(vcpus, memory_mb):
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

    def get_by_triple(self, hypervisor: str, os: str, architecture: str) -> AgentBuild | None:
        """Give the build for guests of a kind, or None."""
        return self.first(
            col(AgentBuild.hypervisor) == hypervisor,
            col(AgentBuild.os) == os,
            col(AgentBuild.architecture) == architecture,
        )


class ZoneRepository(NovaRepository[Zone]):
    """Clouds below this one."""

    entity = "zone"
    missing = (ZoneNotFound, "zone_id")


def _by_use(services: Iterable[Service], uses: Iterable[HostUse]) -> list[tuple[Service, int]]:
    """Put hosts that nothing is on first, then the others by their totals, and those of equal totals by id."""
    totals = {use.host: use.total or 0 for use in uses}
    ordered = sorted(services, key=lambda service: (totals.get(service.host, -1), service.id))
    return [(service, totals.get(service.host, 0)) for service in ordered]
