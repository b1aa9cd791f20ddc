"""Each record behaves as if there were one copy of it while leaders die, and the programs go on by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from manystore.testing import servers
from manystore.testing.crew import Crew
from manystore.testing.servers.cluster import Cluster

from . import register
from .register import Game, Registers
from .test_linearizability import assert_linearizable

pytestmark = [pytest.mark.cluster, pytest.mark.server]
ON = 15  # steps that each must get on by


@contextmanager
def killed(cluster: Any) -> Iterator[None]:
    """Kill the leader of an etcd or ZooKeeper cluster; it comes back at the end."""
    leader = cluster.leader()
    leader.crash()
    yield
    leader.restart()


@contextmanager
def replaced(cluster: Any) -> Iterator[None]:
    """Kill PostgreSQL's primary and have the standby take over; the dead one stays dead."""
    cluster.primary.crash()
    cluster.standby.promote()
    yield


CLUSTERS: dict[str, tuple[Callable[[servers.run.Run], Cluster[Any]], str, Callable[[Any], Any], int]] = {
    "etcd": (servers.EtcdCluster, "/fire?timeout=15&connect_timeout=1", killed, 3),
    "zookeeper": (servers.ZooKeeperEnsemble, "/fire?timeout=15&reads=sync", killed, 3),
    "postgresql": (servers.PostgreSQLPair, "&timeout=15", replaced, 1),
}


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_leader_is_killed(name: str, processes: Crew) -> None:
    make, rest, kill, times = CLUSTERS[name]
    with make(servers.this_run()) as cluster:
        url = cluster.url + rest
        with Registers.connect(url) as registers:
            shift = processes.begin(register.play, Game(url, ""))
            assert shift.until(lambda steps: min(steps) > ON)
            for _ in range(times):
                with kill(cluster):
                    before = shift.steps
                    assert shift.until(
                        lambda steps, old=before: all(n > o + ON for n, o in zip(steps, old, strict=True))
                    )
            reports = shift.end()
            done = assert_linearizable(reports, registers)
    assert done.total() > 2 * ON * processes.size
