"""Redis on a real server, beyond its verbs (manystore.testing.verbs): large steps, threads, URLs, refusals."""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from manystore import errors
from manystore.query.plan import CATALOG as READ_CATALOG
from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase
from manystore.schema.schema import Schema
from manystore.schema.system import SYSTEM
from manystore.store.url import parse_url
from manystore.stores.keyvalue.protocol import CATALOG, Absent, Exists, Range, Same, Span
from manystore.stores.keyvalue.redis import Redis, RedisStore
from manystore.testing import servers
from manystore.testing.network import Proxy

pytestmark = pytest.mark.server

TOKEN = "0123456789abcdef"
RECORD = b'{"_revision":"' + TOKEN.encode() + b'","_previous":null}'
SECRET = "sesame-7"
_NAMES = itertools.count(1)


def opened(url: str, prefix: str = "") -> RedisStore:
    return RedisStore.open(parse_url(url, prefix), wait=time.sleep)


@pytest.fixture
def prefix() -> str:
    return f"u{os.getpid()}x{next(_NAMES)}_"


@pytest.fixture
def url() -> str:
    return servers.url("redis")


@pytest.fixture
def store(url, prefix) -> Iterator[RedisStore]:
    made = opened(url, prefix)
    yield made
    made.close()


@pytest.fixture
def kv(store) -> Redis:
    kv: Any = store._kv
    kv.commit([], [("r:a", name, RECORD) for name in "abcd"], [], epoch=None)
    kv.commit([], [("i:a.x", f"{n} {name}", b"") for n, name in enumerate("dcbz")], [], epoch=None)
    kv.commit([], [("u:a.y", "$1!", b"a")], [], epoch=None)
    return kv


@pytest.fixture
def client(url) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url, decode_responses=True) as made:
        yield made


@pytest.fixture(scope="module")
def durable() -> Iterator[servers.Redis]:
    with servers.Redis(servers.session().run, durable=True) as made:
        yield made


@pytest.fixture(scope="module")
def guarded() -> Iterator[servers.Redis]:
    with servers.Redis(servers.session().run) as made:
        with redis.Redis(port=made.port) as admin:
            admin.config_set("requirepass", SECRET)
        yield made


def test_a_large_step_and_a_large_find(kv):
    """Beyond what Lua takes at once, in every list that goes to a command."""
    many = [f"{n:05}" for n in range(9001)]
    puts = [(space, name, b"") for name in many for space in ("r:m", "i:m.x")]
    puts = [
        (space, name if space == "r:m" else f"v {name}", RECORD if space == "r:m" else b"") for space, name, _ in puts
    ]
    assert kv.commit([Absent(("r:m", name)) for name in many], puts, [], epoch=None) is None
    page = kv.scan([Span("i:m.x", "", "w")], follow="r:m")
    assert page.values == [RECORD] * 9001
    assert page.names == [f"v {name}" for name in many]
    seen = tuple(page.names)
    assert kv.commit([Range(Span("i:m.x", "", "w"), seen)], [], [], epoch=None) is None
    assert kv.commit([Range(Span("i:m.x", "", "w"), seen[1:])], [], [], epoch=None) == 0
    assert kv.get([("r:m", name) for name in many]).values == [RECORD] * 9001
    gone = [("r:m", name) for name in many] + [("i:m.x", name) for name in seen]
    assert kv.commit([Same(key, TOKEN) for key in gone[:9001]], [], gone, epoch=None) is None
    assert kv.scan([Span("i:m.x", "", "w")]).names == kv.scan([Span("r:m", "", "w")]).names == []


def test_a_server_that_forgot_the_scripts(kv, client):
    client.script_flush()
    assert kv.scan([Span("r:a", "", "z")], follow="r:a", limit=1).names == ["a"]
    client.script_flush()
    assert kv.commit([Absent(("r:a", "e"))], [("r:a", "e", RECORD)], [], epoch=None) is None
    assert kv.get([("r:a", "e")]).values == [RECORD]


def test_layout(kv, client, prefix):
    start = f"{{{prefix}manystore}}:"
    keys = set(client.scan_iter(f"{start}*"))
    slots = {key for key in keys if key.startswith(f"{start}w:")}
    assert keys - slots == {start + rest for rest in ("r:a", "k:a", "i:a.x", "u:a.y")}
    (slot,) = slots
    assert (len(slot), client.get(slot)) == (len(start) + 18, "4")  # it begins with 1, and there were three commits
    assert 0 < client.pttl(slot) <= 600_000
    assert client.hget(f"{start}r:a", "a") == RECORD.decode()
    assert client.zrange(f"{start}k:a", 0, -1) == list("abcd")
    assert client.zrange(f"{start}i:a.x", 0, -1, withscores=True)[0] == ("0 d", 0.0)


def test_threads(kv):
    failed: list[object] = []

    def add(mine: int) -> None:
        for n in range(50):
            key = ("r:t", f"{mine}-{n}")
            if (
                kv.commit([Absent(key)], [(*key, RECORD)], [], epoch=None) is not None
                or kv.get([key]).values[0] is None
            ):
                failed.append(key)

    threads = [threading.Thread(target=add, args=(mine,)) for mine in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(kv.scan([Span("r:t", "", "z")]).names) == 400


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_opens_its_own_connections(kv):
    (before,) = kv._connections._idle
    for _ in range(3):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                read = kv.get([("r:a", "a")]).values == [RECORD]
                (own,) = kv._connections._idle
                done = kv.commit([], [("r:a", "child", RECORD)], [], epoch=None) is None
                kv.close()
                code = 0 if read and done and own is not before else 1
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert kv.get([("r:a", "child")]).values == [RECORD]
        assert kv._connections._idle[-1] is before


# --- which database ---


def test_databases_side_by_side(url, client, prefix):
    catalog = Catalog.first(Schema.of([], SYSTEM))
    urls = [(url, prefix), (f"{url}/0/b", prefix), (f"{url}/c", prefix), (f"{url}/1", prefix), (f"{url}/1/b", prefix)]
    made = [opened(*each) for each in urls]
    made[0].alter(CreateDatabase(catalog))
    assert [bool(store.read(READ_CATALOG, (), epoch="").rows) for store in made] == [True, False, False, False, False]
    for store in made[1:]:
        store.alter(CreateDatabase(Catalog.first(Schema.of([], SYSTEM))))
    assert len({store.read(READ_CATALOG, (), epoch="").rows[0].epoch for store in made}) == 5
    assert {f"{{{prefix}{name}}}:c:" for name in ("manystore", "b", "c")} <= set(client.keys(f"*{prefix}*"))
    again = opened(f"{url}/", prefix)
    assert again.read(READ_CATALOG, (), epoch="").rows[0].epoch == catalog.epoch
    for store in (*made, again):
        store.close()


def test_foreign_keys_are_left_alone(url, client, prefix):
    start = f"{{{prefix}manystore}}:"
    client.set(f"{start}session", "theirs")
    for key, value in (("c:", None), ("c:", "text"), ("c:", {"other": "1"}), ("c:", {"catalog": "{}", "epoch": ""})):
        client.delete(start + key)
        if isinstance(value, str):
            client.set(start + key, value)
        elif value is not None:
            client.hset(start + key, mapping=value)
        before = sorted(client.keys(f"*{prefix}*"))
        with pytest.raises(errors.NotADatabase):
            opened(url, prefix)
        assert sorted(client.keys(f"*{prefix}*")) == before


def test_a_key_of_another_type_is_found_out(kv, client, prefix):
    client.set(f"{{{prefix}manystore}}:r:b", "theirs")
    for use in (
        lambda: kv.get([("r:b", "a")]),
        lambda: kv.get([("r:b", "a"), ("r:b", "b")]),
        lambda: kv.get([("r:b", "a"), ("r:a", "b")]),
        lambda: kv.commit([Absent(("r:b", "a"))], [], [], epoch=None),
    ):
        with pytest.raises(errors.Corrupted):
            use()
    assert kv.get([("r:a", "a")]).values == [RECORD]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("redis://h/0?color=1", "unknown option color"),
        ("redis://h/0?ssl_ca_certs=/x", "unknown option ssl_ca_certs"),
        ("redis://h,i/0", "redis[+]cluster"),
        ("redis://h/0?timeout=0", "timeout"),
        ("redis://h/0?timeout=x", "timeout"),
        ("redis://h/0?connect_timeout=0", "connect_timeout"),
        ("redis://h/0?durability=off", "durability"),
        ("redis://h/0?replicas=1.5", "replicas"),
        ("redis://h/0?pool=1.5", "pool"),
        ("redis://h/a{b}", "letters"),
        ("redis://h/a/b", "letters"),
        ("redis+cluster://h/1", "number 0"),
        ("rediss://h/0?ssl_ca_certs=/none/such", "ssl_ca_certs"),
        ("rediss://h/0?ssl_cert_reqs=maybe", "ssl_cert_reqs"),
        ("rediss://h/0?ssl_check_hostname=1", "ssl_check_hostname"),
    ],
)
def test_urls_that_are_refused(text, words):
    with pytest.raises(errors.URLError, match=words):
        opened(text)


def test_a_server_that_stands_alone_is_no_cluster(url, prefix):
    with pytest.raises(errors.StoreError, match="no cluster"):
        opened(url.replace("redis://", "redis+cluster://"), prefix)


def test_use_after_close(store):
    store.close()
    store.close()
    for use in (
        lambda: store.read(READ_CATALOG, (), epoch=""),
        lambda: store.write([], epoch=""),
        lambda: store.alter(CreateDatabase(Catalog.first(Schema.of([], SYSTEM)))),
    ):
        with pytest.raises(errors.Closed):
            use()


# --- who may, and what the server must be ---


def test_passwords(guarded):
    at = f"127.0.0.1:{guarded.port}"
    with redis.Redis.from_url(f"redis://:{SECRET}@{at}") as admin:
        admin.execute_command("ACL", "SETUSER", "reader", "on", ">half", "~*", "+@read", "+@connection")
    opened(f"redis://:{SECRET}@{at}").close()
    opened(f"redis://default:{SECRET}@{at}").close()
    for login, words in (("", "password"), (":wrong-9@", "password"), ("nobody:wrong-9@", "password")):
        with pytest.raises(errors.Unavailable, match=words) as caught:
            opened(f"redis://{login}{at}")
        seen = [caught.value, caught.value.__cause__, caught.value.__context__]
        assert not any(secret in repr(e) + str(e) for e in seen for secret in (SECRET, "wrong-9"))
    reader = opened(f"redis://reader:half@{at}")
    with pytest.raises(errors.Unavailable, match="may not"):
        reader.alter(CreateDatabase(Catalog.first(Schema.of([], SYSTEM))))
    assert "half" not in repr(reader._kv._connections._login)
    reader.close()


def test_durability(url, durable, prefix):
    opened(f"{durable.url}?durability=full", prefix).close()
    with pytest.raises(errors.URLError, match="appendfsync always"):
        opened(f"{url}?durability=full", prefix)
    with redis.Redis.from_url(durable.url) as admin:
        admin.execute_command("ACL", "SETUSER", "plain", "on", ">half", "~*", "+@all", "-config")
    with pytest.raises(errors.URLError, match="may not read the server's settings"):
        opened(f"redis://plain:half@127.0.0.1:{durable.port}?durability=full", prefix)
    opened(f"redis://plain:half@127.0.0.1:{durable.port}", prefix).close()


@pytest.mark.parametrize(("policy", "is_fit"), [("noeviction", True), ("volatile-lru", True), ("allkeys-lru", False)])
def test_a_server_that_throws_keys_away_is_refused(durable, prefix, policy, is_fit):
    url = durable.url
    with redis.Redis.from_url(url) as admin:
        admin.config_set("maxmemory-policy", policy)
        try:
            if is_fit:
                opened(url, prefix).close()
            else:
                with pytest.raises(errors.StoreError, match="noeviction"):
                    opened(url, prefix)
        finally:
            admin.config_set("maxmemory-policy", "noeviction")


def test_what_was_committed_is_there_after_the_server_was_killed(durable, prefix):
    store = opened(f"{durable.url}?durability=full", prefix)
    for n in range(50):
        assert store._kv.commit([], [("r:a", f"{n:02}", RECORD)], [], epoch=None) is None
    durable.crash()
    with pytest.raises(errors.Unavailable):
        store._kv.get([("r:a", "00")])
    durable.restart()
    assert len(store._kv.scan([Span("r:a", "", "z")]).names) == 50
    store.close()


@pytest.mark.parametrize(
    ("name", "value", "normal", "words"),
    [("maxmemory", "1", "0", "memory"), ("min-replicas-to-write", "1", "0", "replicas")],
)
def test_a_server_that_takes_no_writes(durable, prefix, name, value, normal, words):
    store = opened(durable.url, prefix)
    store._kv.commit([], [("r:a", "old", RECORD)], [], epoch=None)
    with redis.Redis.from_url(durable.url) as admin:
        admin.config_set(name, value)
        try:
            # What goes first must not let the rest slip through half-way.
            for puts, deletes in (([("r:a", "a", RECORD)], []), ([("r:a", "a", RECORD)], [("r:a", "old")])):
                with pytest.raises(errors.Unavailable, match=words):
                    store._kv.commit([], puts, deletes, epoch=None)
            assert store._kv.scan([Span("r:a", "", "z")]).names == ["old"]
        finally:
            admin.config_set(name, normal)
    assert store._kv.commit([], [("r:a", "a", RECORD)], [("r:a", "old")], epoch=None) is None
    store.close()


def assert_replicas_are_waited_for(durable, prefix, replica):
    """The reply is lost, and with it what the replica said: it is asked again, about all that was written before."""
    with Proxy(servers.HOST, durable.port) as proxy:
        store = opened(f"redis://127.0.0.1:{proxy.port}?replicas=1&timeout=2", prefix)
        store._kv.get([])
        lost = proxy.cut_after(containing=b"r:lost")
        with pytest.raises(errors.OutcomeUnknown, match="too few replicas"):
            store._kv.commit([], [("r:lost", "e", RECORD)], [], epoch=None)
        assert lost.has_struck
        replica.thaw()
        lost = proxy.cut_after(containing=b"r:lost")
        assert store._kv.commit([], [("r:lost", "f", RECORD)], [("r:lost", "e")], epoch=None) is None
        assert lost.has_struck
        store.close()


@pytest.mark.slow
def test_replicas(durable, prefix):
    store = opened(durable.url, prefix)
    store.alter(CreateDatabase(Catalog.first(Schema.of([], SYSTEM))))
    options = ["--replicaof", f"127.0.0.1 {durable.port}", "--repl-diskless-sync-delay", "0"]
    with (
        redis.Redis.from_url(durable.url) as admin,
        servers.Redis(servers.session().run, options=options) as replica,
        redis.Redis.from_url(replica.url) as there,
    ):
        admin.config_set("repl-diskless-sync-delay", "0")
        replica.until(lambda: there.role()[3] == b"connected")
        follower = opened(replica.url, prefix)
        with pytest.raises(errors.Unavailable, match="replica"):
            follower._kv.commit([], [("r:a", "b", RECORD)], [], epoch=None)
        follower.close()
        twofold = opened(f"{durable.url}?replicas=1&timeout=2", prefix)
        assert twofold._kv.commit([], [("r:a", "c", RECORD)], [], epoch=None) is None
        replica.freeze()
        with pytest.raises(errors.OutcomeUnknown, match="too few replicas"):
            twofold._kv.commit([], [("r:a", "d", RECORD)], [], epoch=None)
        assert twofold._kv.commit([Absent(("r:a", "d"))], [("r:a", "d", RECORD)], [], epoch=None) == 0
        assert_replicas_are_waited_for(durable, prefix, replica)
        twofold.close()
    store.close()


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-ttl"])
def test_a_full_server_lets_go_of_records(durable, prefix, policy):
    """Over connections with a slot and without one; and what became of a delete can be found out there as well.

    Where the server throws slots away for want of memory, a lost reply is not: then it is unknown.
    """
    keys = [("r:a", name) for name in "abcd"]
    first = opened(durable.url, prefix)
    first.alter(CreateDatabase(Catalog.first(Schema.of([], SYSTEM))))
    first._kv.commit([], [(*key, RECORD) for key in keys], [], epoch=None)
    with redis.Redis.from_url(durable.url) as admin, Proxy(servers.HOST, durable.port) as proxy:
        second = opened(f"redis://127.0.0.1:{proxy.port}", prefix)
        admin.config_set("maxmemory-policy", policy)
        admin.config_set("maxmemory", "1")
        try:
            assert first._kv.commit([Exists(keys[0])], [], keys[:1], epoch=None) is None
            assert second._kv.commit([Exists(keys[1])], [], keys[1:2], epoch=None) is None
            for fault in (proxy.cut_before, proxy.cut_after):
                struck = fault(containing=b"bare" if policy != "noeviction" else b"exists")
                if policy == "noeviction":
                    assert second._kv.commit([Exists(CATALOG)], [], keys[2:3], epoch=None) is None
                else:
                    with pytest.raises(errors.OutcomeUnknown):
                        second._kv.commit([Exists(CATALOG)], [], keys[3:], epoch=None)
                assert struck.has_struck
            with pytest.raises(errors.Unavailable, match="memory"):
                second._kv.commit([], [(*keys[0], RECORD)], [], epoch=None)
        finally:
            admin.config_set("maxmemory", "0")
            admin.config_set("maxmemory-policy", "noeviction")
    assert first._kv.scan([Span("r:a", "", "z")]).names == ["d" if policy == "noeviction" else "c"]
    first.close()
    second.close()


def test_a_database_that_others_are_making_has_slots_already(url, prefix):
    store = opened(url, prefix)
    assert store._kv.commit([Absent(("r:a", "a"))], [("r:b", "a", RECORD)], [("r:b", "a")], epoch=None) is None
    store._kv.commit([], [], [("r:b", "a")], epoch=None)
    store.close()
    opened(url, prefix).close()


# --- TLS ---


@pytest.fixture(scope="module")
def secured(tmp_path_factory) -> Iterator[tuple[servers.Redis, str]]:
    folder = tmp_path_factory.mktemp("tls")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    make += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "key.pem"), "-out"]
    subprocess.run([*make, str(folder / "cert.pem")], check=True, capture_output=True)
    options = ["--tls-cert-file", folder / "cert.pem", "--tls-key-file", folder / "key.pem"]
    options += ["--tls-ca-cert-file", folder / "cert.pem", "--tls-auth-clients", "optional"]
    server = servers.Redis(servers.session().run)
    server.options = [*map(str, options), "--tls-port", str(server.second_port)]
    with server:
        yield server, str(folder)


@pytest.mark.slow
def test_tls(secured, prefix):
    server, folder = secured
    at = f"rediss://localhost:{server.second_port}"
    store = opened(f"{at}?ssl_ca_certs={folder}/cert.pem", prefix)
    assert store._kv.commit([], [("r:a", "a", RECORD)], [], epoch=None) is None
    assert store._kv.get([("r:a", "a")]).values == [RECORD]
    store.close()
    with pytest.raises(errors.Unavailable):  # a certificate that nobody vouches for
        opened(at, prefix)
    by_number = f"rediss://127.0.0.1:{server.second_port}?ssl_ca_certs={folder}/cert.pem"
    with pytest.raises(errors.Unavailable):  # it is another host's
        opened(by_number, prefix)
    opened(f"{by_number}&ssl_check_hostname=false", f"{prefix}b").close()
    opened(f"rediss://127.0.0.1:{server.second_port}?ssl_cert_reqs=none", f"{prefix}b").close()
    own = f"&ssl_certfile={folder}/cert.pem&ssl_keyfile={folder}/key.pem"
    opened(f"{at}?ssl_ca_certs={folder}/cert.pem{own}", f"{prefix}b").close()
    with pytest.raises(errors.Unavailable):  # no TLS is spoken there
        opened(f"rediss://localhost:{server.port}?ssl_cert_reqs=none&timeout=2", prefix)
