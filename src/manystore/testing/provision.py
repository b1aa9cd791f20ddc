"""A fresh, isolated place for each test, for each URL scheme. A store author adds a scheme with one function.

A bare scheme, as in `redis:`, means the private server of this test session (servers/), or what MANYSTORE_TEST_URLS
says: `redis=redis://host postgresql=postgresql://user:word@host/name` points at servers of one's own.

Knows URLs and how to connect to them; must not know models or what is tested.
"""

from __future__ import annotations

import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from manystore import Call, Database
from manystore.query.capabilities import Capabilities
from manystore.query.plan import CATALOG
from manystore.schema.catalog import Catalog
from manystore.schema.operation import ReplaceCatalog
from manystore.store.protocol import Store
from manystore.store.registry import known, open_store, store_class
from manystore.store.url import parse_url
from manystore.testing import servers
from manystore.testing.network import Proxy
from manystore.testing.removal import REMOVALS, host_of
from manystore.testing.speech import HTTP2, Numbered, Speech, Turns

D = TypeVar("D", bound=Database)
Provide: TypeAlias = Callable[[str, str, Path], tuple[str, str]]
"""(URL given with --store, a name not used before, an empty directory) -> URL and prefix of a fresh place."""

VERBS = "verbs"
"""The area of the tests that only stores over a key-value store have."""
# By name: nobody imports a store.
_OVER_VERBS, _INNER = "manystore.stores.keyvalue.store", "_kv"

_NUMBERS = itertools.count(1)


class Clock:
    """A clock that the test moves; every look takes a microsecond."""

    def __init__(self) -> None:
        self.now = datetime(2011, 11, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Tell the time."""
        self.now += timedelta(microseconds=1)
        return self.now


class Place:
    """Where one test keeps its data: connect() as often as several programs would; all are closed at the end."""

    def __init__(self, url: str, prefix: str = "") -> None:
        self.url = url
        self.prefix = prefix
        self.calls: list[Call] = []
        self._beside: list[Place] = []
        self._opened: list[Database | Store] = []

    @property
    def capabilities(self) -> Capabilities:
        """What the store says of itself."""
        return store_class(parse_url(self.url).scheme).capabilities

    def connect(self, database: type[D], **options: Any) -> D:
        """Connect to this place; every call that is made there is added to `calls`."""
        opened = database.connect(self.url, **{"prefix": self.prefix, "on_call": self.calls.append, **options})
        self._opened.append(opened)
        return opened

    def move_epoch(self, expected: str | None = None) -> str:
        """Put the stored catalog in force under a new epoch, as each phase of a migration does; give the epoch before.

        expected: the epoch that it is to replace, that in force if not given.
        """
        store = open_store(parse_url(self.url, self.prefix), wait=time.sleep)  # noqa: TID251 - a real one
        try:
            catalog: Catalog = store.read(CATALOG, (), epoch="").rows[0]
            store.alter(ReplaceCatalog(expected or catalog.epoch, catalog.changed()))
            return catalog.epoch
        finally:
            store.close()

    def verbs(self) -> Any:
        """Open the key-value store of this place, without what stands on it; only of a store that has one."""
        store = open_store(parse_url(self.url, self.prefix), wait=time.sleep)  # noqa: TID251 - a real one
        self._opened.append(store)
        return getattr(store, _INNER)

    def beside(self) -> Place:
        """Give another place on the same store, which goes away with this one."""
        self._beside.append(Place(self.url, f"{self.prefix or 'n'}b"))
        return self._beside[-1]

    def close(self) -> None:
        """Close all that was opened here, and beside."""
        while self._beside:
            self._beside.pop().close()
        while self._opened:
            self._opened.pop().close()


def _file(url: str, name: str, directory: Path) -> tuple[str, str]:
    """A file of its own for each place; whether writes reach the disk is tested elsewhere."""
    options = url.partition("?")[2] or "durability=off"
    return f"{url.partition(':')[0]}:///{directory / name}.db?{options}", ""


def _process(url: str, name: str, directory: Path) -> tuple[str, str]:
    """A name in this process's memory."""
    del directory
    return f"{url.partition(':')[0]}://{name}", ""


def _prefixed(url: str, name: str, directory: Path) -> tuple[str, str]:
    """A prefix of its own on a server that others use as well."""
    del directory
    return url, f"{name}_"


SCHEMES: dict[str, Provide] = {"sqlite": _file, "memory": _process}
"""How a fresh place is made; schemes that are not named here get a prefix on the URL they were given with."""

SERVERS = {**{kind: kind for kind in servers.KINDS}, "mysql": "mariadb"}
"""Which private server a scheme is served by."""

OWN_URLS = "MANYSTORE_TEST_URLS"


def _own_urls() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in os.environ.get(OWN_URLS, "").split())


def server_url(url: str) -> str:
    """Give the URL that a bare scheme stands for; any other URL as it is."""
    scheme, _, rest = url.partition(":")
    if rest:
        return url
    if scheme in (own := _own_urls()):
        return own[scheme]
    if scheme in SERVERS:
        return f"{scheme}:{servers.url(SERVERS[scheme]).partition(':')[2]}"
    return url


def has_verbs(url: str) -> bool:
    """Say whether the store of a URL stands over a key-value store."""
    return issubclass(store_class(url.partition(":")[0]), import_module(_OVER_VERBS).KeyValueStore)


def stands_alone(scheme: str) -> bool:
    """Say whether a scheme without a place stands for something: a server of this session's, a file, this memory."""
    return scheme in SCHEMES or scheme in SERVERS or scheme in _own_urls()


def bare_urls() -> tuple[str, ...]:
    """Give one bare URL for each store that is installed and has places here; schemes of one class are one store."""
    chosen: dict[str, str] = {}
    for scheme, point in sorted(known().items()):
        has_own_place = scheme in SCHEMES or scheme in servers.KINDS
        if scheme in SCHEMES or scheme in SERVERS:
            store = f"{point.module}:{point.attr}"
            chosen[store] = scheme if has_own_place else chosen.get(store, scheme)
    return tuple(sorted(f"{scheme}:" for scheme in chosen.values()))


def needs_server(url: str) -> bool:
    """Say whether a place on the store of a URL is on a server."""
    return url.partition(":")[0] in SERVERS


@cache
def _token(pid: int) -> str:
    """Tell this process's places from those of all others, on a server that outlives them as well."""
    del pid
    return secrets.token_hex(2)


@contextmanager
def place(url: str, directory: Path) -> Iterator[Place]:
    """Give a fresh place on the store of a URL, and remove what is kept there at the end."""
    scheme = url.partition(":")[0]
    name = f"t{_token(os.getpid())}{next(_NUMBERS)}"  # short: it is a part of the names of tables and of their indexes
    made = Place(*SCHEMES.get(scheme, _prefixed)(server_url(url), name, directory))
    try:
        yield made
    finally:
        made.close()
        if scheme in REMOVALS:
            REMOVALS[scheme](made.url, made.prefix)


SPEECHES: dict[str, Callable[[], Speech]] = {"etcd": HTTP2, "zookeeper": Numbered}
"""How requests are told apart on the way to a server; the others talk in turns."""


@contextmanager
def through(url: str) -> Iterator[tuple[Proxy, str]]:
    """Give a faulty network before the server of a URL, which names its port, and the URL that leads through it."""
    parsed = parse_url(url)
    with Proxy(*host_of(parsed, 0), SPEECHES.get(parsed.scheme, Turns)) as proxy:
        yield proxy, url.replace(parsed.hosts[0], f"{servers.HOST}:{proxy.port}", 1)
