"""A crew does a task together, tells what came of it, and never leaves anybody waiting."""

import os
import signal
import sys
from pathlib import Path
from threading import BrokenBarrierError

import pytest

from manystore.testing.crew import Crew, Seat

pytestmark = pytest.mark.slow  # each crew is some processes that begin
ROOT = str(Path(__file__).parents[__name__.count(".")])


def who(seat: Seat, word: str) -> tuple[int, int, str, int]:
    seat.meet()
    return seat.number, seat.size, word, os.getpid()


def fail(seat: Seat) -> None:
    if seat.number == 1:
        raise ValueError("one")
    seat.meet()


def die(seat: Seat) -> None:
    if seat.number == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def count(seat: Seat) -> int:
    steps = 0
    while not seat.is_over:
        seat.step()
        steps += 1
    return steps


@pytest.fixture(params=[False, True], ids=["processes", "threads"])
def crew(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [*sys.path, ROOT])  # the processes find the tasks there
    with Crew(3, threads=request.param) as made:
        yield made


def test_all_do_the_task_at_once(crew: Crew):
    first, second = crew.run(who, "a"), crew.run(who, "b")
    assert [result[:3] for result in first] == [(0, 3, "a"), (1, 3, "a"), (2, 3, "a")]
    assert [result[3] for result in first] == [result[3] for result in second]


def test_processes_are_others():
    with Crew(2) as crew:
        pids = {result[3] for result in crew.run(who, "a")}
    assert len(pids | {os.getpid()}) == 3


def test_the_first_failure_is_raised_and_nobody_waits_for_ever(crew: Crew):
    with pytest.raises(ValueError, match="one"):
        crew.run(fail)
    assert len(crew.run(who, "again")) == 3


def test_one_that_dies_is_told():
    with Crew(2) as crew:
        with pytest.raises(RuntimeError, match="member 0 died"):
            crew.run(die)
        assert len(crew.run(who, "again")) == 2


def test_steps_are_seen_and_it_stops_when_told(crew: Crew):
    shift = crew.begin(count)
    assert shift.until(lambda steps: min(steps) > 5)
    results = shift.end()
    assert min(results) > 5
    assert shift.steps == results


def test_waiting_for_those_who_have_ended(crew: Crew):
    shift = crew.begin(who, "a")
    assert not shift.until(lambda steps: min(steps) > 5)
    assert len(shift.results()) == 3


def test_a_failure_that_follows_from_none_is_raised_too(crew: Crew):
    with pytest.raises(BrokenBarrierError):
        crew.run(broken)


def broken(seat: Seat) -> None:
    raise BrokenBarrierError
