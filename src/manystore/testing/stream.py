"""A stream of commits from a program of its own, which notes what it was told of each: for tests that kill servers.

Each commit is one transaction over several collections, so that a part of it would show. `judge` compares what the
programs were told with what a store holds. A program that meets anything but Unavailable and OutcomeUnknown notes it
and ends.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from manystore import OutcomeUnknown, Unavailable

from .death import Program
from .steps import Alarm, Disk, Machine, Plant, Site

DONE, UNKNOWN, NOT_DONE = "done", "unknown", "not-done"
_MANY = 100_000  # commits of one program
_PAUSE = 0.02  # between tries while the store is away
_LOOK = 0.02
_PATIENCE = 90.0


def prepare(plant: Plant, programs: int) -> None:
    """Make what the programs change: a site and an alarm each."""
    for number in range(1, programs + 1):
        plant.site.create(Site(id=f"w{number}", name=f"W{number}"))
        plant.alarm.create(Alarm(id=number, text="last"))


def commits(url: str, prefix: str, number: int, notes: Path) -> Iterator[None]:
    """Commit until `<notes>.stop` is there (death.py)."""
    plant, stop, pause = Plant.connect(url, prefix=prefix), notes.with_suffix(".stop"), threading.Event()
    yield
    with open(notes, "ab", buffering=0) as out:
        for n in range(1, _MANY):
            if stop.exists():
                break
            began = time.monotonic()
            try:
                _commit(plant, number, n)
                answer = DONE
            except OutcomeUnknown:
                answer = UNKNOWN
            except Unavailable:
                answer = NOT_DONE
            except BaseException as error:
                out.write(f"{n} {type(error).__name__}:_{error} 0\n".replace(" ", "_").encode())
                raise
            out.write(f"{n} {answer} {time.monotonic() - began:.3f}\n".encode())
            if answer != DONE:
                pause.wait(_PAUSE)
    plant.close()


def _commit(plant: Plant, number: int, n: int) -> None:
    key = number * _MANY + n
    with plant.transaction() as tx:
        site = tx.site.get(f"w{number}")
        alarm = tx.alarm.get(number)
        site.count, alarm.machine, alarm.code = n, key, f"C{key}"
        tx.machine.create(Machine(id=key, serial=f"M{key}", rack=f"r{n % 7}", size=n, site=site.id))
        tx.disk.create(Disk(id=key, machine=key, wwn=f"D{key}"))
        tx.site.save(site)
        tx.alarm.save(alarm)


class Told(NamedTuple):
    """What a program was told of one commit, and after how long."""

    n: int
    answer: str
    seconds: float


class Stream:
    """One program that commits. Used with `with`: it is stopped at the end."""

    def __init__(self, url: str, prefix: str, number: int, folder: Path) -> None:
        self.number = number
        self.notes = folder / f"program{number}.notes"
        self._program = Program(commits, url, prefix, number, self.notes)

    def __enter__(self) -> Stream:
        self._program.go()
        return self

    def __exit__(self, *_: object) -> None:
        self._program.kill()

    def stop(self) -> None:
        """Let it end by itself; raise CalledProcessError when it met what it should not."""
        self.notes.with_suffix(".stop").touch()
        self._program.finish()

    def told(self) -> list[Told]:
        """Give what it was told so far."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        parts = [line.split(" ") for line in lines if line.count(" ") == 2]
        return [Told(int(n), answer, float(seconds)) for n, answer, seconds in parts]

    @property
    def done(self) -> int:
        """How many commits it was told to be done."""
        return sum(told.answer == DONE for told in self.told())

    def check(self) -> None:
        """Fail when it has ended before its time."""
        if not self._program.is_running:
            raise AssertionError(f"a program ended: {self.notes.read_text()[-300:]}")


@contextlib.contextmanager
def streams(url: str, prefix: str, programs: int, folder: Path) -> Iterator[list[Stream]]:
    """Begin several programs that commit; end them all."""
    with contextlib.ExitStack() as begun:
        made = [Stream(url, prefix, number, folder) for number in range(1, programs + 1)]
        yield [begun.enter_context(each) for each in made]


def wait_for(running: list[Stream], holds: Callable[[list[Stream]], bool]) -> None:
    """Wait until something holds of programs that all go on; TimeoutError."""
    end, pause = time.monotonic() + _PATIENCE, threading.Event()
    while not holds(running):
        for stream in running:
            stream.check()
        if time.monotonic() > end:
            raise TimeoutError(str([stream.told()[-3:] for stream in running]))
        pause.wait(_LOOK)


def go_on(running: list[Stream], commits: int) -> None:
    """Wait until each program has been told of so many more commits that they are done."""
    earlier = {stream.number: stream.done for stream in running}
    wait_for(running, lambda them: all(each.done >= earlier[each.number] + commits for each in them))


class Verdict(NamedTuple):
    """What became of commits."""

    done: int
    unknown: int
    not_done: int
    lost: list[int]
    """Told to be done, and not there."""
    false: list[int]
    """Told not to be done, and there."""
    torn: list[int]
    """There in part."""
    longest: float
    """Seconds that a program waited for one answer."""


def judge(plant: Plant, ended: list[Stream]) -> Verdict:
    """Compare what programs were told with what is there."""
    machines = {machine.id for machine in plant.machine.find(scan=True)}
    disks = {disk.machine for disk in plant.disk.find(scan=True)}
    torn = sorted(machines ^ disks)
    lost, false = list[int](), list[int]()
    counts = dict.fromkeys((DONE, UNKNOWN, NOT_DONE), 0)
    longest = 0.0
    for stream in ended:
        last = 0
        for n, answer, seconds in stream.told():
            key = stream.number * _MANY + n
            counts[answer] += 1
            longest = max(longest, seconds)
            if key in machines:
                last = n
                false += [key] if answer == NOT_DONE else []
            else:
                lost += [key] if answer == DONE else []
        key = stream.number * _MANY + last
        site, alarm = plant.site.get(f"w{stream.number}"), plant.alarm.get(stream.number)
        if (site.count, alarm.machine, alarm.code) != ((last, key, f"C{key}") if last else (0, None, None)):
            torn.append(key)
    return Verdict(counts[DONE], counts[UNKNOWN], counts[NOT_DONE], lost, false, torn, longest)
