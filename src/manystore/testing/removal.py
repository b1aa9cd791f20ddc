"""Takes what a test kept out of a server that goes on: everything under its prefix, in the cheapest way of each kind.

Uses the drivers directly, imported when a place of their kind is removed: the stores have no verb for this, and the
suite must run where some of the drivers are not installed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from http.client import HTTPConnection
from importlib import import_module
from typing import Any, TypeAlias

from manystore.store.url import StoreURL, parse_url

Remove: TypeAlias = Callable[[str, str], None]
"""(URL, prefix): what is kept there under the prefix goes. The prefix occurs in no other name."""

_MANY = 500  # ZooKeeper: nodes that one request deletes


def host_of(parsed: StoreURL, port: int) -> tuple[str, int]:
    """Give the first host of a URL and its port, that one if the URL names none."""
    host, _, given = parsed.hosts[0].rpartition(":") if ":" in parsed.hosts[0] else (parsed.hosts[0], "", "")
    return host, int(given or port)


def _from_postgresql(url: str, prefix: str) -> None:
    tables = "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE starts_with(tablename, %s)"
    place = url.partition("?")[0].partition("://")[2]
    connect = import_module("psycopg").connect
    # Of several hosts, the one that takes writes; the options of the URL are manystore's.
    with connect(f"postgresql://{place}?target_session_attrs=read-write", autocommit=True) as connection:
        names = [row[0] for row in connection.execute(tables, (prefix,))]
        if names:
            connection.execute(f"DROP TABLE {', '.join(names)}")


def _from_mysql(url: str, prefix: str) -> None:
    parsed = parse_url(url)
    host, port = host_of(parsed, 3306)
    options = {"host": host, "port": port, "user": parsed.user, "password": parsed.password or ""}
    connection = import_module("manystore.stores.sql.mysql").Session(**options, database=parsed.path)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW TABLES")
            names = [row[0] for row in cursor.fetchall() if row[0].startswith(prefix)]
            if names:
                cursor.execute("DROP TABLE " + ", ".join(f"`{name}`" for name in names))
    finally:
        connection.close()


def _from_redis(url: str, prefix: str) -> None:
    redis = import_module("redis")
    parsed = parse_url(url)
    host, port = host_of(parsed, 6379)
    login = {"username": parsed.user, "password": parsed.password}
    # Every node of a cluster has its own keys; a single server is its only node.
    with redis.Redis(host=host, port=port, db=int(parsed.path or 0), **login) as first:
        is_cluster = bool(first.info("cluster").get("cluster_enabled"))
        if not is_cluster:
            for key in list(first.scan_iter(match=f"*{prefix}*", count=1_000)):
                first.unlink(key)
            return
    with redis.RedisCluster(host=host, port=port, **login) as cluster:
        for key in list(cluster.scan_iter(match=f"*{prefix}*", count=1_000)):
            cluster.unlink(key)


def _from_etcd(url: str, prefix: str) -> None:
    host, port = host_of(parse_url(url), 2379)
    connection = HTTPConnection(host, port, timeout=10)

    def ask(verb: str, request: dict[str, Any]) -> Any:
        connection.request("POST", f"/v3/kv/{verb}", json.dumps(request))
        return json.loads(connection.getresponse().read())

    nothing = base64.b64encode(b"\0").decode()
    try:
        found = ask("range", {"key": nothing, "range_end": nothing, "keys_only": True}).get("kvs", [])
        keys = sorted(base64.b64decode(each["key"]) for each in found)
        ours = [key for key in keys if prefix.encode() in key]
        if ours:
            # All of them begin alike, so that they are one range.
            first, end = ours[0], ours[-1] + b"\0"
            request = {"key": base64.b64encode(first).decode(), "range_end": base64.b64encode(end).decode()}
            ask("deleterange", request)
    finally:
        connection.close()


def _from_zookeeper(url: str, prefix: str) -> None:
    kazoo = import_module("kazoo.client")
    client = kazoo.KazooClient(hosts=",".join(parse_url(url).hosts), timeout=10)
    client.start()
    try:
        for root in _named(client, "", prefix, depth=3):
            level, nodes = [root], [root]
            while level:
                asked = [(node, client.get_children_async(node)) for node in level]
                level = [f"{node}/{child}" for node, answer in asked for child in answer.get(timeout=10)]
                nodes += level
            nodes.reverse()
            for start in range(0, len(nodes), _MANY):
                transaction = client.transaction()
                for node in nodes[start : start + _MANY]:
                    transaction.delete(node)
                for result in transaction.commit():
                    if isinstance(result, Exception):
                        raise result
    finally:
        client.stop()
        client.close()


def _named(client: Any, node: str, prefix: str, *, depth: int) -> list[str]:
    """Give the topmost nodes whose name holds the prefix."""
    try:
        children = [f"{node}/{child}" for child in client.get_children(node or "/") if child != "zookeeper"]
    except import_module("kazoo.exceptions").NoNodeError:
        return []  # another's, who removes it at this moment
    found = [child for child in children if prefix in child]
    if not found and depth > 1:
        for child in children:
            found += _named(client, child, prefix, depth=depth - 1)
    return found


REMOVALS: dict[str, Remove] = {
    "postgresql": _from_postgresql,
    "mysql": _from_mysql,
    "mariadb": _from_mysql,
    "redis": _from_redis,
    "zookeeper": _from_zookeeper,
    "etcd": _from_etcd,
}
