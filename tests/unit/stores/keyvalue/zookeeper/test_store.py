"""The store of `zookeeper://`: its URL, logins and TLS, what it refuses, and that it leaves nothing behind."""

from __future__ import annotations

import inspect
import logging
import os
import subprocess
import threading
import time
from pathlib import Path

import kazoo.exceptions
import pytest
from kazoo.security import make_acl

from manystore import Database, Repository, errors, field, model
from manystore.query.plan import CATALOG as READ_CATALOG
from manystore.store.url import parse_url
from manystore.stores.keyvalue.protocol import Absent, Same
from manystore.stores.keyvalue.zookeeper.link import Link
from manystore.stores.keyvalue.zookeeper.location import location_of
from manystore.stores.keyvalue.zookeeper.multi import Multi, acl_of
from manystore.stores.keyvalue.zookeeper.store import ZooKeeperStore
from manystore.stores.keyvalue.zookeeper.translate import LOST, translate
from manystore.testing import servers
from manystore.testing.servers.binaries import zookeeper_classes

from .conftest import EPOCH
from .test_tree import RECORD, TOKEN

server_test = pytest.mark.server


@model
class Bike:
    id: int = field(key=True)
    serial: str = field(unique=True, max_length=20)


class Hire(Database):
    bike: Repository[Bike, int]


# --- the URL ---


def test_a_location():
    location = location_of(
        parse_url("zookeeper://me:secret@h1:2181,h2/a/b?timeout=3&session_timeout=5&reads=session", "p_")
    )
    assert (location.hosts, location.root, location.login) == ("h1:2181,h2", "/a/b/p_", "me:secret")
    assert (location.timeout, location.session_timeout, location.reads_latest) == (3, 5, False)
    assert "secret" not in repr(location) + str(location)
    assert location_of(parse_url("zookeeper://h", "p_")).root == "/p_"
    assert location_of(parse_url("zookeeper://h/a?verify_certs=no")).use_tls
    assert location_of(parse_url("zookeeper://h/a")).reads_latest


@pytest.mark.parametrize(
    "url",
    [
        "zookeeper:///a",
        "zookeeper://h",
        "zookeeper://h/",
        "zookeeper://h/a/",
        "zookeeper://h/a//b",
        "zookeeper://h/zookeeper/a",
        "zookeeper://h/a/../b",
        "zookeeper://h/a%01",
        "zookeeper://h/" + "a" * 300,
        "zookeeper://user@h/a",
        "zookeeper://h/a?colour=red",
        "zookeeper://h/a?timeout=0",
        "zookeeper://h/a?session_timeout=never",
        "zookeeper://h/a?reads=often",
        "zookeeper://h/a?verify_certs=maybe",
        "zookeeper://h/a?tls=no&ca=x.pem",
        "zookeeper://h/a?keyfile=x.pem",
    ],
)
def test_a_wrong_url_is_refused(url):
    with pytest.raises(errors.URLError):
        ZooKeeperStore.open(parse_url(url), wait=time.sleep)


def test_files_that_cannot_be_read(tmp_path):
    for options in (f"ca={tmp_path}/none.pem", f"certfile={tmp_path}/none.pem"):
        with pytest.raises(errors.URLError):
            ZooKeeperStore.open(parse_url(f"zookeeper://127.0.0.1:1/a?{options}"), wait=time.sleep)


# --- what is there ---


@server_test
def test_something_else_is_left_untouched(server, root, client):
    client.create(f"{root}/brokers/ids", b"1", makepath=True)
    before = client.get(root), client.get_children(root)
    with pytest.raises(errors.NotADatabase):
        Hire.connect(server + root)
    client.delete(f"{root}/brokers", recursive=True)
    client.set(root, b"something")
    with pytest.raises(errors.NotADatabase):
        Hire.connect(server + root)
    assert (client.get_children(root), before[1]) == ([], ["brokers"])


@server_test
def test_databases_beside_each_other(server, root):
    with Hire.connect(server + root, prefix="one") as one, Hire.connect(server + root, prefix="two") as two:
        one.bike.create(Bike(id=1, serial="x"))
        with Hire.connect(server + root) as plain:
            plain.bike.create(Bike(id=2, serial="y"))
            found = [[bike.id for bike in db.bike.find(scan=True)] for db in (one, two, plain)]
    assert found == [[1], [], [2]]
    with Hire.connect(server + root) as plain, Hire.connect(server + root, prefix="one") as one:
        assert [bike.id for db in (plain, one) for bike in db.bike.find(scan=True)] == [2, 1]


# --- sizes ---


@server_test
def test_a_commit_that_is_too_large_is_refused_before_it_is_sent(tree, client, root):
    big = RECORD[:-1] + b',"x":"' + b"x" * 350_000 + b'"}'
    puts = [("r:a", name, big) for name in "abc"]
    connections = tree.link._connections
    with pytest.raises(errors.TooLarge) as caught:
        tree.commit([], puts, [], epoch=EPOCH)
    assert caught.value.limit == 1_048_575 < caught.value.size
    assert tree.get([("r:a", name) for name in "abc"]).values == [None] * 3
    fits = RECORD[:-1] + b',"x":"' + b"x" * (1_048_575 - 2_000) + b'"}'
    assert tree.commit([Absent(("r:a", "a"))], [("r:a", "a", fits)], [], epoch=EPOCH) is None
    assert tree.get([("r:a", "a")]).values == [fits]
    assert tree.link._connections == connections  # a server cuts off who sends more


@server_test
def test_the_size_is_that_of_the_request(tree):
    multi = Multi(acl_of(has_login=False))
    multi.create("/ä", b"123")
    multi.create("/ö", is_ephemeral=True)
    multi.check("/b", 7)
    multi.delete("/ä")
    multi.put("/b", b"")
    assert multi.size == len(multi.serialize()) + 8
    assert multi.again().serialize() == multi.serialize()


@pytest.mark.slow
@server_test
def test_a_raised_limit(opened):
    option = ["-Djute.maxbuffer=4000000"]
    with servers.ZooKeeper(servers.this_run(), options=option) as server:
        tree = opened("jute_maxbuffer=4000000", at=server.url)
        big = RECORD[:-1] + b',"x":"' + b"x" * 1_500_000 + b'"}'
        assert tree.commit([Absent(("r:a", "a"))], [("r:a", "a", big)], [], epoch=EPOCH) is None
        assert tree.get([("r:a", "a")]).values == [big]


# --- threads, forks, the end ---


@server_test
def test_nothing_is_left_after_close(server, root):
    before = set(threading.enumerate())
    db = Hire.connect(server + root)
    db.bike.create(Bike(id=1, serial="x"))
    assert set(threading.enumerate()) > before
    db.close()
    db.close()
    assert set(threading.enumerate()) == before
    with pytest.raises(errors.Closed):
        db.bike.get(1)


@server_test
def test_the_link_itself_is_closed(tree):
    tree.close()
    with pytest.raises(errors.Closed):
        tree.get([])


@server_test
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_session_of_its_own(tree):
    tree.commit([], [("r:a", "a", RECORD)], [], epoch=EPOCH)
    session = tree.link._session
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            tree.get([("r:a", "a")])

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for number in range(5):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    if tree.get([("r:a", "a")]).values == [RECORD] and tree.link._session != session:
                        tree.commit([], [("r:a", f"child {number}", RECORD)], [], epoch=EPOCH)
                        tree.close()
                        code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert tree.get([("r:a", f"child {number}")]).values == [RECORD]
    finally:
        stop.set()
        thread.join()
    assert tree.link._session == session
    assert tree.link._connections == 1


@server_test
def test_threads_share_a_store(tree):
    tree.commit([], [("r:a", "sum", RECORD)], [], epoch=EPOCH)
    lost, done = [0], []

    def write(number):
        token, made = TOKEN, 0
        while made < 30:
            stored = tree.get([("r:a", "sum")]).values[0]
            token = stored[14:30].decode()
            new = f"{number:08x}{made:08x}"
            value = RECORD.replace(TOKEN.encode(), new.encode()).replace(b"null", b'"%s"' % token.encode())
            if tree.commit([Same(("r:a", "sum"), token)], [("r:a", "sum", value)], [], epoch=EPOCH) is None:
                done.append((token, new))
                made += 1
            else:
                lost[0] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each write replaced what another one had written: one chain, with no token replaced twice.
    assert len(done) == 120 == len({token for token, _ in done}) == len({new for _, new in done})
    assert lost[0] > 0


# --- logins ---


@server_test
def test_a_login(server, root, client, caplog):
    caplog.set_level(logging.DEBUG)
    host = server.partition("://")[2]
    with Hire.connect(f"zookeeper://me:secret%2Fword@{host}{root}") as db:
        db.bike.create(Bike(id=1, serial="x"))
        with pytest.raises(errors.Unavailable) as caught:
            Hire.connect(server + root)
        with pytest.raises(errors.Unavailable):
            Hire.connect(f"zookeeper://me:wrong@{host}{root}")
        assert db.bike.get(1).serial == "x"
    assert "secret" not in caplog.text + str(caught.value)
    client.add_auth("digest", "me:secret/word")
    acls, _ = client.get_acls(f"{root}/c:")
    assert [(acl.id.scheme, acl.id.id.partition(":")[0], acl.perms) for acl in acls] == [("digest", "me", 31)]
    client.delete(root, recursive=True)


# --- TLS ---


@pytest.fixture
def certificates(tmp_path):
    """A certificate authority, and a key of the server's with its certificate, in forms that each side reads."""

    def run(*command):
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)

    for name, subject in (("ca", "/CN=our own"), ("other", "/CN=others")):
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject,
            "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        run("openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", f"{name}.pem")  # fmt: skip
        run("openssl", "pkcs12", "-export", "-in", f"{name}.pem", "-inkey", f"{name}.key", "-out", f"{name}.p12",
            "-passout", "pass:secret")  # fmt: skip
    run("keytool", "-importcert", "-noprompt", "-file", "ca.pem", "-keystore", "trust.p12", "-storetype", "PKCS12",
        "-storepass", "secret")  # fmt: skip
    return tmp_path


@pytest.mark.slow
@server_test
def test_tls(certificates, root):
    at = "-Dzookeeper.ssl."
    classes = Path(zookeeper_classes().partition(":")[0]).parent.glob("netty-*.jar")
    options = [
        "-Xbootclasspath/a:" + ":".join(map(str, classes)),  # the jar's manifest names only a part of them
        "-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
        *(f"{at}keyStore.location={certificates}/server.p12", f"{at}keyStore.password=secret"),
        *(f"{at}trustStore.location={certificates}/trust.p12", f"{at}trustStore.password=secret"),
    ]
    server = servers.ZooKeeper(servers.this_run(), options=options)
    server.members = f"secureClientPort={server.second_port}\nsecureClientPortAddress=127.0.0.1"
    with server:
        place, folder = f"zookeeper://127.0.0.1:{server.second_port}{root}", certificates
        own = f"certfile={folder}/client.pem&keyfile={folder}/client.key&timeout=3"
        with Hire.connect(f"{place}?ca={folder}/ca.pem&{own}") as db:
            db.bike.create(Bike(id=1, serial="x"))
        with Hire.connect(f"{place}?verify_certs=no&{own}") as db:
            assert db.bike.get(1).serial == "x"
        for options in (f"ca={folder}/other.pem&{own}", f"ca={folder}/ca.pem&timeout=1", "timeout=1"):
            with pytest.raises(errors.Unavailable):
                Hire.connect(f"{place}?{options}")


# --- errors ---


def test_every_exception_of_the_driver_is_translated():
    classes = {cls for _, cls in inspect.getmembers(kazoo.exceptions, inspect.isclass)}
    classes = {cls for cls in classes if issubclass(cls, kazoo.exceptions.KazooException)}
    assert len(classes) > 40
    for cls in classes:
        told = translate(cls())
        assert isinstance(told, errors.Unavailable)
        assert str(told)
    # What leaves open whether a step was carried out is called lost, and nothing else is.
    names = {cls.__name__ for cls in classes if issubclass(cls, LOST)}
    assert names == {
        "CancelledError",
        "ConnectionClosedError",
        "ConnectionLoss",
        "OperationTimeoutError",
        "RequestTimeoutError",
        "SessionExpiredError",
        "SessionMovedError",
    }


@server_test
def test_logs_show_no_values(server, root, caplog):
    caplog.set_level(logging.DEBUG)
    with Hire.connect(server + root) as db:
        db.bike.create(Bike(id=1, serial="confidential"))
        db.bike.get(1)
    assert "confidential" not in caplog.text


@server_test
def test_use_after_close(server, root):
    store = ZooKeeperStore.open(parse_url(server + root), wait=time.sleep)
    store.close()
    with pytest.raises(errors.Closed):
        store.read(READ_CATALOG, (), epoch="")


@server_test
def test_the_nodes_above_may_be_somebody_elses(opened, root, client):
    client.ensure_path(f"{root}/below")
    client.set_acls(root, [make_acl("world", "anyone", read=True, admin=True)])
    tree = opened(below=f"{root}/below")
    assert tree.commit([Absent(("r:a", "a"))], [("r:a", "a", RECORD)], [], epoch=EPOCH) is None


@server_test
def test_a_request_that_was_withdrawn_does_nothing(tree, root, client):
    link: Link = tree.link
    multi = link.step()
    multi.create(f"{root}/withdrawn")
    assert multi.withdraw()
    assert link.write(multi) is None
    assert client.exists(f"{root}/withdrawn") is None
