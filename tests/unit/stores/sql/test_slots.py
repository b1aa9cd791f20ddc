"""Slots: what became of a step whose reply was lost, whatever others did meanwhile, and what is left of them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from manystore import Database, Duplicate, NotFound, OutcomeUnknown, Repository, Unavailable, col, field, model
from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.testing import provision
from manystore.testing.network import Proxy

SERVERS = [
    pytest.param("postgresql:", marks=pytest.mark.server, id="postgresql"),
    pytest.param("mariadb:", marks=pytest.mark.server, id="mariadb"),
]
KEY, NEW = 1, 2


@model
class Owner:
    id: int = field(key=True)
    name: str = "owner"
    count: int = 0


class Home(Database):
    owner: Repository[Owner, int]


class Line:
    """A database reached through a faulty network, and the same one directly."""

    def __init__(self, place: provision.Place, proxy: Proxy, url: str) -> None:
        self.proxy = proxy
        self.place = place
        self.url = f"{url}{'&' if '?' in url else '?'}timeout=3"
        self.home = place.connect(Home, on_call=None)
        self.far = Home.connect(self.url, prefix=place.prefix)

    def reset(self) -> None:
        """Leave the record KEY, never counted, and no record NEW."""
        for owner in self.home.owner.find(scan=True):
            self.home.owner.delete(owner)
        self.home.owner.create(Owner(id=KEY))

    def last_request(self, run: Callable[[Home], Any]) -> int:
        """Count the requests of an undisturbed write, once drivers have prepared all; the last one decides."""
        counted: list[int] = []
        while len(counted) < 3 or len(set(counted[-3:])) > 1:
            self.reset()
            before = self.proxy.requests
            run(self.far)
            counted.append(self.proxy.requests - before)
        self.reset()
        return counted[-1]

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        """Run a statement past manystore; {slots} stands for the table."""
        store: Any = open_store(parse_url(self.place.url, self.place.prefix), wait=time.sleep)
        connection = store._connections.take()
        text = text.format(slots=store._layout.writers.name)
        found: list[tuple[Any, ...]] = connection.execute(text, ()).fetchall()
        store._connections.put(connection)
        store.close()
        return found


@pytest.fixture(params=SERVERS)
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Line]:
    with provision.place(request.param, tmp_path) as place, provision.through(place.url) as (proxy, url):
        made = Line(place, proxy, url)
        yield made
        made.far.close()
        place.close()


def _transfer(home: Home) -> None:
    with home.transaction() as tx:
        tx.owner.update(KEY, col(Owner.name).to("new"))
        tx.owner.create(Owner(id=NEW))


def _overwritten(home: Home) -> None:
    for owner in home.owner.find(scan=True):
        for number in range(3):
            home.owner.update(owner.id, col(Owner.name).to(f"theirs {number}"))


def _removed(home: Home) -> None:
    for owner in home.owner.find(scan=True):
        home.owner.delete(owner)


def _made_anew(home: Home) -> None:
    _removed(home)
    for key in (KEY, NEW):
        home.owner.create(Owner(id=key, name="theirs"))


WRITES: dict[str, Callable[[Home], Any]] = {
    "create": lambda home: home.owner.create(Owner(id=NEW)),
    "delete by key": lambda home: home.owner.delete(KEY),
    "delete": lambda home: home.owner.delete(home.owner.get(KEY)),
    "increment": lambda home: home.owner.increment(KEY, Owner.count),
    "update": lambda home: home.owner.update(KEY, col(Owner.name).to("new")),
    "transaction": _transfer,
}
OTHERS = {"nobody": lambda home: None, "overwrite": _overwritten, "remove": _removed, "make anew": _made_anew}


def state(home: Home) -> list[tuple[int, str, int]]:
    return [(owner.id, owner.name, owner.count) for owner in home.owner.find(scan=True)]


@pytest.mark.slow
@pytest.mark.parametrize("write", WRITES)
def test_a_write_whose_reply_is_lost_is_told_as_done(line: Line, write: str) -> None:
    """It was carried out; then others did what they liked, and what they left stays as it is."""
    run = WRITES[write]
    at = line.last_request(run)
    for name, others in OTHERS.items():
        line.reset()
        left: list[Any] = []

        def meanwhile(others: Callable[[Home], Any] = others, left: list[Any] = left) -> None:
            left.append(state(line.home))
            others(line.home)
            left.append(state(line.home))

        fault = line.proxy.cut_after(at)
        fault.meanwhile = meanwhile
        if write in ("update", "increment") and name != "nobody":
            with pytest.raises(OutcomeUnknown, match="the change was made"):
                run(line.far)  # it gives the record, and what it made is no longer there
        else:
            run(line.far)
        assert fault.has_struck
        line.reset()
        run(line.home)
        assert left[0] == state(line.home), name


@pytest.mark.slow
@pytest.mark.parametrize("write", WRITES)
def test_what_others_leave_of_a_lost_write_stays(line: Line, write: str) -> None:
    at = line.last_request(WRITES[write])
    for others in OTHERS.values():
        line.reset()
        left: list[Any] = []
        fault = line.proxy.cut_after(at)
        fault.meanwhile = lambda others=others, left=left: left.append((others(line.home), state(line.home)))  # type: ignore[misc]
        with contextlib.suppress(OutcomeUnknown):
            WRITES[write](line.far)
        assert left == [(None, state(line.home))]


@pytest.mark.slow
@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_is_cut_off_before_is_carried_out_once(line: Line, write: str) -> None:
    run = WRITES[write]
    at = line.last_request(run)
    run(line.home)
    wanted = state(line.home)
    line.reset()
    fault = line.proxy.cut_before(at)
    run(line.far)
    assert fault.has_struck
    assert state(line.home) == wanted


@pytest.mark.slow
def test_two_cuts_are_told_as_well(line: Line) -> None:
    named = Owner(id=NEW, name="unheard of")
    line.last_request(WRITES["create"])
    line.proxy.cut_before(1, containing=b"unheard of")
    line.proxy.cut_after(2, containing=b"unheard of")
    line.far.owner.create(named)
    assert state(line.home) == [(KEY, "owner", 0), (NEW, "unheard of", 0)]
    line.reset()
    line.proxy.cut_before(1, containing=b"unheard of")
    line.proxy.cut_before(2, containing=b"unheard of")
    with pytest.raises(Unavailable, match="twice"):
        line.far.owner.create(named)
    assert state(line.home) == [(KEY, "owner", 0)]


def test_a_slot_that_somebody_took_away_tells_nothing(line: Line) -> None:
    at = line.last_request(WRITES["create"])
    fault = line.proxy.cut_after(at)
    fault.meanwhile = lambda: line.sql("DELETE FROM {slots}")
    with pytest.raises(OutcomeUnknown):
        line.far.owner.create(Owner(id=NEW))
    line.far.owner.increment(NEW, Owner.count)  # it goes on, with another
    assert line.home.owner.get(NEW).count == 1


def test_refusals_write_no_number(line: Line) -> None:
    line.reset()
    before = line.sql("SELECT name, number FROM {slots} ORDER BY name")
    assert before
    for _ in range(2):
        with pytest.raises(Duplicate):
            line.home.owner.create(Owner(id=KEY))
        with pytest.raises(NotFound):
            line.home.owner.delete(NEW)
    assert line.sql("SELECT name, number FROM {slots} ORDER BY name") == before
    line.home.owner.create(Owner(id=NEW))
    ((name, number),) = set(line.sql("SELECT name, number FROM {slots}")) - set(before)
    assert number > dict(before)[name]


def test_saves_do_without_a_slot(line: Line) -> None:
    line.reset()
    owner = line.home.owner.get(KEY)
    before = line.sql("SELECT name, number FROM {slots} ORDER BY name")
    line.home.owner.save(owner)
    assert line.sql("SELECT name, number FROM {slots} ORDER BY name") == before


def test_a_slot_is_one_row_however_often_it_is_written(line: Line) -> None:
    line.reset()
    before = line.sql("SELECT count(*) FROM {slots}")
    for _ in range(300):
        line.home.owner.increment(KEY, Owner.count)
    assert line.sql("SELECT count(*) FROM {slots}") == before
    if line.url.startswith("postgresql"):
        assert line.sql("SELECT pg_relation_size('{slots}'), pg_relation_size('{slots}_pkey')") == [(8192, 2 * 8192)]


def test_slots_go_with_their_program_or_are_cleaned_away_after_a_day(line: Line) -> None:
    line.reset()
    (ours,) = line.sql("SELECT name FROM {slots}")
    day = "seen = seen - INTERVAL '25' HOUR"
    line.sql("INSERT INTO {slots} SELECT 1, 1, seen FROM {slots}")
    line.sql(f"UPDATE {{slots}} SET {day}")  # as if we had been idle, too
    line.sql("INSERT INTO {slots} SELECT 2, 1, seen + INTERVAL '2' HOUR FROM {slots} WHERE name = 1")
    line.far.owner.create(Owner(id=NEW))  # its first write
    names = {name for (name,) in line.sql("SELECT name FROM {slots}")}
    assert 1 not in names
    assert 2 in names
    assert ours[0] not in names
    line.home.owner.increment(KEY, Owner.count)
    assert ours in line.sql("SELECT name FROM {slots}")
    line.far.close()
    line.far.close()
    line.home.close()
    assert line.sql("SELECT name FROM {slots}") == [(2,)]


def test_a_child_has_slots_of_its_own(line: Line) -> None:
    line.reset()
    ours = line.sql("SELECT name FROM {slots}")
    child = os.fork()
    if child == 0:
        fine = False
        try:
            line.home.owner.increment(KEY, Owner.count)
            fine = line.home._engine.store._writer._slots.take().name != ours[0][0]  # type: ignore[attr-defined]
        finally:
            os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(line.sql("SELECT name FROM {slots}")) == 2


def test_a_database_without_such_statements_waits_twice(line: Line) -> None:
    """MySQL has no block outside of stored programs."""
    slots = line.home._engine.store._writer._slots  # type: ignore[attr-defined]
    slots.can_run_alone = False
    line.reset()
    before = line.sql("SELECT sum(number) FROM {slots}")[0][0]
    store: Any = line.home._engine.store
    engine_write = store.write
    trips: list[int] = []
    store.write = lambda *args, **options: trips.append((made := engine_write(*args, **options)).trips) or made
    line.home.owner.create(Owner(id=NEW))
    line.home.owner.delete(NEW)
    assert trips == [2, 2]
    assert line.sql("SELECT sum(number) FROM {slots}")[0][0] == before + 2
    with pytest.raises(Duplicate):
        line.home.owner.create(Owner(id=KEY))


@pytest.mark.server
def test_behind_a_pooler_a_slot_tells_what_was_done_but_not_what_will_be(tmp_path: Path) -> None:
    """Nothing can be fenced there."""
    with provision.place("postgresql:", tmp_path) as place, provision.through(place.url) as (proxy, url):
        line = Line(place, proxy, f"{url}?prepare=off")
        at = line.last_request(WRITES["create"])
        proxy.cut_after(at)
        line.far.owner.create(Owner(id=NEW))
        line.reset()
        proxy.cut_before(at)
        with pytest.raises(OutcomeUnknown):
            line.far.owner.create(Owner(id=NEW))
        line.far.close()
