"""`up` and `down` in a process that is killed at random points, and run again until they come to their end."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from manystore.testing.death import Program

from .deployed import Site
from .operation_cases import CASE
from .operation_stage import BASE, Stage, staged

STORES = ["sqlite", *(pytest.param(kind, marks=pytest.mark.server) for kind in ("postgresql", "redis", "etcd"))]
ROOT = str(Path(__file__).parents[1])
NUMBER = 400
KILLS = 3


def carry(url: str, prefix: str, name: str, verb: str) -> Iterator[None]:
    """Carry a case's migration out, in a process of its own."""
    site = Site(url, prefix, CASE[name].history)
    yield
    if verb == "up":
        site.deployment().up()
    else:
        site.deployment().down(BASE)
    site.store.close()


def carried(stage: Stage, verb: str, pauses: Sequence[float], patience: float = 60) -> int:
    """Run a verb, each time killed after a pause, and at last to its end; give how often it was killed at work."""
    deaths = 0
    for pause in pauses:
        program = begun(stage, verb)
        time.sleep(pause)
        program.kill()
        deaths += program.wait() != 0
    assert begun(stage, verb).wait(patience) == 0
    return deaths


def begun(stage: Stage, verb: str) -> Program:
    program = Program(carry, stage.site.url, stage.site.prefix, stage.case.name, verb)
    program.go()
    return program


@pytest.mark.slow
@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(
    "name",
    [
        "type-indexed",
        "translate",
        *(pytest.param(name, marks=pytest.mark.soak) for name in ("rename", "add-hash", "seed")),
    ],
)
def test_each_is_killed_anywhere_and_run_again(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    chance = random.Random(name + kind)
    with staged(CASE[name], kind, tmp_path, NUMBER) as stage:
        began = time.monotonic()
        stage.up()
        took = time.monotonic() - began
        stage.down()
        for verb, look in (("up", stage.look_there), ("down", stage.look_back)):
            pauses = [chance.uniform(0, took * (turn + 1) / KILLS) for turn in range(KILLS)]
            assert carried(stage, verb, pauses) > 0
            look()
