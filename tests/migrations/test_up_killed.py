"""`manystore migrate up` as a process that is killed at random points, and run again until it gets to its end."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from manystore.testing import provision

from .deployed import FOLDER, Site, expected, fill, new_riders

NUMBER = 1_500
KILLS = 4
STORES = ["sqlite", *(pytest.param(kind, marks=pytest.mark.server) for kind in ("redis", "postgresql", "mariadb"))]


@pytest.fixture(params=STORES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A fresh place on a store that other processes share."""
    with provision.place(f"{request.param}:", tmp_path) as place:
        made = Site(place.url, place.prefix)
        yield made
        made.store.close()


def begin(site: Site, *arguments: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "manystore.cli.main", "migrate", *arguments, site.url, "--folder", str(FOLDER)]
    line += ["--prefix", site.prefix] if site.prefix else []
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def killed_at_its_first_step(site: Site) -> None:
    """Kill a deployer as soon as the catalog shows that it is at work, however fast the machine is."""
    before = site.catalog.epoch
    process = begin(site, "up", "--patience=0")
    while process.poll() is None and site.catalog.epoch == before:
        pass
    process.kill()
    process.communicate()
    assert site.catalog.phase != "stable", "it had come to its end before it was killed"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 8))])
def test_killed_anywhere_and_run_again(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    fill(site, NUMBER)
    killed_at_its_first_step(site)
    for kills in range(KILLS):
        process = begin(site, "up", "--patience=0")
        try:
            # A Python takes some tenths of a second to get to work, and then its work takes about as long.
            _, said = process.communicate(timeout=chance.uniform(0.2, 0.5 + 0.1 * kills))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            continue
        assert process.returncode == 0, said
        break
    process = begin(site, "up", "--patience=0")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert site.catalog.phase == "stable"
    assert new_riders(site) == expected(NUMBER)
    site.deployment().down("0001")
    site.deployment().up()
    assert new_riders(site) == expected(NUMBER)


@pytest.mark.slow
def test_three_at_once_are_as_good_as_one(site: Site) -> None:
    fill(site, NUMBER)
    processes = [begin(site, "up", "--patience=0") for _ in range(3)]
    for process in processes:
        _, said = process.communicate(timeout=120)
        if process.returncode:
            assert said.startswith("Error: another deployer changed the catalog meanwhile; `manystore migrate status`")
    process = begin(site, "up", "--patience=0")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert site.catalog.phase == "stable"
    assert new_riders(site) == expected(NUMBER)
