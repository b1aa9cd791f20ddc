"""A program, or the deployer, as a process of its own, whose notes outlive it.

Arguments: URL, prefix, kind of window, what it is (base, head or deployer), seed, file for its notes, and a file that
tells it to stop by being there. Times are of the machine's one monotonic clock, so that notes of several fit together.
"""

from __future__ import annotations

import pickle
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from manystore import EpochChanged, ManystoreError, Unavailable
from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.testing.lens_oracle import Act
from manystore.testing.window_deployer import Deployer
from manystore.testing.window_kind import Kind
from manystore.testing.window_kinds import all_kinds
from manystore.testing.window_program import ENDS, Notes, Program, Refusal
from manystore.testing.window_verdict import Moments

_BREATH = 0.004  # seconds between two acts
_LOOK, _LONGEST_LOOK = 0.02, 20.0
_BYTES = {"stable": 10_000, "open": 40_000, "raised": 10_000, "swept": 5_000}
"""How much all programs write down, at most, before the deployer goes on from a phase."""


def pause(seconds: float) -> None:
    """Wait."""
    threading.Event().wait(seconds)


def clock() -> float:
    """Tell the time, the same for all processes."""
    return float(time.monotonic_ns())


class Journal(Notes):
    """Notes that are in the file before the program goes on; also of when phases begin."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.stem)
        self._file = path.open("ab", buffering=0)

    def _write(self, *line: Any) -> None:
        self._file.write(pickle.dumps(line))

    def note(self, key: int, act: Act) -> None:
        """Write down an act."""
        self._write("note", key, act)

    def begin(self, key: int, act: Act) -> None:
        """Write down that a write begins."""
        self._write("begin", key, act)

    def end(self) -> None:
        """Write down that it has ended."""
        self._write("end")

    def refuse(self, refusal: Refusal) -> None:
        """Write down a refusal."""
        self._write("refuse", refusal)

    def fault(self, said: str) -> None:
        """Write down what should not have been."""
        self._write("fault", said)

    def begins(self, phase: str, at: float) -> None:
        """Write down that a phase may be in force."""
        self._write("begins", phase, at)

    def is_in_force(self, phase: str, at: float) -> None:
        """Write down that a phase is in force."""
        self._write("is_in_force", phase, at)


def read_journals(paths: Iterator[Path], notes: Notes, moments: Moments) -> None:
    """Take in what processes wrote down, whether they came to their ends or not."""
    for path in sorted(paths):
        open_write: tuple[int, Act] | None = None
        for line in _lines(path):
            what, *said = line
            if what == "begin":
                open_write = (said[0], said[1])
            elif what == "end":
                open_write = None
            else:
                getattr(moments if hasattr(moments, what) else notes, what)(*said)
        if open_write is not None:
            notes.note(*open_write)


def _lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)
            except EOFError:
                return
            except pickle.UnpicklingError:  # it was killed while it wrote; what it did then, it had not begun
                return


def use(kind: Kind, side: str, place: tuple[str, str], journal: Journal, stop: Path) -> None:
    """Be a program, until told to stop or refused for good."""
    program = Program(kind, side, Random(journal.name), clock, journal)
    url, prefix = place
    while not stop.exists():
        begin = clock()
        try:
            with kind.sides[side].database.connect(url, prefix=prefix) as db:
                while not stop.exists():
                    program.act(db)
                    pause(_BREATH)
        except ManystoreError as error:
            name = type(error).__name__
            journal.refuse(Refusal(side, "connect", name, begin, clock(), said=str(error)))
            if name == "ProgramTooOld" or name not in ENDS:
                return
            pause(10 * _BREATH)


def written(folder: Path) -> int:
    """Give how much all programs have written down."""
    return sum(path.stat().st_size for path in folder.glob("*.journal"))


def deploy(kind: Kind, place: tuple[str, str], seed: int, journal: Journal, folder: Path) -> None:
    """Be the deployer."""
    random = Random(seed)

    def let_others_work(phase: str) -> None:
        enough = written(folder) + random.randint(0, _BYTES[phase])
        end = time.monotonic() + _LONGEST_LOOK
        while written(folder) < enough and time.monotonic() < end:
            pause(_LOOK)

    deployer = Deployer(kind, journal, clock, let_others_work)
    while True:
        store = open_store(parse_url(*place), wait=pause)
        try:
            deployer.lead(store, pause)
            return
        except (Unavailable, EpochChanged):  # others were in the way, or one that was killed still is
            pause(10 * _BREATH)
        finally:
            store.close()


def main(arguments: list[str]) -> None:
    """Be what the arguments say."""
    url, prefix, name, role, seed, path, stop = arguments
    kind = next(kind for kind in all_kinds() if kind.name == name)
    journal = Journal(Path(path))
    if role == "deployer":
        deploy(kind, (url, prefix), int(seed), journal, Path(path).parent)
    else:
        use(kind, role, (url, prefix), journal, Path(stop))


if __name__ == "__main__":
    main(sys.argv[1:])
