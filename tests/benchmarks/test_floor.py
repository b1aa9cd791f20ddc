"""The benchmark runs, and its hand-written floors do the work that manystore does: else a ratio would mean nothing."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.__main__ import main
from benchmarks.floor.memory import MemoryFloor
from benchmarks.floor.redis import RedisFloor
from benchmarks.floor.sqlite import SQLiteFloor
from benchmarks.report import FLOOR, OURS
from benchmarks.subject import Manystore, Subject
from benchmarks.target import TARGETS
from benchmarks.workload import FIELDS, Workload, touch

from manystore.testing import servers

ROWS = 450
TOKENS = ("_revision", "_previous")


def work(subject: Subject) -> list[list[Any]]:
    """Do a bit of everything; give what was read."""
    workload = Workload(ROWS)
    subject.create_all(workload.instances(ROWS))
    for record in workload.instances(5):
        subject.create(record)
    for key in workload.keys(20):
        record = subject.get(key)
        touch(record)
        record.host = "moved"
        subject.save(record)
    keys = workload.keys(8)
    subject.transaction(keys[:3], [subject.get(key) for key in keys[3:]])
    read = [subject.list(ROWS), subject.find("project-1"), [subject.get(key) for key in workload.keys(10)]]
    return [[[getattr(r, name) for name in FIELDS if not name.endswith("ated_at")] for r in rows] for rows in read]


@pytest.fixture(scope="module")
def expected() -> list[list[Any]]:
    ours = Manystore("memory://")
    read = work(ours)
    ours.close()
    assert [len(rows) for rows in read] == [ROWS, 100, 10]
    return read


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.kind is None])
def test_a_floor_gives_what_manystore_gives(name: str, tmp_path: Path, expected: list[list[Any]]) -> None:
    with TARGETS[name].opened(tmp_path) as makers:
        for which in (FLOOR, OURS):
            subject = makers.make(which)
            assert work(subject) == expected
            subject.close()


@pytest.mark.server
@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.kind and not target.is_durable])
def test_a_floor_on_a_server_gives_what_manystore_gives(name: str, tmp_path: Path, expected: list[list[Any]]) -> None:
    with TARGETS[name].opened(tmp_path) as makers:
        for which in (FLOOR, OURS):
            subject = makers.make(which)
            assert work(subject) == expected
            subject.close()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.server] if target.kind else [])
        for name, target in TARGETS.items()
        if not target.is_durable
    ],
)
def test_a_floor_sees_what_others_changed_and_then_writes_nothing(name: str, tmp_path: Path) -> None:
    with TARGETS[name].opened(tmp_path) as makers:
        subject = makers.make(FLOOR)
        subject.create_all(Workload(ROWS).instances(5))
        stale, read, other = subject.get(1), subject.get(2), subject.get(3)
        subject.save(subject.get(1))
        with pytest.raises(RuntimeError, match="changed by somebody else"):
            subject.save(stale)
        with pytest.raises(RuntimeError, match="changed by somebody else"):
            subject.transaction([2], [other, stale])
        assert subject.get(3)._revision == other._revision  # type: ignore[attr-defined]
        subject.transaction([1], [read])
        assert subject.get(2)._revision == read._revision  # type: ignore[attr-defined]
        subject.close()


def timeless(names: Iterable[str]) -> list[str]:
    """Give the names of entries in order, without the times of the stamps that stand in some."""
    return sorted(re.sub(r"\d{4}-[-0-9:.T]+Z", "time", name) for name in names)


def test_the_memory_floor_keeps_the_same_entries() -> None:
    ours, floor = Manystore("memory://"), MemoryFloor()
    work(ours)
    work(floor)
    spaces: dict[str, dict[str, bytes]] = ours.database._engine.store._kv._spaces  # type: ignore[attr-defined]
    entries = [space for name, space in spaces.items() if name.startswith("i:instances.")]
    assert sorted(map(timeless, entries)) == sorted(map(timeless, floor._entries))
    assert set(spaces["u:instances.unique_uuid"]) == set(floor._claims)
    mine, theirs = spaces["r:instances"], floor._records
    assert list(mine) == list(theirs)
    for key, data in mine.items():
        here, there = json.loads(data), json.loads(theirs[key])
        assert list(here)[:3] == list(there)[:3]
        assert {name: type(value) for name, value in here.items()} == {n: type(v) for n, v in there.items()}


def test_the_sqlite_floor_keeps_the_same_columns_and_indexes(tmp_path: Path) -> None:
    Manystore(f"sqlite:///{tmp_path}/ours.db").close()
    SQLiteFloor(tmp_path, "floor", durable=True).close()

    def shape(file: str) -> tuple[list[Any], list[Any]]:
        connection = sqlite3.connect(tmp_path / file)
        columns = connection.execute("SELECT name, type, pk FROM pragma_table_info('instances')").fetchall()
        names = connection.execute("SELECT name, \"unique\" FROM pragma_index_list('instances')").fetchall()
        terms = [
            (unique, connection.execute("SELECT name FROM pragma_index_info(?)", (name,)).fetchall())
            for name, unique in names
        ]
        connection.close()
        return columns, sorted(terms)

    ours, floor = shape("ours.db"), shape("floor.db")
    assert [c[0] for c in ours[0]] == [c[0] for c in floor[0]]
    assert [c[2] for c in ours[0]] == [c[2] for c in floor[0]]
    assert ours[1] == floor[1]


def members_of(url: str, prefix: str) -> dict[str, set[bytes]]:
    """Give what the sorted sets and the hash of claims of a database in Redis hold."""
    from redis import Redis

    found: dict[str, set[bytes]] = {}
    with Redis.from_url(url) as client:
        for key in client.scan_iter(f"{{{prefix}*"):
            if client.type(key) == b"zset":
                found[key.decode().partition(":")[2]] = set(client.zrange(key, 0, -1))
            else:
                found[key.decode().partition(":")[2]] = set(client.hkeys(key)) if client.type(key) == b"hash" else set()
    return found


@pytest.mark.server
def test_the_redis_floor_keeps_the_same_entries(tmp_path: Path) -> None:
    del tmp_path
    url = servers.url("redis")
    host, _, port = url.partition("://")[2].partition(":")
    ours, floor = Manystore(url, prefix="bench_ours_"), RedisFloor(host, int(port), "bench_floor_")
    work(ours)
    work(floor)
    mine, theirs = members_of(url, "bench_ours_"), members_of(url, "bench_floor_")
    for index in ("host", "project_id", "user_id", "reservation_id"):
        assert mine[f"i:instances.by_{index}"] == theirs[index]
    assert mine["k:instances"] == theirs["order"]
    assert mine["r:instances"] == theirs["records"]
    assert mine["u:instances.unique_uuid"] == theirs["claims"]
    ours.close()
    floor.close()


@pytest.mark.slow
def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [part for name in ("sqlite", "sqlite-nofsync", "memory") for part in ("--store", name)]
    assert main(["--quick", "--rows", "400", "--rounds", "1", *chosen]) == 0
    printed = capsys.readouterr().out
    for row in ("get ", "find 100", "list", "create ", "save", "create_all", "transaction of 5", "get above the plan"):
        assert row in printed


@pytest.mark.server
@pytest.mark.slow
def test_the_table_of_a_server_shows_the_processors_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--rows", "400", "--rounds", "1", "--store", "redis-nofsync", "--row", "save"]) == 0
    title, head, save = capsys.readouterr().out.splitlines()[-5:-2]
    assert title == "Redis without its file: the writes alone"
    assert "cpu: floor" in head
    assert len(save.split()) >= 10


@pytest.mark.slow
def test_the_replay_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--replay", "--limit", "5", "--store", "memory", "--store", "sqlite-nofsync"]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[-2:]] == ["memory", "sqlite-nofsync"]
