"""The replay comes to the same on every store, and however often it is cut short."""

from pathlib import Path

import pytest

from manystore import col
from manystore.nova import plane
from manystore.nova.database import Nova
from manystore.nova.exception import ReplayRefused, TraceError
from manystore.nova.model.network import FixedIp
from manystore.nova.replay import Result, replay
from manystore.nova.trace import read_trace
from manystore.nova.workers import Stopped

from .crash import replay_with_crashes

pytestmark = pytest.mark.slow  # whole replays

TOTALS = ("booted", "running", "deleted", "refused_quota", "refused_room", "refused_pool", "operations")


def totals(result: Result) -> dict[str, int]:
    return {name: getattr(result, name) for name in TOTALS}


def test_a_small_trace_boots_whole(url: str, trace: Path):
    result = replay(url, trace)
    assert result.audit.problems == ()
    assert totals(result) | {"operations": 0} == {
        "booted": 7,
        "running": 2,
        "deleted": 5,
        "refused_quota": 0,
        "refused_room": 0,
        "refused_pool": 0,
        "operations": 0,
    }
    assert result.operations == sum(f.count for f in result.figures)


def test_what_is_left_in_the_store(tmp_path: Path, trace: Path):
    url = f"sqlite:///{tmp_path / 'nova.db'}"
    replay(url, trace)
    with Nova.connect(url) as db:
        first = db.instance.get(1, load=())
        assert (first.vm_state, first.power_state, first.vcpus, first.memory_mb) == ("active", 1, 2, 3584)
        assert first.host == "host-00000"
        assert first.created_at == first.launched_at
        assert db.instance.count(scan=True) == 2
        assert db.instance.count(scan=True, deleted="only") == 5
        assert db.fixed_ip.count(col(FixedIp.instance_id) == first.id) == 1
        assert {service.report_count for service in db.service.find()} == {5}
        assert db.instance.data_get_for_project("project-00000") == (2, 4, 7168)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat small traces as large ones, so that a share is refused."""
    monkeypatch.setattr(plane, "_SMALL", 0)
    monkeypatch.setattr(plane, "_ADDRESSES", 70)
    monkeypatch.setattr(plane, "_ROOM", 80)
    monkeypatch.setattr(plane, "_BATCHES_PER_PROJECT", 2)
    monkeypatch.setattr(plane, "_TIGHT_EVERY", 2)


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize("room", [True, False])
def test_both_stores_come_to_the_same_and_refuse_a_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: bool):
    """room: the addresses run short before the hosts do."""
    monkeypatch.setattr(plane, "_ADDRESSES", 70 if room else 80)
    memory = replay("memory://", limit=60, hosts=4)
    file = replay(f"sqlite:///{tmp_path / 'nova.db'}?durability=off", limit=60, hosts=4)
    assert totals(memory) == totals(file)
    assert memory.audit.problems == file.audit.problems == ()
    assert memory.refused_quota > 0
    assert (memory.refused_pool, memory.refused_room) == ((12, 12) if room else (0, 7))
    assert memory.booted + memory.refused_quota + memory.refused_room == 60
    assert memory.booted - memory.deleted == memory.running


@pytest.mark.usefixtures("refusing")
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 29])
def test_a_crash_after_any_commit_changes_nothing(memory: str, monkeypatch: pytest.MonkeyPatch, every: int):
    undisturbed = replay("memory://", limit=20, hosts=2)
    result, crashes = replay_with_crashes(memory, monkeypatch, every, limit=20, hosts=2)
    assert crashes > 250 / every
    assert totals(result) == totals(undisturbed)
    assert result.audit.problems == ()


def test_it_stops_between_two_events_and_goes_on(url: str, trace: Path):
    undisturbed = replay("memory://", trace)
    with pytest.raises(Stopped):
        replay(url, trace, progress=lambda done, _: done == 4)
    result = replay(url, resume=True, path=trace)
    assert totals(result) == totals(undisturbed)
    assert result.audit.ok


def test_resume_begins_where_there_is_nothing_and_ends_where_all_is_done(url: str, trace: Path):
    begun = replay(url, trace, resume=True)
    again = replay(url, trace, resume=True)
    assert totals(begun) == totals(again)
    assert again.figures == ()


def test_resume_takes_the_limit_that_it_was_begun_with(url: str, trace: Path):
    begun = replay(url, trace, limit=3)
    assert totals(replay(url, trace, resume=True)) == totals(begun)


def test_a_store_that_has_a_replay_is_refused(url: str, trace: Path):
    begun = replay(url, trace)
    with pytest.raises(ReplayRefused, match="the store holds a replay already"):
        replay(url, trace)
    assert totals(replay(url, trace, resume=True)) == totals(begun)


@pytest.mark.parametrize("other", [{"limit": 3}, {"hosts": 7}, {"path": None}])
def test_another_replay_is_no_resumption(url: str, trace: Path, other: dict):
    replay(url, trace, hosts=2)
    with pytest.raises(ReplayRefused):
        replay(**{"url": url, "path": trace, "resume": True} | other)


def test_a_malformed_row_stops_it_before_anything_is_stored(tmp_path: Path, trace: Path):
    trace.write_text(trace.read_text() + "1500,9,two,1.0,\n")
    with pytest.raises(TraceError, match=r"trace\.csv, line 9: vcpus: 'two' is no whole number"):
        replay(f"sqlite:///{tmp_path / 'nova.db'}", trace)
    assert not (tmp_path / "nova.db").exists()


def test_two_replays_at_once_do_not_do_things_twice(url: str, trace: Path):
    """The second is at work from the middle on; the first finds out at its next transaction."""
    other: list[Result] = []

    def intrude(done: int, _: int) -> bool:
        if done == 4 and not other:
            other.append(replay(url, trace, resume=True))
        return False

    with pytest.raises(ReplayRefused, match="another replay is at work"):
        replay(url, trace, progress=intrude)
    assert other[0].audit.problems == ()
    assert totals(replay(url, trace, resume=True)) == totals(other[0])


@pytest.mark.slow
def test_several_workers_share_a_replay(tmp_path: Path, trace: Path):
    url = f"sqlite:///{tmp_path / 'nova.db'}?durability=off"
    seen: list[int] = []
    result = replay(url, trace, workers=2, progress=lambda done, _: bool(seen.append(done)))
    assert result.audit.problems == ()
    # One worker may be ahead of the other, so that more run at once than the plane was sized for.
    assert result.booted + result.refused_quota + result.refused_room == 7
    assert result.booted - result.deleted == result.running
    assert result.operations == sum(f.count for f in result.figures)
    assert seen[-1] > 0
    with pytest.raises(ReplayRefused, match="begun with 2 workers, not 3"):
        replay(url, trace, workers=3, resume=True)


def test_several_workers_need_a_store_that_processes_share(trace: Path):
    with pytest.raises(ReplayRefused, match="several workers need a store that processes share"):
        replay("memory://workers", trace, workers=2)


def test_the_row_count_is_what_was_asked_for():
    assert len(read_trace(limit=7).rows) == 7
