"""A fleet that is upgraded by commands while a real program of each version works, one of which is killed."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from manystore.api.lease import INTERVAL
from manystore.testing import provision

from .deployed import FOLDER, Site, fill, new_riders

PATIENCE = 3.0
OLD = """
import sys
sys.path.insert(0, sys.argv[1])
from manystore import ProgramTooOld, col
from manystore.api import lease
lease.INTERVAL = float(sys.argv[4])
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


@contextmanager
def at_work(site: Site, interval: float) -> Iterator[subprocess.Popen[str]]:
    """Run a program of the older schema, which tells every so many seconds that it works."""
    fill(site)
    line = [sys.executable, "-c", OLD, str(FOLDER.parent.parent), site.url, site.prefix, str(interval)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "at work\n"
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_program_at_work_is_seen_and_one_that_was_killed_is_not_waited_for(site: Site) -> None:
    # It tells ten times as often as a program does by itself, so that nobody has to watch for long.
    with at_work(site, INTERVAL / 10) as old:
        code, said = migrate(site, "up", f"--patience={PATIENCE}")
        assert code == 0
        assert f"-c (process {old.pid})" in said.splitlines()[-1]
        assert site.catalog.phase == "open"
        assert f"  writes with the older schema: -c (process {old.pid})" in migrate(site, "status")[1].splitlines()
        assert len(new_riders(site)) == 7  # beside the older one
        code, said = migrate(site, "finalize", f"--patience={PATIENCE}")
        assert (code, site.catalog.phase) == (1, "open")
        assert said.splitlines()[-1] == f"Error: -c (process {old.pid}): at work, with the older schema; end it first"
    code, said = migrate(site, "up", f"--patience={PATIENCE}")
    assert code == 0
    assert said.splitlines()[-1] == "done: at 0002_names"
    assert len(new_riders(site)) == 7


@pytest.mark.slow
def test_a_program_that_was_taken_for_gone_is_refused_at_its_next_write(site: Site) -> None:
    # It writes all the time and tells of it once: should it tell just then, it would rightly not be taken for gone.
    with at_work(site, math.inf) as old:
        code, said = migrate(site, "up", "--patience=0")
        assert (code, said.splitlines()[-1]) == (0, "done: at 0002_names")
        told, _ = old.communicate(timeout=60)
        assert told.startswith("refused: the database has moved on")
        assert old.returncode == 0
    assert len(new_riders(site)) == 7
