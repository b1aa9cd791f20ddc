"""The audit: reads everything back through the repositories, in pages, and checks that it fits together.

Knows the models; must not know what the replay meant to do, only what may never be so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from .database import Nova
from .repository.quota import effective

_PAGE = 500
_SHOWN = 100  # problems of one kind; the rest is counted


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit found. problems: sentences; none when all is well."""

    ok: bool
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Stay:
    """What is kept of a live instance while the rest is read."""

    host: str | None
    state: str | None
    addresses: int = 0
    interfaces: int = 0


def audit(db: Nova) -> Audit:
    """Check that no address, host or quota is used by more than it may be, nor by what is gone."""
    hosts: dict[str, Counter[str]] = defaultdict(Counter)
    projects: dict[str, Counter[str]] = defaultdict(Counter)
    stays: dict[int, _Stay] = {}
    for instance in db.instance.iterate(page=_PAGE, scan=True):
        stays[instance.id] = _Stay(instance.host, instance.vm_state)
        vcpus, memory_mb = instance.vcpus or 0, instance.memory_mb or 0
        hosts[instance.host or ""].update(vcpus=vcpus, memory_mb=memory_mb)
        projects[instance.project_id or ""].update(instances=1, cores=vcpus, ram=memory_mb)
    problems = [
        *_few(_interfaces(db, stays)),
        *_few(_fixed_ips(db, stays)),
        *_few(_instances(db, stays)),
        *_few(_hosts(db, hosts)),
        *_few(_quotas(db, projects)),
        *_few(_totals(db, len(stays))),
    ]
    return Audit(not problems, tuple(problems))


def _few(problems: Iterator[str]) -> list[str]:
    found = list(problems)
    return found if len(found) <= _SHOWN else [*found[:_SHOWN], f"... and {len(found) - _SHOWN} more like these"]


def _interfaces(db: Nova, stays: dict[int, _Stay]) -> Iterator[str]:
    for interface in db.virtual_interface.iterate(page=_PAGE, scan=True):
        stay = stays.get(interface.instance_id)
        if stay is None:
            yield f"interface {interface.address} belongs to instance {interface.instance_id}, which is gone"
        else:
            stay.interfaces += 1


def _fixed_ips(db: Nova, stays: dict[int, _Stay]) -> Iterator[str]:
    """Check each address; those that are held are kept, to see whether one is held twice."""
    holders: dict[str, int] = {}
    for ip in db.fixed_ip.iterate(page=_PAGE, scan=True):
        address, holder = ip.address or "", ip.instance_id
        if holder is None:
            if ip.allocated or ip.leased or ip.virtual_interface_id is not None:
                yield f"fixed ip {address} is nobody's, but still in use"
            continue
        if address in holders:
            yield f"fixed ip {address} is held twice, by instances {holders[address]} and {holder}"
        holders[address] = holder
        if ip.reserved:
            yield f"fixed ip {address} is reserved, but held by instance {holder}"
        stay = stays.get(holder)
        if stay is None:
            yield f"fixed ip {address} is held by instance {holder}, which is gone"
            continue
        stay.addresses += 1
        if not ip.allocated or ip.virtual_interface_id is None:
            yield f"fixed ip {address} is held by instance {holder}, but on none of its interfaces"


def _instances(_: Nova, stays: dict[int, _Stay]) -> Iterator[str]:
    for number, stay in stays.items():
        if stay.state != "active":
            yield f"instance {number} is {stay.state}, not active"
        if stay.addresses != 1:
            yield f"instance {number} has {stay.addresses} fixed ips, not one"
        if stay.interfaces != 1:
            yield f"instance {number} has {stay.interfaces} interfaces, not one"


def _hosts(db: Nova, used: dict[str, Counter[str]]) -> Iterator[str]:
    services = {service.id: service.host or "" for service in db.service.find()}
    known: set[str] = set()
    for node in db.compute_node.iterate(page=_PAGE, scan=True):
        host = services.get(node.service_id or 0, "")
        known.add(host)
        for resource, there, most in (
            ("vcpus", node.vcpus_used or 0, node.vcpus or 0),
            ("memory_mb", node.memory_mb_used or 0, node.memory_mb or 0),
        ):
            if there != used[host][resource]:
                yield f"{host}: {resource} used is {there}, but its instances use {used[host][resource]}"
            if there > most:
                yield f"{host}: {resource} used is {there}, but it has {most}"
    for host in sorted(used.keys() - known):
        yield f"instances run on host {host!r}, which has no compute node"


def _quotas(db: Nova, used: dict[str, Counter[str]]) -> Iterator[str]:
    limits: dict[str, dict[str, int | None]] = defaultdict(dict)
    for quota in db.quota.iterate(page=_PAGE, scan=True):
        limits[quota.project_id or ""][quota.resource or ""] = quota.hard_limit
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for use in db.quota_use.iterate(page=_PAGE, scan=True):
        counted[use.project_id][use.resource] = use.used
    for project in sorted(used.keys() | counted.keys()):
        limits_here = effective(limits[project])
        for resource in ("instances", "cores", "ram"):
            there, really, limit = counted[project][resource], used[project][resource], limits_here[resource]
            if there != really:
                yield f"{project}: {resource} counted as used is {there}, but its instances use {really}"
            if limit is not None and max(there, really) > limit:
                yield f"{project}: {resource} used is {max(there, really)}, past its quota of {limit}"


def _totals(db: Nova, running: int) -> Iterator[str]:
    journals = db.journal.find()
    booted, deleted = sum(j.booted for j in journals), sum(j.deleted_instances for j in journals)
    if journals and booted - deleted != running:
        yield f"{running} instances are there, but the journal tells of {booted} booted and {deleted} deleted"
