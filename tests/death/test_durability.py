"""Does a confirmed write reach the disk? The kernel's calls that force it there are counted, for each store's settings.

A killed process proves nothing: what it has written, the kernel keeps. So strace counts while one client makes COMMITS
writes, one after another.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from manystore import col
from manystore.testing import provision, servers, tracing
from manystore.testing.steps import Event, Plant, with_option

COMMITS = 40
LAZY = COMMITS // 4  # what a server forces to the disk by itself meanwhile: once a second, at most


def traced(kind: str, *, durable: bool, options: tuple[str, ...] = ()) -> Any:
    """Make a server that is begun by strace."""

    class Traced(servers.KINDS[kind]):  # type: ignore[misc]
        def command(self) -> list[str]:
            return tracing.traced(super().command(), tracing.SYNCS, self.folder / "syncs")

        def syncs(self) -> int:
            return sum(tracing.counted(self.folder / "syncs", tracing.SYNCS).values())

    return Traced(servers.this_run(), durable=durable, options=options)


def syncs_of(server: Any, url: str) -> int:
    with Plant.connect(url, prefix="d_") as plant:
        plant.event.create(Event(text="first"))  # also takes a block of generated keys
        before = server.syncs()
        for number in range(COMMITS):
            plant.event.update(1, col(Event.text).to(f"text {number}"))
        return int(server.syncs()) - before


# kind, whether the server is durable, its options, the URL's: whether each write is forced to the disk
CASES: dict[str, tuple[str, bool, tuple[str, ...], str, bool]] = {
    "postgresql": ("postgresql", True, (), "", True),
    "postgresql-durability=off": ("postgresql", True, (), "durability=off", False),
    "postgresql-fsync=off": ("postgresql", False, (), "", False),
    "mariadb": ("mariadb", True, (), "", True),
    "mariadb-flush=2": ("mariadb", True, ("--innodb-flush-log-at-trx-commit=2",), "", False),
    "redis-always": ("redis", True, (), "durability=full", True),
    "redis-everysec": ("redis", True, ("--appendfsync", "everysec"), "", False),
    "redis-no-file": ("redis", False, (), "", False),
    "zookeeper": ("zookeeper", True, (), "", True),
    "zookeeper-forceSync=no": ("zookeeper", False, (), "", False),
    "etcd": ("etcd", True, (), "", True),
    "etcd-unsafe-no-fsync": ("etcd", False, (), "", False),
}


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("case", CASES)
def test_a_server_forces_each_confirmed_write_to_the_disk_or_not(case: str) -> None:
    kind, durable, options, url, is_forced = CASES[case]
    with traced(kind, durable=durable, options=options) as server:
        syncs = syncs_of(server, with_option(server.url, url))
    assert (syncs >= COMMITS) if is_forced else (syncs <= LAZY), syncs


PROGRAM = """
import sys
from manystore import col
from manystore.testing.steps import Event, Plant
with Plant.connect(sys.argv[1]) as plant:
    for number in range(int(sys.argv[2])):
        plant.event.update(1, col(Event.text).to(f"text {number}"))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("durability", "is_forced"), [("full", True), ("off", False)])
def test_a_file_is_forced_to_the_disk_with_each_commit_or_not(durability: str, is_forced: bool, tmp_path: Path) -> None:
    place = provision.Place(f"sqlite:///{tmp_path}/plant.db?durability={durability}")
    plant = place.connect(Plant)  # stays open: the log is not written back in between
    plant.event.create(Event(text="first"))
    calls = tracing.run_counting(
        [sys.executable, "-c", PROGRAM, place.url, str(COMMITS)], tracing.SYNCS, tmp_path / "calls"
    )
    place.close()
    syncs = sum(calls.values())
    assert (syncs >= COMMITS) if is_forced else (syncs == 0), syncs
