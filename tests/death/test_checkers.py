"""The checkers themselves: what they are to see in a database, they see."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.stores.keyvalue.protocol import CATALOG, epoch_of
from manystore.testing import consistency, provision, servers, steps, stream
from manystore.testing.steps import Disk, Machine, Plant

from . import spaces

KEY_VALUE = [pytest.param(kind, marks=pytest.mark.server, id=kind) for kind in ("redis", "zookeeper", "etcd")]


@pytest.fixture
def commit(place: provision.Place) -> Iterator[Any]:
    """Write into a key-value store past everything that keeps it consistent."""
    store: Any = open_store(parse_url(place.url, place.prefix), wait=time.sleep)
    epoch = epoch_of(store._kv.get([CATALOG]).values[0])
    yield lambda puts, deletes: store._kv.commit([], puts, deletes, epoch=epoch)
    store.close()


@pytest.fixture(params=KEY_VALUE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[provision.Place]:
    with provision.place(f"{request.param}:", tmp_path) as made:
        with Plant.connect(made.url, prefix=made.prefix) as plant:
            steps.fill(plant)
        yield made


@pytest.mark.parametrize(
    ("puts", "deletes", "told"),
    [
        pytest.param([("i:disk.by_machine", "b51 a9", b"")], [], "left over", id="an entry without its record"),
        pytest.param([], [("i:disk.by_machine", "a1 a1")], "lacks", id="a record without its entry"),
        pytest.param([("u:disk.unique_wwn", "$W9!", b"a1")], [], "left over", id="a claim left over"),
        pytest.param([], [("u:disk.unique_wwn", "$W1!")], "lacks", id="a record without its claim"),
        pytest.param([("b:machine", "a1 disk.machine a9", b"")], [], "left over", id="a reference left over"),
        pytest.param([], [("b:machine", "a1 disk.machine a1")], "lacks", id="a record without its reference"),
    ],
)
def test_a_database_that_is_damaged_is_seen_to_be(
    place: provision.Place, commit: Any, puts: list[Any], deletes: list[Any], told: str
) -> None:
    assert spaces.faults(place) == []
    commit(puts, deletes)
    assert [fault.rpartition(": ")[2] for fault in spaces.faults(place)] == [told]


def test_a_record_that_no_index_leads_to_is_seen_from_outside(place: provision.Place, commit: Any) -> None:
    with Plant.connect(place.url, prefix=place.prefix) as plant:
        assert consistency.faults(plant) == []
        commit([], [("i:disk.by_machine", "a1 a1")])
        assert any("by_machine" in fault for fault in consistency.faults(plant))


def test_a_reference_to_nothing_is_seen_from_outside(tmp_path: Path) -> None:
    with Plant.connect(f"sqlite:///{tmp_path}/plant.db") as plant:
        steps.fill(plant)
        with closing(sqlite3.connect(tmp_path / "plant.db")) as own:
            own.execute("DELETE FROM machine WHERE id = 1")
            own.commit()
        assert len(consistency.faults(plant)) == 6  # three disks, three alarms


def test_what_became_of_commits_is_judged(tmp_path: Path) -> None:
    """Commits that were done and are gone, that were not and are there, and that are there in part."""
    place = provision.Place(f"sqlite:///{tmp_path}/plant.db?durability=off")
    plant = place.connect(Plant)
    stream.prepare(plant, 1)
    with stream.streams(place.url, "", 1, tmp_path) as running:
        stream.go_on(running, 5)
        running[0].stop()
    verdict = stream.judge(plant, running)
    assert verdict.done >= 5
    assert (verdict.lost, verdict.false, verdict.torn, verdict.unknown, verdict.not_done) == ([], [], [], 0, 0)
    first = 1 * 100_000 + 1
    plant.machine.delete(first)  # and its disk
    plant.disk.delete(first + 1)
    plant.machine.create(Machine(id=900_000, serial="x", site="w1"))
    plant.disk.create(Disk(id=900_000, machine=900_000, wwn="x"))
    running[0].notes.write_bytes(running[0].notes.read_bytes() + b"800000 not-done 0.1\n")
    verdict = stream.judge(plant, running)
    torn = [first + 1, 900_000]  # a disk is gone; and the program's own site knows nothing of its last machine
    assert (verdict.lost, verdict.false, verdict.torn) == ([first], [900_000], torn)
    place.close()


@pytest.mark.server
def test_a_frozen_server_does_nothing() -> None:
    with servers.Redis(servers.this_run()) as server:
        server.freeze()
        with pytest.raises(TimeoutError):
            server.answers()
        server.thaw()
        server.until(server.answers)
