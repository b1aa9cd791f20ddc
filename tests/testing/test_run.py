"""Nothing outlives a test run: not when it ends, not when it is killed, not when its reaper is killed with it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from manystore.testing.servers.run import Run, began, clear, kill, note, sweep

# Joins the run of a name, starts something that would run for ever, says so, and waits for its input to end.
PROGRAM = """
import subprocess, sys
from manystore.testing.servers.run import Run, note
run = Run(sys.argv[1], sys.argv[2])
folder = run.new_folder("long")
ended = None
if sys.argv[3] == "starts":
    ended = subprocess.Popen(["tail", "-f", "/dev/null"], start_new_session=True, cwd="/")
    note(folder, ended.pid)
print(run.folder, ended.pid if ended else 0, run._reaper.pid if run._reaper else 0, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def directory() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="mt") as made:
        yield made


class Other:
    """Another process that takes part in a run."""

    def __init__(self, name: str, directory: str, what: str = "starts") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, name, directory, what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        folder, started, reaper = self.process.stdout.readline().split()
        self.folder, self.started, self.reaper = Path(folder), int(started), int(reaper)

    def end(self, how: signal.Signals | None = None) -> None:
        if how is None:
            self.process.stdin.close()
        else:
            self.process.send_signal(how)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def until_dead(*pids: int) -> None:
    """Wait for processes that are nobody's here."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        assert select.select([descriptor], [], [], 30)[0], "it lives"
        os.close(descriptor)


@pytest.mark.parametrize("how", [None, signal.SIGTERM, signal.SIGKILL], ids=["ends", "terminated", "killed"])
def test_what_a_run_started_goes_with_it(directory, how):
    other = Other("a", directory)
    assert began(other.started)
    other.end(how)
    until_dead(other.started, other.reaper)
    assert began(other.started) is None
    assert list(Path(directory).iterdir()) == []


def test_the_last_process_of_a_run_ends_it(directory):
    first, second = Other("a", directory), Other("a", directory, "only joins")
    assert first.folder == second.folder
    assert second.reaper == 0
    first.end(signal.SIGKILL)
    assert began(first.started), "the other process may use it"
    second.end()
    until_dead(first.started, first.reaper)
    assert list(Path(directory).iterdir()) == []


def test_a_run_that_was_killed_with_its_reaper_is_cleared_by_the_next(directory):
    other = Other("a", directory)
    os.kill(other.reaper, signal.SIGKILL)
    other.end(signal.SIGKILL)
    assert began(other.started)
    run = Run("b", directory)
    try:
        assert began(other.started) is None
        assert list(Path(directory).iterdir()) == [run.folder]
    finally:
        run.close()
    assert list(Path(directory).iterdir()) == []


def test_a_run_that_goes_on_is_left_alone(directory):
    other = Other("a", directory)
    sweep(directory)
    assert not clear(other.folder, wait=False)
    assert began(other.started)
    other.end()
    until_dead(other.started, other.reaper)


@pytest.mark.slow
def test_a_reaper_outlives_the_signals_of_a_terminal(directory):
    other = Other("a", directory)
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(other.reaper, sent)
    other.end(signal.SIGKILL)
    until_dead(other.started, other.reaper)
    assert began(other.started) is None


def test_a_pid_that_became_another_process_s_is_left_alone(directory):
    stranger = subprocess.Popen(["tail", "-f", "/dev/null"])
    try:
        kill(stranger.pid, "1")
        assert stranger.poll() is None
        kill(stranger.pid, began(stranger.pid))
        assert stranger.wait(0) == -signal.SIGKILL
    finally:
        stranger.kill()
        stranger.wait()


def test_children_in_sessions_of_their_own_are_killed_as_well():
    parent = subprocess.Popen(
        [sys.executable, "-c", "import subprocess as s; print(s.Popen(['tail', '-f', '/dev/null'], "
         "start_new_session=True).pid, flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    child = int(parent.stdout.readline())
    kill(parent.pid)
    assert began(child) is None
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()


def test_a_dead_process_that_nobody_waited_for_has_no_beginning():
    ended = subprocess.Popen(["true"])
    until_dead(ended.pid)
    assert began(ended.pid) is None
    ended.wait()


def test_somebody_else_s_folder_is_refused(directory, monkeypatch):
    somebody = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: somebody)
    Path(directory, f"manystore-{somebody}-a").mkdir()
    with pytest.raises(PermissionError):
        Run("a", directory)


def test_an_empty_folder_whose_maker_died_is_removed(directory):
    Path(directory, f"manystore-{os.getuid()}-a").mkdir()
    sweep(directory)
    assert list(Path(directory).iterdir()) == []


def test_a_noted_pid_is_this_process_s_beginning(directory):
    note(Path(directory), os.getpid())
    assert Path(directory, "pid").read_text() == f"{os.getpid()} {began(os.getpid())}"
