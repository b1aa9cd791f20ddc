"""Volumes and what is behind them: what each operation gives, changes, loads and raises, and for whom."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from manystore import Duplicate, ManystoreError, NotLoaded, col
from manystore.nova.context import RequestContext, get_admin_context
from manystore.nova.database import Nova
from manystore.nova.exception import (
    AdminRequired,
    ImageNotFound,
    InstanceNotFound,
    ISCSITargetNotFoundForVolume,
    NoMoreTargets,
    NotAuthorized,
    SMBackendConfNotFound,
    SMFlavorNotFound,
    SMVolumeNotFound,
    SnapshotNotFound,
    VirtualStorageArrayNotFound,
    VolumeNotFound,
    VolumeNotFoundForInstance,
    VolumeTypeNotFound,
    VolumeTypeNotFoundByName,
)
from manystore.nova.model.instance import Instance
from manystore.nova.model.instance_type import InstanceType
from manystore.nova.model.storage import SMBackendConf, SMFlavor, SMVolume, VirtualStorageArray
from manystore.nova.model.volume import (
    BlockDeviceMapping,
    IscsiTarget,
    Snapshot,
    Volume,
    VolumeMetadataItem,
    VolumeType,
    VolumeTypeExtraSpec,
)
from manystore.nova.options import options

OWNER = RequestContext("u", "p")
OTHER = RequestContext("v", "q")


@pytest.fixture
def db(url: str) -> Iterator[Nova]:
    with Nova.connect(url) as opened:
        yield opened


@pytest.fixture
def owner(db: Nova) -> Nova:
    return db.for_context(OWNER)


@pytest.fixture
def other(db: Nova) -> Nova:
    return db.for_context(OTHER)


@pytest.fixture
def dead(db: Nova) -> Nova:
    """An administrator who asks for deleted records: those only."""
    return db.for_context(get_admin_context(read_deleted=True))


def ids(records: list[Any]) -> list[int]:
    return [record.id for record in records]


# -- volumes --


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


# -- snapshots, devices, targets --


def test_snapshots(db: Nova, owner: Nova, other: Nova, dead: Nova):
    mine, theirs = (
        owner.snapshot.create(Snapshot(project_id="p", volume_id=7)),
        other.snapshot.create(Snapshot(project_id="q", volume_id=8)),
    )
    assert (mine.name, mine.volume_name) == (f"snapshot-{mine.id:08x}", "volume-00000007")
    assert mine.ec2_id == f"snap-{mine.id:08x}"
    assert ids(db.snapshot.get_all()) == [mine.id, theirs.id]
    assert ids(owner.snapshot.get_all_by_project("p")) == [mine.id]
    assert owner.snapshot.update(mine.id, col(Snapshot.progress).to("50%")).progress == "50%"
    for call in (
        lambda: owner.snapshot.get(theirs.id),
        lambda: owner.snapshot.update(theirs.id, col(Snapshot.progress).to("1%")),
    ):
        with pytest.raises(SnapshotNotFound, match=f"snapshot {theirs.id} could not be found"):
            call()
    with pytest.raises(NotAuthorized):
        owner.snapshot.get_all_by_project("q")
    with pytest.raises(AdminRequired):
        owner.snapshot.get_all()
    db.snapshot.destroy(mine.id)
    db.snapshot.destroy(mine.id)
    with pytest.raises(SnapshotNotFound):
        owner.snapshot.get(mine.id)
    assert ids(dead.snapshot.get_all()) == ids(dead.snapshot.get_all_by_project("p")) == [mine.id]


def test_devices(db: Nova, owner: Nova, other: Nova):
    mine, theirs = owner.instance.create(Instance(project_id="p")), other.instance.create(Instance(project_id="q"))
    volume = owner.volume.create(Volume(project_id="p"))
    root = owner.block_device_mapping.create(BlockDeviceMapping(instance_id=mine.id, device_name="/dev/vda"))
    data = owner.block_device_mapping.create(
        BlockDeviceMapping(instance_id=mine.id, device_name="/dev/vdb", volume_id=volume.id)
    )
    assert ids(owner.block_device_mapping.get_all_by_instance(mine.id)) == [root.id, data.id]
    assert other.block_device_mapping.get_all_by_instance(mine.id) == []
    other.block_device_mapping.destroy(root.id)
    other.block_device_mapping.destroy_by_instance_and_volume(mine.id, volume.id)
    with pytest.raises(NotAuthorized):
        owner.block_device_mapping.create(BlockDeviceMapping(instance_id=theirs.id, device_name="/dev/vda"))
    with pytest.raises(InstanceNotFound):
        owner.block_device_mapping.update_or_create(BlockDeviceMapping(instance_id=theirs.id, device_name="/dev/vda"))
    assert ids(db.block_device_mapping.get_all_by_instance(mine.id)) == [root.id, data.id]
    changed = owner.block_device_mapping.update(root.id, col(BlockDeviceMapping.connection_info).to("{}"))
    assert changed.connection_info == "{}"
    owner.block_device_mapping.destroy_by_instance_and_volume(mine.id, volume.id)
    owner.block_device_mapping.destroy_by_instance_and_volume(mine.id, volume.id)
    assert ids(owner.block_device_mapping.get_all_by_instance(mine.id)) == [root.id]
    owner.block_device_mapping.destroy(root.id)
    owner.block_device_mapping.destroy(root.id)
    assert owner.block_device_mapping.get_all_by_instance(mine.id) == []
    assert db.block_device_mapping.get(data.id, deleted="only").deleted_at is not None


def test_a_device_takes_the_place_of_the_one_with_its_name(db: Nova, owner: Nova):
    mine, neighbour = owner.instance.create(Instance(project_id="p")), owner.instance.create(Instance(project_id="p"))

    def put(name: str, virtual: str | None = None, instance: int = mine.id, **fields: Any) -> BlockDeviceMapping:
        record = BlockDeviceMapping(instance_id=instance, device_name=name, virtual_name=virtual, **fields)
        return owner.block_device_mapping.update_or_create(record)

    def names() -> dict[str, str | None]:
        found = owner.block_device_mapping.get_all_by_instance(mine.id)
        return {device.device_name: device.virtual_name for device in found}

    first = put("/dev/vdb", "ephemeral0")
    again = put("/dev/vdb", volume_size=5)
    assert (again.id, again.created_at, again.volume_size) == (first.id, first.created_at, 5)
    assert names() == {"/dev/vdb": None}
    put("/dev/vdb", "swap", neighbour.id)
    for name, virtual in (("/dev/vdc", "swap"), ("/dev/vdd", "ephemeral1"), ("/dev/vde", "ami"), ("/dev/vdf", "ami")):
        put(name, virtual)
    put("/dev/vdg", "swap")
    put("/dev/vdh", "ephemeral1")
    assert names() == {
        "/dev/vdb": None, "/dev/vde": "ami", "/dev/vdf": "ami", "/dev/vdg": "swap", "/dev/vdh": "ephemeral1"
    }  # fmt: skip
    assert len(owner.block_device_mapping.get_all_by_instance(neighbour.id)) == 1
    owner.block_device_mapping.destroy(again.id)
    assert put("/dev/vdb").id != again.id
    with pytest.raises(InstanceNotFound):
        put("/dev/vdb", instance=99)
    names_of_disks = ("swap", "ephemeral0", "ephemeral12", "ephemeral", "ephemeral01", "root", None)
    told = [BlockDeviceMapping(instance_id=1, device_name="a", virtual_name=name) for name in names_of_disks]
    assert [device.is_swap_or_ephemeral for device in told] == [True, True, True, False, False, False, False]


def test_targets(db: Nova, dead: Nova, owner: Nova, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(options, "iscsi_num_targets", 3)
    made = db.iscsi_target.create_safe(IscsiTarget(host="a", target_num=2))
    assert made is not None
    assert db.iscsi_target.create_safe(IscsiTarget(host="a", target_num=2)) is None
    assert db.retrying(lambda tx: tx.iscsi_target.create_safe(IscsiTarget(host="a", target_num=2))) is None
    db.iscsi_target.fill("a")
    db.iscsi_target.fill("a")
    assert (db.iscsi_target.count_by_host("a"), db.iscsi_target.count_by_host("b")) == (3, 0)
    db.iscsi_target.delete(made.id)
    assert (db.iscsi_target.count_by_host("a"), dead.iscsi_target.count_by_host("a")) == (2, 1)
    db.iscsi_target.fill("a")  # a deleted one holds its number
    assert db.iscsi_target.count_by_host("a") == 2
    volumes = [owner.volume.create(Volume(project_id="p")).id for _ in range(3)]
    taken = {db.volume.allocate_iscsi_target(volume, "a") for volume in volumes[:2]}
    assert taken == {1, 3}
    for host in ("a", "b"):
        with pytest.raises(NoMoreTargets):
            db.volume.allocate_iscsi_target(volumes[2], host)
    with pytest.raises(VolumeNotFound):
        db.volume.allocate_iscsi_target(99, "a")
    with pytest.raises(AdminRequired):
        owner.iscsi_target.fill("a")


# -- what stands behind them --


def test_arrays(db: Nova, owner: Nova, other: Nova, dead: Nova):
    size = db.instance_type.create(InstanceType(name="c1", flavorid="1"))
    mine = db.vsa.create(VirtualStorageArray(project_id="p", instance_type_id=size.id))
    theirs = db.vsa.create(VirtualStorageArray(project_id="q"))
    assert (mine.vc_count, mine.vol_count, mine.name) == (0, 0, f"vsa-{mine.id:08x}")
    for found in (owner.vsa.get(mine.id), db.vsa.get_all()[0], owner.vsa.get_all_by_project("p")[0]):
        assert (found.id, found.vsa_instance_type) == (mine.id, size)
    assert ids(db.vsa.get_all()) == [mine.id, theirs.id]
    assert db.vsa.update(mine.id, col(VirtualStorageArray.vc_count).to(2)).vc_count == 2
    for call in (lambda: other.vsa.get(mine.id), lambda: db.vsa.get(99)):
        with pytest.raises(VirtualStorageArrayNotFound):
            call()
    with pytest.raises(VirtualStorageArrayNotFound):
        db.vsa.update(99, col(VirtualStorageArray.vc_count).to(2))
    with pytest.raises(NotAuthorized):
        owner.vsa.get_all_by_project("q")
    db.vsa.destroy(mine.id)
    db.vsa.destroy(99)
    assert ids(dead.vsa.get_all()) == ids(dead.vsa.get_all_by_project("p")) == [mine.id]
    with pytest.raises(AdminRequired):
        owner.vsa.create(VirtualStorageArray())


def test_numbers_of_images(db: Nova, owner: Nova):
    image = owner.s3_image.create_for("u-u-i-d")
    assert owner.s3_image.get(image.id) == owner.s3_image.get_by_uuid("u-u-i-d") == image
    db.s3_image.delete(image.id)
    assert owner.s3_image.get(image.id).deleted
    with pytest.raises(ImageNotFound):
        owner.s3_image.get_by_uuid("other")
    with pytest.raises(ImageNotFound):
        owner.s3_image.get(99)


def test_the_storage_manager(db: Nova, owner: Nova):
    flavor = db.sm_flavor.create(SMFlavor(label="gold"))
    assert db.sm_flavor.get_by_label("gold") == flavor
    assert db.sm_flavor.update_by_label("gold", col(SMFlavor.description).to("x")).description == "x"
    assert ids(db.sm_flavor.find()) == [flavor.id]
    conf = db.sm_backend_conf.create(SMBackendConf(flavor_id=flavor.id, sr_uuid="sr", config_params="password=1"))
    assert db.sm_backend_conf.get(conf.id) == db.sm_backend_conf.get_by_sr("sr") == conf
    assert db.sm_backend_conf.update(conf.id, col(SMBackendConf.sr_type).to("nfs")).sr_type == "nfs"
    assert ids(db.sm_backend_conf.find()) == [conf.id]
    volume = owner.volume.create(Volume(project_id="p"))
    place = db.sm_volume.create(SMVolume(id=volume.id, backend_id=conf.id))
    assert db.sm_volume.get(volume.id) == place
    assert db.sm_volume.update(volume.id, col(SMVolume.vdi_uuid).to("v")).vdi_uuid == "v"
    assert ids(db.sm_volume.get_all()) == [volume.id]
    for _ in range(2):  # the second time nothing is there
        db.sm_volume.destroy(volume.id)
        db.sm_backend_conf.destroy(conf.id)
        db.sm_flavor.delete_by_label("gold")
    missing: Mapping[Callable[[], object], type[ManystoreError]] = {
        lambda: db.sm_flavor.get_by_label("gold"): SMFlavorNotFound,
        lambda: db.sm_flavor.update_by_label("gold", col(SMFlavor.description).to("x")): SMFlavorNotFound,
        lambda: db.sm_backend_conf.get(conf.id): SMBackendConfNotFound,
        lambda: db.sm_backend_conf.get_by_sr("sr"): SMBackendConfNotFound,
        lambda: db.sm_backend_conf.update(conf.id, col(SMBackendConf.sr_type).to("nfs")): SMBackendConfNotFound,
        lambda: db.sm_volume.get(volume.id): SMVolumeNotFound,
        lambda: db.sm_volume.update(volume.id, col(SMVolume.vdi_uuid).to("v")): SMVolumeNotFound,
        owner.sm_volume.get_all: AdminRequired,
    }
    for call, error in missing.items():
        with pytest.raises(error):
            call()


def test_no_text_tells_a_secret():
    secret = "s3cr3t"
    records = (
        Volume(provider_auth=secret),
        BlockDeviceMapping(instance_id=1, device_name="a", connection_info=secret),
        SMBackendConf(flavor_id=1, config_params=secret),
    )
    assert not [record for record in records if secret in repr(record) + str(record)]
