"""Nova's replay by four workers comes to the end on every store that processes share, and the audit finds nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
import pymysql
import pytest

from manystore.nova.replay import Result, replay
from manystore.store.url import parse_url
from manystore.testing.provision import server_url
from manystore.testing.removal import REMOVALS, host_of

from .conftest import SERVERS, SIZE, stores

ROWS, FULL_ROWS = 120, 60
pytestmark = pytest.mark.slow


@contextmanager
def in_postgresql(url: str, name: str) -> Iterator[str]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{url.rpartition('/')[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def in_mariadb(url: str, name: str) -> Iterator[str]:
    parsed = parse_url(url)
    host, port = host_of(parsed, 3306)
    with pymysql.connect(host=host, port=port, user=parsed.user, password=parsed.password or "") as connection:
        cursor = connection.cursor()
        cursor.execute(f"CREATE DATABASE {name}")
        yield f"{url.rpartition('/')[0]}/{name}"
        cursor.execute(f"DROP DATABASE {name}")


@contextmanager
def below(url: str, name: str) -> Iterator[str]:
    """Give a place of that name on a server that holds any number of them."""
    yield f"{url}/{name}"
    REMOVALS[parse_url(url).scheme](url, name)


WAYS: dict[str, Callable[[str, str], AbstractContextManager[str]]] = {
    "postgresql": in_postgresql,
    "mariadb": in_mariadb,
    "redis": below,
    "zookeeper": below,
    "etcd": below,
}


@pytest.fixture
def url(kind: str, tmp_path: Path) -> Iterator[str]:
    """A database of its own, since the replay takes a URL and no prefix."""
    if kind not in WAYS:
        yield f"{kind}:///{tmp_path / 'nova.db'}?durability=off"
        return
    with WAYS[kind](server_url(f"{kind}:"), f"nova{secrets.token_hex(3)}") as made:
        yield made


@pytest.mark.parametrize("rows", [ROWS, pytest.param(2_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("kind", stores("sqlite", *SERVERS))
def test_four_workers(url: str, rows: int) -> None:
    check(replay(url, limit=rows, workers=SIZE), rows)


@pytest.mark.parametrize("rows", [FULL_ROWS, pytest.param(2_000, marks=pytest.mark.soak)])
@pytest.mark.parametrize("kind", stores("sqlite", *SERVERS))
def test_four_workers_with_volumes_and_floating_ips(url: str, rows: int) -> None:
    """Few targets and addresses: the workers take the last ones from each other."""
    result = replay(url, limit=rows, workers=SIZE, profile="full")
    check(result, rows)
    assert min(result.volumes, result.floating_ips) > 0
    assert result.refused_floating_pool + result.refused_target > 0


def check(result: Result, rows: int) -> None:
    assert result.audit.problems == ()
    assert result.booted + result.refused_quota + result.refused_room == rows
    assert result.booted == result.running + result.deleted
    assert result.booted > rows // 2
    assert result.deleted > 0
