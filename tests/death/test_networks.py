"""Connections that break in the middle of a write: what the program is told is true, comes in time, and stays true.

The nine cases are a break before the server gets the write, after it has carried it out, and one whose bytes come when
the program has long had its answer; with none, one and two writes of others before the program can look. The answers
stand in a table of docs/guarantees.md, which is compared with what is found here.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from manystore import Conflict, Duplicate, NotFound, OutcomeUnknown, Unavailable, col
from manystore.testing import consistency, provision, servers, steps
from manystore.testing.network import Fault, Proxy
from manystore.testing.steps import Disk, Plant, with_option

from . import spaces
from .conftest import KINDS

GUARANTEES = Path(__file__).parent.parent.parent / "docs" / "guarantees.md"
TIMEOUT = 2  # seconds, in the URL
LONGEST = 15 * TIMEOUT
MOMENTS = {"before": "cut_before", "after": "cut_after", "late": "hold"}
CASES = list(itertools.product(MOMENTS, (0, 1, 2)))
OURS = 77  # the size that we write
WRITES = ("create", "save", "delete")
MANY = 400


class Scene:
    """One database, reached through a faulty network by us and directly by others."""

    def __init__(self, place: provision.Place, proxy: Proxy, url: str) -> None:
        self.place = place
        self.proxy = proxy
        self.others = place.connect(Plant, on_call=None)
        steps.fill(self.others)
        self.ours = Plant.connect(with_option(url, f"timeout={TIMEOUT}"), prefix=place.prefix)
        self._keys = itertools.count(100)

    def ready(self, write: str) -> tuple[int, Callable[[], Any]]:
        """Make what a write needs; give its key and the write, all that is left to do."""
        key = next(self._keys)
        disk = Disk(id=key, machine=1, wwn=f"K{key}", size=OURS)
        if write == "create":
            return key, lambda: self.ours.disk.create(disk)
        self.others.disk.create(Disk(id=key, machine=1, wwn=f"K{key}"))
        found = self.ours.disk.get(key)
        found.size = OURS
        return key, lambda: self.ours.disk.save(found) if write == "save" else self.ours.disk.delete(found)

    def requests(self, write: str) -> int:
        """Count the requests of an undisturbed write; the last of them is the one that decides."""
        counted: list[int] = []
        # The first may find that a connection has broken, and drivers prepare what they have sent a few times.
        while len(counted) < 7 or len(set(counted[-3:])) > 1:
            _, run = self.ready(write)
            earlier = self.proxy.requests
            run()
            counted.append(self.proxy.requests - earlier)
        return counted[-1]

    def size(self, key: int) -> int | None:
        """Give the size that is stored; None when there is no such record."""
        found = self.others.disk.first(col(Disk.id) == key)
        return None if found is None else found.size

    def overwrite(self, key: int, times: int) -> None:
        """Write what honest others write: over what is there, or anew where nothing is."""
        for number in range(1, times + 1):
            found = self.others.disk.first(col(Disk.id) == key)
            if found is None:
                self.others.disk.create(Disk(id=key, machine=2, wwn=f"K{key}", size=number))
            else:
                found.size, found.machine = number, 2
                self.others.disk.save(found)

    def sound(self) -> None:
        assert consistency.faults(self.others) == []
        assert spaces.faults(self.place) == []


@contextmanager
def scene(kind: str, directory: Path) -> Iterator[Scene]:
    with provision.place(f"{kind}:", directory) as place, provision.through(place.url) as (proxy, url):
        made = Scene(place, proxy, url)
        yield made
        made.ours.close()


def answer(run: Callable[[], Any]) -> str:
    """Give in a word what a write answers; any other error fails the test."""
    began = time.monotonic()
    try:
        run()
    except (Conflict, Duplicate, NotFound):
        word = "refused"
    except OutcomeUnknown:
        word = "unknown"
    except Unavailable:
        word = "unavailable"
    else:
        word = "done"
    assert time.monotonic() - began < LONGEST
    return word


def play(scene: Scene, write: str, moment: str, others: int) -> str:
    """Play one case; give the answer, having found it true, also after late bytes have come."""
    at = scene.requests(write)
    key, run = scene.ready(write)
    fault: Fault = getattr(scene.proxy, MOMENTS[moment])(at)
    fault.meanwhile = lambda: scene.overwrite(key, others)
    word = answer(run)
    assert fault.has_struck, "the write made fewer requests than another one before"
    assert fault.meanwhile is None
    true(scene, (write, moment, others), key, word)
    if moment == "late":
        if write == "create" and word != "done" and scene.size(key) is not None:
            scene.others.disk.delete(key)  # what was in the way of the late bytes is gone
        before = steps.contents(scene.others)
        fault.release()
        for _ in range(3):
            assert steps.contents(scene.others) == before, "late bytes did something"
    return word


def true(scene: Scene, case: tuple[str, str, int], key: int, word: str) -> None:
    """Fail when an answer is false; unknown is never false, nor is unavailable where nothing was written."""
    write, moment, others = case
    size = scene.size(key)
    ours = None if write == "delete" else OURS
    if others:
        assert size == others
        assert word in (("done", "unknown") if moment == "after" else ("refused", "unavailable", "unknown")), case
        return
    was_written = size == ours
    assert was_written or size == (None if write == "create" else 0)
    if moment == "after":
        assert was_written
    if word != "unknown":
        assert word == ("done" if was_written else "unavailable"), case


def documented(kind: str, write: str) -> list[str]:
    """Give a row of the table of the guarantees."""
    row = re.search(rf"^\| {kind} \| {write} \|(.*)\|$", GUARANTEES.read_text(), re.MULTILINE)
    assert row is not None, (kind, write)
    return [cell.strip() for cell in row[1].split("|")]


@pytest.mark.slow
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_broken_write_answers_is_true_and_as_documented(kind: str, write: str, tmp_path: Path) -> None:
    with scene(kind, tmp_path) as made:
        found = [play(made, write, moment, others) for moment, others in CASES]
        made.sound()
    assert found == documented(kind, write), f"| {kind} | {write} | {' | '.join(found)} |"


def told(run: Callable[[], Any]) -> tuple[int, int]:
    """Give how many records of a create_all are stored by its own word: at least, and at most."""
    try:
        run()
    except OutcomeUnknown as error:
        return error.done or 0, MANY
    except Unavailable as error:
        return error.done or 0, error.done or 0
    return MANY, MANY


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_create_all_that_breaks_tells_how_far_it_got(kind: str, tmp_path: Path) -> None:
    """It has three steps of 166 disks at most, which some stores take as one."""
    with scene(kind, tmp_path) as made:
        firsts = itertools.count(1_000, 1_000)

        def ready() -> tuple[int, Callable[[], Any]]:
            first = next(firsts)
            disks = [Disk(id=first + n, machine=1, wwn=f"K{first + n}", size=OURS) for n in range(MANY)]
            return first, lambda: made.ours.disk.create_all(disks)

        requests = 0
        for _ in range(3):
            earlier = made.proxy.requests
            ready()[1]()
            requests = made.proxy.requests - earlier
        for at, moment in itertools.product((requests // 2, requests), ("cut_before", "cut_after")):
            first, run = ready()
            fault: Fault = getattr(made.proxy, moment)(at)
            least, most = told(run)
            assert fault.has_struck
            stored = [disk.id for disk in made.others.disk.find(col(Disk.id) >= first, scan=True)]
            assert stored == [first + n for n in range(len(stored))]
            assert least <= len(stored) <= most, (at, moment)
            assert len(stored) in (0, 166, 332, MANY)
        made.sound()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_slow_and_mute_networks_are_borne_or_told_in_time(kind: str, tmp_path: Path) -> None:
    with scene(kind, tmp_path) as made:
        for write in WRITES:
            at = made.requests(write)
            key, run = made.ready(write)
            made.proxy.delay(0.3, at)
            assert answer(run) == "done"
            assert made.size(key) == (None if write == "delete" else OURS)
        for write in WRITES:
            at = made.requests(write)
            key, run = made.ready(write)
            fault = made.proxy.blackhole(at)
            word = answer(run)
            assert fault.has_struck
            true(made, (write, "before", 0), key, word)
        made.proxy.down()
        key, run = made.ready("create")
        assert answer(run) in ("unavailable", "unknown")  # unknown: it was sent before the cut was noticed
        assert made.size(key) is None
        made.proxy.up()
        assert answer(run) == "done"
        assert made.size(key) == OURS
        made.sound()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_stands_still_is_told_in_time_and_truly(kind: str) -> None:
    """What lies in its sockets is carried out when it goes on: only `unknown` may be answered to what was sent."""
    with servers.KINDS[kind](servers.this_run()) as server:
        place = provision.Place(server.url, "d_")
        others = place.connect(Plant, on_call=None)
        steps.fill(others)
        with Plant.connect(with_option(server.url, f"timeout={TIMEOUT}"), prefix=place.prefix) as ours:
            ours.disk.create(Disk(id=201, machine=1, wwn="K201"))  # the connection is there
            server.freeze()
            word = answer(lambda: ours.disk.create(Disk(id=202, machine=1, wwn="K202")))
            server.thaw()
            assert word in ("unknown", "unavailable")
            ours.disk.create(Disk(id=203, machine=1, wwn="K203"))  # it goes on by itself
        if word == "unavailable":
            assert others.disk.first(col(Disk.id) == 202) is None
        assert consistency.faults(others) == []
        place.close()
