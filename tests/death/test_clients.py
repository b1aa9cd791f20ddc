"""A program is killed by SIGKILL between any two requests, or writes to a file: the next one finds all or nothing.

What is left over would show in three ways: a fresh program finds something else than before or after; a record is not
found on every way that leads to it (consistency.py), or a key-value store holds what no record accounts for
(spaces.py); or the write cannot be done again on what is there, because something still stands in its way.
"""

from __future__ import annotations

import itertools
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from manystore.testing import consistency, death, provision, steps, tracing
from manystore.testing.network import Proxy
from manystore.testing.steps import STEPS, Contents, Plant

from . import spaces
from .conftest import KINDS

SAMPLE = 4  # deaths a write in an ordinary run; in a soak, all that there are
Point = Any  # where a program dies
Kill = Callable[[Point], bool]


def sampled(points: Sequence[Point], number: int = SAMPLE) -> list[Point]:
    """Give some points, evenly from between the first and the last."""
    return [points[int((place + 0.5) * len(points) / number)] for place in range(min(number, len(points)))]


def sound(place: provision.Place, plant: Plant) -> None:
    """Fail when anything does not fit together."""
    assert consistency.faults(plant) == []
    assert spaces.faults(place) == []


@contextmanager
def fresh(place: provision.Place, *options: str) -> Iterator[Plant]:
    """Give a client that has just come."""
    with Plant.connect(steps.with_option(place.url, *options), prefix=place.prefix) as plant:
        yield plant


def begin(place: provision.Place) -> Contents:
    """Make what a step begins with; that it can be made is a test too."""
    with fresh(place) as plant:
        steps.clear(plant)
        steps.fill(plant)
        return steps.contents(plant)


def die(place: provision.Place, name: str, kill: Kill, choose: Callable[[], list[Point]]) -> set[bool]:
    """Die at some points; give which ends were found: True for those that had the whole write."""
    step = STEPS[name]
    before = begin(place)
    with fresh(place, step.options) as plant:
        step.write(plant)
        after = steps.contents(plant)
    found_whole: set[bool] = set()
    deaths = 0
    for point in choose():
        begin(place)
        killed = kill(point)
        deaths += killed
        with fresh(place) as plant:
            found = steps.contents(plant)
            assert found == after if not killed else steps.is_one_of(found, before, after, step), point
            sound(place, plant)
            found_whole.add(found == after)
            if found == before:
                step.write(plant)
                assert steps.contents(plant) == after, point
    assert deaths
    return found_whole


# --- between two requests to a server --------------------------------------------------------------------------------


def requests(proxy: Proxy, work: death.Work, arguments: tuple[Any, ...]) -> list[Point]:
    """Count the requests of some work: it can die before and after each."""
    program = death.Program(work, *arguments)
    earlier = proxy.requests
    program.go()
    program.finish()
    return list(itertools.product(range(1, proxy.requests - earlier + 1), (False, True)))


def die_at_a_server(kind: str, name: str, directory: Path, choose: Callable[[list[Point]], list[Point]]) -> set[bool]:
    with provision.place(f"{kind}:", directory) as place, provision.through(place.url) as (proxy, url):
        arguments = (url, place.prefix, name)

        def points() -> list[Point]:
            begin(place)
            return choose(requests(proxy, steps.carry_out, arguments))

        def kill(point: Point) -> bool:
            at, after = point
            return death.interrupt(steps.carry_out, arguments, proxy, at=at, after=after).killed

        return die(place, name, kill, points)


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_killed_between_requests_leaves_all_or_nothing(kind: str, name: str, tmp_path: Path) -> None:
    die_at_a_server(kind, name, tmp_path, sampled)


@pytest.mark.soak
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_killed_at_every_request_leaves_all_or_nothing(kind: str, name: str, tmp_path: Path) -> None:
    assert die_at_a_server(kind, name, tmp_path, list) == {False, True}


def die_while_connecting(kind: str, directory: Path, choose: Callable[[list[Point]], list[Point]]) -> None:
    """Each death meets an empty store."""
    with provision.place(f"{kind}:", directory) as place, provision.through(place.url) as (proxy, url):
        points = choose(requests(proxy, steps.open_first, (url, place.prefix)))
    for point in points:
        with provision.place(f"{kind}:", directory) as place, provision.through(place.url) as (proxy, url):
            at, after = point
            death.interrupt(steps.open_first, (url, place.prefix), proxy, at=at, after=after)
            with fresh(place) as plant:
                steps.fill(plant)
                STEPS["generated"].write(plant)
                sound(place, plant)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_killed_while_it_makes_the_database_leaves_one_or_none(kind: str, tmp_path: Path) -> None:
    die_while_connecting(kind, tmp_path, sampled)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_killed_at_every_request_of_making_the_database(kind: str, tmp_path: Path) -> None:
    die_while_connecting(kind, tmp_path, list)


# --- between two writes to a file ------------------------------------------------------------------------------------


class File:
    """A database in a file, and programs that die before any call that changes the file."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "plant.db"
        self.log = directory / "calls"
        self.place = provision.Place(
            f"sqlite:///{self.path}"
        )  # durable: what forces data to the disk is among the calls

    def command(self, *names: str) -> list[str]:
        return [sys.executable, "-m", "manystore.testing.steps", self.place.url, "", *names]

    def points(self, *names: str) -> list[Point]:
        """Count the calls of a program; kinds of calls are counted apart."""
        calls = tracing.run_counting(self.command(*names), tracing.WRITES, self.log)
        return [(call, at) for call, number in calls.items() for at in range(1, number + 1)]

    def kill(self, point: Point, *names: str) -> bool:
        return tracing.run_killing(self.command(*names), *point, self.log)

    def whole(self) -> None:
        """Have SQLite look at every page."""
        with closing(sqlite3.connect(self.path)) as own:
            assert own.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def remove(self) -> None:
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()


def die_at_a_file(name: str, directory: Path, choose: Callable[[list[Point]], list[Point]]) -> set[bool]:
    file = File(directory)

    def points() -> list[Point]:
        begin(file.place)
        return choose(file.points(name))

    def kill(point: Point) -> bool:
        killed = file.kill(point, name)
        file.whole()
        return killed

    return die(file.place, name, kill, points)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["create", "delete", "transaction"])
def test_a_client_killed_between_writes_to_a_file_leaves_all_or_nothing(name: str, tmp_path: Path) -> None:
    die_at_a_file(name, tmp_path, sampled)


@pytest.mark.soak
@pytest.mark.parametrize("name", STEPS)
def test_a_client_killed_at_every_write_to_a_file_leaves_all_or_nothing(name: str, tmp_path: Path) -> None:
    assert die_at_a_file(name, tmp_path, list) == {False, True}


def die_while_making_a_file(directory: Path, choose: Callable[[list[Point]], list[Point]]) -> None:
    file = File(directory)
    for point in choose(file.points()):
        file.remove()
        assert file.kill(point), point
        with fresh(file.place) as plant:
            steps.fill(plant)
            sound(file.place, plant)
        file.whole()


@pytest.mark.slow
def test_a_client_killed_while_it_makes_a_file_leaves_one_that_opens(tmp_path: Path) -> None:
    die_while_making_a_file(tmp_path, sampled)


@pytest.mark.soak
def test_a_client_killed_at_every_write_of_making_a_file(tmp_path: Path) -> None:
    die_while_making_a_file(tmp_path, list)
