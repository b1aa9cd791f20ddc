"""Trees on the ZooKeeper of this test session, each test below a path of its own."""

from __future__ import annotations

import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kazoo.client import KazooClient

from manystore.store.url import parse_url
from manystore.stores.keyvalue.protocol import CATALOG
from manystore.stores.keyvalue.zookeeper.location import location_of
from manystore.stores.keyvalue.zookeeper.tree import Tree
from manystore.testing import servers

_NUMBERS = itertools.count(1)
_RUN = secrets.token_hex(3)
EPOCH = "e" * 16


def catalog(epoch: str = EPOCH) -> bytes:
    return f'{{"format":1,"epoch":"{epoch}"}}'.encode()


@pytest.fixture
def root() -> str:
    return f"/unit/{_RUN}-{os.getpid()}-{next(_NUMBERS)}"


@pytest.fixture
def server() -> str:
    return servers.url("zookeeper")


@pytest.fixture
def opened(server: str, root: str) -> Iterator[Callable[..., Tree]]:
    """Open trees on one database; each is a program of its own to the server."""
    made: list[Tree] = []

    def open_tree(options: str = "", *, at: str = server, below: str = root, catalogued: bool = True) -> Tree:
        tree = Tree(location_of(parse_url(f"{at}{below}?{options}")), wait=time.sleep)
        made.append(tree)
        if catalogued and tree.get([CATALOG]).epoch == "":
            tree.commit([], [(*CATALOG, catalog())], [], epoch=None)
        return tree

    yield open_tree
    for tree in made:
        tree.close()


@pytest.fixture
def tree(opened: Callable[..., Tree]) -> Tree:
    return opened()


@pytest.fixture
def client(server: str) -> Iterator[Any]:
    """A client of the test's own, to look at nodes."""
    made = KazooClient(server.partition("://")[2])
    made.start()
    yield made
    made.stop()
    made.close()
