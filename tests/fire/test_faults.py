"""The tests of this folder see what they are to see: each fails on a store that has the fault it looks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from manystore import ManystoreError
from manystore.stores.keyvalue.memory import Memory
from manystore.stores.keyvalue.protocol import Absent, Exists, Key, Same, Values, epoch_of
from manystore.testing import provision
from manystore.testing.crew import Crew
from manystore.testing.provision import Place

from . import register, test_concurrency, test_fence, test_linearizability
from .contest import Cloud
from .register import Game, Registers

COMMIT, GET = Memory.commit, Memory.get
GAMES = 20  # at most: whether somebody meets a fault in one of them is a matter of chance
SLOW = 0.0005  # seconds in which others come between


def without(kind: type[Any]) -> Callable[..., int | None]:
    """Commit without the checks of one kind; the records of the catalog keep theirs."""

    def commit(memory: Memory, checks: Sequence[Any], puts: Any, deletes: Any, /, *, epoch: str | None) -> int | None:
        time.sleep(SLOW)
        kept = [check for check in checks if not isinstance(check, kind) or check.key[0] == "c:"]
        return COMMIT(memory, kept, puts, deletes, epoch=epoch)

    return commit


def looks_first(memory: Memory, checks: Any, puts: Any, deletes: Any, /, *, epoch: str | None) -> int | None:
    """Commit under whatever epoch, after a look whether it is the right one: the naive fence."""
    catalog = memory.get([("c:", "catalog")]).values[0]
    if epoch is not None and epoch_of(catalog) != epoch:
        return COMMIT(memory, checks, puts, deletes, epoch=epoch)
    time.sleep(SLOW)
    is_catalog = any(space == "c:" for space, _, _ in puts)
    return COMMIT(memory, checks, puts, deletes, epoch=epoch if is_catalog else None)


def stale() -> Callable[..., Values]:
    """Read what was there one read before, now and then."""
    before: dict[Key, Values] = {}
    count = iter(range(10**9))

    def get(memory: Memory, keys: Sequence[Key], /) -> Values:
        now = GET(memory, keys)
        if len(keys) != 1 or not keys[0][0].startswith("r:register"):
            return now
        earlier = before.get(keys[0], now)
        before[keys[0]] = now
        return earlier if next(count) % 20 == 0 else now

    return get


@pytest.fixture
def place(tmp_path: Path) -> Any:
    with provision.place("memory:", tmp_path) as made:
        yield made


@pytest.fixture
def cloud(place: Place) -> Cloud:
    return place.connect(Cloud, on_call=None)


CONCURRENCY: list[tuple[type[Any], Callable[..., None], tuple[int, ...]]] = [
    (Same, test_concurrency.test_each_address_of_a_pool_is_claimed_once, ()),
    (Same, test_concurrency.test_no_increment_is_lost, (100,)),
    (Same, test_concurrency.test_a_bound_is_met_exactly, (100,)),
    (Absent, test_concurrency.test_a_unique_name_is_one_programs, (20,)),
    (Exists, test_concurrency.test_a_target_goes_or_is_referred_to, (20,)),
    (Exists, test_concurrency.test_who_joins_a_cascade_goes_with_it_or_is_refused, (20,)),
    (Same, test_concurrency.test_money_is_moved_and_never_made, (50,)),
]


@pytest.mark.parametrize(("kind", "test", "size"), CONCURRENCY)
def test_a_store_that_does_not_check(
    cloud: Cloud, place: Place, monkeypatch: pytest.MonkeyPatch, kind: type[Any], test: Any, size: tuple[int, ...]
) -> None:
    monkeypatch.setattr(Memory, "commit", without(kind))
    with Crew(4, threads=True) as crew, pytest.raises((AssertionError, ManystoreError)):
        test(cloud, place, crew, *size)


def test_a_fence_that_looks_first(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "commit", looks_first)
    with Crew(4, threads=True) as crew, pytest.raises(AssertionError):
        test_fence.test_no_write_of_an_old_epoch_lands(place, crew, 32)


def play(crew: Crew, directory: Path) -> None:
    """Play one game on a fresh place, and fail if no order explains what was answered."""
    with provision.place("memory:", directory) as place:
        registers = place.connect(Registers)
        reports = crew.run(register.play, Game(place.url, place.prefix, 100))
        test_linearizability.assert_linearizable(reports, registers)


@pytest.mark.parametrize(("verb", "fault"), [("commit", without(Same)), ("get", stale())])
def test_a_register_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, fault: Any) -> None:
    monkeypatch.setattr(Memory, verb, fault)
    with Crew(4, threads=True) as crew:
        told = ""
        for _ in range(GAMES):
            try:
                play(crew, tmp_path)
            except pytest.fail.Exception as failed:
                told = str(failed)
                break
    assert told.startswith("register")
