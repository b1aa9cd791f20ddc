"""The audit finds each fault that is planted in what instances hold: volumes, floating ips, groups."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from manystore import asc, col, everything
from manystore.nova.audit import audit
from manystore.nova.database import Nova
from manystore.nova.model.instance import Instance, InstanceMetadataItem
from manystore.nova.model.network import FloatingIp
from manystore.nova.model.quota import Quota, QuotaUse
from manystore.nova.model.security_group import SecurityGroup, SecurityGroupInstanceAssociation
from manystore.nova.model.volume import BlockDeviceMapping, IscsiTarget, Volume, VolumeMetadataItem
from manystore.nova.replay import replay

from .conftest import small_trace

PROJECT = "project-00000"


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a replay in it, to be copied: a replay takes many times as long."""
    folder = tmp_path_factory.mktemp("replayed")
    replay(f"sqlite:///{folder / 'nova.db'}?durability=off", small_trace(folder), profile="full")
    return folder / "nova.db"


@pytest.fixture
def db(url: str, trace: Path, request: pytest.FixtureRequest):
    if url.startswith("sqlite:"):
        shutil.copy(request.getfixturevalue("replayed"), trace.parent / "nova.db")
    else:
        replay(url, trace, profile="full")
    with Nova.connect(url) as opened:
        yield opened


def gone(db: Nova) -> Instance:
    return db.instance.find(scan=True, deleted="only")[0]


def other(db: Nova) -> Instance:
    """Give the second of the two live instances: it holds neither a volume nor a floating ip."""
    return db.instance.find(order_by=asc(Instance.id), scan=True)[1]


def volume(db: Nova) -> Volume:
    return db.volume.get_all()[0]


def lost_volume(db: Nova) -> Volume:
    return db.volume.create(Volume(project_id=PROJECT, size=1, status="available", attach_status="detached"))


def floating(db: Nova) -> FloatingIp:
    return db.floating_ip.get_all_by_project(PROJECT)[0]


def free_address(db: Nova, **values: object) -> None:
    db.floating_ip.create(FloatingIp(address="172.31.0.1", **values))


def idle_volume(db: Nova) -> None:
    lost_volume(db)


def detached_volume(db: Nova) -> None:
    db.volume.detached(volume(db).id)


def volume_of_the_dead(db: Nova) -> None:
    db.volume.update(volume(db).id, col(Volume.instance_id).to(gone(db).id))


def volume_of_another_project(db: Nova) -> None:
    db.volume.update(volume(db).id, col(Volume.project_id).to("p2"))


def volume_attached_one_way(db: Nova) -> None:
    db.volume.update(volume(db).id, col(Volume.instance_id).to(other(db).id))


def device_is_missing(db: Nova) -> None:
    db.block_device_mapping.destroy_by_instance_and_volume(1, volume(db).id)


def device_of_the_dead(db: Nova) -> None:
    db.block_device_mapping.create(BlockDeviceMapping(instance_id=gone(db).id, device_name="/dev/vdz"))


def device_without_its_volume(db: Nova) -> None:
    dead = lost_volume(db).id
    db.volume.destroy(dead)
    db.block_device_mapping.create(BlockDeviceMapping(instance_id=1, device_name="/dev/vdz", volume_id=dead))


def second_device(db: Nova) -> None:
    record = BlockDeviceMapping(instance_id=1, device_name="/dev/vdz", volume_id=volume(db).id)
    db.block_device_mapping.create(record)


def target_is_free(db: Nova) -> None:
    db.iscsi_target.update_where(everything(), changes=[col(IscsiTarget.volume_id).to(None)], scan=True)


def second_target(db: Nova) -> None:
    at = volume(db)
    db.iscsi_target.create(IscsiTarget(host=at.host, target_num=99, volume_id=at.id))


def target_elsewhere(db: Nova) -> None:
    db.volume.update(volume(db).id, col(Volume.host).to("elsewhere"))


def target_of_the_dead(db: Nova) -> None:
    dead = lost_volume(db).id
    db.volume.destroy(dead)
    db.iscsi_target.create(IscsiTarget(host="volume-00000", target_num=99, volume_id=dead))


def address_twice(db: Nova) -> None:
    db.floating_ip.create(FloatingIp(address=floating(db).address))


def address_of_nobody(db: Nova) -> None:
    free_address(db, host="controller")


def address_to_nowhere(db: Nova) -> None:
    free_address(db, project_id=PROJECT)


def second_address(db: Nova) -> None:
    free_address(db, project_id=PROJECT, fixed_ip_id=floating(db).fixed_ip_id)


def address_of_a_free_one(db: Nova) -> None:
    db.floating_ip.update(floating(db).id, col(FloatingIp.fixed_ip_id).to(1))


def address_of_another_project(db: Nova) -> None:
    db.floating_ip.update(floating(db).id, col(FloatingIp.project_id).to("p2"))


def link_of_the_dead(db: Nova) -> None:
    group = db.security_group.get_by_project(PROJECT)[0]
    record = SecurityGroupInstanceAssociation(instance_id=gone(db).id, security_group_id=group.id)
    db.security_group_instance_association.create(record)


def link_to_another_project(db: Nova) -> None:
    db.instance.add_security_group(1, db.security_group.create(SecurityGroup(name="x", project_id="p2")).id)


def no_group(db: Nova) -> None:
    for group in db.security_group.get_by_project(PROJECT):
        db.instance.remove_security_group(1, group.id)


def pinned_to_the_dead(db: Nova) -> None:
    db.instance_metadata.create(InstanceMetadataItem(key="k", value="v", instance_id=gone(db).id))


def pinned_to_a_dead_volume(db: Nova) -> None:
    dead = lost_volume(db).id
    db.volume.destroy(dead)
    db.volume_metadata.create(VolumeMetadataItem(key="k", value="v", volume_id=dead))


def counter_is_off(db: Nova) -> None:
    db.quota_use.increment((PROJECT, "gigabytes"), QuotaUse.used, 5)


def floating_counter_is_off(db: Nova) -> None:
    db.quota_use.increment((PROJECT, "floating_ips"), QuotaUse.used, -1)


def quota_is_passed(db: Nova) -> None:
    db.quota.update(db.quota.get_by_project(PROJECT, "volumes").id, col(Quota.hard_limit).to(0))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (idle_volume, "is available and detached, with no instance to hold it"),
        (detached_volume, "is available and detached, with no instance to hold it"),
        (volume_of_the_dead, "is attached to instance 2, which is gone"),
        (volume_of_another_project, "of p2 is attached to an instance of project-00000"),
        (volume_attached_one_way, "device /dev/vdb of instance 1: its volume 1 is attached elsewhere"),
        (device_is_missing, "volume 1 is 0 devices, not one"),
        (device_of_the_dead, "device /dev/vdz of instance 2: the instance is gone"),
        (device_without_its_volume, "device /dev/vdz of instance 1: its volume"),
        (second_device, "volume 1 is 2 devices, not one"),
        (target_is_free, "volume 1 has 0 targets, not one"),
        (second_target, "volume 1 has 2 targets, not one"),
        (target_elsewhere, "target 1 of volume-00000 has volume 1, which is on elsewhere"),
        (target_of_the_dead, "target 99 of volume-00000 has volume"),
        (address_twice, "floating ip 172.16.0.1 is there twice"),
        (address_of_nobody, "floating ip 172.31.0.1 is nobody's, but still in use"),
        (address_to_nowhere, "floating ip 172.31.0.1 of project-00000 leads nowhere"),
        (second_address, "floating ips 172.16.0.1 and 172.31.0.1 lead to the same fixed ip"),
        (address_of_a_free_one, "floating ip 172.16.0.1 leads to a fixed ip that no instance has"),
        (address_of_another_project, "floating ip 172.16.0.1 of p2 leads to an instance of project-00000"),
        (link_of_the_dead, "instance 2 is under group 1, but gone"),
        (link_to_another_project, "instance 1 is under group 3, which is not its project's"),
        (no_group, "instance 1 is under no security group"),
        (pinned_to_the_dead, "'k' is pinned to instance 2, which is gone"),
        (pinned_to_a_dead_volume, "'k' is pinned to volume"),
        (counter_is_off, "project-00000: gigabytes counted as used is 15, but its volumes use 10"),
        (floating_counter_is_off, "project-00000: floating_ips counted as used is 0, but its floating ips use 1"),
        (quota_is_passed, "project-00000: volumes used is 1, past its quota of 0"),
        (idle_volume, "2 volumes are there, but the journal tells of 1 attached and 0 deleted"),
        (address_to_nowhere, "2 floating ips are there, but the journal tells of 1 given and 0 given back"),
    ],
)
def test_a_planted_fault_is_found(db: Nova, fault: Callable[[Nova], None], told: str):
    assert audit(db).ok
    fault(db)
    found = audit(db)
    assert not found.ok
    assert any(told in problem for problem in found.problems), found.problems
