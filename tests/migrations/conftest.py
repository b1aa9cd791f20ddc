"""Places on real stores for the tests that carry migrations out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from manystore.testing import provision

from .deployed import Site

SERVERS = ["postgresql", "mariadb", "redis", "zookeeper", "etcd"]
STORES = ["memory", "sqlite", *(pytest.param(kind, marks=pytest.mark.server) for kind in SERVERS)]


@pytest.fixture(params=STORES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A fresh place on each store."""
    options = "?durability=off" if request.param == "sqlite" else ""
    with provision.place(f"{request.param}:{options}", tmp_path) as place:
        made = Site(place.url, place.prefix)
        yield made
        made.store.close()
