"""Every store there is, and a crew that sets about it: processes where the store is shared by them, else threads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from manystore.store.registry import store_class
from manystore.testing import provision
from manystore.testing.crew import Crew

SIZE = 4
SERVERS = ["postgresql", "mariadb", "redis", "zookeeper", "etcd"]
STORES = ["memory", "sqlite", *SERVERS]


def stores(*kinds: str) -> list[object]:
    """Give a parameter for each kind of store."""
    return [pytest.param(kind, marks=[pytest.mark.server] if kind in SERVERS else []) for kind in kinds]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is here as slow: all of it begins programs of its own."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(params=stores(*STORES))
def kind(request: pytest.FixtureRequest) -> str:
    """The store: its scheme."""
    return str(request.param)


@pytest.fixture
def place(kind: str, tmp_path: Path) -> Iterator[provision.Place]:
    """A fresh place on the store."""
    # A file has one writer at a time, and its lock is not fair: one may be kept out for seconds.
    options = "?durability=off&timeout=60" if kind == "sqlite" else ""
    with provision.place(f"{kind}:{options}", tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def processes() -> Iterator[Crew]:
    """Four programs for all tests: each that begins anew costs half a second."""
    root = Path(__file__).parents[__name__.count(".")]
    sys.path.append(str(root))  # where they find the tasks
    with Crew(SIZE) as made:
        yield made
    sys.path.pop()


@pytest.fixture(scope="session")
def threads() -> Iterator[Crew]:
    """Four threads, for a store that lives in one process."""
    with Crew(SIZE, threads=True) as made:
        yield made


@pytest.fixture
def crew(kind: str, request: pytest.FixtureRequest) -> Crew:
    """Four who use the store at the same time."""
    is_shared = store_class(kind).capabilities.shared
    made: Crew = request.getfixturevalue("processes" if is_shared else "threads")
    return made
