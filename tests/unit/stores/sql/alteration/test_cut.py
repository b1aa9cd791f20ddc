"""Operations that are cut off before any of their statements, and given again: in the end nothing tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from manystore.errors import Unavailable
from manystore.schema.operation import Contract, Operation, Prepare, Progress, Sweep

from . import race as r
from .race import Race, rider


class Cut(Exception):
    """The program dies here."""


@contextmanager
def cut_before(race: Race, number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let the next operation die before its so-manyth statement."""
    ran = [0]
    altering = race.store._altering

    def opened() -> Any:
        connection = altering()
        for name in ("execute", "send"):
            monkeypatch.setattr(connection, name, counting(getattr(connection, name)))
        return connection

    def counting(run: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            if ran[0] == number:
                raise Cut
            ran[0] += 1
            return run(*args)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(race.store, "_altering", opened)
        yield ran


def cut_each(race: Race, operation: Operation, monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> int:
    """Cut an operation off before its first statement, then before its second, and so on, until it comes through."""
    for number in range(500):
        with cut_before(race, number, monkeypatch):
            try:
                race.store.alter(operation)
            except Cut:
                then()
            else:
                return number
    raise AssertionError("it never came to an end")


def prepared(race: Race) -> None:
    catalog = race.opened()
    race.store.alter(Prepare(catalog, r.S_ABOVE))
    race.replace(catalog)


def ready(race: Race) -> Race:
    """Bring a database to where only Contract is left."""
    race.insert(r.BASE, rider(1), rider(2, a=5, b=6))
    prepared(race)
    race.replace(race.raised())
    race.store.alter(Sweep(race.catalog.epoch, "rider", r.lifted))
    race.store.alter(Prepare(race.catalog))
    race.replace(race.swept())
    return race


@pytest.mark.slow
def test_prepare_cut_off_before_each_statement(places: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, race = places(), places()
    whole.store.alter(Prepare(whole.opened(), r.S_ABOVE))
    race.insert(r.BASE, rider(1))
    numbers = iter(range(2, 1000))

    def goes_on() -> None:
        race.insert(r.BASE, rider(next(numbers)))  # a program of the base, whatever is there of the preparation

    assert cut_each(race, Prepare(race.opened(), r.S_ABOVE), monkeypatch, goes_on) > 5
    assert race.shape() == whole.shape()


@pytest.mark.slow
@pytest.mark.parametrize("step", range(4))
def test_a_preparation_cut_off_is_finished_by_the_next(places: Any, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    whole = places()
    operation = Prepare(whole.opened(), r.S_ABOVE)
    with cut_before(whole, 10_000, monkeypatch) as ran:
        whole.store.alter(operation)
    for number in range(step, ran[0], 4):
        race = places()
        with cut_before(race, number, monkeypatch), pytest.raises(Cut):
            race.store.alter(operation)
        race.store.alter(operation)
        assert race.shape() == whole.shape()


@pytest.mark.slow
@pytest.mark.parametrize("step", range(4))
def test_a_contraction_cut_off_is_finished_by_the_next(places: Any, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    whole = ready(places())
    with cut_before(whole, 10_000, monkeypatch) as ran:
        whole.store.alter(Contract(whole.catalog.epoch, whole.last()))
    rows = [row[:-2] for row in whole.rows(r.HEAD)]
    for number in range(step, ran[0], 4):
        race = ready(places())
        operation = Contract(race.catalog.epoch, race.last())
        with cut_before(race, number, monkeypatch), pytest.raises(Cut):
            race.store.alter(operation)
        if race.catalog.phase == "swept":
            meets_nothing_wrong(race)
            race.store.alter(operation)
        assert race.shape() == whole.shape()
        assert [row[:-2] for row in race.rows(r.HEAD)] == rows
        race.close()


def meets_nothing_wrong(race: Race) -> None:
    """Read and write as a program of the head does: all is as it was, or unavailable."""
    try:
        rows = {row[0]: row for row in race.rows(r.ABOVE)}
    except Unavailable:
        with pytest.raises(Unavailable):
            race.insert(r.TEAM, (9, "Red"))
        return
    a, b = r.ABOVE.positions["a"], r.ABOVE.positions["b"]
    assert (rows[2][a], rows[2][b]) == (6, 5)
    race.insert(r.TEAM, (9, "Red"))


@pytest.mark.slow
def test_after_a_contraction_that_was_cut_off_there_is_nothing_to_sweep(
    places: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `down` sweeps, and then contracts. Given again, it begins with the sweep, whatever the tables look like.
    race = places()
    race.insert(r.BASE, rider(1), rider(2, a=5, b=6))
    prepared(race)
    base = race.catalog.base
    race.replace(race.catalog.changed(head=base, stored=None, older=race.catalog.kept, absent={}, indexes={}))
    dropped = race.catalog
    stable = dropped.changed(phase="stable", older=None, target="")
    sweep = Sweep(dropped.epoch, "rider", r.lifted)

    number = 0
    while race.catalog.phase != "stable":
        assert race.store.alter(sweep) == Progress(0)
        with cut_before(race, number, monkeypatch), suppress(Cut):
            race.store.alter(Contract(dropped.epoch, stable))
        number += 1
    assert number > 3


@pytest.mark.parametrize("many", [None, r.MANY])
def test_a_sweep_cut_off_before_each_statement(race: Race, monkeypatch: pytest.MonkeyPatch, many: Any) -> None:
    race.insert(r.BASE, *(rider(number) for number in range(1, 6)))
    prepared(race)
    race.replace(race.raised())
    cut_each(race, Sweep(race.catalog.epoch, "rider", r.lifted, many=many), monkeypatch, lambda: None)
    assert {row[-1] for row in race.rows(r.ABOVE)} == {2}
