"""The private servers: each kind answers, keeps its data over a crash, and there is one of each in a session."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib import import_module

import pytest

from manystore.testing import provision, removal, servers
from manystore.testing.servers import binaries
from manystore.testing.servers.run import began
from manystore.testing.servers.server import free_ports

pytestmark = pytest.mark.server

KINDS = sorted(servers.KINDS)
NAME = f"t{os.getpid()}x"  # other workers use the same servers


# --- a value written and read with each kind's own client ------------------------------------------------------------


def put_redis(server, value):
    with import_module("redis").Redis(port=server.port) as client:
        client.set("k", value)


def get_redis(server):
    with import_module("redis").Redis(port=server.port) as client:
        return client.get("k").decode()


def put_postgresql(server, value):
    with import_module("psycopg").connect(server.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (v text)")
        connection.execute("INSERT INTO t VALUES (%s)", (value,))


def get_postgresql(server):
    with import_module("psycopg").connect(server.url) as connection:
        return connection.execute("SELECT max(v) FROM t").fetchone()[0]


def open_mariadb(server):
    return import_module("pymysql").connect(host="127.0.0.1", port=server.port, user="root", database="manystore")


def put_mariadb(server, value):
    with open_mariadb(server) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS t (v text)")
        cursor.execute("INSERT INTO t VALUES (%s)", (value,))
        connection.commit()


def get_mariadb(server):
    with open_mariadb(server) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT max(v) FROM t")
        return cursor.fetchone()[0]


def open_zookeeper(server):
    client = import_module("kazoo.client").KazooClient(server.url.partition("://")[2], timeout=4)
    client.start()
    return client


def put_zookeeper(server, value):
    client = open_zookeeper(server)
    client.create("/k", value.encode())
    client.stop()
    client.close()


def get_zookeeper(server):
    client = open_zookeeper(server)
    value = client.get("/k")[0].decode()
    client.stop()
    client.close()
    return value


def put_etcd(server, value):
    server.call("POST", "/v3/kv/put", {"key": "aw==", "value": value})  # base64 of k; the value is base64 as it is


def get_etcd(server):
    return server.call("POST", "/v3/kv/range", {"key": "aw=="})["kvs"][0]["value"]


def put(server, value):
    globals()[f"put_{server.kind}"](server, value)


def get(server):
    return globals()[f"get_{server.kind}"](server)


# --- one server ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "durable"),
    # A fast Redis keeps nothing, and says so.
    [(kind, durable) for kind in KINDS for durable in (False, True) if durable or kind != "redis"],
)
def test_what_was_confirmed_outlives_a_crash(kind, durable):
    with servers.KINDS[kind](servers.this_run(), durable=durable) as server:
        put(server, "abcd")
        pid = server.pid
        server.crash()
        assert began(pid) is None
        assert not server.is_running
        server.restart()
        assert server.pid != pid
        assert get(server) == "abcd"
        server.stop()
        server.restart()
        assert get(server) == "abcd"


def test_a_durable_server_forces_every_confirmed_write_to_the_disk():
    # SIGKILL alone would prove nothing: what a dead process wrote is still in the kernel's memory.
    with servers.Redis(servers.this_run(), durable=True) as server:
        traced = ["strace", "-f", "-qq", "-e", "trace=fdatasync,fsync", "-p", str(server.pid)]
        with subprocess.Popen(traced, stderr=subprocess.PIPE, text=True) as trace:
            # strace says nothing when it is attached; its first line is the proof that it was.
            while not _traced(server.pid):
                os.sched_yield()
            for number in range(10):
                put_redis(server, str(number))
            server.crash()
            assert trace.stderr.read().count("sync(") >= 10


def _traced(pid):
    with open(f"/proc/{pid}/status") as status:
        return any(line.startswith("TracerPid") and line.split()[1] != "0" for line in status)


def test_a_frozen_server_takes_connections_and_says_nothing():
    with servers.Redis(servers.this_run()) as server:
        server.freeze()
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"PING\r\n")
            connection.settimeout(0.1)
            with pytest.raises(TimeoutError):
                connection.recv(10)
            server.thaw()
            connection.settimeout(10)
            assert connection.recv(10) == b"+PONG\r\n"


def test_a_server_that_ends_at_once_says_why():
    with pytest.raises(servers.DidNotStart, match="no-such-option"):
        servers.Redis(servers.this_run(), options=["--no-such-option", "1"]).start()


def test_a_port_that_was_taken_meanwhile_is_given_up_for_another():
    server = servers.Redis(servers.this_run())
    with socket.create_server(("127.0.0.1", server.port)):
        taken = server.port
        with server:
            assert server.port != taken
            put_redis(server, "1")


def test_free_ports_differ_and_are_no_outgoing_ones():
    with open("/proc/sys/net/ipv4/ip_local_port_range") as given:
        lowest = int(given.read().split()[0])
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert max(ports) < max(lowest, 32_000)


def test_what_refuses_root_runs_as_nobody():
    with servers.PostgreSQL(servers.this_run()) as server:
        owner = os.stat(f"/proc/{server.pid}").st_uid
        assert owner != 0
        assert (owner == os.getuid()) == (os.getuid() != 0)


@pytest.mark.slow
@pytest.mark.parametrize("version", servers.postgresql_versions() or [None])
def test_every_version_of_postgresql_that_is_here(version):
    with servers.PostgreSQL(servers.this_run(), version=version) as server:
        assert server.sql("SHOW server_version").startswith(version or "")
        server.sql("CREATE TABLE mine ()")
        # Data folders are copies of one, in which nothing of any server's is.
        with servers.PostgreSQL(servers.this_run(), version=version) as other:
            assert other.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'mine'") == "0"


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user has run all the other tests already")
def test_an_ordinary_user_can_start_all():
    program = """
import sys
sys.path[:0] = PATH
from manystore.testing import servers
print(*servers.session().urls(*servers.KINDS).values())
"""
    # Nobody may not enter root's home, where this Python may live; then the machine's own will do.
    version = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    python = next(filter(_may_enter, (sys.executable, version)), None)
    if python is None:
        pytest.skip("there is no Python that an ordinary user may run")
    paths = [path for path in sys.path if os.path.isdir(path) and _may_enter(path)]
    ran = subprocess.run(
        [python, "-c", program.replace("PATH", repr(paths))],
        user="nobody",
        group="nogroup",
        extra_groups=[],
        cwd="/",
        env={},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.split()) == len(KINDS)


def _may_enter(path):
    parts = os.path.realpath(path).split(os.sep)
    way = [os.sep.join(parts[:n]) or "/" for n in range(1, len(parts) + 1)]
    return os.path.exists(path) and all(os.stat(part).st_mode & 0o001 for part in way)


# --- what is missing -------------------------------------------------------------------------------------------------


def test_a_missing_program_says_how_it_gets_here(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(binaries, "_FOLDERS", ())
    with pytest.raises(servers.MissingServer, match=r"redis-server is not here.*make servers.*redis-server\)"):
        servers.Redis(servers.this_run()).start()
    with pytest.raises(servers.MissingServer, match="postgresql-9"):
        servers.PostgreSQL(servers.this_run(), version="9").start()


# --- a session -------------------------------------------------------------------------------------------------------


def test_a_session_has_one_of_each_kind():
    assert servers.url("redis") == servers.url("redis")


def test_the_processes_of_a_session_share_its_servers(monkeypatch, tmp_path):
    program = "from manystore.testing import servers; print(servers.url('redis'), flush=True); input()"
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", f"test{os.getpid()}")
    together = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert len({each.stdout.readline() for each in together}) == 1
    for each in together:
        each.communicate("\n")


def test_several_kinds_begin_side_by_side():
    urls = servers.session().urls("redis", "etcd")
    assert [urls[kind].partition(":")[0] for kind in urls] == ["redis", "etcd"]


# --- places ----------------------------------------------------------------------------------------------------------


def test_a_bare_scheme_means_the_session_s_server_or_one_s_own(monkeypatch):
    assert provision.server_url("redis:") == servers.url("redis")
    assert provision.server_url("redis://elsewhere") == "redis://elsewhere"
    assert provision.server_url("memory:") == "memory:"
    monkeypatch.setenv("MANYSTORE_TEST_URLS", "redis=redis://h:1 postgresql=postgresql://u:p@h/d?a=b")
    assert provision.server_url("redis:") == "redis://h:1"
    assert provision.server_url("postgresql:") == "postgresql://u:p@h/d?a=b"


@pytest.mark.slow
def test_mysql_is_served_by_the_same_server_as_mariadb():
    assert provision.server_url("mysql:").partition(":")[2] == servers.url("mariadb").partition(":")[2]


def test_removal_from_redis_takes_what_has_the_prefix():
    port = int(servers.url("redis").rpartition(":")[2])
    with import_module("redis").Redis(port=port, decode_responses=True) as client:
        client.mset({f"{{{NAME}1_}}:{part}": "1" for part in "ri"} | {f"{{{NAME}11_}}:r": "1"})
        removal.REMOVALS["redis"](servers.url("redis"), f"{NAME}1_")
        assert list(client.scan_iter(f"*{NAME}*")) == [f"{{{NAME}11_}}:r"]
        removal.REMOVALS["redis"](servers.url("redis"), f"{NAME}11_")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_removal_from_sql_takes_the_tables_with_the_prefix(kind):
    url = servers.url(kind)
    if kind == "postgresql":
        connection, listed = import_module("psycopg").connect(url, autocommit=True), "SELECT tablename FROM pg_tables"
    else:
        port = int(url.rpartition(":")[2].partition("/")[0])
        connection = import_module("pymysql").connect(host="127.0.0.1", port=port, user="root", database="manystore")
        listed = "SHOW TABLES"
    with connection, connection.cursor() as cursor:
        for name in ("1_a", "1__b", "11_a", "1xa"):
            cursor.execute(f"CREATE TABLE {NAME}{name} (v int)")
        removal.REMOVALS[kind](url, f"{NAME}1_")
        removal.REMOVALS[kind](url, f"{NAME}1_")
        cursor.execute(listed)
        left = {name for (name,) in cursor.fetchall() if name.startswith(NAME)}
        assert left == {f"{NAME}11_a", f"{NAME}1xa"}
        cursor.execute(f"DROP TABLE {NAME}11_a, {NAME}1xa")


@pytest.mark.slow
def test_removal_from_etcd_takes_what_has_the_prefix():
    import base64

    server = servers.Etcd.__new__(servers.Etcd)  # only its gateway is called
    server.port = int(servers.url("etcd").rpartition(":")[2])

    def encoded(text):
        return base64.b64encode(text.encode()).decode()

    for key in (f"/{NAME}1_/r", f"/{NAME}1_/s", f"/{NAME}11_/r"):
        server.call("POST", "/v3/kv/put", {"key": encoded(key), "value": ""})
    removal.REMOVALS["etcd"](servers.url("etcd"), f"{NAME}1_")
    found = server.call("POST", "/v3/kv/range", {"key": encoded(f"/{NAME}"), "range_end": encoded(f"/{NAME}~")})
    assert [each["key"] for each in found["kvs"]] == [encoded(f"/{NAME}11_/r")]
    removal.REMOVALS["etcd"](servers.url("etcd"), f"{NAME}11_")


@pytest.mark.slow
def test_removal_from_zookeeper_takes_what_has_the_prefix():
    client = import_module("kazoo.client").KazooClient(servers.url("zookeeper").partition("://")[2])
    client.start()
    try:
        for number in range(700):  # more than one request
            client.create_async(f"/{NAME}1_/r/{number}", makepath=True)
        client.ensure_path(f"/in/{NAME}1_/r")
        client.ensure_path(f"/{NAME}11_/r")
        removal.REMOVALS["zookeeper"](servers.url("zookeeper"), f"{NAME}1_")
        assert [name for name in client.get_children("/") if name.startswith(NAME)] == [f"{NAME}11_"]
        client.delete(f"/{NAME}11_", recursive=True)
        client.delete("/in", recursive=True)
    finally:
        client.stop()
        client.close()


# --- clusters --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.parametrize("cluster", [servers.EtcdCluster, servers.ZooKeeperEnsemble])
def test_a_quorum_outlives_its_leader(cluster):
    with cluster(servers.this_run()) as formed:
        leader = formed.leader()
        leader.crash()
        assert formed.leader() is not leader
        leader.restart()
        assert all(node.answers() for node in formed.nodes)


@pytest.mark.slow
@pytest.mark.cluster
def test_a_replica_takes_over_in_a_redis_cluster():
    with servers.RedisCluster(servers.this_run()) as cluster:
        assert len(cluster.replicas()) == 3
        master = next(node for node in cluster.nodes if node not in cluster.replicas())
        master.crash()
        others = [node for node in cluster.nodes if node is not master]
        others[0].until(lambda: all(node.says(b"CLUSTER INFO", b"state:ok") for node in others))
        others[0].until(lambda: len(cluster.replicas()) == 2)
        master.restart()
        cluster.settle()


@pytest.mark.slow
@pytest.mark.cluster
def test_a_standby_has_what_the_primary_confirmed_and_takes_over():
    with servers.PostgreSQLPair(servers.this_run(), durable=True) as pair:
        pair.primary.sql("CREATE TABLE t AS SELECT 7 AS v")
        pair.primary.crash()
        pair.standby.promote()
        assert pair.standby.sql("SELECT v FROM t") == "7"
        pair.standby.sql("INSERT INTO t VALUES (8)")
        assert pair.standby.sql("SELECT count(*) FROM t") == "2"
