"""The replay's full profile: volumes, floating ips and groups, the same on every store and however often it is cut."""

from pathlib import Path

import pytest

from manystore import col
from manystore.nova import full_plane
from manystore.nova.database import Nova
from manystore.nova.exception import ReplayRefused
from manystore.nova.full_plane import size_full_plane
from manystore.nova.model.network import FloatingIp
from manystore.nova.model.volume import IscsiTarget
from manystore.nova.plane import size_plane
from manystore.nova.replay import Result, replay
from manystore.nova.timeline import timeline
from manystore.nova.trace import read_trace

from .crash import replay_with_crashes

pytestmark = pytest.mark.slow  # replays that are cut short after each commit

FULL_ONLY = (
    "floating_ips",
    "refused_floating_quota",
    "refused_floating_pool",
    "volumes",
    "refused_volume_quota",
    "refused_target",
)
TOTALS = ("booted", "running", "deleted", "refused_quota", "refused_room", "refused_pool", *FULL_ONLY, "operations")


def totals(result: Result) -> dict[str, int]:
    return {name: getattr(result, name) for name in TOTALS}


def test_a_small_trace_and_what_is_left_in_the_store(tmp_path: Path, trace: Path):
    url = f"sqlite:///{tmp_path / 'nova.db'}?durability=off"
    result = replay(url, trace, profile="full")
    assert result.audit.problems == ()
    # Rows 0, 3 and 6 ask for a floating ip while there is one; row 0 for a volume and row 4 for two.
    assert totals(result) | {"operations": 0} == {
        "booted": 7,
        "running": 2,
        "deleted": 5,
        "refused_quota": 0,
        "refused_room": 0,
        "refused_pool": 0,
        "floating_ips": 1,
        "refused_floating_quota": 0,
        "refused_floating_pool": 2,
        "volumes": 1,
        "refused_volume_quota": 2,
        "refused_target": 0,
        "operations": 0,
    }
    assert result.operations == sum(f.count for f in result.figures)
    with Nova.connect(url) as db:
        first = db.instance.get(1)
        assert first.fixed_ips[0].floating_ips[0].address == "172.16.0.1"
        assert [link.security_group.name for link in first.security_group_links if link.security_group] == [
            "default",
            "web",
        ]
        assert [(pin.key, pin.value) for pin in first.metadata] == [("batch", "0"), ("row", "0")]
        volume = db.volume.get_all_by_instance(1)[0]
        assert (volume.status, volume.mountpoint, volume.host) == ("in-use", "/dev/vdb", "volume-00000")
        assert db.volume.get_iscsi_target_num(volume.id) == 1
        assert [device.volume_id for device in db.block_device_mapping.get_all_by_instance(1)] == [volume.id]
        assert db.volume.data_get_for_project("project-00000") == (1, 10)
        assert len(db.security_group.get_by_name("project-00000", "default").rules) == 2
        assert {service.report_count for service in db.service.get_all_by_topic("volume")} == {5}


def test_a_volume_without_a_target_goes_again(memory: str, monkeypatch: pytest.MonkeyPatch, trace: Path):
    monkeypatch.setattr(full_plane, "_TIGHT_SHARE", 100)
    result = replay(memory, trace, profile="full")
    assert result.audit.problems == ()
    assert (result.volumes, result.refused_volume_quota, result.refused_target) == (2, 0, 1)
    with Nova.connect(memory) as db:
        assert db.volume.count(scan=True) == 1
        assert db.volume.count(scan=True, deleted="only") == 2
        assert db.iscsi_target.count(col(IscsiTarget.volume_id).is_not(None), scan=True) == 1


def test_the_basic_profile_has_nothing_of_it(url: str, trace: Path):
    basic = replay(url, trace)
    assert basic.profile == "basic"
    assert [getattr(basic, name) for name in FULL_ONLY] == [0] * len(FULL_ONLY)
    with Nova.connect(url) as db:
        for repository in (db.floating_ip, db.iscsi_target, db.security_group, db.volume):
            assert repository.count(scan=True, deleted="any") == 0


def test_both_stores_come_to_the_same(tmp_path: Path):
    memory = replay("memory://", limit=60, profile="full")
    file = replay(f"sqlite:///{tmp_path / 'nova.db'}?durability=off", limit=60, profile="full")
    assert totals(memory) == totals(file)
    assert memory.audit.problems == file.audit.problems == ()
    assert memory.refused_floating_pool > 0
    assert memory.refused_target > 0
    assert min(memory.floating_ips, memory.volumes) > 10


def test_what_ends_leaves_nothing_behind(memory: str):
    result = replay(memory, limit=30, profile="full")
    assert result.running == 0
    with Nova.connect(memory) as db:
        assert db.floating_ip.count(col(FloatingIp.project_id).is_not(None), scan=True) == 0
        assert db.iscsi_target.count(col(IscsiTarget.volume_id).is_not(None), scan=True) == 0
        gone = (db.volume, db.block_device_mapping, db.security_group_instance_association)
        for repository in (*gone, db.instance_metadata, db.volume_metadata):
            assert repository.count(scan=True) == 0
            assert repository.count(scan=True, deleted="only") > 0
        assert {use.used for use in db.quota_use.find(scan=True)} == {0}


@pytest.mark.parametrize(("every", "rows"), [pytest.param(1, 9, marks=pytest.mark.slow), (31, 20)])
def test_a_crash_after_any_commit_changes_nothing(memory: str, monkeypatch: pytest.MonkeyPatch, every: int, rows: int):
    undisturbed = replay("memory://", limit=rows, profile="full")
    result, crashes = replay_with_crashes(memory, monkeypatch, every, limit=rows, profile="full")
    assert crashes > 20 * rows / every
    assert totals(result) == totals(undisturbed)
    assert result.audit.problems == ()
    assert result.refused_target + result.refused_volume_quota > 0


def test_it_is_resumed_with_the_profile_that_it_was_begun_with(url: str, trace: Path):
    begun = replay(url, trace, profile="full")
    assert totals(replay(url, trace, resume=True)) == totals(begun)
    with pytest.raises(ReplayRefused, match="begun with the full profile, not basic"):
        replay(url, trace, resume=True, profile="basic")


def test_a_basic_one_is_not_resumed_as_full(url: str, trace: Path):
    replay(url, trace, limit=2)
    with pytest.raises(ReplayRefused, match="begun with the basic profile, not full"):
        replay(url, trace, resume=True, profile="full")


@pytest.mark.slow
def test_several_workers_share_it(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'nova.db'}?durability=off"
    result = replay(url, limit=30, workers=2, profile="full")
    assert result.audit.problems == ()
    assert result.booted + result.refused_quota + result.refused_room == 30
    assert min(result.floating_ips, result.volumes) > 0


def test_of_everything_a_share_is_refused():
    rows = read_trace().rows
    events = timeline(rows)
    plane = size_plane(rows, events)
    full = size_full_plane(rows, events, plane)
    assert len(full.limits) == len(plane.limits)
    assert full.volume_hosts > 2
    # At most 365 of its 1,094 instances at once ask for an address.
    assert 100 < full.floating_ips < 300
    assert min(min(limits) for limits in full.limits) >= 1
