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
from manystore.testing import servers
from manystore.testing.network import Fault, Proxy

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

    def __init__(self, server: servers.Redis, proxy: Proxy, login: str = "") -> None:
        prefix = f"x{os.getpid()}n{next(_NAMES)}_"
        self.faults = {"before": proxy.cut_before, "after": proxy.cut_after, "late": proxy.hold}
        self.fault: Fault | None = None
        self.meanwhile: Callable[[], object] = lambda: None
        self._stores = [RedisStore.open(parse_url(server.url, prefix), wait=time.sleep)]
        self.others: Redis = self.kv_of(self._stores[0])
        self.others.commit([], [(*CATALOG, f'{{"format":1,"epoch":"{EPOCH}"}}'.encode())], [], epoch=None)
        url = f"redis://{login}127.0.0.1:{proxy.port}?timeout=1"
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
        self.fault = self.faults[how](containing=b"EVAL")
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


@pytest.fixture
def unfenced(server, proxy) -> Iterator[Place]:
    with redis.Redis(port=server.port) as admin:
        admin.execute_command("ACL", "SETUSER", "plain", "on", ">half", "~*", "+@all", "-client|kill")
    made = Place(server, proxy, "plain:half@")
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
    if others == 2:
        assert answer == "unknown"
    else:
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
    # Who created what stands there is lost with the second overwrite, and where ours never was it cannot be told.
    is_known = others == 0 or (how == "after" and others == 1)
    assert answer == (None if is_known else "unknown")
    now = place.stored()
    assert now is not None
    assert token_of(now) == (f"{99 + others:016x}" if others else OURS)
    assert_nothing_comes_late(place, cleared=True)


@pytest.mark.parametrize(("how", "others"), WAYS)
def test_delete(place, how, others):
    stand_first(place)
    place.meanwhile = lambda: place.overwrite(others)
    answer = delete(place, how)
    if how == "after":
        assert answer == "unknown"  # nothing of ours is left to tell by
    else:
        assert answer == {0: None, 1: 0, 2: "unknown"}[others]
    assert (place.stored() is None) == (others == 0)
    assert_nothing_comes_late(place, cleared=False)


@pytest.mark.parametrize("how", ["before", "after", "late"])
def test_a_record_that_was_made_and_removed_meanwhile(place, how):
    """The way is free again for what we sent: it may come in once, by our own answer, and never after it."""

    def come_and_go() -> None:
        place.overwrite(1)
        place.remove()

    place.meanwhile = come_and_go
    assert create(place, how) is None
    assert_nothing_comes_late(place, cleared=True)


def test_without_the_right_to_kill(unfenced):
    """Then what was sent may still come in: only a record that moved on excludes it."""
    stand_first(unfenced)
    assert save(unfenced, "late") is None
    assert_nothing_comes_late(unfenced, cleared=True)
    assert create(unfenced, "late") == "unknown"
    unfenced.release()
    assert unfenced.stored() == record(OURS)  # as was said: unknown


def test_without_the_right_to_kill_a_refusal_is_sure_only_of_what_moved_on(unfenced):
    stand_first(unfenced)
    target = ("r:author", "1")
    put = [(*KEY, record(OURS, FIRST))]
    assert unfenced.commit([Exists(target), Same(KEY, FIRST)], put, [], "late") == "unknown"
    unfenced.others.commit([], [(*target, record(FIRST))], [], epoch=None)
    unfenced.release()
    assert unfenced.stored() == put[0][2]
    unfenced.meanwhile = lambda: unfenced.overwrite(1)
    assert unfenced.commit([Same(KEY, OURS)], [(*KEY, record(FIRST, OURS))], [], "late") == 0


def test_with_the_fence_a_refusal_is_sure_of_all(place):
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
    """A connection's number means nothing to another run of the server: a create is unknown, a save is decided."""
    run = servers.session().run
    with servers.Redis(run, durable=True) as server, Proxy(servers.HOST, server.port) as proxy:
        place = Place(server, proxy)

        def restart() -> None:
            server.crash()
            server.restart()

        stand_first(place)
        place.meanwhile = restart
        assert save(place, "after") is None
        place.remove()
        place.meanwhile = restart
        assert create(place, "after") == "unknown"
        assert place.stored() == record(OURS)
        place.close()


def test_a_number_is_not_killed_at_another_run():
    """After a restart the numbers begin anew: the connection that has ours by now is somebody else's."""
    run = servers.session().run
    with servers.Redis(run, durable=True) as own, Proxy(servers.HOST, own.port) as proxy:
        for _ in range(10):
            with redis.Redis(port=own.port) as client:
                client.ping()
        place = Place(own, proxy)
        stand_first(place)
        seen: list[Any] = []
        (lost,) = place.ours._connections._idle

        def restart() -> None:
            own.crash()
            own.restart()
            seen.extend(redis.Redis(port=own.port) for _ in range(20))
            numbers.extend(client.client_id() for client in seen)

        numbers: list[Any] = []
        place.meanwhile = restart
        assert save(place, "after") is None
        assert lost.number in numbers
        assert {int(each["id"]) for each in seen[0].client_list()}.issuperset(numbers)
        for client in seen:
            client.close()
        place.close()


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
    """Nothing comes through on it: a commit is decided on another one, after the first is killed at the server."""
    stand_first(place)
    proxy.blackhole(containing=b"EVAL")
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
                faults.append(place.faults[dice.choice([*place.faults])](containing=b"EVAL"))
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
