"""Round trips, as the hook tells them: bounds that hold on every SQL database when nothing goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from manystore import Database, NotFound, Repository, col, field, index, model, ref, related
from manystore.testing import provision

URLS = [
    pytest.param("sqlite:", id="sqlite"),
    pytest.param("postgresql:", id="postgresql", marks=pytest.mark.server),
    pytest.param("mariadb:", id="mariadb", marks=pytest.mark.server),
]


@model
class Owner:
    id: int = field(key=True)
    name: str = "owner"
    count: int = 0
    pets: list[Pet] = related("Pet.owner")


@model(indexes=[index("kind"), index("owner")])
class Pet:
    id: int = field(key=True)
    owner: int = ref(Owner.id)
    kind: str = "cat"
    keeper: Owner = related(owner)


class Home(Database):
    owner: Repository[Owner, int]
    pet: Repository[Pet, int]


@pytest.fixture(params=URLS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[provision.Place]:
    with provision.place(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def home(place: provision.Place) -> Home:
    home = place.connect(Home)
    for n in range(1, 6):
        home.owner.create(Owner(id=n))
        home.pet.create(Pet(id=n, owner=n))
    return home


def trips(place: provision.Place, run: Any) -> int:
    place.calls.clear()
    run()
    return sum(call.round_trips for call in place.calls)


def test_reads_are_one_trip_and_each_level_one_more(home: Home, place: provision.Place) -> None:
    assert trips(place, lambda: home.owner.get(1)) == 1
    assert trips(place, lambda: home.pet.find(col(Pet.kind) == "cat")) == 1
    assert trips(place, lambda: home.pet.find(col(Pet.kind) == "dog")) == 1
    assert trips(place, lambda: home.pet.find(col(Pet.kind) == "cat", limit=2)) == 1
    assert trips(place, lambda: home.pet.find(col(Pet.id).in_([1, 2, 3]))) == 1
    assert trips(place, lambda: home.owner.first(col(Owner.id) == 77)) == 1
    assert trips(place, lambda: home.pet.count(col(Pet.kind) == "cat")) == 1
    assert trips(place, lambda: home.pet.exists(col(Pet.kind) == "dog")) == 1
    assert trips(place, lambda: home.pet.find(col(Pet.kind) == "cat", load=(Pet.keeper,))) == 2
    assert trips(place, lambda: home.owner.find(col(Owner.id).in_([1, 2]), load=(Owner.pets,))) == 2

    def missing() -> None:
        with pytest.raises(NotFound):
            home.owner.get(77)

    assert trips(place, missing) == 1


def test_writes_of_one_record_are_two_trips_at_most(home: Home, place: provision.Place) -> None:
    owner = home.owner.get(1)
    assert trips(place, lambda: home.owner.save(owner)) == 1
    assert trips(place, lambda: home.owner.create(Owner(id=10))) == 1
    assert trips(place, lambda: home.pet.create(Pet(id=10, owner=10))) == 1
    assert trips(place, lambda: home.owner.increment(1, Owner.count)) <= 2
    assert trips(place, lambda: home.pet.update(10, col(Pet.kind).to("dog"))) <= 2
    assert trips(place, lambda: home.pet.delete(10)) <= 2
    assert trips(place, lambda: home.owner.delete(10)) <= 2


def test_many_new_records_are_five_trips_at_most(home: Home, place: provision.Place) -> None:
    assert trips(place, lambda: home.owner.create_all([Owner(id=n) for n in range(100, 150)])) <= 2
    assert trips(place, lambda: home.owner.create_all([Owner(id=n) for n in range(200, 300)])) <= 5
    assert trips(place, lambda: home.owner.create_all([Owner(id=n) for n in range(1000, 2500)])) <= 5  # three steps


def test_what_a_server_might_refuse_as_too_long_is_sent_in_pieces(home: Home, place: provision.Place) -> None:
    made = [Owner(id=n, name=f"{n % 10}'" * 50_000) for n in range(100, 130)]  # 3 MB, which are four steps
    waits = trips(place, lambda: home.owner.create_all(made))
    assert (4 <= waits <= 6) if place.url.startswith("mariadb") else waits <= 5
    assert home.owner.find(col(Owner.id) >= 100) == made


def test_a_transaction_is_two_trips_more_than_its_reads(home: Home, place: provision.Place) -> None:
    def run() -> None:
        with home.transaction() as tx:
            for n in (1, 2, 3):
                tx.owner.get(n)  # read, and checked
            for n in (4, 5):
                owner = tx.owner.get(n)
                owner.name = "new"
                tx.owner.save(owner)
            for n in range(20, 60):
                tx.pet.create(Pet(id=n, owner=1 + n % 5))
            tx.pet.delete(tx.pet.get(5))

    assert trips(place, run) <= 6 + 2
