"""Two versions of a program as processes of their own, and a deployer: killed by SIGKILL and stopped for whole phases.

They write down what they do before they go on; the oracle judges by the machine's one clock.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from manystore.testing import consistency, provision
from manystore.testing.window_kind import BASE, HEAD, Kind
from manystore.testing.window_kinds import all_kinds
from manystore.testing.window_process import clock, pause, read_journals, written
from manystore.testing.window_program import KEYS, Notes, Program
from manystore.testing.window_verdict import Moments, verdict

from .conftest import stores

KINDS = {kind.name: kind for kind in all_kinds()}
ROLES = (BASE, BASE, HEAD, HEAD, "deployer")
OPTIONS = {"sqlite": "?durability=off&timeout=60"}
_PATIENCE = 240.0
_LOOK = 0.05
_BUSY = 3_000  # bytes that a program has written down before it may be killed or stopped
_DEATHS = 8  # of the deployer: where a process takes long to begin, it would come to no end
_LAST = 20_000  # bytes that all go on to write down once the window is behind them


class Company:
    """The processes of one history. Of each role one is at work, or stopped, or has come to its end."""

    def __init__(self, kind: Kind, place: provision.Place, directory: Path, seed: int) -> None:
        self._kind = kind
        self._place = place
        self._directory = directory
        self._random = Random(seed)
        self._number = 0
        self._stop = directory / "stop"
        self.killed = self.stopped = 0
        self._deaths = 0
        self._journals: dict[int, Path] = {}
        self._running = {at: self._begin(at) for at in range(len(ROLES))}

    def _begin(self, at: int) -> subprocess.Popen[bytes]:
        self._number += 1
        role = ROLES[at]
        path = self._journals[at] = self._directory / f"{self._number:04}.journal"
        place = (self._place.url, self._place.prefix)
        words = [*place, self._kind.name, role, str(self._number), str(path), str(self._stop)]
        return subprocess.Popen([sys.executable, "-m", "manystore.testing.window_process", *words])

    def work(self) -> None:
        """Let them work until the deployer is through, and a little longer."""
        end = time.monotonic() + _PATIENCE
        while self._running[len(ROLES) - 1].poll() != 0:
            assert time.monotonic() < end, "the deployer does not come to an end"
            self._strike()
            pause(_LOOK)
        self._go_on()
        enough, end = written(self._directory) + _LAST, time.monotonic() + _PATIENCE
        while written(self._directory) < enough and time.monotonic() < end:
            pause(_LOOK)
        self._stop.touch()
        for process in self._running.values():
            assert process.wait(_PATIENCE) in (0, -signal.SIGKILL)

    def _go_on(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                os.kill(process.pid, signal.SIGCONT)

    def _strike(self) -> None:
        """Kill one and begin another in its place, or stop one, or let those go on that are stopped."""
        at = self._random.randrange(len(ROLES))
        process, chance, journal = self._running[at], self._random.random(), self._journals[at]
        is_deployer = at == len(ROLES) - 1
        if process.poll() is not None:
            if process.returncode not in (0, -signal.SIGKILL):
                raise AssertionError(f"{ROLES[at]} failed with {process.returncode}")
            return
        if not journal.exists() or (journal.stat().st_size < _BUSY and not is_deployer):
            return
        if is_deployer and self._deaths == _DEATHS:
            return
        if chance < 0.2 or not self.killed:
            self._deaths += is_deployer
            process.kill()
            process.wait()
            self._running[at] = self._begin(at)
            self.killed += 1
        elif chance < 0.3 and not is_deployer:
            os.kill(process.pid, signal.SIGSTOP)
            self.stopped += 1
        else:
            os.kill(process.pid, signal.SIGCONT)

    def end(self) -> None:
        """See that none is left."""
        for process in self._running.values():
            process.kill()
            process.wait()


@pytest.mark.parametrize("store", stores("sqlite", "postgresql", "redis", "etcd"))
@pytest.mark.parametrize("name", ["rename", "cast", "split"])
def test_processes_of_two_versions(store: str, name: str, tmp_path: Path) -> None:
    kind, notes, moments = KINDS[name], Notes(), Moments()
    with provision.place(f"{store}:{OPTIONS.get(store, '')}", tmp_path) as place:
        first = Program(kind, BASE, Random(name), clock, notes)
        old = place.connect(kind.sides[BASE].database)
        for key in KEYS:
            first.create(old.thing, key)
        company = Company(kind, place, tmp_path, seed=len(store) + len(name))
        try:
            company.work()
        finally:
            company.end()
        read_journals(tmp_path.glob("*.journal"), notes, moments)
        db = place.connect(kind.sides[HEAD].database)
        Program(kind, HEAD, Random(name), clock, notes).look(db.thing, 0)
        assert consistency.faults(db) == []
    faults = verdict(kind, notes, moments)
    assert not faults, "\n".join(faults)
    done = [act for acts in notes.acts.values() for act in acts if act.is_sure]
    assert min(sum(act.side == side for act in done) for side in (BASE, HEAD)) > 20
    assert company.killed > 0
