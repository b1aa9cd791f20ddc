"""Writers that meet: no dangling reference, no commit of an old epoch, no false refusal, whoever comes between."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from manystore import (
    Conflict,
    Database,
    MissingReference,
    NotFound,
    Repository,
    Restricted,
    col,
    field,
    model,
    ref,
    unique,
)
from manystore.errors import EpochChanged
from manystore.query.plan import CATALOG
from manystore.schema.operation import ReplaceCatalog
from manystore.store.protocol import Patch, Step
from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.testing import provision

pytestmark = pytest.mark.slow
SERVERS = ["postgresql:", "mariadb:"]
RACES = 100


@model
class Owner:
    id: int = field(key=True)
    name: str = "owner"
    count: int = 0


@model(uniques=[unique("code", among="live")], soft_delete=True)
class Pet:
    id: int = field(key=True)
    owner: int = ref(Owner.id)
    code: str | None = None
    deleted: bool = False


@model
class Toy:
    id: int = field(key=True)
    owner: int = ref(Owner.id, on_delete="cascade")
    lender: int | None = ref(Owner.id, default=None, on_delete="set_null")


class Home(Database):
    owner: Repository[Owner, int]
    pet: Repository[Pet, int]
    toy: Repository[Toy, int]


@pytest.fixture(params=[pytest.param(url, marks=pytest.mark.server) for url in SERVERS], ids=["postgresql", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[provision.Place]:
    with provision.place(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def home(place: provision.Place) -> Home:
    return place.connect(Home, on_call=None)


def together(*parts: Callable[[], Any]) -> list[Any]:
    """Run all at the same time; give what each returned or raised."""
    barrier = threading.Barrier(len(parts))
    found: list[Any] = [None] * len(parts)

    def run(at: int, part: Callable[[], Any]) -> None:
        barrier.wait()
        time.sleep(random.uniform(0, 0.002))
        try:
            found[at] = part()
        except Exception as error:  # noqa: BLE001 - what was raised is what is looked at
            found[at] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def in_one_step(home: Home, *parts: Callable[[Any], Any]) -> Any:
    def step(tx: Any) -> None:
        for part in parts:
            part(tx)

    with home.transaction() as tx:
        step(tx)


REFERRERS: dict[str, Callable[[Home, int], Any]] = {
    "create": lambda home, n: home.pet.create(Pet(id=n, owner=n)),
    "update": lambda home, n: home.pet.update(10_000, col(Pet.owner).to(n)),
    "save": lambda home, n: home.pet.save(_moved(home, n)),
    "transaction": lambda home, n: in_one_step(
        home, lambda tx: tx.pet.create(Pet(id=n, owner=n)), lambda tx: tx.owner.create(Owner(id=20_000 + n))
    ),
}


def _moved(home: Home, n: int) -> Pet:
    pet = home.pet.get(10_000)
    pet.owner = n
    return pet


DELETERS: dict[str, Callable[[Home, int], Any]] = {
    "delete": lambda home, n: home.owner.delete(n),
    "transaction": lambda home, n: in_one_step(
        home, lambda tx: tx.owner.delete(n), lambda tx: tx.owner.create(Owner(id=30_000 + n))
    ),
}


@pytest.mark.parametrize("deleter", DELETERS)
@pytest.mark.parametrize("referrer", ["create", "update", "save", "transaction"])
def test_a_target_is_deleted_while_somebody_refers_to_it(home: Home, referrer: str, deleter: str) -> None:
    home.owner.create(Owner(id=9_999))
    home.pet.create(Pet(id=10_000, owner=9_999))
    won = {"refers": 0, "deletes": 0}
    for n in range(1, RACES + 1):
        home.owner.create(Owner(id=n))
        refers, deletes = together(partial(REFERRERS[referrer], home, n), partial(DELETERS[deleter], home, n))
        assert (isinstance(refers, Exception), isinstance(deletes, Exception)) in ((True, False), (False, True))
        if isinstance(refers, Exception):
            assert type(refers) is MissingReference
            won["deletes"] += 1
        else:
            assert type(deletes) is Restricted
            won["refers"] += 1
    owners = {owner.id for owner in home.owner.find(scan=True)}
    assert all(pet.owner in owners for pet in home.pet.find(scan=True))
    assert min(won.values()) > 0, won


def test_what_comes_to_a_cascade_late_goes_with_it_or_is_refused(home: Home) -> None:
    home.owner.create(Owner(id=9_999))
    for n in range(1, RACES + 1):
        home.owner.create(Owner(id=n))
        home.toy.create(Toy(id=n, owner=n))
        home.toy.create(Toy(id=1000 + n, owner=9_999, lender=n))
        added, moved, lent, deleted = together(
            partial(home.toy.create, Toy(id=2000 + n, owner=n)),
            partial(_given, home, n),
            partial(home.toy.create, Toy(id=3000 + n, owner=9_999, lender=n)),
            partial(home.owner.delete, n),
        )
        assert deleted is None
        assert added is None or isinstance(added, (Toy, MissingReference))
        assert isinstance(moved, (Toy, NotFound, Conflict))
        assert isinstance(lent, (Toy, MissingReference))
    owners = {owner.id for owner in home.owner.find(scan=True)}
    toys = home.toy.find(scan=True)
    assert owners == {9_999}
    assert all(toy.owner == 9_999 and toy.lender is None for toy in toys)
    assert len(toys) >= RACES


def _given(home: Home, n: int) -> Toy:
    toy = home.toy.get(n)
    toy.owner = 9_999
    return home.toy.save(toy)


@pytest.mark.parametrize("number", [1, 2])
def test_a_reference_that_others_change_meanwhile_is_looked_at(home: Home, number: int) -> None:
    """It leads to nothing, as before it was one, and is set to what it is: but by then it is not that any more."""
    mapper, store, nowhere = home._engine.mapper(Pet), home._engine.store, 777
    home.owner.create(Owner(id=1))
    for n in (1, 2):
        home.pet.create(Pet(id=n, owner=1))
    other = store._connections.opened()
    pets, owner = store._dialect.quoted(store._layout.table_name(mapper.collection)), store._dialect.quoted("owner")
    other.execute(f"UPDATE {pets} SET {owner} = {nowhere}", ())

    def change() -> Any:
        changes = [Patch(mapper.collection, (n,), random.getrandbits(63), (("owner", nowhere),)) for n in (1, 2)]
        return store.write(changes[:number], epoch=home._engine.epoch)

    assert change().records == [None] * number

    def move() -> None:
        for text in (store._dialect.begin, f"UPDATE {pets} SET {owner} = 1"):
            other.execute(text, ())
        time.sleep(0.2)
        other.execute("COMMIT", ())

    def come_late() -> Any:
        time.sleep(0.1)
        return change()

    moved, refused = together(move, come_late)
    other.close()
    assert moved is None
    assert type(refused) is MissingReference
    assert {pet.owner for pet in home.pet.find(scan=True)} == {1}


def test_of_two_that_take_a_unique_exactly_one_gets_it(home: Home) -> None:
    home.owner.create(Owner(id=1))
    for n in range(1, RACES + 1):
        outcomes = together(*(partial(home.pet.create, Pet(id=10 * n + at, owner=1, code=f"c{n}")) for at in range(3)))
        assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1


def test_no_increment_and_no_save_is_lost(home: Home) -> None:
    home.owner.create(Owner(id=1))
    home.owner.create(Owner(id=2))

    def count() -> None:
        for _ in range(25):
            home.owner.increment(1, Owner.count, 1)  # type: ignore[arg-type]

    def save() -> None:
        for _ in range(25):
            home.retrying(lambda tx: _counted(tx, 2))

    for outcome in together(count, save, count, save, count, save):
        assert outcome is None
    assert (home.owner.get(1).count, home.owner.get(2).count) == (75, 75)


def _counted(tx: Any, key: int) -> None:
    owner = tx.owner.get(key)
    owner.count += 1
    tx.owner.save(owner)


def test_steps_that_lock_each_other_out_are_begun_again_and_never_refused_falsely(
    home: Home, place: provision.Place
) -> None:
    """Each changes three records in an order of its own, whatever they hold: deadlocks, of which nobody is told."""
    for n in range(1, 6):
        home.owner.create(Owner(id=n))
    store, owners = home._engine.store, home._engine.mapper(Owner).collection

    def work(at: int) -> None:
        mine = random.Random(at)
        for _ in range(15):
            keys = mine.sample(range(1, 6), 3)
            steps = (Step("count", 1),)
            changes = [Patch(owners, (key,), mine.getrandbits(63), steps=steps) for key in keys]
            store.write(changes, epoch=home._engine.epoch)

    assert together(*(lambda at=at: work(at) for at in range(4))) == [None] * 4
    assert sum(owner.count for owner in home.owner.find(scan=True)) == 3 * 15 * 4


def test_no_commit_of_an_old_epoch_after_another_is_in_force(home: Home, place: provision.Place) -> None:
    """6 writers, alone and in steps; each bump is followed by a look for what was committed under the epoch before."""
    stores = [open_store(parse_url(place.url, place.prefix), wait=time.sleep) for _ in range(7)]
    catalog = stores[6].read(CATALOG, (), epoch="").rows[0]
    home.owner.create(Owner(id=0))
    mapper = home._engine.mapper(Owner)
    numbers, stop = iter(range(1, 10_000_000)), threading.Event()
    written: dict[str, list[int]] = {}
    current = [catalog]
    lock = threading.Lock()

    def write(at: int) -> int:
        store, commits = stores[at], 0
        while not stop.is_set():
            epoch = current[0].epoch
            with lock:
                keys = [next(numbers) for _ in range(1 + at % 2)]
            inserts = [mapper.insert(Owner(id=key, name=epoch)) for key in keys]
            try:
                store.write(inserts, epoch=epoch)
                commits += 1
            except EpochChanged:
                continue
        return commits

    def look(epoch: str) -> set[int]:
        return {owner.id for owner in home.owner.find(col(Owner.name) == epoch, scan=True)}

    def bump() -> list[float]:
        took = []
        for _ in range(50):
            time.sleep(random.uniform(0, 0.02))
            before = current[0]
            after = before.changed()
            began = time.monotonic()
            stores[6].alter(ReplaceCatalog(before.epoch, after))
            took.append(time.monotonic() - began)
            seen = look(before.epoch)
            current[0] = after
            written[before.epoch] = sorted(seen)
        stop.set()
        return took

    def bumped() -> list[float]:
        try:
            return bump()
        finally:
            stop.set()

    outcomes = together(*(lambda at=at: write(at) for at in range(6)), bumped)
    took = outcomes.pop()
    assert isinstance(took, list), took
    assert len(took) == 50
    assert max(took) < 10
    assert all(isinstance(commits, int) for commits in outcomes), outcomes
    assert sum(outcomes) > 50
    late = {epoch: look(epoch) - set(seen) for epoch, seen in written.items()}
    assert not any(late.values()), {epoch: len(found) for epoch, found in late.items()}
    for store in stores:
        store.close()


def test_two_catalogs_are_not_both_put_in_force(home: Home, place: provision.Place) -> None:
    stores = [open_store(parse_url(place.url, place.prefix), wait=time.sleep) for _ in range(4)]
    for _ in range(10):
        catalog = stores[0].read(CATALOG, (), epoch="").rows[0]
        outcomes = together(
            *(partial(store.alter, ReplaceCatalog(catalog.epoch, catalog.changed())) for store in stores)
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["EpochChanged"] * 3 + ["NoneType"]
    for store in stores:
        store.close()


def test_many_programs_make_one_database_at_once(place: provision.Place) -> None:
    opened = together(*(lambda: place.connect(Home, on_call=None) for _ in range(8)))
    assert all(isinstance(home, Home) for home in opened), opened
    assert len({home._engine.epoch for home in opened}) == 1
    opened[0].owner.create(Owner(id=1))
    assert opened[7].owner.get(1).name == "owner"
