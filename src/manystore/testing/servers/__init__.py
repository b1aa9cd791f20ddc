"""Private servers for tests: real ones, on free ports of loopback, in a temporary folder that goes with the run.

    servers.url("redis")                       # the one of this test session, begun when first asked for
    with servers.PostgreSQL(servers.this_run(), durable=True) as server:
        ...
        server.crash()                         # by SIGKILL
        server.restart()                       # on the same data

They start as root and as an ordinary user. Nothing outlives the test run, not even one that is killed (run.py).
"""

from .binaries import MissingServer, postgresql_versions
from .cluster import Cluster
from .etcd import Etcd, EtcdCluster
from .mariadb import MariaDB
from .postgresql import PostgreSQL, PostgreSQLPair, Standby
from .redis import Redis, RedisCluster, RedisNode
from .run import Run
from .server import HOST, DidNotStart, Server
from .session import KINDS, Session, session, this_run, url
from .zookeeper import ZooKeeper, ZooKeeperEnsemble

__all__ = [
    "Cluster",
    "DidNotStart",
    "Etcd",
    "EtcdCluster",
    "HOST",
    "KINDS",
    "MariaDB",
    "MissingServer",
    "PostgreSQL",
    "PostgreSQLPair",
    "Redis",
    "RedisCluster",
    "RedisNode",
    "Run",
    "Server",
    "Session",
    "Standby",
    "ZooKeeper",
    "ZooKeeperEnsemble",
    "postgresql_versions",
    "session",
    "this_run",
    "url",
]
