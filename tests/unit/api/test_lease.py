"""A lease: announced by the first write, moved while the program works, taken away at its end; in nobody's way."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from manystore.api.lease import INTERVAL, Lease, label_of_this_program
from manystore.migrations.judge import Judge, Program
from manystore.query.plan import CATALOG
from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase, ReplaceCatalog
from manystore.schema.schema import Schema
from manystore.schema.system import SYSTEM
from manystore.store.protocol import Store
from manystore.store.registry import open_store
from manystore.store.url import parse_url

SCHEMA = "0123456789abcdef"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Place:
    """An empty database, a clock, and what the judge sees."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.alter(CreateDatabase(Catalog.first(Schema(SYSTEM))))
        self.clock = Clock()

    @property
    def catalog(self) -> Catalog:
        found: Catalog = self.store.read(CATALOG, (), epoch="").rows[0]
        return found

    def lease(self, label: str = "shop") -> Lease:
        return Lease(self.store, SCHEMA, lambda: label, self.clock)

    def touch(self, lease: Lease) -> None:
        lease.touch(self.catalog.epoch)

    @property
    def seen(self) -> tuple[Program, ...]:
        return Judge(self.store, wait=lambda _: None).programs(self.catalog)


@pytest.fixture(params=["memory://", "sqlite:///{}"])
def place(request: pytest.FixtureRequest, tmp_path: os.PathLike[str]) -> Iterator[Place]:
    store = open_store(parse_url(request.param.format(os.path.join(tmp_path, "x.db"))), wait=lambda _: None)
    yield Place(store)
    store.close()


def test_the_first_write_announces_and_the_end_takes_it_away(place: Place) -> None:
    lease = place.lease()
    assert place.seen == ()
    place.touch(lease)
    (program,) = place.seen
    assert (program.schema, program.label, program.counter) == (SCHEMA, "shop", 1)
    lease.release(place.catalog.epoch)
    assert place.seen == ()
    place.touch(lease)  # of a closed database: nothing comes back
    assert place.seen == ()


def test_the_counter_moves_once_an_interval_however_many_writes(place: Place) -> None:
    lease = place.lease()
    for seconds in (0, 1, INTERVAL, 0.5, INTERVAL):
        place.clock.now += seconds
        place.touch(lease)
        place.touch(lease)
    assert [program.counter for program in place.seen] == [3]


def test_a_program_that_was_taken_for_gone_announces_itself_again(place: Place) -> None:
    lease = place.lease()
    place.touch(lease)
    (before,) = place.seen
    assert Judge(place.store, wait=lambda _: None, patience=0).living(place.catalog, SCHEMA) == ()
    assert place.seen == ()
    place.clock.now += INTERVAL
    place.touch(lease)
    (after,) = place.seen
    assert (after.label, after.counter) == ("shop", 1)
    assert after.name != before.name


def test_a_write_of_an_older_epoch_is_not_held_up(place: Place) -> None:
    old = place.catalog.epoch
    place.store.alter(ReplaceCatalog(old, place.catalog.changed()))
    lease = place.lease()
    lease.touch(old)
    assert place.seen == ()
    place.touch(lease)  # as soon as the epoch is known: not an interval later
    assert len(place.seen) == 1
    lease.release(old)
    assert len(place.seen) == 1  # best effort; a judge finds that it stands still


def test_a_store_that_fails_fails_nobody(place: Place) -> None:
    lease = place.lease()
    place.touch(lease)
    epoch = place.catalog.epoch
    place.store.close()
    place.clock.now += INTERVAL
    lease.touch(epoch)
    lease.release(epoch)


def test_a_forked_child_has_a_lease_of_its_own(tmp_path: os.PathLike[str]) -> None:
    place = Place(open_store(parse_url(f"sqlite:///{os.path.join(tmp_path, 'x.db')}"), wait=lambda _: None))
    lease = place.lease()
    place.touch(lease)
    child = os.fork()
    if child == 0:
        place.touch(lease)
        os._exit(0)
    os.waitpid(child, 0)
    place.clock.now += INTERVAL
    place.touch(lease)
    assert sorted(program.counter for program in place.seen) == [1, 2]
    place.store.close()


def test_a_label_fits_its_field_whatever_the_program_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/opt/shop/serve.py", "--port", "1"])
    assert label_of_this_program() == f"serve.py (process {os.getpid()})"
    monkeypatch.setattr("sys.argv", ["x" * 400 + "\udce9"])
    assert len(label_of_this_program()) == 255
    monkeypatch.setattr("sys.argv", ["\udce9"])
    assert label_of_this_program().startswith("? ")
