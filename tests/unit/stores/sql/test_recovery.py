"""Broken connections: what was asked is done once or not at all, whatever request is cut, and late bytes do nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from manystore import Conflict, Database, NotFound, OutcomeUnknown, Repository, Unavailable, col, field, model, ref
from manystore.testing import provision, servers
from manystore.testing.network import Proxy

pytestmark = pytest.mark.slow
SERVERS = [
    pytest.param("postgresql:", marks=pytest.mark.server, id="postgresql"),
    pytest.param("mariadb:", marks=pytest.mark.server, id="mariadb"),
]


@model
class Owner:
    id: int = field(key=True)
    name: str = "owner"
    count: int = 0


@model
class Pet:
    id: int = field(key=True)
    owner: int = ref(Owner.id)


class Home(Database):
    owner: Repository[Owner, int]
    pet: Repository[Pet, int]


class Line:
    """A database reached through a faulty network, and the same one directly."""

    def __init__(self, place: provision.Place, proxy: Proxy, url: str) -> None:
        self.proxy = proxy
        self._place, self._url = place, url
        self.home = place.connect(Home, on_call=None)
        self.home.owner.create(Owner(id=1))
        self.home.owner.create(Owner(id=2))
        self.far = self.connected(timeout=3)

    def connected(self, timeout: int) -> Home:
        """Connect through the network, by which a first read has come."""
        self._place.url = f"{self._url}?timeout={timeout}"
        home = self._place.connect(Home, on_call=None)
        home.owner.get(1)
        return home


@pytest.fixture(params=SERVERS)
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Line]:
    with provision.place(request.param, tmp_path) as place:
        direct = place.url
        with provision.through(direct) as (proxy, url):
            yield Line(place, proxy, url)
            place.close()
        place.url = direct


def _saved(home: Home) -> None:
    owner = home.owner.get(1)
    owner.name = "new"
    home.owner.save(owner)


def _step(home: Home) -> None:
    with home.transaction() as tx:
        tx.owner.get(2)
        owner = tx.owner.get(1)
        owner.name = "new"
        tx.owner.save(owner)
        tx.pet.create(Pet(id=1, owner=1))


def _copied(home: Home) -> None:
    home.owner.create_all([Owner(id=n) for n in range(100, 180)])


def _dropped(home: Home) -> None:
    owner = home.owner.get(1)
    home.owner.delete(owner)


def name_is_new(home: Home) -> bool:
    return home.owner.get(1).name == "new"


WRITES: dict[str, tuple[Callable[[Home], Any], Callable[[Home], bool]]] = {
    "create": (lambda home: home.pet.create(Pet(id=1, owner=1)), lambda home: home.pet.exists(col(Pet.id) == 1)),
    "save": (_saved, name_is_new),
    "update": (lambda home: home.owner.update(1, col(Owner.name).to("new")), name_is_new),
    "increment": (lambda home: home.owner.increment(1, Owner.count), lambda home: home.owner.get(1).count == 1),
    "delete": (_dropped, lambda home: not home.owner.exists(col(Owner.id) == 1)),
    "create_all": (_copied, lambda home: home.owner.count(col(Owner.id) >= 100) == 80),
    "transaction": (_step, lambda home: name_is_new(home) and home.pet.exists(col(Pet.id) == 1)),
}
FAULTS = ("cut_before", "cut_after", "hold")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", WRITES)
def test_each_request_of_each_write_is_broken_in_turn(line: Line, write: str, fault: str) -> None:
    """Nobody else writes, so most outcomes can be told; what is told is true, now and after late bytes have come."""
    run, is_done = WRITES[write]
    for at in range(1, 9):
        for key in (1, 2):
            if line.home.pet.exists(col(Pet.id) == key):
                line.home.pet.delete(key)
        line.home.owner.delete_where(col(Owner.id) >= 100)
        if not line.home.owner.exists(col(Owner.id) == 1):
            line.home.owner.create(Owner(id=1))
        line.home.owner.update(1, col(Owner.name).to("old"), col(Owner.count).to(0))
        armed = getattr(line.proxy, fault)(at)
        told: Any = None
        try:
            run(line.far)
        except (OutcomeUnknown, Unavailable, Conflict, NotFound) as error:
            told = error
        struck = armed.has_struck
        line.proxy.disarm()
        done = is_done(line.home)
        if fault == "hold" and struck:
            armed.release()
            time.sleep(0.05)
            assert is_done(line.home) == done
        assert line.home.owner.find(col(Owner.id) == 1, limit=2) == [] or line.home.owner.get(1).count in (0, 1)
        if told is None:
            assert done
        elif not isinstance(told, OutcomeUnknown):
            assert not done, told
        else:
            pytest.fail(f"nobody else wrote, so it can be told: {told}")
        if not struck:
            return
    pytest.fail("more requests than a write may make")


def test_a_save_that_others_overwrote_since_is_unknown_or_told(line: Line) -> None:
    """Cut after the save; before the program looks, others write once (told) or twice (not to be told)."""
    for _ in range(3):
        _saved(line.far)  # so that the driver has prepared it
    for others in (1, 2):
        owner = line.far.owner.get(1)
        owner.name = f"mine {others}"
        fault = line.proxy.cut_after(1, containing=owner.name.encode())

        def interfere(others: int = others) -> None:
            for n in range(others):
                line.home.owner.update(1, col(Owner.name).to(f"theirs {n}"))

        fault.meanwhile = interfere
        if others == 1:
            line.far.owner.save(owner)
        else:
            with pytest.raises(OutcomeUnknown):
                line.far.owner.save(owner)
        assert fault.has_struck


def test_a_read_is_sent_again(line: Line) -> None:
    for fault in ("cut_before", "cut_after"):
        getattr(line.proxy, fault)(1)
        assert line.far.owner.get(1).name == "owner"


def test_nothing_hangs_when_the_server_says_nothing(line: Line) -> None:
    far = line.connected(timeout=1)
    for run in (lambda: far.owner.get(1), lambda: _step(far), lambda: _saved(far)):
        fault = line.proxy.blackhole(1)
        began = time.monotonic()
        with contextlib.suppress(Unavailable, OutcomeUnknown):
            run()
        assert time.monotonic() - began < 15
        assert fault.has_struck
        line.proxy.disarm()


@pytest.mark.parametrize("kind", [servers.PostgreSQL, servers.MariaDB])
@pytest.mark.server
def test_a_server_that_was_killed_and_began_again_is_gone_on_with(kind: Any) -> None:
    with kind(servers.this_run(), durable=True) as server:
        home = Home.connect(f"{server.url}?timeout=3")
        for n in range(1, 4):
            home.owner.create(Owner(id=n))
        server.crash()
        with pytest.raises(Unavailable):
            home.owner.get(1)
        with pytest.raises((Unavailable, OutcomeUnknown)):
            home.owner.create(Owner(id=4))
        server.restart()
        assert home.owner.get(1).name == "owner"
        home.owner.increment(1, Owner.count)
        home.owner.create(Owner(id=5))
        _saved(home)
        server.crash()
        server.restart()
        _step(home)
        assert home.owner.get(1).count == 1
        assert {owner.id for owner in home.owner.find(scan=True)} >= {1, 2, 3, 5}
        home.close()
