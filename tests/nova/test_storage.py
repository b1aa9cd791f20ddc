"""What stands beside and behind volumes: what each operation gives, changes, loads and raises, and for whom."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from manystore import ManystoreError, col
from manystore.nova.database import Nova
from manystore.nova.exception import (
    AdminRequired,
    ImageNotFound,
    InstanceNotFound,
    NoMoreTargets,
    NotAuthorized,
    SMBackendConfNotFound,
    SMFlavorNotFound,
    SMVolumeNotFound,
    SnapshotNotFound,
    VirtualStorageArrayNotFound,
    VolumeNotFound,
)
from manystore.nova.model.instance import Instance
from manystore.nova.model.instance_type import InstanceType
from manystore.nova.model.storage import SMBackendConf, SMFlavor, SMVolume, VirtualStorageArray
from manystore.nova.model.volume import (
    BlockDeviceMapping,
    IscsiTarget,
    Snapshot,
    Volume,
)
from manystore.nova.options import options


def ids(records: list[Any]) -> list[int]:
    return [record.id for record in records]


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
