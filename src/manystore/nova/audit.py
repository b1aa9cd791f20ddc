"""The audit: reads everything back through the repositories, in pages, and checks that it fits together.

Knows the models; must not know what the replay meant to do, only what may never be so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from . import holdings
from .database import Nova
from .holdings import PAGE, Seen, Stay
from .model.journal import Journal
from .repository.quota import COUNTED, effective

_USERS = {"volumes": "volumes", "gigabytes": "volumes", "floating_ips": "floating ips"}  # of a resource
_CAME = {"instances": "booted", "volumes": "attached", "floating ips": "given"}
_WENT = {"instances": "deleted", "volumes": "deleted", "floating ips": "given back"}
_SHOWN = 100  # problems of one kind; the rest is counted


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit found. problems: sentences; none when all is well."""

    ok: bool
    problems: tuple[str, ...]


def audit(db: Nova) -> Audit:
    """Check that no address, host, volume or quota is used by more than it may be, nor by what is gone."""
    hosts: dict[str, Counter[str]] = defaultdict(Counter)
    seen = Seen()
    for instance in db.instance.iterate(page=PAGE, scan=True):
        project = instance.project_id or ""
        seen.stays[instance.id] = Stay(project, instance.host, instance.vm_state)
        vcpus, memory_mb = instance.vcpus or 0, instance.memory_mb or 0
        hosts[instance.host or ""].update(vcpus=vcpus, memory_mb=memory_mb)
        seen.used[project].update(instances=1, cores=vcpus, ram=memory_mb)
    journals = db.journal.find()
    # Each reads one collection, and what those before it have seen.
    parts: Sequence[Callable[[Nova, Seen], Iterator[str]]] = (
        _interfaces,
        _fixed_ips,
        holdings.volumes,
        holdings.devices,
        holdings.targets,
        holdings.floating_ips,
        holdings.groups,
        holdings.pinned,
    )
    problems = [problem for part in parts for problem in _few(part(db, seen))]
    is_full = any(journal.profile == "full" for journal in journals)
    problems += _few(_instances(seen.stays, grouped=is_full))
    problems += _few(_hosts(db, hosts))
    problems += _few(_quotas(db, seen.used))
    problems += _few(_totals(journals, seen))
    return Audit(not problems, tuple(problems))


def _few(problems: Iterator[str]) -> list[str]:
    found = list(problems)
    return found if len(found) <= _SHOWN else [*found[:_SHOWN], f"... and {len(found) - _SHOWN} more like these"]


def _interfaces(db: Nova, seen: Seen) -> Iterator[str]:
    for interface in db.virtual_interface.iterate(page=PAGE, scan=True):
        stay = seen.stays.get(interface.instance_id)
        if stay is None:
            yield f"interface {interface.address} belongs to instance {interface.instance_id}, which is gone"
        else:
            stay.interfaces += 1


def _fixed_ips(db: Nova, seen: Seen) -> Iterator[str]:
    """Check each address; those that are held are kept, to see whether one is held twice."""
    holders: dict[str, int] = {}
    for ip in db.fixed_ip.iterate(page=PAGE, scan=True):
        address, holder = ip.address or "", ip.instance_id
        if holder is None:
            if ip.allocated or ip.leased or ip.virtual_interface_id is not None:
                yield f"fixed ip {address} is nobody's, but still in use"
            continue
        if address in holders:
            yield f"fixed ip {address} is held twice, by instances {holders[address]} and {holder}"
        holders[address] = seen.fixed_ips[ip.id] = holder
        if ip.reserved:
            yield f"fixed ip {address} is reserved, but held by instance {holder}"
        stay = seen.stays.get(holder)
        if stay is None:
            yield f"fixed ip {address} is held by instance {holder}, which is gone"
            continue
        stay.addresses += 1
        if not ip.allocated or ip.virtual_interface_id is None:
            yield f"fixed ip {address} is held by instance {holder}, but on none of its interfaces"


def _instances(stays: dict[int, Stay], *, grouped: bool) -> Iterator[str]:
    for number, stay in stays.items():
        if stay.state != "active":
            yield f"instance {number} is {stay.state}, not active"
        if stay.addresses != 1:
            yield f"instance {number} has {stay.addresses} fixed ips, not one"
        if stay.interfaces != 1:
            yield f"instance {number} has {stay.interfaces} interfaces, not one"
        if grouped and not stay.groups:
            yield f"instance {number} is under no security group"


def _hosts(db: Nova, used: dict[str, Counter[str]]) -> Iterator[str]:
    services = {service.id: service.host or "" for service in db.service.find()}
    known: set[str] = set()
    for node in db.compute_node.iterate(page=PAGE, scan=True):
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
    for quota in db.quota.iterate(page=PAGE, scan=True):
        limits[quota.project_id or ""][quota.resource or ""] = quota.hard_limit
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for use in db.quota_use.iterate(page=PAGE, scan=True):
        counted[use.project_id][use.resource] = use.used
    for project in sorted(used.keys() | counted.keys()):
        limits_here = effective(limits[project])
        for resource in COUNTED:
            there, really, limit = counted[project][resource], used[project][resource], limits_here[resource]
            if there != really:
                users = _USERS.get(resource, "instances")
                yield f"{project}: {resource} counted as used is {there}, but its {users} use {really}"
            if limit is not None and max(there, really) > limit:
                yield f"{project}: {resource} used is {max(there, really)}, past its quota of {limit}"


def _totals(journals: Sequence[Journal], seen: Seen) -> Iterator[str]:
    """Check what the journals tell of."""
    if not journals:
        return
    for name, there, made, gone in (
        ("instances", len(seen.stays), "booted", "deleted_instances"),
        ("volumes", len(seen.volumes), "volumes", "deleted_volumes"),
        ("floating ips", sum(use["floating_ips"] for use in seen.used.values()), "floating_ips", "freed_floating_ips"),
    ):
        came, went = (sum(getattr(journal, count) for journal in journals) for count in (made, gone))
        if came - went != there:
            yield f"{there} {name} are there, but the journal tells of {came} {_CAME[name]} and {went} {_WENT[name]}"
