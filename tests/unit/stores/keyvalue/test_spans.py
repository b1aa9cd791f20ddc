"""Several spans in one scan, and claims that are followed: the same on each store as on plain sorted lists."""

from __future__ import annotations

import random
import secrets
import time
from bisect import bisect_left

import pytest

from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.stores.keyvalue.protocol import CATALOG, Span
from manystore.testing import servers

EPOCH = "e" * 16
NUMBER = 3000
STORES = {
    "memory": lambda: "memory://",
    "redis": lambda: f"{servers.url('redis')}/s{secrets.token_hex(4)}",
    "etcd": lambda: f"{servers.url('etcd')}/s{secrets.token_hex(4)}",
    "few operations": lambda: f"{servers.url('etcd')}/s{secrets.token_hex(4)}?max_operations=20",  # 44 in a step
    "zookeeper": lambda: f"{servers.url('zookeeper')}/s{secrets.token_hex(4)}",
}
AT_ONCE = ("memory", "redis")  # names and records in one trip


def record(name: str) -> bytes:
    return f'{{"_revision":"{0:016x}","_previous":null,"name":"{name}"}}'.encode()


# Entries of 300 values: most have a few, each tenth has many, some have none.
OWNERS = [f"k{n:05}" for n in range(NUMBER)]
VALUES = [n % 300 // 10 * 10 if n % 2 else n % 290 for n in range(NUMBER)]
ENTRIES = sorted(f"${value:03}! {owner}" for value, owner in zip(VALUES, OWNERS, strict=True))
CLAIMS = {f"${n:03}!": OWNERS[n] for n in range(100)}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name == "memory" else pytest.mark.server) for name in STORES],
)
def store(request):
    made = open_store(parse_url(STORES[request.param]()), wait=time.sleep)
    kv = made._kv
    kv.commit([], [(*CATALOG, f'{{"format":1,"epoch":"{EPOCH}"}}'.encode())], [], epoch=None)
    for start in range(0, NUMBER, 15):
        part = slice(start, start + 15)
        kv.commit([], [("i:a.x", name, b"") for name in ENTRIES[part]], [], epoch=EPOCH)
        kv.commit([], [("r:a", name, record(name)) for name in OWNERS[part]], [], epoch=EPOCH)
    for name, owner in CLAIMS.items():
        kv.commit([], [("u:a.y", name, owner.encode())], [], epoch=EPOCH)
    yield request.param, kv
    made.close()


def plain(names, spans, limit, *, reverse):
    found = []
    for span in spans:
        part = names[bisect_left(names, span.low) : max(bisect_left(names, span.low), bisect_left(names, span.high))]
        found += part[::-1] if reverse else part
    return found[:limit]


def of_values(values):
    return [Span("i:a.x", f"${value:03}!", f"${value:03}!~") for value in values]


def test_any_spans_are_read_like_one_after_the_other(store):
    _, kv = store
    pick = random.Random(7)
    for _ in range(40):
        spans = of_values(pick.sample(range(300), pick.choice([1, 2, 10, 100, 300])))
        limit, reverse = pick.choice([None, 0, 1, 2, 50, 700, 2000, 5000]), pick.choice([False, True])
        page = kv.scan(spans, limit=limit, reverse=reverse, follow=pick.choice([None, "r:a"]))
        assert page.names == plain(ENTRIES, spans, limit, reverse=reverse)
        assert page.epoch == EPOCH
        if page.values:
            assert page.values == [record(name.rpartition(" ")[2]) for name in page.names]


def test_spans_of_records(store):
    _, kv = store
    pick = random.Random(8)
    for _ in range(20):
        bounds = sorted(pick.sample(range(NUMBER + 1), 2 * pick.choice([1, 3, 40])))
        spans = [Span("r:a", f"k{low:05}", f"k{high:05}") for low, high in zip(bounds[::2], bounds[1::2], strict=True)]
        limit, reverse = pick.choice([None, 1, 30, 900]), pick.choice([False, True])
        page = kv.scan(spans, limit=limit, reverse=reverse, follow="r:a")
        assert page.names == plain(OWNERS, spans, limit, reverse=reverse)
        assert page.values == [record(name) for name in page.names]


def test_some_empty_spans_take_nothing_away(store):
    _, kv = store
    spans = [Span("i:a.x", "$005!", "$005!"), *of_values([999, 2]), Span("i:a.x", "$009!", "$003!"), *of_values([10])]
    expected = plain(ENTRIES, of_values([2, 10]), None, reverse=False)
    assert kv.scan(spans).names == expected
    assert kv.scan(spans, limit=len(expected), follow="r:a").names == expected
    empty = kv.scan([spans[0], spans[1], spans[3]], follow="r:a")
    assert (empty.names, empty.values, empty.epoch) == ([], [], EPOCH)


def test_many_spans_wait_like_one(store):
    name, kv = store
    one = kv.scan(of_values([32]), limit=2000, follow="r:a").trips
    assert one == (1 if name in AT_ONCE else 2)
    few = [value for value in range(0, 290, 2) if value % 10]
    for number in (2, 40, 100):
        spans = of_values(few[:number])
        assert kv.scan(spans, limit=2000, follow="r:a").trips == one + (name == "few operations" and number > 43)
        assert kv.scan(spans, limit=2000).trips == 1 + (name == "few operations" and number > 43)


def test_a_span_with_much_in_it_costs_one_wait_more_at_most(store):
    name, kv = store
    for limit in (200, 400, 2000):
        page = kv.scan(of_values(range(40)), limit=limit)
        assert page.names == plain(ENTRIES, of_values(range(40)), limit, reverse=False)
        assert page.trips <= (1 if name in AT_ONCE else 2)


def test_claims_are_followed_to_their_records(store):
    name, kv = store
    keys = [("u:a.y", claim) for claim in CLAIMS]
    some = [keys[3], ("u:a.y", "$none!"), keys[90]]
    got = kv.get(some, follow="r:a")
    assert got.values == [record(OWNERS[3]), None, record(OWNERS[90])]
    assert (got.epoch, got.trips) == (EPOCH, 1 if name in AT_ONCE else 2)
    assert kv.get(keys, follow="r:a").values == [record(owner) for owner in CLAIMS.values()]
    assert kv.get(keys[:2], follow="r:none").values == [None, None]
    nothing = kv.get([("u:none", "$x!")], follow="r:a")
    assert (nothing.values, nothing.epoch) == ([None], EPOCH)
    assert kv.get(keys[:1]).values == [OWNERS[0].encode()]
