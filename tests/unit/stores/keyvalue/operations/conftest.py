"""Fresh shops on each key-value store; those on a server have its mark."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.stores.keyvalue.store import KeyValueStore
from manystore.testing import servers

from .shop import Cutting, Shop

URLS = {
    "memory": lambda: "memory://",
    "redis": lambda: f"{servers.url('redis')}/o{secrets.token_hex(4)}",
    "etcd": lambda: f"{servers.url('etcd')}/o{secrets.token_hex(4)}",
    "zookeeper": lambda: f"{servers.url('zookeeper')}/o{secrets.token_hex(4)}",
}


@pytest.fixture(params=[pytest.param(name, marks=() if name == "memory" else pytest.mark.server) for name in URLS])
def fresh(request: pytest.FixtureRequest) -> Iterator[Callable[[], Shop]]:
    """Give a function that makes a shop in a database of its own; its store's `kv` can be cut off."""
    stores: list[Any] = []

    def made() -> Shop:
        store: Any = open_store(parse_url(URLS[request.param]()), wait=time.sleep)
        stores.append(store)
        return Shop(store=KeyValueStore(Cutting(store._kv), wait=time.sleep))

    yield made
    for store in stores:
        store.close()
