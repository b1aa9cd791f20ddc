"""Each operation of migrations on many records, in a process that is killed some times on the way: `make soak`."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import pytest

from .conftest import SERVERS
from .operation_cases import CASES, Case
from .operation_stage import staged
from .test_each_operation_killed import ROOT, carried

pytestmark = pytest.mark.soak
NUMBERS = {"etcd": 20_000, "zookeeper": 20_000}
KILLS = 3
SECONDS = 600.0


@pytest.mark.parametrize("kind", ["sqlite", *(pytest.param(kind, marks=pytest.mark.server) for kind in SERVERS)])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_on_many_records(case: Case, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    chance = random.Random(case.name + kind)
    number = NUMBERS.get(kind, 100_000)
    began = time.monotonic()
    with staged(case, kind, tmp_path, number, comparing=False) as stage:
        times = [f"{number:,} bikes put: {time.monotonic() - began:.1f} s"]
        for verb, look in (("up", stage.look_there), ("down", stage.look_back)):
            if verb == "up" or stage.is_two_way:
                began = time.monotonic()
                deaths = carried(stage, verb, [chance.uniform(0, 4) for _ in range(KILLS)], SECONDS)
                times.append(f"{verb}, killed {deaths} times: {time.monotonic() - began:.1f} s")
                look()
        sys.stdout.write(f"\n{case.name} on {kind}: {', '.join(times)}\n")
