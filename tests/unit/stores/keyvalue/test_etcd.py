"""The inner waist as etcd keeps it: order, bounds, the five checks, one atomic step, snapshots, and its limits."""

from __future__ import annotations

import json
import random
import threading
import time

import pytest

from manystore import errors
from manystore.query.plan import CATALOG as READ_CATALOG
from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase
from manystore.schema.schema import Schema
from manystore.schema.system import SYSTEM
from manystore.store.url import parse_url
from manystore.stores.keyvalue.etcd import EtcdStore
from manystore.stores.keyvalue.etcd_messages import LeaseRevoke, Op, Put, Range, Txn
from manystore.stores.keyvalue.protocol import CATALOG, Absent, Empty, Exists, Same, Span
from manystore.stores.keyvalue.protocol import Range as Exactly
from manystore.testing import servers

pytestmark = pytest.mark.server

TOKEN = "0123456789abcdef"
RECORD = b'{"_revision":"' + TOKEN.encode() + b'","_previous":null}'
EPOCH = "e" * 16
CATALOG_TEXT = b'{"format":1,"epoch":"' + EPOCH.encode() + b'"}'


def made(url, **parts):
    return EtcdStore.open(parse_url(url, **parts), wait=time.sleep)


@pytest.fixture
def url():
    return f"{servers.url('etcd')}/unit{random.getrandbits(40):x}"


@pytest.fixture
def kv(url):
    store = made(url)
    kv = store._kv
    kv.commit([Absent(CATALOG)], [(*CATALOG, CATALOG_TEXT)], [], epoch=None)
    kv.commit([], [("r:a", name, RECORD) for name in "abcd"], [], epoch=EPOCH)
    kv.commit([], [("i:a.x", f"{n} {name}", b"") for n, name in enumerate("dcbz")], [], epoch=EPOCH)
    yield kv
    store.close()


def put(kv, key, value, lease=0):
    kv._cluster.ask("Txn", Txn(success=[Op(request_put=Put(key=key, value=value, lease=lease))]))


def under(kv, start):
    """Give the keys that begin so."""
    request = Range(key=start.encode(), range_end=(start + "\ue000").encode())
    answer = kv._cluster.ask("Txn", Txn(success=[Op(request_range=request)]))
    return {found.key.decode(): found.value for found in answer.responses[0].response_range.kvs}


def test_get(kv):
    assert kv.get([("r:a", "a"), ("r:a", "q"), ("r:none", "a")]).values == [RECORD, None, None]
    assert kv.get([]).values == []
    assert kv.get([("r:a", "a")]).epoch == EPOCH


def test_scan(kv):
    assert kv.scan([Span("r:a", "b", "d")]).names == ["b", "c"]
    assert kv.scan([Span("r:a", "", "z")], limit=2, reverse=True).names == ["d", "c"]
    page = kv.scan([Span("r:a", "", "z")], follow="r:a")
    assert (page.names, page.values, page.trips) == (list("abcd"), [RECORD] * 4, 1)
    page = kv.scan([Span("i:a.x", "1", "9")], follow="r:a")
    assert (page.names, page.values, page.trips) == (["1 c", "2 b", "3 z"], [RECORD, RECORD, None], 2)
    assert (page.epoch, page.trips) == (EPOCH, 2)
    assert kv.scan([Span("i:a.x", "3", "9")], follow="r:none").values == [None]
    assert kv.scan([Span("i:none", "", "z")], follow="r:a").names == []


@pytest.mark.parametrize("bounds", [("d", "b"), ("b", "b")])
def test_a_span_without_names_and_no_names_wanted(kv, bounds):
    assert kv.scan([Span("r:a", *bounds)]).names == []
    assert kv.scan([Span("r:a", "", "z")], limit=0).names == []
    assert kv.commit([Exactly(Span("r:a", *bounds), ())], [], [], epoch=EPOCH) is None


def test_names_beyond_ascii_in_the_order_of_code_points(kv):
    names = ["a", "é", "\ud7ff00e000", "z\x00", "z"]
    kv.commit([], [("i:a.y", f"{name} é", b"") for name in names] + [("r:a", "é", RECORD)], [], epoch=EPOCH)
    page = kv.scan([Span("i:a.y", "", "\ue000")], follow="r:a")
    assert page.names == sorted(f"{name} é" for name in names)
    assert page.values == [RECORD] * len(names)


@pytest.mark.parametrize(
    ("check", "holds"),
    [
        (Same(("r:a", "a"), TOKEN), True),
        (Same(("r:a", "a"), "f" * 16), False),
        (Same(("r:a", "a"), "0123456789abcdee"), False),
        (Same(("r:a", "a"), "0123456789abcdf0"), False),
        (Same(("r:a", "q"), TOKEN), False),
        (Absent(("r:a", "q")), True),
        (Absent(("r:none", "q")), True),
        (Absent(("r:a", "a")), False),
        (Exists(("r:a", "a")), True),
        (Exists(("r:a", "q")), False),
        (Empty("i:a.x", "4 "), True),
        (Empty("i:none", "4 "), True),
        (Empty("i:a.x", "1 "), False),
        (Exactly(Span("i:a.x", "1", "3"), ("1 c", "2 b")), True),
        (Exactly(Span("i:a.x", "1", "3"), ("1 c",)), False),
        (Exactly(Span("i:a.x", "1", "3"), ("2 b",)), False),
        (Exactly(Span("i:a.x", "1", "3"), ()), False),
        (Exactly(Span("i:a.x", "1", "3"), ("1 c", "2 a")), False),
        (Exactly(Span("i:a.x", "1", "3"), ("1 c", "2 b", "2 c")), False),
        (Exactly(Span("i:a.x", "5", "6"), ()), True),
    ],
)
@pytest.mark.parametrize("writes", [True, False])
@pytest.mark.parametrize("before", [1, 50])
def test_checks(kv, check, holds, writes, before):
    puts, deletes = ([("r:a", "new", RECORD)], [("r:a", "d")]) if writes else ([], [])
    checks = [*[Exists(("r:a", "a"))] * before, check, Exists(("r:a", "b"))]
    assert kv.commit(checks, puts, deletes, epoch=EPOCH) == (None if holds else before)
    done = [RECORD, None] if holds and writes else [None, RECORD]
    assert kv.get([("r:a", "new"), ("r:a", "d")]).values == done


def test_the_first_check_that_fails_is_named(kv):
    checks = [Exists(("r:a", "a")), Absent(("r:a", "b")), Same(("r:a", "a"), "f" * 16)]
    assert kv.commit(checks, [("r:a", "n", RECORD)], [], epoch=EPOCH) == 1
    with pytest.raises(errors.EpochChanged):
        kv.commit(checks, [], [], epoch="f" * 16)


@pytest.mark.parametrize("writes", [True, False])
def test_what_is_read_of_many_checks_after_a_refusal_may_have_changed(kv, monkeypatch, writes):
    """Then the commit is sent again: for a refusal there must be a check that does not hold."""
    checks, puts = [Absent(("r:a", f"n{n}")) for n in range(50)], [("r:a", "new", RECORD)] if writes else []
    kv.commit([], [("r:a", "n37", RECORD)], [], epoch=EPOCH)
    assert kv.commit(checks, puts, [], epoch=EPOCH) == 37
    with pytest.raises(errors.EpochChanged):
        kv.commit(checks, puts, [], epoch="f" * 16)
    ask, asked = kv._cluster.ask, []

    def interrupted(verb, request, **limits):
        asked.append(request)
        response = ask(verb, request, **limits)
        if len(asked) == 1:
            kv.commit([], [], [("r:a", "n37")], epoch=EPOCH)
        return response

    monkeypatch.setattr(kv._cluster, "ask", interrupted)
    assert kv.commit(checks, puts, [], epoch=EPOCH) is None
    assert [len(request.compare) > 50 for request in asked] == [True, False, False, True]


def test_what_is_deleted_and_put_is_there_and_the_last_put_counts(kv):
    kv.commit([], [("r:a", "a", b"x"), ("r:a", "a", b"y")], [("r:a", "a"), ("r:a", "b"), ("r:a", "b")], epoch=EPOCH)
    assert kv.get([("r:a", "a"), ("r:a", "b")]).values == [b"y", None]


def test_epoch(kv):
    other = CATALOG_TEXT.replace(EPOCH.encode(), b"f" * 16)
    with pytest.raises(errors.EpochChanged):
        kv.commit([], [("r:a", "n", RECORD)], [], epoch="f" * 16)
    assert kv.commit([], [(*CATALOG, other)], [], epoch=EPOCH) is None
    assert kv.get([]).epoch == kv.scan([Span("r:a", "", "z")]).epoch == "f" * 16
    with pytest.raises(errors.EpochChanged):
        kv.commit([], [("r:a", "n", RECORD)], [], epoch=EPOCH)


def test_keys_are_plain_text(kv, url):
    root = "/" + url.rpartition("/")[2]
    kv.commit([Same(("r:a", "a"), TOKEN)], [("u:a.y", "$x!", b"a")], [], epoch=EPOCH)
    found = under(kv, root + "/")
    assert found[f"{root}/r:a/a"] == RECORD
    assert found[f"{root}/u:a.y/$x!"] == b"a"
    assert found[f"{root}/i:a.x/0 d"] == b""
    assert found[f"{root}/c:/catalog"] == CATALOG_TEXT
    assert found[f"{root}/c:/epoch"] == EPOCH.encode()


def test_reads_are_snapshots(kv, monkeypatch):
    """What is written between the two steps of a scan is not seen; unless the revision was compacted meanwhile."""
    ask_all = kv._cluster.ask_all

    def late(verb, requests):
        kv.commit([], [("r:a", "c", b"newer")], [("r:a", "b")], epoch=EPOCH)
        return ask_all(verb, requests)

    monkeypatch.setattr(kv._cluster, "ask_all", late)
    assert kv.scan([Span("i:a.x", "1", "3")], follow="r:a").values == [RECORD, RECORD]
    monkeypatch.undo()
    assert kv.scan([Span("i:a.x", "1", "3")], follow="r:a").values == [b"newer", None]


def test_a_compacted_revision_is_read_anew():
    with servers.Etcd(servers.this_run()) as server:
        store = made(f"{server.url}/x")
        kv = store._kv
        kv.commit(
            [Absent(CATALOG)], [(*CATALOG, CATALOG_TEXT), ("r:a", "b", RECORD), ("i:a.x", "1 b", b"")], [], epoch=None
        )
        pinned = kv._pinned

        def late(keys, revision):
            kv.commit([], [("r:a", "b", b"newer")], [], epoch=EPOCH)
            server.call("POST", "/v3/kv/compaction", {"revision": revision + 1})
            return pinned(keys, revision)

        kv._pinned = late
        page = kv.scan([Span("i:a.x", "", "z")], follow="r:a")
        assert (page.names, page.values, page.epoch, page.trips) == (["1 b"], [b"newer"], EPOCH, 3)
        store.close()


def test_what_a_share_cut_off_is_read_anew_when_its_revision_is_compacted():
    with servers.Etcd(servers.this_run()) as server:
        store = made(f"{server.url}/x")
        kv = store._kv
        names = [f"{value} {number}" for value in range(8) for number in range(10)]
        kv.commit([Absent(CATALOG)], [(*CATALOG, CATALOG_TEXT)], [], epoch=None)
        kv.commit([], [("i:a.x", name, b"") for name in names], [], epoch=EPOCH)
        past, rounds = kv._past, []

        def late(requests):
            if not rounds:
                kv.commit([], [("i:a.x", "0 00", b"")], [], epoch=EPOCH)
                server.call("POST", "/v3/kv/compaction", {"revision": kv._read([])[1]})
            rounds.append(requests)
            return past(requests)

        kv._past = late
        page = kv.scan([Span("i:a.x", f"{value} ", f"{value}!") for value in range(8)], limit=8)
        assert page.names == ["0 0", "0 00", *names[1:7]]
        assert len(rounds) == 2
        assert page.trips == 2
        store.close()


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [3, 10, 2004])
def test_many_keys_at_one_moment(kv, most):
    kv.commit([], [("r:b", f"{n:03}", str(n).encode()) for n in range(300)], [], epoch=EPOCH)
    kv._most = most
    keys = [("r:b", f"{n:03}") for n in range(300, -1, -1)]
    assert kv.get(keys).values == [None, *(str(n).encode() for n in range(299, -1, -1))]


@pytest.mark.parametrize("number", [10, 61, 400, 1500])
def test_writes_beyond_the_limit_go_into_transactions_of_their_own(kv, number):
    kv._most = 64
    puts = [("r:b", f"{n:04}", b"x") for n in range(number)]
    assert kv.commit([Same(("r:a", "a"), TOKEN)], puts, [("r:a", "b")], epoch=EPOCH) is None
    assert len(kv.scan([Span("r:b", "", "z")]).names) == number
    gone = [("r:b", f"{n:04}") for n in range(number)]
    assert kv.commit([Same(("r:a", "a"), "f" * 16)], [], gone, epoch=EPOCH) == 0
    assert kv.commit([Same(("r:a", "a"), TOKEN)], [], gone, epoch=EPOCH) is None
    assert kv.scan([Span("r:b", "", "z")]).names == []


def test_the_portable_limit_of_checks(kv):
    """Every check may take two compares."""
    keys = [("r:b", f"{n:04}") for n in range(1000)]
    kv.commit([], [(*key, RECORD) for key in keys], [], epoch=EPOCH)
    checks = [Same(key, TOKEN) for key in keys]
    assert kv.commit(checks, [("r:a", "new", RECORD)], [], epoch=EPOCH) is None
    assert kv.commit([*checks[:-1], Same(keys[-1], "f" * 16)], [("r:a", "n", RECORD)], [], epoch=EPOCH) == 999


def test_what_the_server_does_not_take_is_too_large(kv):
    with pytest.raises(errors.TooLarge, match="bytes"):
        kv.commit([], [("r:a", "big", b"x" * 1_600_000)], [], epoch=EPOCH)
    with pytest.raises(errors.TooLarge, match="bytes"):
        kv.commit([], [("r:a", "big", b"x" * 3_000_000)], [], epoch=EPOCH)
    with pytest.raises(errors.TooLarge, match="operations"):
        kv.commit([Exists(("r:a", "a"))] * 5_000, [("r:a", "n", RECORD)], [], epoch=EPOCH)
    assert kv.commit([], [("r:a", "big", b"x" * 1_000_000)], [], epoch=EPOCH) is None
    assert len(slots(kv)) == 1


def test_a_server_with_its_own_limit_is_told_of_at_connect():
    with servers.Etcd(servers.this_run(), options=["--max-txn-ops=128"]) as server:
        with pytest.raises(errors.URLError, match=r"128 operations.*--max-txn-ops=2004.*max_operations=62 "):
            made(f"{server.url}/x")
        store = made(f"{server.url}/x?max_operations=62")
        store._kv.commit([], [("r:a", f"{n}", RECORD) for n in range(62)], [], epoch=None)
        checks = [Same(("r:a", f"{n}"), TOKEN) for n in range(62)]
        assert store._kv.commit(checks, [("r:b", f"{n}", RECORD) for n in range(62)], [], epoch=None) is None
        assert len(store._kv.get([("r:b", f"{n}") for n in range(1000)]).values) == 1000
        store.close()


def test_a_full_server_is_unavailable_and_nothing_is_lost():
    with servers.Etcd(servers.this_run(), options=["--quota-backend-bytes=2000000"]) as server:
        store = made(f"{server.url}/x")
        kv, done = store._kv, []

        def fill():
            for n in range(100):
                assert kv.commit([], [("r:a", f"{n:03}", b"x" * 100_000)], [], epoch=None) is None
                done.append(f"{n:03}")
                time.sleep(0.01)  # the server measures itself ten times a second

        with pytest.raises(errors.Unavailable, match="space"):
            fill()
        assert kv.scan([Span("r:a", "", "z")]).names == done
        store.close()


# --- slots -----------------------------------------------------------------------------------------------------------


def slots(kv):
    return under(kv, kv._slots._space)


def test_slots_are_few_and_go_with_close(kv, url):
    before = len(slots(kv))
    for n in range(20):
        kv.commit([], [("r:a", f"n{n}", RECORD)], [], epoch=EPOCH)
    assert len(slots(kv)) == before == 1
    other = made(url)
    other._kv.commit([], [("r:a", "m", RECORD)], [], epoch=EPOCH)
    assert len(slots(kv)) == 2
    other.close()
    other.close()
    assert len(slots(kv)) == 1


def test_refusals_use_up_no_slot(kv):
    for _ in range(3):
        with pytest.raises(errors.EpochChanged):
            kv.commit([], [("r:a", "n", RECORD)], [], epoch="f" * 16)
        assert kv.commit([Absent(("r:a", "a"))], [("r:a", "n", RECORD)], [], epoch=EPOCH) == 0
        assert kv.commit([], [("r:a", "n", RECORD)], [], epoch=EPOCH) is None
    assert len(slots(kv)) == len(kv._slots._free) == 1


def test_a_commit_notices_that_its_lease_is_gone(kv):
    for lease in list(kv._slots._leases):
        kv._cluster.ask("LeaseRevoke", LeaseRevoke(ID=lease))
    assert slots(kv) == {}
    assert kv.commit([Absent(("r:a", "n"))], [("r:a", "n", RECORD)], [], epoch=EPOCH) is None
    assert len(slots(kv)) == 1
    # A slot that was never used finds out by its lease.
    kv._slots._free.clear()
    kv._cluster.ask("LeaseRevoke", LeaseRevoke(ID=kv._slots._leases[-1]))
    assert kv.commit([Absent(("r:a", "m"))], [("r:a", "m", RECORD)], [], epoch=EPOCH) is None


def test_a_lease_is_replaced_in_time(kv):
    (old,) = kv._slots._leases
    kv._slots._until = 0.0
    for slot in kv._slots._free:
        slot.until = 0.0
    kv.commit([], [("r:a", "n", RECORD)], [], epoch=EPOCH)
    assert len(kv._slots._leases) == 2
    assert kv._slots._leases[0] == old


def test_threads(kv):
    failed = []

    def work(number):
        try:
            for n in range(15):
                key = ("r:t", f"{number}.{n}")
                assert kv.commit([Absent(key)], [(*key, RECORD)], [], epoch=EPOCH) is None
                assert kv.get([key]).values == [RECORD]
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(kv.scan([Span("r:t", "", "z")]).names) == 120
    assert len(slots(kv)) <= 8


# --- opening ---------------------------------------------------------------------------------------------------------


def test_something_else_under_the_prefix(kv, url):
    root = "/" + url.rpartition("/")[2]
    for number, key in enumerate(("/hello", "/c:/epoch", "/x/y")):
        put(kv, f"{root}{number}{key}".encode(), b"theirs")
        with pytest.raises(errors.NotADatabase):
            made(f"{url}{number}")
        assert under(kv, f"{root}{number}/") == {f"{root}{number}{key}": b"theirs"}
    put(kv, f"{root}9/c:/catalog".encode(), b"theirs")
    with pytest.raises(errors.NotADatabase):
        made(f"{url}9")
    put(kv, f"{root}/c:/epoch".encode(), b"a" * 16)
    with pytest.raises(errors.Corrupted):
        made(url)


def test_neighbours_and_slots_are_no_hindrance(kv, url):
    root = "/" + url.rpartition("/")[2]
    put(kv, f"{root}z/hello".encode(), b"theirs")
    put(kv, f"{root}0".encode(), b"theirs")
    put(kv, f"{root}n/w:/abc".encode(), b"a writer that is about to make the database")
    made(url).close()
    made(f"{url}n").close()


def test_prefixes_keep_databases_apart(url):
    catalog = Catalog.first(Schema.of([], SYSTEM))
    one, two = made(url, prefix="one_"), made(url, prefix="two_")
    one.alter(CreateDatabase(catalog))
    assert [row.epoch for row in one.read(READ_CATALOG, (), epoch="").rows] == [catalog.epoch]
    assert two.read(READ_CATALOG, (), epoch="").rows == []
    one.close()
    two.close()


@pytest.mark.parametrize(
    ("rest", "word"),
    [
        ("127.0.0.1/x?retries=3", "retries"),
        ("127.0.0.1/x?timeout=0", "timeout"),
        ("127.0.0.1/x?connect_timeout=soon", "connect_timeout"),
        ("127.0.0.1", "name"),
        ("/x", "host"),
        ("127.0.0.1/a:b", "name"),
        ("127.0.0.1/a//b", "name"),
        ("127.0.0.1/x?cert=a&key=b", "ca"),
        ("127.0.0.1/x?ca=/none/there", "ca"),
    ],
)
def test_urls_that_are_refused(rest, word):
    with pytest.raises(errors.URLError, match=word) as caught:
        made(f"etcd://{rest}")
    assert "/none" not in str(caught.value)


def test_a_password_is_in_no_text(url):
    host = url.partition("://")[2]
    with pytest.raises(errors.ManystoreError) as caught:
        made(f"etcd://me:s3cret@{host.replace('/', '/a:')}")
    assert "s3cret" not in repr(caught.value)
    store = made(f"etcd://me:s3cret@{host}")  # this server asks nobody who he is
    assert "s3cret" not in json.dumps([repr(store), repr(store._kv._cluster._settings)])
    store.close()


def test_use_after_close(url):
    store = made(url)
    kv = store._kv
    store.close()
    with pytest.raises(errors.Closed):
        store.read(READ_CATALOG, (), epoch="")
    with pytest.raises(errors.Closed):
        kv.get([])
