"""The plane: hosts, services, sizes, networks, projects and quotas, sized from the trace; building it survives a crash.

Of a large trace a share is refused, by quota, for room and for want of addresses, so that the refusals are exercised
too. A small one is taken whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from uuid import NAMESPACE_URL, uuid5

from manystore import AlreadyCommitted

from .database import Nova
from .model.instance_type import InstanceType
from .model.network import FixedIp, Network
from .model.project import Project, User
from .model.quota import Quota, QuotaUse
from .model.service import ComputeNode, Service
from .timeline import Demand, Event, peaks
from .timeline import peak as peak_of
from .trace import Row

_SMALL = 200  # instances at once: with fewer nothing is refused
_ROOM, _ADDRESSES = 96, 94  # percent of its peak that there is for a large trace
_TIGHT_EVERY = 10  # each so-manyth project gets three quarters of its peak
_HOST_VCPUS = 256
_BATCHES_PER_PROJECT = 20
_PREFIXES = (24, 22)  # of networks: the small one when it holds the whole pool
_LOWEST_RESERVED = 2
_RANGE = IPv4Network("10.0.0.0/8")
_CHUNK = 25  # things made in one step; a project, with its quotas, takes two dozen of its primitive operations
NETWORK_HOST = "controller"
_CONTROLLER = ("scheduler", "network")
_ADMIN = "admin"
_DISK_GB = 10_000
RESOURCES = ("instances", "cores", "ram")


@dataclass(frozen=True, slots=True)
class Plane:
    """The sizes of everything. pool: how many addresses of each network instances may have; limits: as in RESOURCES."""

    hosts: int
    host_vcpus: int
    host_memory_mb: int
    networks: int
    prefix: int
    pool: int
    sizes: tuple[tuple[int, int], ...]
    limits: tuple[tuple[int, int, int], ...]

    def project(self, row: Row) -> str:
        """Name the project of a row."""
        return project_name(row.batch % len(self.limits))


def host_name(number: int) -> str:
    """Name a host; names sort as numbers do."""
    return f"host-{number:05d}"


def project_name(number: int) -> str:
    """Name a project."""
    return f"project-{number:05d}"


def type_name(vcpus: int, memory_mb: int) -> str:
    """Name an instance type after its size."""
    return f"c{vcpus}.m{memory_mb}"


def size_plane(rows: Sequence[Row], events: Sequence[Event], hosts: int | None = None) -> Plane:
    """Size a plane for a trace."""
    peak = peak_of(rows, events)
    small = peak.instances < _SMALL
    room, share = (100, 100) if small else (_ROOM, _ADDRESSES)
    largest = max(row.vcpus for row in rows), max(row.memory_mb for row in rows)
    wanted = _percent(peak.vcpus, room), _percent(peak.memory_mb, room)
    number = hosts or -(-wanted[0] // max(_HOST_VCPUS, largest[0]))
    # First fit leaves at most the largest instance's room unused on each host, so a small trace fits whole.
    spare = largest if small else (0, 0)
    addresses = _percent(peak.instances, share)
    prefix = next((p for p in _PREFIXES if addresses <= _usable(p)), _PREFIXES[-1])
    networks = -(-addresses // _usable(prefix))
    return Plane(
        hosts=number,
        host_vcpus=max(largest[0], -(-wanted[0] // number) + spare[0]),
        host_memory_mb=max(largest[1], -(-wanted[1] // number) + spare[1]),
        networks=networks,
        prefix=prefix,
        pool=_usable(prefix) if small else -(-addresses // networks),
        sizes=tuple(sorted({(row.vcpus, row.memory_mb) for row in rows})),
        limits=_limits(rows, events, tight=not small),
    )


def _usable(prefix: int) -> int:
    """Count the addresses of a network that instances may have."""
    return (1 << 32 - prefix) - _LOWEST_RESERVED - 1


def _percent(value: int, percent: int) -> int:
    return -(-value * percent // 100)


def _limits(rows: Sequence[Row], events: Sequence[Event], *, tight: bool) -> tuple[tuple[int, int, int], ...]:
    projects = -(-len({row.batch for row in rows}) // _BATCHES_PER_PROJECT)
    most = peaks(rows, events, [row.batch % projects for row in rows])
    found: list[tuple[int, int, int]] = []
    for number in range(projects):
        demand = most.get(number, Demand())
        limits = [demand.instances, demand.vcpus, demand.memory_mb]
        if tight and number % _TIGHT_EVERY == 0:
            bound = number // _TIGHT_EVERY % len(RESOURCES)  # each resource in turn is what runs short
            limits[bound] = _percent(limits[bound], 75)
        found.append((limits[0], limits[1], limits[2]))
    return tuple(found)


def build_plane(db: Nova, plane: Plane, pause: Callable[[], None] = lambda: None) -> None:
    """Make what a plane consists of. Each step has a key: building goes on after a crash, and does none twice.

    pause is called between two steps; building ends when it raises.
    """
    build = partial(in_steps, db, pause)
    build("services", range(len(_CONTROLLER) + plane.hosts), lambda tx, n: _add_service(tx, plane, n))
    build("instance-types", range(len(plane.sizes)), lambda tx, n: _add_instance_type(tx, plane, n))
    build("networks", range(plane.networks), lambda tx, n: _add_network(tx, _cidr(plane, n)))
    for number in range(plane.networks):
        cidr = _cidr(plane, number)
        pool = _Pool(db.network.get_by_cidr(str(cidr)).id, cidr, plane.pool)
        build(f"fixed-ips/{number}", range(cidr.num_addresses), pool.add)
    build("users", range(1), lambda tx, _: tx.user.create(User(id=_ADMIN, name=_ADMIN, is_admin=True)))
    build("projects", range(len(plane.limits)), lambda tx, n: _add_project(tx, plane, n))


def in_steps(
    db: Nova,
    pause: Callable[[], None],
    name: str,
    numbers: range,
    add: Callable[[Nova, int], object],
    *,
    chunk: int = _CHUNK,
) -> None:
    """Add what each number stands for, some in each transaction."""
    for first in range(0, len(numbers), chunk):
        pause()
        try:
            with db.transaction(idempotency_key=f"plane/{name}/{first}") as tx:
                for number in numbers[first : first + chunk]:
                    add(tx, number)
        except AlreadyCommitted:
            continue


def _add_service(tx: Nova, plane: Plane, number: int) -> None:
    """Add a service of the controller, or a compute service with its node."""
    if number < len(_CONTROLLER):
        topic = _CONTROLLER[number]
        tx.service.create(Service(host=NETWORK_HOST, binary=f"nova-{topic}", topic=topic))
        return
    service = Service(host=host_name(number - len(_CONTROLLER)), binary="nova-compute", topic="compute")
    tx.compute_node.create(
        ComputeNode(
            service_id=tx.service.create(service).id,
            vcpus=plane.host_vcpus,
            memory_mb=plane.host_memory_mb,
            local_gb=_DISK_GB,
            vcpus_used=0,
            memory_mb_used=0,
            local_gb_used=0,
            hypervisor_type="QEMU",
            hypervisor_version=14001,
            cpu_info='{"arch": "x86_64"}',
        )
    )


def _add_instance_type(tx: Nova, plane: Plane, number: int) -> None:
    vcpus, memory_mb = plane.sizes[number]
    name = type_name(vcpus, memory_mb)
    made = InstanceType(name=name, flavorid=str(number + 1), vcpus=vcpus, memory_mb=memory_mb, local_gb=0)
    tx.instance_type.create(made)


def _cidr(plane: Plane, number: int) -> IPv4Network:
    return IPv4Network((int(_RANGE.network_address) + (number << 32 - plane.prefix), plane.prefix))


def _add_network(tx: Nova, cidr: IPv4Network) -> None:
    tx.network.create(
        Network(
            label=f"net-{cidr.network_address}",
            cidr=str(cidr),
            netmask=str(cidr.netmask),
            bridge="br100",
            gateway=str(cidr[1]),
            broadcast=str(cidr.broadcast_address),
            dhcp_start=str(cidr[_LOWEST_RESERVED]),
            host=NETWORK_HOST,
            uuid=str(uuid5(NAMESPACE_URL, str(cidr))),
        )
    )


class _Pool:
    """The addresses of one network: the lowest, the highest, and what the plane keeps back, are reserved."""

    def __init__(self, network_id: int, cidr: IPv4Network, usable: int) -> None:
        self._network_id = network_id
        self._cidr = cidr
        self._usable = range(_LOWEST_RESERVED, _LOWEST_RESERVED + usable)

    def add(self, tx: Nova, number: int) -> None:
        address, reserved = str(self._cidr[number]), number not in self._usable
        tx.fixed_ip.create(FixedIp(address=address, network_id=self._network_id, reserved=reserved))


def _add_project(tx: Nova, plane: Plane, number: int) -> None:
    name = project_name(number)
    tx.project.create(Project(id=name, name=name, project_manager=_ADMIN))
    for resource, limit in zip(RESOURCES, plane.limits[number], strict=True):
        tx.quota.create(Quota(project_id=name, resource=resource, hard_limit=limit))
        tx.quota_use.create(QuotaUse(project_id=name, resource=resource))
