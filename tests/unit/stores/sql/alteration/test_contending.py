"""Two deployers at once: whoever comes later finds all done, or is told that the catalog is another one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from manystore.errors import EpochChanged
from manystore.schema.operation import Contract, Prepare, Sweep

from . import race as r
from .race import Race, rider

BEHIND = 0.2  # seconds, in which one that does not wait for the other looks at the tables as they were


@pytest.fixture
def other(race: Race) -> Iterator[Race]:
    """Another deployer's way to the same database."""
    made = Race(race.url, race.prefix)
    yield made
    made.close()


@contextmanager
def before(race: Race, beginning: str, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Do something right before the next operation runs a statement that begins like this, once."""
    altering = race.store._altering
    left = [act]

    def opened() -> Any:
        connection = altering()
        monkeypatch.setattr(connection, "execute", watched(connection.execute))
        return connection

    def watched(run: Callable[..., Any]) -> Callable[..., Any]:
        def ran(text: str, *bound: Any) -> Any:
            if left and text.startswith(beginning):
                left.pop()()
            return run(text, *bound)

        return ran

    with monkeypatch.context() as patch:
        patch.setattr(race.store, "_altering", opened)
        yield
    assert not left, "it never came to that"


def ready(race: Race) -> None:
    """Bring a database to where only Contract is left."""
    race.insert(r.BASE, rider(1), rider(2, a=5, b=6))
    catalog = race.opened()
    race.store.alter(Prepare(catalog, r.S_ABOVE, race.catalog.epoch))
    race.replace(catalog)
    race.replace(race.raised())
    race.store.alter(Sweep(race.catalog.epoch, "rider", r.lifted))
    race.store.alter(Prepare(race.catalog, expected=race.catalog.epoch))
    race.replace(race.swept())


def test_who_prepares_beside_another_finds_all_done(
    race: Race, other: Race, places: Callable[..., Race], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = places()
    alone.store.alter(Prepare(alone.opened(), r.S_ABOVE))
    race.insert(r.BASE, rider(1))
    operation = Prepare(race.opened(), r.S_ABOVE, race.catalog.epoch)
    told: list[Exception] = []

    def prepare() -> None:
        try:
            other.store.alter(operation)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells
            told.append(error)

    beside = threading.Thread(target=prepare)

    def begin() -> None:
        beside.start()
        beside.join(BEHIND)

    with before(race, "ALTER TABLE", begin, monkeypatch):
        race.store.alter(operation)
    beside.join()
    assert not told
    assert race.shape() == alone.shape()


def test_who_prepares_too_late_is_told_and_makes_nothing(
    race: Race, other: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Prepare(race.opened(), r.S_ABOVE, race.catalog.epoch)

    def be_faster() -> None:
        ready(other)
        other.store.alter(Contract(other.catalog.epoch, other.last()))

    with before(race, "", be_faster, monkeypatch), pytest.raises(EpochChanged):
        race.store.alter(late)
    columns = other.shape()["rider"][0]
    assert "title" in columns
    assert "name" not in columns


def test_who_contracts_too_late_is_told(places: Callable[..., Race], monkeypatch: pytest.MonkeyPatch) -> None:
    # A server's deployers wait for each other before their first statement; in a file there is a look before that.
    for beginning in ("", "BEGIN IMMEDIATE"):
        race = places()
        if beginning and race.store._dialect.remote:
            return
        ready(race)
        late = Contract(race.catalog.epoch, race.last())
        other = Race(race.url, race.prefix)

        def be_faster(other: Race = other) -> None:
            other.store.alter(Contract(other.catalog.epoch, other.last()))

        with before(race, beginning, be_faster, monkeypatch), pytest.raises(EpochChanged):
            race.store.alter(late)
        assert race.catalog.phase == "stable"
        other.close()
