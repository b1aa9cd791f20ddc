"""Volumes, what is pinned to them, and their kinds: what each operation gives, changes, loads and raises, for whom."""

from collections.abc import Callable
from typing import Any

import pytest

from manystore import Duplicate, NotLoaded, col
from manystore.nova.database import Nova
from manystore.nova.exception import (
    AdminRequired,
    InstanceNotFound,
    ISCSITargetNotFoundForVolume,
    NotAuthorized,
    VolumeNotFound,
    VolumeNotFoundForInstance,
    VolumeTypeNotFound,
    VolumeTypeNotFoundByName,
)
from manystore.nova.model.instance import Instance
from manystore.nova.model.volume import (
    IscsiTarget,
    Snapshot,
    Volume,
    VolumeMetadataItem,
    VolumeType,
    VolumeTypeExtraSpec,
)


def ids(records: list[Any]) -> list[int]:
    return [record.id for record in records]


def test_a_volume_comes_with_what_is_pinned_to_it(owner: Nova, other: Nova):
    volume = owner.volume.create(Volume(project_id="p", size=3), metadata={"a": "1", "b": "2"})
    assert (volume.project_id, volume.pinned) == ("p", {"a": "1", "b": "2"})
    found = owner.volume.get(volume.id)
    assert (found.instance, found.volume_type, found.pinned) == (None, None, {"a": "1", "b": "2"})
    assert found.name == f"volume-{volume.id:08x}"
    with pytest.raises(VolumeNotFound, match=f"volume {volume.id} could not be found"):
        other.volume.get(volume.id)
    assert owner.volume.create(Volume(project_id="p")).id != volume.id


def test_lists_of_volumes(db: Nova, owner: Nova, dead: Nova):
    instance, kind = db.instance.create(Instance(project_id="p")), db.volume_type.create(VolumeType(name="fast"))
    mine = db.volume.create(Volume(project_id="p", host="a", instance_id=instance.id, volume_type_id=kind.id))
    theirs = db.volume.create(Volume(project_id="q", host="b"))
    gone = db.volume.create(Volume(project_id="p", host="a"))
    db.volume.destroy(gone.id)
    assert ids(db.volume.get_all()) == [mine.id, theirs.id]
    assert ids(db.volume.get_all_by_host("a")) == [mine.id]
    assert ids(owner.volume.get_all_by_project("p")) == [mine.id]
    assert ids(db.volume.get_all_by_instance(instance.id)) == [mine.id]
    for found in (*dead.volume.get_all(), *dead.volume.get_all_by_host("a"), *dead.volume.get_all_by_project("p")):
        assert found.id == gone.id
    for found in (db.volume.get_all()[0], db.volume.get_all_by_host("a")[0], owner.volume.get_all_by_project("p")[0]):
        assert found.instance is not None
        assert (found.instance.id, found.volume_type, found.volume_metadata) == (instance.id, kind, [])
    with pytest.raises(NotLoaded):
        _ = db.volume.get_all_by_instance(instance.id)[0].instance
    with pytest.raises(VolumeNotFoundForInstance, match="volume not found for instance 99"):
        db.volume.get_all_by_instance(99)
    with pytest.raises(NotAuthorized):
        owner.volume.get_all_by_project("q")
    for call in (owner.volume.get_all, lambda: owner.volume.get_all_by_host("a")):
        with pytest.raises(AdminRequired):
            call()


def test_volumes_of_long_ago_are_in_nobodys_way(url: str):
    """A project may have had far more of them than may be examined in one call."""
    with Nova.connect(f"{url}{'&' if '?' in url else '?'}max_examined=8") as db:
        for number in range(12):
            volume = db.volume.create(Volume(project_id="blue", host="h", size=2))
            snapshot = db.snapshot.create(Snapshot(project_id="blue"))
            if number < 10:
                db.volume.destroy(volume.id)
                db.snapshot.destroy(snapshot.id)
        assert ids(db.volume.get_all_by_project("blue")) == ids(db.volume.get_all_by_host("h")) == [11, 12]
        assert db.volume.data_get_for_project("blue") == (2, 4)
        assert ids(db.snapshot.get_all_by_project("blue")) == [11, 12]


def test_a_volume_by_its_ec2_name(db: Nova, owner: Nova, other: Nova):
    volume = owner.volume.create(Volume(project_id="p"))
    assert volume.ec2_id == f"vol-{volume.id:08x}"
    assert owner.volume.get_by_ec2_id(volume.ec2_id).id == volume.id
    for ask, name in ((other, volume.ec2_id), (db, "vol-0000ffff"), (db, "i-00000001"), (db, "vol-" + 40 * "f")):
        with pytest.raises(VolumeNotFound):
            ask.volume.get_by_ec2_id(name)


def test_a_volume_is_attached_and_detached(db: Nova, owner: Nova):
    instance = db.instance.create(Instance(project_id="p"))
    volume = owner.volume.create(Volume(project_id="p", status="available"))
    assert volume.is_available
    db.volume.attached(volume.id, instance.id, "/dev/vdb")
    found = owner.volume.get(volume.id)
    assert (found.status, found.attach_status, found.mountpoint) == ("in-use", "attached", "/dev/vdb")
    assert (found.is_attached, found.is_available) == (True, False)
    held = db.volume.get_instance(volume.id)
    assert held is not None
    assert held.id == instance.id
    db.volume.detached(volume.id)
    found = owner.volume.get(volume.id)
    assert (found.status, found.attach_status, found.mountpoint) == ("available", "detached", None)
    assert db.volume.get_instance(volume.id) is None
    with pytest.raises(InstanceNotFound):
        db.volume.attached(volume.id, 99, "/dev/vdb")
    assert not db.volume.get(volume.id).is_attached
    for call in (lambda: db.volume.attached(99, instance.id, "x"), lambda: db.volume.detached(99)):
        with pytest.raises(VolumeNotFound):
            call()
    with pytest.raises(VolumeNotFound):
        db.volume.get_instance(99)
    with pytest.raises(AdminRequired):
        owner.volume.detached(volume.id)


def test_an_update_of_a_volume_takes_its_metadata_along(owner: Nova, other: Nova):
    volume = owner.volume.create(Volume(project_id="p", size=1), metadata={"a": "1", "b": "2"})
    changed = owner.volume.update(volume.id, col(Volume.size).to(2), metadata={"b": "3", "c": "4"})
    assert changed.size == 2
    assert owner.volume.get(volume.id).pinned == {"b": "3", "c": "4"}
    owner.volume.update(volume.id, metadata={})
    assert owner.volume.get(volume.id).pinned == {}
    assert owner.volume.update(volume.id, col(Volume.size).to(5)).size == 5
    assert owner.volume.update(volume.id).size == 5
    for changes in ({}, {"metadata": {"x": "y"}}):
        with pytest.raises(VolumeNotFound):
            other.volume.update(volume.id, col(Volume.size).to(9), **changes)
    assert owner.volume.get(volume.id).pinned == {}


def test_a_destroyed_volume_lets_go_of_all(db: Nova, owner: Nova, dead: Nova):
    volume = owner.volume.create(Volume(project_id="p"), metadata={"a": "1"})
    db.iscsi_target.create(IscsiTarget(host="a", target_num=1))
    number = db.volume.allocate_iscsi_target(volume.id, "a")
    assert (number, db.volume.get_iscsi_target_num(volume.id)) == (1, 1)
    db.volume.destroy(volume.id)
    gone = dead.volume.get(volume.id)
    assert gone.deleted_at is not None
    assert db.volume_metadata.find(col(VolumeMetadataItem.volume_id) == volume.id, deleted="no") == []
    assert db.volume_metadata.find(col(VolumeMetadataItem.volume_id) == volume.id, deleted="only")[0].deleted_at
    assert db.iscsi_target.find(col(IscsiTarget.host) == "a")[0].is_free
    with pytest.raises(ISCSITargetNotFoundForVolume, match=f"no target id found for volume {volume.id}"):
        db.volume.get_iscsi_target_num(volume.id)
    db.volume.destroy(volume.id)
    db.volume.destroy(99)
    assert dead.volume.get(volume.id).deleted_at == gone.deleted_at


def test_a_volume_goes_with_any_number_of_keys(db: Nova, owner: Nova):
    """In one step, or in several where one cannot hold all that changes."""
    volume = owner.volume.create(Volume(), metadata={f"key-{number}": "value" for number in range(128)})
    owner.volume.delete(volume.id)
    assert db.volume_metadata.find(scan=True) == []
    assert db.volume.get(volume.id, deleted="only").deleted_at is not None


def test_a_user_who_deletes_a_volume_frees_its_target_too(db: Nova, owner: Nova, other: Nova):
    volume = owner.volume.create(Volume(project_id="p"), metadata={"a": "1"})
    db.iscsi_target.create(IscsiTarget(host="a", target_num=1))
    db.volume.allocate_iscsi_target(volume.id, "a")
    with pytest.raises(VolumeNotFound):
        other.volume.delete(volume.id)
    owner.volume.delete(volume)
    assert db.iscsi_target.find(col(IscsiTarget.host) == "a")[0].is_free
    with pytest.raises(AdminRequired):
        owner.volume.destroy(volume.id)


def test_what_the_volumes_of_a_project_use(db: Nova):
    for project, size in (("p", 3), ("p", None), ("p", 4), ("q", 5)):
        db.volume.create(Volume(project_id=project, size=size))
    db.volume.destroy(db.volume.create(Volume(project_id="p", size=9)).id)
    assert db.volume.data_get_for_project("p") == (3, 7)
    assert db.volume.data_get_for_project("r") == (0, 0)


def test_what_a_user_makes_is_its_projects(owner: Nova, other: Nova):
    volume = owner.volume.create(Volume(), metadata={"a": "1"})
    assert (volume.project_id, owner.volume.get(volume.id).pinned) == ("p", {"a": "1"})
    assert other.snapshot.create(Snapshot()).project_id == "q"
    with pytest.raises(NotAuthorized):
        other.volume.create(Volume(project_id="p"), metadata={"a": "1"})
    assert ids(owner.volume.get_all_by_project("p")) == [volume.id]


# -- what is pinned to volumes --


def test_metadata_of_a_volume(owner: Nova, other: Nova, db: Nova):
    volume = owner.volume.create(Volume(project_id="p"))
    before = owner.volume.get(volume.id)
    owner.volume_metadata.replace(volume.id, {"a": "1", "b": "2"}, delete=False)
    owner.volume_metadata.replace(volume.id, {"b": "3", "c": "4"}, delete=False)
    assert owner.volume_metadata.get_by_volume(volume.id) == {"a": "1", "b": "3", "c": "4"}
    owner.volume_metadata.replace(volume.id, {"c": "5"}, delete=True)
    assert owner.volume_metadata.get_by_volume(volume.id) == {"c": "5"}
    owner.volume_metadata.delete_by_key(volume.id, "c")
    owner.volume_metadata.delete_by_key(volume.id, "c")
    assert owner.volume_metadata.get_by_volume(volume.id) == {}
    owner.volume_metadata.replace(volume.id, {"c": "6"}, delete=False)  # anew, beside the deleted one
    assert db.volume_metadata.count(col(VolumeMetadataItem.volume_id) == volume.id, deleted="only") == 3
    assert owner.volume.get(volume.id).updated_at == before.updated_at
    calls: list[Callable[[Nova], object]] = [
        lambda db: db.volume_metadata.get_by_volume(volume.id),
        lambda db: db.volume_metadata.delete_by_key(volume.id, "c"),
        lambda db: db.volume_metadata.replace(volume.id, {}, delete=True),
    ]
    for call in calls:
        with pytest.raises(VolumeNotFound):
            call(other)
    assert owner.volume_metadata.get_by_volume(volume.id) == {"c": "6"}
    db.volume.destroy(volume.id)
    for call in calls:
        with pytest.raises(VolumeNotFound):
            call(db)


# -- kinds of volumes --


def test_kinds_of_volumes(db: Nova, owner: Nova):
    fast = db.volume_type.create(VolumeType(name="fast"), extra_specs={"a": "1"})
    slow = db.volume_type.create(VolumeType(name="also slow"))
    assert fast.specs == {"a": "1"}
    assert owner.volume_type.get(fast.id).specs == {"a": "1"}
    assert owner.volume_type.get_by_name("fast") == fast
    assert list(owner.volume_type.get_all()) == ["also slow", "fast"]
    assert [kind.specs for kind in owner.volume_type.get_all().values()] == [{}, {"a": "1"}]
    db.volume_type.destroy_by_name("fast")
    db.volume_type.destroy_by_name("fast")
    assert owner.volume_type.get_all() == {"also slow": slow}
    assert list(owner.volume_type.get_all(inactive=True)) == ["also slow", "fast"]
    found = owner.volume_type.get(fast.id)
    assert (found.deleted, found.specs) == (True, {"a": "1"})
    assert owner.volume_type.get_by_name("fast").deleted
    with pytest.raises(Duplicate):  # a deleted one holds its name
        db.volume_type.create(VolumeType(name="fast"), extra_specs={"b": "2"})
    db.volume_type.purge_by_name("fast")
    assert db.volume_type_extra_spec.find(scan=True, deleted="any") == []
    db.volume_type.create(VolumeType(name="fast"))
    with pytest.raises(VolumeTypeNotFound, match="volume type 99 could not be found"):
        owner.volume_type.get(99)
    for ask in (db.volume_type.get_by_name, db.volume_type.destroy_by_name, db.volume_type.purge_by_name):
        with pytest.raises(VolumeTypeNotFoundByName, match="volume type with name x could not be found"):
            ask("x")
    with pytest.raises(AdminRequired):
        owner.volume_type.purge_by_name("fast")


def test_extra_specs_of_a_kind(db: Nova, owner: Nova):
    kind = db.volume_type.create(VolumeType(name="fast"))
    db.volume_type_extra_spec.update_or_create(kind.id, {"a": "1", "b": "2"})
    db.volume_type_extra_spec.update_or_create(kind.id, {"b": "3"})
    assert owner.volume_type_extra_spec.get_by_type(kind.id) == {"a": "1", "b": "3"}
    db.volume_type_extra_spec.delete_by_key(kind.id, "a")
    db.volume_type_extra_spec.delete_by_key(kind.id, "a")
    assert owner.volume_type_extra_spec.get_by_type(kind.id) == {"b": "3"}
    assert db.volume_type_extra_spec.count(col(VolumeTypeExtraSpec.volume_type_id) == kind.id, deleted="only") == 1
    assert db.volume_type_extra_spec.get_by_type(99) == {}
    with pytest.raises(VolumeTypeNotFound):
        db.volume_type_extra_spec.update_or_create(99, {"a": "1"})
    for refused in (
        lambda: owner.volume_type_extra_spec.update_or_create(kind.id, {"a": "1"}),
        lambda: owner.volume_type_extra_spec.delete_by_key(kind.id, "b"),
    ):
        with pytest.raises(AdminRequired):
            refused()
