"""The judge: who moves works, who stands still is taken for gone, and a wait that takes no time is no wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from manystore.api.lease import INTERVAL
from manystore.migrations.judge import NOTICE, PATIENCE, Judge
from manystore.query.plan import CATALOG
from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase
from manystore.schema.schema import Schema
from manystore.schema.system import PROGRAMS, SYSTEM
from manystore.store.protocol import Delete, Insert, Patch, Step, Store
from manystore.store.registry import open_store
from manystore.store.url import parse_url

OLD, NEW = "0" * 16, "1" * 16


@pytest.fixture
def store() -> Store:
    made = open_store(parse_url("memory://"), wait=lambda _: None)
    made.alter(CreateDatabase(Catalog.first(Schema(SYSTEM))))
    return made


def catalog_of(store: Store) -> Catalog:
    found: Catalog = store.read(CATALOG, (), epoch="").rows[0]
    return found


def announce(store: Store, name: str, schema: str = OLD) -> None:
    store.write([Insert(PROGRAMS, (name, schema, f"program {name}", 1), 1)], epoch=catalog_of(store).epoch)


def move(store: Store, name: str) -> None:
    patch = Patch(PROGRAMS, (name,), 2, steps=(Step("counter", 1),))
    store.write([patch], epoch=catalog_of(store).epoch)


def living(store: Store, wait: Callable[[float], None], told: list[str] | None = None) -> list[str]:
    judge = Judge(store, wait=wait, patience=10, told=(told if told is not None else []).append)
    return [program.name for program in judge.living(catalog_of(store), OLD)]


def test_nobody_is_not_waited_for(store: Store) -> None:
    announce(store, "b", NEW)
    waits: list[float] = []
    assert living(store, waits.append) == []
    assert waits == []


def test_who_stands_still_is_taken_for_gone_and_the_newer_are_left_alone(store: Store) -> None:
    announce(store, "a")
    announce(store, "b", NEW)
    waits: list[float] = []
    told: list[str] = []
    assert living(store, waits.append, told) == []
    assert sum(waits) == pytest.approx(10)
    assert told == ["watching for 10 s whether it still works: program a"]
    assert [p.name for p in Judge(store, wait=waits.append).programs(catalog_of(store))] == ["b"]


def test_one_that_moves_ends_the_watch(store: Store) -> None:
    announce(store, "a")
    announce(store, "b")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            move(store, "b")

    assert living(store, wait) == ["a", "b"]
    assert len(waits) == 3


def test_one_that_comes_meanwhile_works(store: Store) -> None:
    announce(store, "a")

    def wait(_: float) -> None:
        announce(store, "c")

    assert living(store, wait) == ["a", "c"]


def test_one_that_ends_meanwhile_does_not(store: Store) -> None:
    announce(store, "a")

    def wait(_: float) -> None:
        if Judge(store, wait=wait).programs(catalog_of(store)):
            store.write([Delete(PROGRAMS, ("a",))], epoch=catalog_of(store).epoch)

    assert living(store, wait) == []


def test_one_that_moves_at_the_last_moment_works(store: Store) -> None:
    announce(store, "a")

    class Late:
        """The store of the judge alone: before it takes a lease away, the program moves."""

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def write(self, changes: list[Delete], *, epoch: str) -> object:
            move(store, "a")
            return store.write(changes, epoch=epoch)

    late: Store = Late()  # type: ignore[assignment]
    judge = Judge(late, wait=lambda _: None, patience=10)
    assert [program.name for program in judge.living(catalog_of(store), OLD)] == ["a"]


def test_who_goes_on_writing_moves_while_a_deployer_watches() -> None:
    assert INTERVAL < NOTICE < PATIENCE
    assert 2 * INTERVAL < PATIENCE


def test_all_are_watched_until_each_has_moved(store: Store) -> None:
    announce(store, "a")
    announce(store, "b", NEW)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) in (2, 5):
            move(store, "a" if len(waits) == 2 else "b")

    heard = Judge(store, wait=wait, clock=lambda: 0).heard(catalog_of(store))
    assert ([p.name for p in heard.programs], heard.silent) == (["a", "b"], frozenset())
    assert heard.seconds == sum(waits) == pytest.approx(NOTICE / 4)


def test_who_does_not_move_is_silent_and_stays(store: Store) -> None:
    announce(store, "a")
    announce(store, "b")
    announce(store, "gone")

    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        move(store, "a")
        if len(waits) == 1:
            store.write([Delete(PROGRAMS, ("gone",))], epoch=catalog_of(store).epoch)
            announce(store, "c")

    heard = Judge(store, wait=wait).heard(catalog_of(store))
    assert ([p.name for p in heard.programs], heard.silent) == (["a", "b", "c"], {"b"})
    assert heard.seconds == pytest.approx(NOTICE)


def test_nobody_is_not_watched(store: Store) -> None:
    waits: list[float] = []
    heard = Judge(store, wait=waits.append).heard(catalog_of(store))
    assert (heard.programs, heard.silent, heard.seconds, waits) == ((), frozenset(), 0, [])
