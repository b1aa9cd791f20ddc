"""Where is measured: each store's floor and manystore on it, on a server of our own where one is needed.

The one place that names stores; it must not know clocks.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manystore.testing import servers

from .report import OURS
from .rows import Row
from .subject import Manystore, Subject, sqlite_url

_NO_FSYNC = "-nofsync"
# Each round of create_all leaves its records behind, and a ZooKeeper keeps all that it has in memory.
_OPTIONS = {"zookeeper": ["-Xmx2048m"], "mariadb": ["--innodb-buffer-pool-size=256M"]}


@dataclass(frozen=True, slots=True)
class Target:
    """One store as it is measured. is_durable: each write reaches the disk before it counts; None: it has no disk."""

    store: str
    title: str
    is_durable: bool | None
    kind: str | None = None  # of the server

    @property
    def name(self) -> str:
        """Its name in the command."""
        return f"{self.store}{_NO_FSYNC}" if self.is_durable is False else self.store

    def waits(self, row: Row) -> bool:
        """Tell whether a row waits for a server or for the disk, so that the wall's clock counts."""
        return self.waits_for(writes=row.writes)

    def waits_for(self, *, writes: bool) -> bool:
        """Tell the same of any work."""
        return self.kind is not None or (writes and self.is_durable is True)

    @contextmanager
    def opened(self, folder: Path) -> Iterator[Makers]:
        """Start what it needs, and give what makes subjects on it."""
        if self.kind is None:
            yield Makers(self, folder, "")
            return
        server = servers.KINDS[self.kind](
            servers.this_run(), durable=bool(self.is_durable), options=_OPTIONS.get(self.kind, ())
        )
        with server:
            yield Makers(self, folder, server.url)


class Makers:
    """Makes subjects of one target, each with a database of its own."""

    def __init__(self, target: Target, folder: Path, url: str) -> None:
        self._target, self._folder, self._url = target, folder, url
        self._numbers = itertools.count(1)

    def of(self, name: str) -> Callable[[], Subject]:
        """Give what makes a floor, a control or manystore."""
        return lambda: self.make(name)

    def make(self, name: str) -> Subject:
        """Make one."""
        if name == OURS:
            return Manystore(*self.place())
        number, target = next(self._numbers), self._target
        floor: Callable[..., Subject] = getattr(
            importlib.import_module(f"benchmarks.floor.{target.store}"), _FLOORS[target.store]
        )
        return floor(*self._place(number))

    def place(self) -> tuple[str, str]:
        """Give URL and prefix of a new database of manystore's."""
        number = next(self._numbers)
        return self.url(number), f"b{number}_" if self._target.kind else ""

    def url(self, number: int) -> str:
        """Give the URL that manystore opens."""
        target = self._target
        if target.store == "memory":
            return f"memory://bench-{id(self)}-{number}"
        if target.store == "sqlite":
            return sqlite_url(self._folder, f"{target.name}-{number}", durable=bool(target.is_durable))
        return f"{self._url}/bench" if target.store in ("etcd", "zookeeper") else self._url

    def _place(self, number: int) -> Sequence[Any]:
        target, prefix = self._target, f"floor{number}_"
        if target.store == "memory":
            return ()
        if target.store == "sqlite":
            return self._folder, f"{target.name}-{number}", target.is_durable
        if target.store == "postgresql":
            return self._url, prefix
        address, _, database = self._url.partition("://")[2].rpartition("@")[2].partition("/")
        host, _, port = address.partition(":")
        if target.store == "mariadb":
            return host, int(port), database, prefix
        return (address, prefix) if target.store == "zookeeper" else (host, int(port), prefix)


_FLOORS = {
    "sqlite": "SQLiteFloor",
    "memory": "MemoryFloor",
    "postgresql": "PostgreSQLFloor",
    "mariadb": "MariaDBFloor",
    "redis": "RedisFloor",
    "zookeeper": "ZooKeeperFloor",
    "etcd": "EtcdFloor",
}


def _both(store: str, durable: str, fast: str, kind: str | None) -> list[Target]:
    titles = ((True, f"{durable}"), (False, f"{fast}: the writes alone"))
    return [Target(store, title, is_durable, kind) for is_durable, title in titles]


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *_both("sqlite", "SQLite, durable (WAL, synchronous=FULL)", "SQLite without fsync (synchronous=OFF)", None),
        Target("memory", "Memory", None),
        *_both("postgresql", "PostgreSQL, durable", "PostgreSQL without fsync (fsync=off)", "postgresql"),
        *_both(
            "mariadb",
            "MariaDB, durable (innodb_flush_log_at_trx_commit=1), PyMySQL",
            "MariaDB without fsync (innodb_flush_log_at_trx_commit=2, nosync), PyMySQL",
            "mariadb",
        ),
        *_both("redis", "Redis, durable (appendfsync=always)", "Redis without its file", "redis"),
        *_both("zookeeper", "ZooKeeper, durable, kazoo", "ZooKeeper without fsync (forceSync=no), kazoo", "zookeeper"),
        *_both("etcd", "etcd, durable, grpcio", "etcd without fsync (unsafe-no-fsync), grpcio", "etcd"),
    )
}
"""By name, in the order in which they are measured."""
