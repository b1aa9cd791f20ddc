"""A fleet that is upgraded by commands while a real program of each version works, one of which is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from manystore.testing import provision

from .deployed import FOLDER, Site, fill, new_riders

PATIENCE = 5.0
OLD = """
import sys
sys.path.insert(0, sys.argv[1])
from manystore import ProgramTooOld, col
from migrations.deployed import Old, OldRider
with Old.connect(sys.argv[2], prefix=sys.argv[3]) as db:
    number = 0
    try:
        while True:
            number += 1
            db.rider.update(number % 7, col(OldRider.note).to(f"old {number}"))
            if number == 1:
                print("at work", flush=True)
    except ProgramTooOld as refused:
        print("refused:", refused, flush=True)
"""
STORES = ["sqlite", *(pytest.param(kind, marks=pytest.mark.server) for kind in ("redis", "postgresql", "etcd"))]


@pytest.fixture(params=STORES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A fresh place on a store that other processes share."""
    with provision.place(f"{request.param}:", tmp_path) as place:
        made = Site(place.url, place.prefix)
        yield made
        made.store.close()


def migrate(site: Site, *arguments: str) -> tuple[int, str]:
    line = [sys.executable, "-m", "manystore.cli.main", "migrate", *arguments, site.url, "--folder", str(FOLDER)]
    line += ["--prefix", site.prefix] if site.prefix else []
    ran = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return ran.returncode, ran.stdout


@pytest.fixture
def old(site: Site) -> Iterator[subprocess.Popen[str]]:
    """A program of the older schema, at work."""
    fill(site)
    line = [sys.executable, "-c", OLD, str(FOLDER.parent.parent), site.url, site.prefix]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.slow
def test_a_program_at_work_is_seen_and_one_that_was_killed_is_not_waited_for(
    site: Site, old: subprocess.Popen[str]
) -> None:
    code, said = migrate(site, "up", f"--patience={PATIENCE}")
    assert code == 0
    assert f"-c (process {old.pid})" in said.splitlines()[-1]
    assert site.catalog.phase == "open"
    assert len(new_riders(site)) == 7  # beside the older one
    code, said = migrate(site, "finalize", f"--patience={PATIENCE}")
    assert (code, site.catalog.phase) == (1, "open")
    assert said.splitlines()[-1] == f"Error: -c (process {old.pid}): at work, with the older schema; end it first"
    old.kill()
    old.wait()
    code, said = migrate(site, "up", f"--patience={PATIENCE}")
    assert code == 0
    assert said.splitlines()[-1] == "done: at 0002_names"
    assert len(new_riders(site)) == 7


@pytest.mark.slow
def test_a_program_that_was_taken_for_gone_is_refused_at_its_next_write(site: Site, old: subprocess.Popen[str]) -> None:
    code, said = migrate(site, "up", "--patience=0")
    assert (code, said.splitlines()[-1]) == (0, "done: at 0002_names")
    assert old.wait(timeout=30) == 0
    assert old.stdout is not None
    assert old.stdout.read().startswith("refused: the database has moved on")
    assert len(new_riders(site)) == 7
