"""A database in one slot of a real cluster: found from any node, followed when it moves, used on after a failover."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from manystore import errors
from manystore.store.url import parse_url
from manystore.stores.keyvalue.protocol import Absent, Exists, Span
from manystore.stores.keyvalue.redis import Redis, RedisStore
from manystore.testing import servers

pytestmark = [pytest.mark.server, pytest.mark.cluster]

RECORD = b'{"_revision":"0123456789abcdef","_previous":null}'
_NAMES = itertools.count(1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[servers.RedisCluster]:
    with servers.RedisCluster(servers.session().run, durable=True) as made:
        yield made


@pytest.fixture
def prefix() -> str:
    return f"c{os.getpid()}n{next(_NAMES)}_"


def opened(url: str, prefix: str) -> RedisStore:
    return RedisStore.open(parse_url(url, prefix), wait=time.sleep)


@pytest.fixture
def kv(cluster, prefix) -> Iterator[Redis]:
    store = opened(f"{cluster.url}?timeout=3", prefix)
    kv: Any = store._kv
    yield kv
    store.close()


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def master_of(cluster: servers.RedisCluster, kv: Redis) -> servers.RedisNode:
    port = kv._exchange._way.address()[1]
    return next(node for node in cluster.nodes if node.port == port)


def test_the_verbs(kv):
    assert kv.commit([Absent(("r:a", "a"))], [("r:a", "a", RECORD), ("i:a.x", "1 a", b"")], [], epoch=None) is None
    assert kv.commit([Absent(("r:a", "a"))], [("r:a", "a", RECORD)], [], epoch=None) == 0
    assert kv.get([("r:a", "a"), ("r:b", "a")]).values == [RECORD, None]
    assert kv.scan([Span("i:a.x", "", "z")], follow="r:a").values == [RECORD]


def test_any_node_leads_there(cluster, prefix, kv):
    kv.commit([], [("c:", "catalog", b'{"format":1,"epoch":"0123456789abcdef"}')], [], epoch=None)
    gone = servers.server.free_ports(1)[0]
    for node in cluster.nodes:
        store = opened(f"redis+cluster://127.0.0.1:{gone},127.0.0.1:{node.port}", prefix)
        assert store._kv.get([]).epoch == "0123456789abcdef"
        store.close()
    with pytest.raises(errors.Unavailable):
        opened(f"redis+cluster://127.0.0.1:{gone}", prefix)


def test_a_wrong_password_is_called_so(cluster, prefix):
    with pytest.raises(errors.Unavailable, match="password"):
        opened(cluster.url.replace("://", "://nobody:wrong-9@"), prefix)


def test_a_node_is_no_single_server(cluster, kv, prefix):
    other = next(node for node in cluster.nodes[:3] if node is not master_of(cluster, kv))
    with pytest.raises(errors.StoreError, match=r"redis\+cluster"):
        opened(f"redis://127.0.0.1:{other.port}", prefix)


def test_an_orderly_failover_is_followed(cluster, kv):
    assert kv.commit([Absent(("r:a", "0"))], [("r:a", "0", RECORD)], [], epoch=None) is None
    master = master_of(cluster, kv)
    with redis.Redis(port=master.port, decode_responses=True) as admin:
        (replica,) = admin.role()[2]
    with redis.Redis(port=int(replica[1])) as admin:
        admin.execute_command("CLUSTER", "FAILOVER")
    end = time.monotonic() + 30
    number = itertools.count(1)
    while kv._exchange._way.address()[1] == master.port and time.monotonic() < end:
        name = f"{next(number)}"
        assert kv.commit([Absent(("r:a", name))], [("r:a", name, RECORD)], [], epoch=None) is None
    assert kv._exchange._way.address()[1] == int(replica[1])
    assert len(kv.scan([Span("r:a", "", "z")]).names) == next(number)
    cluster.settle()


def test_a_slot_that_is_moved(cluster, kv, prefix):
    """Commits wait while the slot is in two places, and none is carried out in part."""
    source = master_of(cluster, kv)
    slot = key_slot(f"{{{prefix}manystore}}:c:".encode())
    target = next(node for node in cluster.nodes if node is not source and node.says(b"ROLE", b"master"))
    kv.commit([], [("r:a", "base", RECORD), ("i:a.x", "base", b"")], [], epoch=None)
    stop, done = threading.Event(), list[str]()

    def commit() -> None:  # whatever it raises fails the test
        while not stop.is_set():
            name = f"{len(done):05}"
            # A new index as well: its key is in neither place.
            puts = [("r:a", name, RECORD), ("i:a.x", f"v {name}", b""), (f"i:a.n{name}", f"v {name}", b"")]
            assert kv.commit([Absent(("r:a", name)), Exists(("r:a", "base"))], puts, [], epoch=None) is None
            assert kv.get([("r:a", name)]).values == [RECORD]
            done.append(name)

    thread = threading.Thread(target=commit, daemon=True)
    thread.start()
    until(lambda: len(done) > 20)
    with redis.Redis(port=source.port) as old, redis.Redis(port=target.port) as new:
        ids = [each.execute_command("CLUSTER", "MYID") for each in (old, new)]
        new.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        old.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        while keys := old.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 20):
            old.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 2000, "KEYS", *keys)
            time.sleep(0.02)
        for each in (new, old):
            each.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
    before = len(done)
    until(lambda: len(done) > before + 20)
    stop.set()
    thread.join()
    assert master_of(cluster, kv) is target
    names = [name for name in kv.scan([Span("r:a", "", "z")]).names if name != "base"]
    assert names == done
    assert kv.scan([Span("i:a.x", "v", "w")]).names == [f"v {name}" for name in names]
    assert all(kv.scan([Span(f"i:a.n{name}", "", "z")]).names == [f"v {name}"] for name in names)


@pytest.mark.parametrize("replicas", [0, 1])
def test_the_master_is_killed_while_commits_stream(cluster, prefix, replicas):
    """Errors of ours only, for a while; then it goes on by itself, and has all that two nodes had acknowledged."""
    cluster.settle()
    store = opened(f"{cluster.url}?timeout=2&replicas={replicas}", prefix)
    kv: Any = store._kv
    stop, sure, seen, number = threading.Event(), list[str](), Counter[str](), itertools.count()

    def commit() -> None:  # any other error ends the thread, and the test with it
        while not stop.is_set():
            name = f"{next(number):06}"
            try:
                assert kv.commit([Absent(("r:a", name))], [("r:a", name, RECORD)], [], epoch=None) is None
                sure.append(name)
            except (errors.Unavailable, errors.OutcomeUnknown) as error:
                seen[type(error).__name__] += 1
                time.sleep(0.01)

    threads = [threading.Thread(target=commit, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(sure) > 50)
    killed, before = master_of(cluster, kv), len(sure)
    killed.crash()
    until(lambda: seen or len(sure) > before + 50)  # a quick change of masters is borne without an error
    time.sleep(1)  # or it would be back before anybody missed it
    killed.restart()  # a replica from now on: without one, commits that must be on two nodes would stay unknown
    until(lambda: len(sure) > before + 100)
    stop.set()
    for thread in threads:
        thread.join()
    stored = set(kv.scan([Span("r:a", "", "z")]).names)
    assert len(stored.difference(sure)) <= seen["OutcomeUnknown"]
    if replicas:  # otherwise Redis may lose what it had acknowledged
        assert stored.issuperset(sure)
    store.close()
