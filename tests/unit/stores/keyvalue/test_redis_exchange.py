"""What becomes of requests when connections break: a proxy cuts them at every place where it matters."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from manystore import errors
from manystore.store.url import parse_url
from manystore.stores.keyvalue.protocol import CATALOG, Absent, Check, Exists, Put, Same, Span, previous_of, token_of
from manystore.stores.keyvalue.redis import Redis, RedisStore
from manystore.stores.keyvalue.redis_script import COMMIT
from manystore.testing import servers
from manystore.testing.fault import Fault
from manystore.testing.network import Proxy

pytestmark = pytest.mark.server

KEY = ("r:book", "a1")
ENTRY = ("i:book.by_title", "$x! a1")
FIRST, OURS = f"{1:016x}", f"{2:016x}"
EPOCH = "e" * 16
_NAMES = itertools.count(1)


def record(token: str, previous: str | None = None) -> bytes:
    shown = "null" if previous is None else f'"{previous}"'
    return f'{{"_revision":"{token}","_previous":{shown},"_version":1}}'.encode()


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Redis]:
    with servers.Redis(servers.session().run) as made:
        yield made


@pytest.fixture
def proxy(server) -> Iterator[Proxy]:
    with Proxy(servers.HOST, server.port) as made:
        yield made


class Place:
    """One database, reached directly by others and through the proxy by us. meanwhile: what others do at the break.

    before: the server does not get a commit. after: it carries it out, and the reply is swallowed. late: the client is
    cut off, and the server gets the bytes when release() is called, long after.
    """

    def __init__(self, server: servers.Redis, proxy: Proxy) -> None:
        prefix = f"x{os.getpid()}n{next(_NAMES)}_"
        self.faults = {"before": proxy.cut_before, "after": proxy.cut_after, "late": proxy.hold}
        self.fault: Fault | None = None
        self.meanwhile: Callable[[], object] = lambda: None
        self._stores = [RedisStore.open(parse_url(server.url, prefix), wait=time.sleep)]
        self.others: Redis = self.kv_of(self._stores[0])
        self.others.commit([], [(*CATALOG, f'{{"format":1,"epoch":"{EPOCH}"}}'.encode())], [], epoch=None)
        url = f"redis://127.0.0.1:{proxy.port}?timeout=1"
        self._stores.append(RedisStore.open(parse_url(url, prefix), wait=self._wait))
        self.ours: Redis = self.kv_of(self._stores[1])

    @staticmethod
    def kv_of(store: Any) -> Redis:
        return store._kv

    def _wait(self, seconds: float) -> None:
        if self.fault is not None:
            then, self.meanwhile = self.meanwhile, lambda: None
            then()
        time.sleep(seconds)

    def stored(self) -> bytes | None:
        return self.others.get([KEY]).values[0]

    def overwrite(self, times: int) -> None:
        """What honest other writers do: replace what is there, keeping its token; make it when it is not there."""
        for number in range(times):
            now, token = self.stored(), f"{100 + number:016x}"
            check = Absent(KEY) if now is None else Same(KEY, token_of(now))
            put = (*KEY, record(token, None if now is None else token_of(now)))
            assert self.others.commit([check], [put], [], epoch=EPOCH) is None

    def remove(self) -> None:
        now = self.stored()
        assert now is not None
        assert self.others.commit([Same(KEY, token_of(now))], [], [KEY, ENTRY], epoch=EPOCH) is None

    def commit(self, checks: list[Check], puts: list[Put], deletes: list[tuple[str, str]], how: str) -> Any:
        """Send a commit of ours that breaks; give what it answers, "unknown" included."""
        self.fault = self.faults[how](containing=COMMIT.sha)
        try:
            answer: Any = self.ours.commit(checks, puts, deletes, epoch=EPOCH)
        except errors.OutcomeUnknown:
            answer = "unknown"
        assert self.fault.has_struck
        return answer

    def release(self) -> None:
        """Deliver what was held back, if anything was."""
        assert self.fault is not None
        if self.fault.kind == "hold":
            self.fault.release()

    def close(self) -> None:
        for store in self._stores:
            store.close()


@pytest.fixture
def place(server, proxy) -> Iterator[Place]:
    made = Place(server, proxy)
    yield made
    made.close()


def save(place: Place, how: str) -> Any:
    return place.commit([Exists(KEY), Same(KEY, FIRST)], [(*KEY, record(OURS, FIRST)), (*ENTRY, b"")], [], how)


def create(place: Place, how: str) -> Any:
    return place.commit([Absent(KEY)], [(*KEY, record(OURS)), (*ENTRY, b"")], [], how)


def delete(place: Place, how: str) -> Any:
    return place.commit([Same(KEY, FIRST)], [], [KEY, ENTRY], how)


def stand_first(place: Place) -> None:
    assert place.others.commit([Absent(KEY)], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCH) is None


def assert_nothing_comes_late(place: Place, *, cleared: bool) -> None:
    """Whatever the proxy still holds must change nothing; cleared: also when somebody cleared the way for it."""
    if cleared:
        place.remove()
    before, entries = place.stored(), place.others.scan([Span(ENTRY[0], "", "\ue000")]).names
    place.release()
    assert place.stored() == before
    assert place.others.scan([Span(ENTRY[0], "", "\ue000")]).names == entries


WAYS = list(itertools.product(["before", "after", "late"], [0, 1, 2]))


@pytest.mark.parametrize(("how", "others"), WAYS)
def test_save(place, how, others):
    stand_first(place)
    place.meanwhile = lambda: place.overwrite(others)
    answer = save(place, how)
    assert answer == (1 if others and how != "after" else None)
    now = place.stored()
    assert now is not None
    assert token_of(now) == (f"{99 + others:016x}" if others else OURS)
    if others == 1:
        assert previous_of(now) == (OURS if how == "after" else FIRST)
    assert_nothing_comes_late(place, cleared=False)


@pytest.mark.parametrize(("how", "others"), WAYS)
def test_create(place, how, others):
    place.meanwhile = lambda: place.overwrite(others)
    answer = create(place, how)
    assert answer == (0 if others and how != "after" else None)
    now = place.stored()
    assert now is not None
    assert token_of(now) == (f"{99 + others:016x}" if others else OURS)
    assert_nothing_comes_late(place, cleared=True)


@pytest.mark.parametrize(("how", "others"), WAYS)
def test_delete(place, how, others):
    stand_first(place)
    place.meanwhile = lambda: place.overwrite(others)
    answer = delete(place, how)
    assert answer == (0 if others and how != "after" else None)
    assert (place.stored() is None) == (others == 0)
    assert_nothing_comes_late(place, cleared=False)


@pytest.mark.parametrize("how", ["before", "after", "late"])
def test_a_record_that_was_made_and_removed_meanwhile(place, how):
    """The way is free again for what we sent: it comes in once, by our own answer or before it, and never after it."""

    def come_and_go() -> None:
        place.overwrite(1)
        place.remove()

    place.meanwhile = come_and_go
    assert create(place, how) is None
    assert (place.stored() is None) == (how == "after")
    assert_nothing_comes_late(place, cleared=how != "after")


def test_a_refusal_is_sure(place):
    stand_first(place)
    target = ("r:author", "1")
    put = [(*KEY, record(OURS, FIRST))]
    assert place.commit([Exists(target), Same(KEY, FIRST)], put, [], "late") == 0
    place.others.commit([], [(*target, record(FIRST))], [], epoch=None)
    place.release()
    assert place.stored() == record(FIRST)


def test_a_new_epoch_meanwhile(place):
    def move() -> None:
        catalog = f'{{"format":1,"epoch":"{"f" * 16}"}}'.encode()
        assert place.others.commit([], [(*CATALOG, catalog)], [], epoch=EPOCH) is None

    stand_first(place)
    place.meanwhile = move
    with pytest.raises(errors.EpochChanged):
        save(place, "late")
    place.release()
    assert place.stored() == record(FIRST)


def test_another_server_at_the_same_place():
    """One that comes back with its data knows the slots; of one that comes back without, the tokens tell little."""
    for is_durable in (True, False):
        with (
            servers.Redis(servers.session().run, durable=is_durable) as server,
            Proxy(servers.HOST, server.port) as proxy,
        ):
            place = Place(server, proxy)

            def restart(server: servers.Redis = server) -> None:
                server.crash()
                server.restart()

            place.meanwhile = restart
            assert create(place, "after") == (None if is_durable else "unknown")
            assert place.stored() == (record(OURS) if is_durable else None)
            place.close()


# --- slots ---


def slots(server: servers.Redis, place: Place) -> dict[bytes, bytes]:
    with redis.Redis(port=server.port) as admin:
        names = list(admin.scan_iter(place.ours._keyspace.slots + b"*"))
        return {name: admin.get(name) for name in names}


def forget(server: servers.Redis, place: Place) -> None:
    """Throw away all slots, as time does."""
    with redis.Redis(port=server.port) as admin:
        for name in slots(server, place):
            admin.delete(name)


@pytest.mark.parametrize("how", ["before", "after", "late"])
def test_a_slot_that_is_gone_leaves_it_to_the_tokens(server, place, how):
    stand_first(place)
    place.ours.get([])
    place.meanwhile = lambda: forget(server, place)
    assert save(place, how) is None
    assert place.stored() == record(OURS, FIRST)
    place.remove()
    place.meanwhile = lambda: forget(server, place)
    # Of a create, the tokens tell only that it is there; who finds none knows not whether another took it away.
    assert create(place, how) == (None if how == "after" else "unknown")
    before = place.stored()
    place.release()
    assert place.stored() == before  # without its slot, it is refused for ever


def test_a_slot_that_ran_out_between_two_commits(server, place):
    for token in (FIRST, OURS):
        assert place.ours.commit([], [(*KEY, record(token))], [], epoch=EPOCH) is None
        forget(server, place)
    assert place.ours.commit([Same(KEY, OURS)], [], [KEY], epoch=EPOCH) is None
    assert place.stored() is None


def test_a_slot_is_replaced_before_it_runs_out(server, place):
    assert place.ours.commit([], [(*KEY, record(FIRST))], [], epoch=EPOCH) is None
    (link,) = place.ours._connections._idle
    first = link.slot
    assert first is not None
    first.until = time.monotonic()
    assert place.ours.commit([], [(*KEY, record(OURS))], [], epoch=EPOCH) is None
    assert link.slot is not None
    assert link.slot.key != first.key
    assert slots(server, place)[first.key] == slots(server, place)[link.slot.key] == b"2"


def test_only_what_writes_counts(server, place):
    """A commit that only checks, and one that is refused, leave the slot as it is; a break of the former is none."""
    stand_first(place)
    assert place.ours.commit([Absent(KEY)], [(*KEY, record(OURS))], [], epoch=EPOCH) == 0
    with pytest.raises(errors.EpochChanged):
        place.ours.commit([], [(*KEY, record(OURS))], [], epoch="f" * 16)
    assert place.ours.commit([Same(KEY, FIRST)], [], [], epoch=EPOCH) is None
    (link,) = place.ours._connections._idle
    assert link.slot is not None
    assert (link.slot.number, slots(server, place)[link.slot.key]) == (1, b"1")
    for how in ("before", "after", "late"):
        place.meanwhile = lambda: None
        assert place.commit([Same(KEY, OURS)], [], [], how) == 0


def test_the_question_is_lost_as_well(place, proxy):
    """It is asked until it is answered, and says the same each time."""
    for how, number in (("before", 1), ("after", 2)):
        key = ("r:book", f"asked {number}")
        commit, asked = place.faults[how](containing=COMMIT.sha), proxy.cut_after(containing=b"'GET'")
        assert place.ours.commit([Absent(key)], [(*key, record(OURS))], [], epoch=EPOCH) is None
        assert commit.has_struck
        assert asked.has_struck
        assert place.others.get([key]).values == [record(OURS)]


# --- reads, and connections that broke while they were idle ---


def test_a_connection_that_broke_while_it_was_idle(place, server):
    stand_first(place)
    with redis.Redis(port=server.port) as admin:
        for use in (
            lambda: place.ours.get([KEY]).values == [record(FIRST)],
            lambda: place.ours.scan([Span("r:book", "", "z")], follow="r:book").values == [record(FIRST)],
            lambda: place.ours.commit([Same(KEY, FIRST)], [(*ENTRY, b"")], [], epoch=EPOCH) is None,
            # A create: were it sent into a dead connection, nobody could tell what became of it.
            lambda: place.ours.commit([Absent(("r:book", "new"))], [("r:book", "new", b"{}")], [], epoch=EPOCH) is None,
        ):
            admin.client_kill_filter(_type="normal", skipme=True)
            time.sleep(0.05)
            assert use()


def test_a_host_that_is_not_there():
    began = time.monotonic()
    with pytest.raises(errors.Unavailable):
        RedisStore.open(parse_url(f"redis://127.0.0.1:{servers.server.free_ports(1)[0]}"), wait=time.sleep)
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_a_server_that_says_nothing():
    """Neither reads nor writes hang; what was surely not sent is Unavailable, the rest unknown."""
    with servers.Redis(servers.session().run) as own:
        store = RedisStore.open(parse_url(f"{own.url}?timeout=0.5", "f_"), wait=time.sleep)
        kv: Any = store._kv
        kv.commit([], [], [KEY], epoch=None)
        own.freeze()
        began = time.monotonic()
        with pytest.raises(errors.OutcomeUnknown):
            kv.commit([Absent(KEY)], [(*KEY, record(OURS))], [], epoch=None)
        assert time.monotonic() - began < 5
        began = time.monotonic()
        with pytest.raises(errors.Unavailable):
            kv.get([KEY])
        with pytest.raises(errors.Unavailable):  # no connection came about
            kv.commit([Absent(KEY)], [(*KEY, record(OURS))], [], epoch=None)
        assert time.monotonic() - began < 5
        own.thaw()
        assert kv.get([KEY]).values in ([record(OURS)], [None])
        store.close()


@pytest.mark.slow
def test_a_connection_that_leads_nowhere_any_more(place, proxy):
    """Nothing comes through on it: a commit is decided on another one."""
    stand_first(place)
    proxy.blackhole(containing=COMMIT.sha)
    began = time.monotonic()
    assert place.ours.commit([Same(KEY, FIRST)], [(*KEY, record(OURS, FIRST))], [], epoch=EPOCH) is None
    proxy.blackhole(containing=b"HGET")
    with pytest.raises(errors.Unavailable):
        place.ours.get([KEY])
    assert time.monotonic() - began < 8
    assert place.ours.get([KEY]).values == [record(OURS, FIRST)]


COUNTER = ("r:count", "n")


def counted(place: Place) -> int:
    now = place.others.get([COUNTER]).values[0]
    assert now is not None
    return int(now[now.index(b'"n":') + 4 : -1])


def count_up(place: Place, token: str) -> str:
    """Add one, once; give what became of it."""
    try:
        now = place.ours.get([COUNTER]).values[0]
        assert now is not None
        number = int(now[now.index(b'"n":') + 4 : -1]) + 1
        new = record(token, token_of(now))[:-1] + b',"n":%d}' % number
        failing = place.ours.commit([Same(COUNTER, token_of(now))], [(*COUNTER, new)], [], epoch=EPOCH)
    except (errors.OutcomeUnknown, errors.Unavailable) as error:
        return type(error).__name__
    return "done" if failing is None else "conflict"


@pytest.mark.slow
def test_counting_while_everything_breaks(server, proxy):
    """Four writers count one record up through a proxy that cuts at random; each count is there once, or unknown."""
    place = Place(server, proxy)
    stand_first(place)
    place.others.commit([], [(*COUNTER, record(FIRST)[:-1] + b',"n":0}')], [], epoch=None)
    ends, faults, end = Counter[str](), list[Fault](), time.monotonic() + 30

    def is_enough() -> bool:
        return ends["done"] > 100 and sum(fault.has_struck for fault in list(faults)) > 50

    def count(mine: int) -> None:
        dice = random.Random(mine)
        while not is_enough():
            assert time.monotonic() < end
            if dice.random() < 0.2:
                faults.append(place.faults[dice.choice([*place.faults])](containing=COMMIT.sha))
            ends[count_up(place, f"{dice.getrandbits(63):016x}")] += 1

    threads = [
        threading.Thread(target=count, args=(mine,), daemon=True) for mine in range(4)
    ]  # what one raises fails the test
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.disarm()
    for fault in faults:
        if fault.kind == "hold" and fault.has_struck:
            fault.release()
    assert ends["done"] <= counted(place) <= ends["done"] + ends["OutcomeUnknown"]
    place.close()
