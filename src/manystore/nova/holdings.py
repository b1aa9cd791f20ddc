"""The part of the audit that is about what instances hold besides their fixed ips: volumes, floating ips, groups.

Knows the models; must not know what the replay meant to do, only what may never be so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .database import Nova

PAGE = 500


@dataclass(slots=True)
class Stay:
    """What is kept of a live instance while the rest is read."""

    project: str
    host: str | None
    state: str | None
    addresses: int = 0
    interfaces: int = 0
    groups: int = 0


@dataclass(slots=True)
class Disk:
    """What is kept of a live volume. place: its instance and device."""

    host: str | None
    place: tuple[int | None, str | None]
    targets: int = 0
    devices: int = 0


@dataclass(slots=True)
class Seen:
    """What was read before. stays: by instance; fixed_ips: who holds each; used: by project."""

    stays: dict[int, Stay] = field(default_factory=dict[int, Stay])
    fixed_ips: dict[int, int] = field(default_factory=dict[int, int])
    volumes: dict[int, Disk] = field(default_factory=dict[int, Disk])
    used: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def volumes(db: Nova, seen: Seen) -> Iterator[str]:
    """Check that each volume is attached to a live instance of its project."""
    for volume in db.volume.iterate(page=PAGE, scan=True):
        seen.volumes[volume.id] = Disk(volume.host, (volume.instance_id, volume.mountpoint))
        seen.used[volume.project_id or ""].update(volumes=1, gigabytes=volume.size or 0)
        if volume.instance_id is None or not volume.is_attached or volume.status != "in-use":
            yield f"volume {volume.id} is {volume.status} and {volume.attach_status}, with no instance to hold it"
            continue
        stay = seen.stays.get(volume.instance_id)
        if stay is None:
            yield f"volume {volume.id} is attached to instance {volume.instance_id}, which is gone"
        elif stay.project != volume.project_id:
            yield f"volume {volume.id} of {volume.project_id} is attached to an instance of {stay.project}"


def devices(db: Nova, seen: Seen) -> Iterator[str]:
    """Check that each device is of a live instance, which its volume says as well."""
    for device in db.block_device_mapping.iterate(page=PAGE, scan=True):
        name = f"device {device.device_name} of instance {device.instance_id}"
        if device.instance_id not in seen.stays:
            yield f"{name}: the instance is gone"
        if device.volume_id is None:
            continue
        disk = seen.volumes.get(device.volume_id)
        if disk is None:
            yield f"{name}: its volume {device.volume_id} is gone"
            continue
        disk.devices += 1
        if disk.place != (device.instance_id, device.device_name):
            yield f"{name}: its volume {device.volume_id} is attached elsewhere"


def targets(db: Nova, seen: Seen) -> Iterator[str]:
    """Check that each target that is in use is of one live volume, which has one target and is one device."""
    for target in db.iscsi_target.iterate(page=PAGE, scan=True):
        if target.volume_id is None:
            continue
        disk = seen.volumes.get(target.volume_id)
        if disk is None:
            yield f"target {target.target_num} of {target.host} has volume {target.volume_id}, which is gone"
            continue
        disk.targets += 1
        if disk.host != target.host:
            yield f"target {target.target_num} of {target.host} has volume {target.volume_id}, which is on {disk.host}"
    for number, disk in seen.volumes.items():
        if disk.targets != 1:
            yield f"volume {number} has {disk.targets} targets, not one"
        if disk.devices != 1:
            yield f"volume {number} is {disk.devices} devices, not one"


def floating_ips(db: Nova, seen: Seen) -> Iterator[str]:
    """Check that each floating ip that is taken leads to one fixed ip, of a live instance of its project."""
    leading: dict[int, str] = {}
    addresses: set[str] = set()
    for ip in db.floating_ip.iterate(page=PAGE, scan=True):
        address = ip.address or ""
        if address in addresses:
            yield f"floating ip {address} is there twice"
        addresses.add(address)
        if ip.project_id is None:
            if ip.fixed_ip_id is not None or ip.host is not None:
                yield f"floating ip {address} is nobody's, but still in use"
            continue
        if not ip.auto_assigned:
            seen.used[ip.project_id].update(floating_ips=1)
        if ip.fixed_ip_id is None:
            yield f"floating ip {address} of {ip.project_id} leads nowhere"
            continue
        if ip.fixed_ip_id in leading:
            yield f"floating ips {leading[ip.fixed_ip_id]} and {address} lead to the same fixed ip"
        leading[ip.fixed_ip_id] = address
        stay = seen.stays.get(seen.fixed_ips.get(ip.fixed_ip_id, 0))
        if stay is None:
            yield f"floating ip {address} leads to a fixed ip that no instance has"
        elif stay.project != ip.project_id:
            yield f"floating ip {address} of {ip.project_id} leads to an instance of {stay.project}"


def groups(db: Nova, seen: Seen) -> Iterator[str]:
    """Check that live instances only are under groups, and under live ones of their projects."""
    owners: Mapping[int, str | None] = {
        group.id: group.project_id for group in db.security_group.iterate(page=PAGE, scan=True)
    }
    for link in db.security_group_instance_association.iterate(page=PAGE, scan=True):
        stay = seen.stays.get(link.instance_id or 0)
        if stay is None:
            yield f"instance {link.instance_id} is under group {link.security_group_id}, but gone"
            continue
        stay.groups += 1
        if owners.get(link.security_group_id or 0) != stay.project:
            yield f"instance {link.instance_id} is under group {link.security_group_id}, which is not its project's"


def pinned(db: Nova, seen: Seen) -> Iterator[str]:
    """Check that nothing is pinned to what is gone."""
    for item in db.instance_metadata.iterate(page=PAGE, scan=True):
        if item.instance_id not in seen.stays:
            yield f"{item.key!r} is pinned to instance {item.instance_id}, which is gone"
    for thing in db.volume_metadata.iterate(page=PAGE, scan=True):
        if thing.volume_id not in seen.volumes:
            yield f"{thing.key!r} is pinned to volume {thing.volume_id}, which is gone"
