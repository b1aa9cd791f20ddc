"""The sweep by hand, on each store's driver: the same records, pages, functions on the values, entries and index."""

from __future__ import annotations

import importlib
from typing import Any

from ...target import Target
from ..site import Site

_MADE = {
    "sqlite": ("sql", "SQLiteRewriting"),
    "memory": ("memory", "MemoryRewriting"),
    "postgresql": ("sql", "PostgreSQLRewriting"),
    "mariadb": ("sql", "MariaDBRewriting"),
    "redis": ("redis", "RedisRewriting"),
    "zookeeper": ("zookeeper", "ZooKeeperRewriting"),
    "etcd": ("etcd", "EtcdRewriting"),
}


def by_hand(target: Target, site: Site) -> Any:
    """Give what rewrites all parcels of a site by hand: run(), close()."""
    module, name = _MADE[target.store]
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)(target, site)
