"""A server is killed by SIGKILL in a stream of commits and begins again on its data: what it confirmed is there.

That needs the durable settings; that they really force data to the disk is shown in test_durability.py, since SIGKILL
alone leaves what the kernel has.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from manystore.testing import consistency, provision, servers, stream
from manystore.testing.steps import Plant, with_option

from . import spaces
from .conftest import KINDS

PROGRAMS = 3
TIMEOUT = 3  # seconds, in the URL
LONGEST = 10 * TIMEOUT  # a call may wait for its own timeout a few times over, and the machine may be busy


def kill_in_a_stream(kind: str, directory: Path, kills: int, commits: int) -> None:
    with servers.KINDS[kind](servers.this_run(), durable=True) as server:
        place = provision.Place(with_option(server.url, f"timeout={TIMEOUT}"), "d_")
        with Plant.connect(place.url, prefix=place.prefix) as plant:
            stream.prepare(plant, PROGRAMS)
        with stream.streams(place.url, place.prefix, PROGRAMS, directory) as running:
            for _ in range(kills):
                stream.go_on(running, commits)
                server.crash()
                server.restart()
            stream.go_on(running, commits)
            for each in running:
                each.stop()
        with Plant.connect(place.url, prefix=place.prefix) as plant:
            verdict = stream.judge(plant, running)
            assert (verdict.lost, verdict.false, verdict.torn) == ([], [], []), verdict
            assert verdict.longest < LONGEST, verdict
            assert consistency.faults(plant) == []
        assert spaces.faults(place) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_server_has_all_that_it_confirmed(kind: str, tmp_path: Path) -> None:
    kill_in_a_stream(kind, tmp_path, kills=2, commits=8)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_killed_again_and_again_has_all_that_it_confirmed(kind: str, tmp_path: Path) -> None:
    kill_in_a_stream(kind, tmp_path, kills=15, commits=10)
