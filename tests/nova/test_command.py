"""`manystore nova replay`: what it prints, its exit codes, and SIGKILL in the middle."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from manystore import Unavailable
from manystore.cli.main import main
from manystore.nova.database import Nova
from manystore.nova.model.service import ComputeNode

COMMAND = [sys.executable, "-m", "manystore", "nova", "replay"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["nova", "replay", *map(str, arguments)])


def test_a_table_and_the_audit(tmp_path: Path, trace: Path):
    ran = run(trace, "--store", f"sqlite:///{tmp_path / 'nova.db'}")
    assert ran.exit_code == 0, ran.output
    lines = ran.stdout.splitlines()
    assert lines[0].split() == ["booted", "7"]
    assert lines[-1] == "audit: ok"
    assert any(line.startswith("instance.create") for line in lines)
    assert ran.stderr == ""  # the bar is for terminals


def test_json(trace: Path):
    ran = run(trace, "--store", "memory://", "--json", "--limit", 5, "--hosts", 2)
    told = json.loads(ran.stdout)
    assert {"booted", "running", "deleted", "refused_quota", "refused_room", "operations", "seconds"} <= told.keys()
    assert told["booted"] == 5
    assert told["audit"] == {"ok": True, "problems": []}


def test_the_full_profile_tells_more(trace: Path):
    ran = run(trace, "--store", "memory://", "--profile", "full")
    assert ran.exit_code == 0, ran.output
    assert "floating ips               1  (0 refused by quota, 2 for want of an address)" in ran.stdout
    assert "volumes                    1  (2 refused by quota, 0 for want of a target)" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "audit: ok"
    assert "floating ips" not in run(trace, "--store", "memory://").stdout


def test_an_audit_that_fails_is_exit_code_1(tmp_path: Path, trace: Path):
    url = f"sqlite:///{tmp_path / 'nova.db'}"
    run(trace, "--store", url)
    with Nova.connect(url) as db:
        db.compute_node.increment(1, ComputeNode.vcpus_used, 1)
    ran = run(trace, "--store", url, "--resume")
    assert ran.exit_code == 1
    assert ran.stdout.splitlines()[-1] == "  host-00000: vcpus used is 5, but its instances use 4"
    told = json.loads(run(trace, "--store", url, "--resume", "--json").stdout)
    assert told["audit"]["ok"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "Missing option '--store'"),
        (("nowhere.csv", "--store", "memory://"), 2, "nowhere.csv"),
        (("--store", "memory://", "--limit", "0"), 2, "--limit"),
        (("--store", "memory://", "--limit", "x"), 2, "--limit"),
        (("--store", "memory://", "--hosts", "0"), 2, "--hosts"),
        (("--store", "memory://", "--workers", "0"), 2, "--workers"),
        (("--store", "memory://", "--profile", "rich"), 2, "--profile"),
        (("--store", "memory://", "--nonsense"), 2, "--nonsense"),
        (("--store", "nonsense"), 1, "Error: a store's URL looks like"),
        (("--store", "nothing://here"), 1, "Error: no store for nothing://"),
        (("--store", "memory://?colour=red"), 1, "colour"),
    ],
)
def test_bad_options(arguments: tuple[str, ...], code: int, told: str):
    ran = run(*arguments)
    assert ran.exit_code == code
    assert told in ran.stderr
    assert "Traceback" not in ran.output


def test_a_bad_row_is_one_line(trace: Path):
    trace.write_text(trace.read_text() + "1500,9,2,1.0\n")
    ran = run(trace, "--store", "memory://")
    assert ran.exit_code == 1
    assert ran.stderr == "Error: trace.csv, line 9: 4 values where the first line names 5 columns\n"


def test_a_second_replay_is_one_line(tmp_path: Path, trace: Path):
    url = f"sqlite:///{tmp_path / 'nova.db'}"
    run(trace, "--store", url)
    ran = run(trace, "--store", url)
    assert ran.exit_code == 1
    assert ran.stderr.startswith("Error: the store holds a replay already")


def test_a_bar_on_a_terminal():
    ours, theirs = os.openpty()
    command = [*COMMAND, "--store", "memory://", "--limit", "5", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        told, _ = process.communicate()
    os.close(theirs)
    assert json.loads(told)["booted"] == 5
    drawn = os.read(ours, 65536).decode()
    os.close(ours)
    assert "replaying" in drawn
    assert "100%" in drawn


def test_help_and_version():
    for arguments in (["--help"], ["nova", "--help"], ["nova", "replay", "--help"]):
        ran = CliRunner().invoke(main, arguments)
        assert ran.exit_code == 0
        assert ran.output.startswith("Usage: ")
    assert CliRunner().invoke(main, ["--version"]).output.startswith("manystore ")
    assert CliRunner().invoke(main, ["nonsense"]).exit_code == 2


def event_in(url: str) -> int:
    """Read how far a replay in another process has come; 0 while there is nothing to read."""
    try:
        with Nova.connect(url) as db:
            return max((journal.event for journal in db.journal.find()), default=0)
    except Unavailable:
        return 0


def until(process: subprocess.Popen[Any], holds: Callable[[], bool]) -> None:
    """Wait until something holds of a replay or it ends; it needs the processor more than who watches it."""
    while process.poll() is None and not holds():
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "rows"), [("basic", 120), ("full", 80)])
def test_killed_again_and_again_it_comes_to_the_same(tmp_path: Path, profile: str, rows: int):
    options = ["--limit", str(rows), "--profile", profile, "--json"]
    whole = subprocess.run([*COMMAND, *options, "--store", "memory://"], capture_output=True, check=True)
    file = tmp_path / "nova.db"
    url, killed = f"sqlite:///{file}", 0
    for number in (1, rows // 3, rows // 2, rows, rows + rows // 4):
        with subprocess.Popen([*COMMAND, *options, "--store", url, "--resume"], stdout=subprocess.PIPE) as process:
            until(process, lambda number=number: file.exists() and event_in(url) >= number)
            process.kill()
        killed += process.returncode == -signal.SIGKILL
    assert killed >= 3
    ended = subprocess.run([*COMMAND, *options, "--store", url, "--resume"], capture_output=True, check=True)
    told, wanted = json.loads(ended.stdout), json.loads(whole.stdout)
    for name in wanted.keys() - {"seconds", "operations_per_second", "figures"}:
        assert told[name] == wanted[name]


@pytest.mark.slow
def test_a_worker_that_is_killed_is_told_of_and_made_up_for(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'nova.db'}?durability=off"
    command = [*COMMAND, "--limit", "60", "--workers", "3", "--store", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(process, lambda: event_in(url) >= 5)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)  # the last is a worker; the first tracks what they share
        _, told = process.communicate()
    assert process.returncode == 1
    assert "was killed; to go on, give the same command with --resume" in told
    ended = subprocess.run([*command, "--resume", "--json"], capture_output=True, check=True)
    result = json.loads(ended.stdout)
    assert result["audit"]["ok"]
    assert result["booted"] + result["refused_quota"] + result["refused_room"] == 60


@pytest.mark.slow
def test_an_interrupt_says_how_to_go_on(tmp_path: Path):
    file = tmp_path / "nova.db"
    url = f"sqlite:///{file}"
    command = [*COMMAND, "--limit", "200", "--store", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(process, lambda: file.exists() and event_in(url) >= 20)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130
    assert told == "stopped; to go on, give the same command with --resume\n"
