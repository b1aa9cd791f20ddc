"""Memory, beyond its verbs (manystore.testing.verbs): names kept in order, and who shares which memory."""

from __future__ import annotations

import os
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
from manystore.stores.keyvalue.memory import Memory, MemoryStore
from manystore.stores.keyvalue.protocol import Span

RECORD = b'{"_revision":"0123456789abcdef","_previous":null}'


@pytest.mark.parametrize("reads", [0.02, 0.5])
def test_names_are_in_order_whenever_they_are_read(reads):
    """Between two reads any names come and go, and some do both."""
    memory, kept, choice = Memory(), set(), random.Random(5)
    for _ in range(2_000):
        names = [f"{choice.randrange(300):03}" for _ in range(6)]
        memory.commit([], [("i:a.x", n, b"") for n in names[:3]], [("i:a.x", n) for n in names[2:]], epoch=None)
        kept = kept - set(names[2:]) | set(names[:3])
        if choice.random() < reads:
            assert memory.scan([Span("i:a.x", "", "z")]).names == sorted(kept)
            assert (
                memory.scan([Span("i:a.x", "1", "2")], limit=9, reverse=True).names
                == [name for name in sorted(kept, reverse=True) if "1" <= name < "2"][:9]
            )
    assert memory.scan([Span("i:a.x", "", "z")]).names == sorted(kept)


def made(url: str) -> MemoryStore:
    return MemoryStore.open(parse_url(url), wait=time.sleep)


def epoch_in(store: MemoryStore) -> str | None:
    return next((row.epoch for row in store.read(READ_CATALOG, (), epoch="").rows), None)


def test_a_name_is_shared_until_the_last_is_closed():
    one, other, private = made("memory://shared"), made("memory://shared"), made("memory://")
    one.alter(CreateDatabase(Catalog.first(Schema.of([], SYSTEM))))
    assert epoch_in(one) == epoch_in(other) is not None
    assert epoch_in(private) is None
    one.close()
    one.close()
    third = made("memory://shared")
    assert epoch_in(third) == epoch_in(other)
    for store in (third, other):
        store.close()
    last = made("memory://shared")
    assert epoch_in(last) is None
    last.close()


def test_use_after_close():
    store = made("memory://")
    store.close()
    for use in (
        lambda: store.read(READ_CATALOG, (), epoch=""),
        lambda: store.write([], epoch=""),
        lambda: store.alter(CreateDatabase(Catalog.first(Schema.of([], SYSTEM)))),
    ):
        with pytest.raises(errors.Closed):
            use()


def test_an_option_is_refused():
    with pytest.raises(errors.URLError, match="timeout"):
        made("memory://name?timeout=3")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_whole_copy_and_free_locks():
    memory, stop = Memory(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            memory.commit([], [("r:a", "x", RECORD), ("r:b", "x", RECORD)], [], epoch=None)
            memory.commit([], [], [("r:a", "x"), ("r:b", "x")], epoch=None)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                one, other = memory.get([("r:a", "x"), ("r:b", "x")]).values
                memory.commit([], [("r:a", "y", RECORD)], [], epoch=None)
                os._exit(0 if one == other else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert memory.get([("r:a", "y")]).values == [None]
    finally:
        stop.set()
        thread.join()
