"""The benchmark runs, and its hand-written floors do the work that manystore does: else a ratio would mean nothing."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from benchmarks.__main__ import main
from benchmarks.floor.memory import MemoryFloor
from benchmarks.floor.sqlite import SQLiteFloor
from benchmarks.subject import Manystore, Subject
from benchmarks.workload import FIELDS, Workload, touch

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


def test_floors_give_what_manystore_gives(tmp_path: Path) -> None:
    ours = Manystore("memory://")
    expected = work(ours)
    assert [len(rows) for rows in expected] == [ROWS, 100, 10]
    floors: list[Subject] = [MemoryFloor(), SQLiteFloor(tmp_path, "floor", durable=False)]
    for subject in (*floors, Manystore(f"sqlite:///{tmp_path}/ours.db?durability=off")):
        assert work(subject) == expected
        subject.close()
    ours.close()


def test_the_memory_floor_keeps_the_same_entries() -> None:
    ours, floor = Manystore("memory://"), MemoryFloor()
    work(ours)
    work(floor)
    spaces: dict[str, dict[str, bytes]] = ours.database._engine.store._kv._spaces  # type: ignore[attr-defined]
    entries = [set(space) for name, space in spaces.items() if name.startswith("i:instances.")]
    assert sorted(map(sorted, entries)) == sorted(map(sorted, floor._entries))  # type: ignore[arg-type]
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


@pytest.mark.slow
def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--rows", "400", "--rounds", "1"]) == 0
    printed = capsys.readouterr().out
    for row in ("get ", "find 100", "list", "create ", "save", "create_all", "transaction of 5", "get above the plan"):
        assert row in printed
