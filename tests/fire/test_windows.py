"""Histories: programs of two versions and a deployer on one store, interleaved, killed and asleep, judged by an oracle.

Each is one collection of four records in one kind of window. How many there are: `--histories`, for `make soak`. A bad
one prints its seed; in this process and on a file the same seed gives the same history.
"""

from __future__ import annotations

import traceback
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from manystore.testing import provision
from manystore.testing.window_history import History
from manystore.testing.window_kind import Kind
from manystore.testing.window_kinds import all_kinds

from .conftest import SERVERS, stores

KINDS = {kind.name: kind for kind in all_kinds()}
SHARES = {"memory": 110, "sqlite": 8, "redis": 1, "postgresql": 1, "etcd": 1, "zookeeper": 1, "mariadb": 1}
"""How many histories of each kind of window a store has here: 2,000 of memory and SQLite in all."""
SOAK = {
    "memory": (750, 25),
    "sqlite": (200, 25),
    "redis": (20, 2),
    "etcd": (12, 2),
    "postgresql": (10, 2),
    "zookeeper": (6, 1),
    "mariadb": (2, 1),
}
"""Of a thousand histories, how many a store has when there are many, and in how many tests."""
_SHOWN = 5  # of the bad ones
OPTIONS = {"sqlite": "?durability=off&timeout=0"}


def run(kind: Kind, store: str, seed: int, directory: Path) -> History:
    """Run one history on a fresh place; fail if anything is wrong with it."""
    try:
        with provision.place(f"{store}:{OPTIONS.get(store, '')}", directory) as place:
            is_remote = provision.needs_server(f"{store}:")
            history = History(kind, place.url, seed, prefix=place.prefix, remote=is_remote)
            faults = history.run()
    except Exception as error:
        error.add_note(f"{kind.name}, seed {seed} on {store}")
        raise
    finally:
        for file in directory.iterdir() if store == "sqlite" else ():
            file.unlink()
    assert not faults, f"{kind.name}, seed {seed} on {store}: " + "\n".join(faults)
    return history


def run_all(kind: Kind, store: str, seeds: range, directory: Path) -> Counter[str]:
    """Run a history for each seed, and look that they had in them what they are for."""
    seen = Counter[str]()
    for seed in seeds:
        seen += run(kind, store, seed, directory).seen
    return seen


@pytest.mark.parametrize("store", stores(*SHARES))
@pytest.mark.parametrize("name", KINDS)
def test_no_history_is_bad(store: str, name: str, tmp_path: Path) -> None:
    seen = run_all(KINDS[name], store, range(SHARES[store]), tmp_path)
    if SHARES[store] > 10:
        for each in ("base", "head"):
            assert min(seen[f"{each} {what}"] for what in ("read", "create", "update", "delete", "unlike")) > 5
            assert seen[f"{each} save"] > 5
        assert seen["base ProgramTooOld"] > 5
        assert min(seen["killed"], seen["deployer killed"], seen["slept"]) > 5


@pytest.mark.parametrize(
    ("name", "seed"), [("add constant", 10295), ("add computed", 11318), ("split", 10650), ("chain", 11018)]
)
def test_what_a_dropped_window_left_is_not_brought_back(name: str, seed: int, tmp_path: Path) -> None:
    """Histories in which a program read a record before that was taken away, and wrote it after."""
    run(KINDS[name], "memory", seed, tmp_path)


def parts() -> list[object]:
    """Give the parts of the many, those of the slowest stores first."""
    return [
        pytest.param(store, part, id=f"{store}-{part}", marks=[pytest.mark.server] if store in SERVERS else [])
        for store, (_, number) in reversed(SOAK.items())
        for part in range(number)
    ]


@pytest.mark.soak
@pytest.mark.parametrize(("store", "part"), parts())
def test_no_history_of_many_is_bad(store: str, part: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    share, number = SOAK[store]
    wanted = int(request.config.getoption("--histories")) * share // 1000
    rounds = -(-wanted // (number * len(KINDS)))  # each has every kind of window once
    first = 10_000 + part * rounds  # seeds that no other test has
    bad = list[str]()
    for seed, kind in product(range(first, first + rounds), KINDS.values()):
        try:
            run(kind, store, seed, tmp_path)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are run as well
            bad.append("".join(traceback.format_exception(error)))
    assert not bad, f"{len(bad)} of {rounds * len(KINDS)} are bad: " + "\n".join(bad[:_SHOWN])
