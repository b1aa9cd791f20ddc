"""What the plane has besides in the full profile: floating ips, hosts of volumes, security groups, further quotas.

Sized from the trace like plane.py, but of these a share is always refused, also of a small trace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network

from .database import Nova
from .model.network import FloatingIp
from .model.quota import QuotaUse
from .model.security_group import SecurityGroup, SecurityGroupRule
from .model.service import Service
from .model.volume import IscsiTarget
from .plane import Plane, in_steps, project_name
from .timeline import Event, highest
from .trace import Row
from .wishes import DEFAULT_GROUP, SECOND_GROUP, gigabytes, volumes, wants_floating_ip

RESOURCES = ("volumes", "gigabytes", "floating_ips")
_SHARE = 60  # percent of their peak that there are of floating ips and of targets
_TIGHT_EVERY, _TIGHT_SHARE = 3, 60  # each so-manyth project gets so many percent of its peak, of one resource
_TARGETS_A_HOST = 80  # at the most, when there are more than _HOSTS
_HOSTS = 2
_RANGE = IPv4Network("172.16.0.0/12")
_CHUNK = 10  # projects made in one step: each has two groups with their rules, and three quotas
_GROUPS: Mapping[str, Sequence[tuple[str, int, int]]] = {
    DEFAULT_GROUP: (("tcp", 22, 22), ("icmp", -1, -1)),
    SECOND_GROUP: (("tcp", 80, 80), ("tcp", 443, 443)),
}


@dataclass(frozen=True, slots=True)
class FullPlane:
    """The sizes of it. targets: of each volume host; limits: each project's, as in RESOURCES."""

    floating_ips: int
    volume_hosts: int
    targets: int
    limits: tuple[tuple[int, ...], ...]


def size_full_plane(rows: Sequence[Row], events: Sequence[Event], plane: Plane) -> FullPlane:
    """Size it for a trace."""
    most = highest(rows, events, partial(_takes, plane))
    targets = _share(most[None, "volumes"], _SHARE)
    hosts = max(_HOSTS, -(-targets // _TARGETS_A_HOST))
    limits: list[tuple[int, ...]] = []
    for number in range(len(plane.limits)):
        limit = [most[project_name(number), resource] for resource in RESOURCES]
        if number % _TIGHT_EVERY == 0:
            bound = number // _TIGHT_EVERY % len(RESOURCES)  # each resource in turn is what runs short
            limit[bound] = _share(limit[bound], _TIGHT_SHARE)
        limits.append(tuple(limit))
    return FullPlane(_share(most[None, "floating_ips"], _SHARE), hosts, max(1, targets // hosts), tuple(limits))


def _takes(plane: Plane, row: Row) -> Mapping[tuple[str | None, str], int]:
    """Give what an instance uses, of its project's and (None) of all there is."""
    number = volumes(row)
    amounts = (number, number * gigabytes(row), int(wants_floating_ip(row)))
    whose = (plane.project(row), None)
    return {(owner, name): amount for owner in whose for name, amount in zip(RESOURCES, amounts, strict=True)}


def _share(value: int, percent: int) -> int:
    return max(1, value * percent // 100)


def volume_host_name(number: int) -> str:
    """Name a host of volumes."""
    return f"volume-{number:05d}"


def build_full_plane(db: Nova, full: FullPlane, pause: Callable[[], None] = lambda: None) -> None:
    """Make what there is besides the plane; like build_plane, it goes on after a crash."""
    build = partial(in_steps, db, pause)
    build("floating-ips", range(full.floating_ips), _add_floating_ip)
    build("volume-services", range(full.volume_hosts), _add_volume_service)
    for number in range(full.volume_hosts):
        host = volume_host_name(number)
        build(f"targets/{host}", range(1, full.targets + 1), partial(_add_target, host))
    build("groups", range(len(full.limits)), partial(_add_to_project, full), chunk=_CHUNK)


def _add_floating_ip(tx: Nova, number: int) -> None:
    tx.floating_ip.create(FloatingIp(address=str(_RANGE[number + 1])))


def _add_volume_service(tx: Nova, number: int) -> None:
    tx.service.create(Service(host=volume_host_name(number), binary="nova-volume", topic="volume"))


def _add_target(host: str, tx: Nova, number: int) -> None:
    tx.iscsi_target.create_safe(IscsiTarget(host=host, target_num=number))


def _add_to_project(full: FullPlane, tx: Nova, number: int) -> None:
    project = project_name(number)
    for name, rules in _GROUPS.items():
        made = SecurityGroup(name=name, description=name, user_id="admin", project_id=project)
        group = tx.security_group.create(made)
        for protocol, low, high in rules:
            rule = SecurityGroupRule(protocol=protocol, from_port=low, to_port=high, cidr="0.0.0.0/0")
            rule.parent_group_id = group.id
            tx.security_group_rule.create(rule)
    for resource, limit in zip(RESOURCES, full.limits[number], strict=True):
        tx.quota.create_for(project, resource, limit)
        tx.quota_use.create(QuotaUse(project_id=project, resource=resource))
