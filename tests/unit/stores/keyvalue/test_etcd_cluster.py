"""Whom a program talks to: several members, none, after a fork, over TLS, with a login that expires."""

from __future__ import annotations

import multiprocessing
import os
import random
import socket
import subprocess
import sys
import threading
import time

import pytest

from manystore import errors
from manystore.store.url import parse_url
from manystore.stores.keyvalue.etcd import EtcdStore
from manystore.stores.keyvalue.protocol import CATALOG, Absent, Same, Span, token_of
from manystore.testing import servers

pytestmark = pytest.mark.server

EPOCH = "e" * 16
CATALOG_TEXT = b'{"format":1,"epoch":"' + EPOCH.encode() + b'"}'
RECORD = b'{"_revision":"0123456789abcdef","_previous":null}'


def made(url, wait=time.sleep):
    return EtcdStore.open(parse_url(url), wait=wait)


def begun(url):
    """Open a database and make it."""
    store = made(url)
    store._kv.commit([Absent(CATALOG)], [(*CATALOG, CATALOG_TEXT)], [], epoch=None)
    return store


def create(kv, name):
    return kv.commit([Absent(("r:a", name))], [("r:a", name, RECORD)], [], epoch=EPOCH)


@pytest.fixture
def name():
    return f"cluster{random.getrandbits(40):x}"


@pytest.fixture
def url(name):
    return f"{servers.url('etcd')}/{name}"


# --- members that are down -------------------------------------------------------------------------------------------


def dead_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def mute():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_nobody_there():
    began = time.monotonic()
    with pytest.raises(errors.Unavailable, match="reached"):
        made(f"etcd://127.0.0.1:{dead_port()},127.0.0.1:{dead_port()}/x?timeout=20&connect_timeout=0.3")
    assert time.monotonic() - began < 5


def test_a_host_without_an_address():
    with pytest.raises(errors.Unavailable, match="reached"):
        made("etcd://no-such-host.invalid/x?timeout=9&connect_timeout=0.5")


def test_a_wait_that_takes_no_time_does_not_make_it_hang():
    with pytest.raises(errors.Unavailable):
        made(f"etcd://127.0.0.1:{dead_port()}/x?connect_timeout=1", wait=lambda _: None)


def test_a_mute_server(mute):
    began = time.monotonic()
    with pytest.raises(errors.Unavailable):
        made(f"etcd://127.0.0.1:{mute}/x?timeout=0.6&connect_timeout=0.3")
    assert time.monotonic() - began < 5


def test_dead_and_mute_members_are_passed_over(url, mute):
    live = url.partition("://")[2]
    for _ in range(6):  # each begins with a member picked at random
        store = made(f"etcd://127.0.0.1:{dead_port()},127.0.0.1:{mute},{live}?timeout=6&connect_timeout=0.5")
        assert store._kv.get([("r:a", "x")]).values == [None]
        store.close()


def test_a_server_that_goes_and_comes_back(name):
    with servers.Etcd(servers.this_run()) as server:
        store = begun(f"{server.url}/{name}?timeout=8&connect_timeout=0.3")
        assert create(store._kv, "before") is None
        server.crash()
        with pytest.raises(errors.Unavailable):
            store._kv.get([("r:a", "before")])
        with pytest.raises(errors.Unavailable):
            create(store._kv, "down")
        server.restart()
        assert store._kv.get([("r:a", "before"), ("r:a", "down")]).values == [RECORD, None]
        assert create(store._kv, "after") is None
        store.close()


def test_a_server_that_hangs(name):
    with servers.Etcd(servers.this_run()) as server:
        store = begun(f"{server.url}/{name}?timeout=0.5")
        server.freeze()
        time.sleep(0.1)  # the signal takes a moment
        began = time.monotonic()
        with pytest.raises(errors.Unavailable):
            store._kv.get([("r:a", "x")])
        with pytest.raises(errors.OutcomeUnknown):
            create(store._kv, "x")
        assert time.monotonic() - began < 5
        server.thaw()
        store.close()


# --- forks -----------------------------------------------------------------------------------------------------------


def child_work(store, number):
    assert create(store._kv, f"child{number}") is None
    assert store._kv.get([("r:a", f"child{number}")]).values == [RECORD]


def opened_in_child(url, number):
    store = made(url)
    child_work(store, number)
    store.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forks_while_other_threads_write(url):
    """The child has channels and slots of its own; the parent goes on undisturbed."""
    store, stop, failed = begun(url), threading.Event(), []

    def write(number):
        count = 0
        try:
            while not stop.is_set():
                assert create(store._kv, f"parent{number}.{count}") is None
                count += 1
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(12):
            child = os.fork()
            if child == 0:
                try:
                    child_work(store, number)
                    store.close()
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert len(store._kv.scan([Span("r:a", "child", "childz")]).names) == 12
    store.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_multiprocessing(url, way):
    store = begun(url)
    context = multiprocessing.get_context(way)
    if way == "fork":
        children = [context.Process(target=child_work, args=(store, number)) for number in range(4)]
    else:
        children = [context.Process(target=opened_in_child, args=(url, number)) for number in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    assert create(store._kv, "parent") is None
    assert len(store._kv.scan([Span("r:a", "", "z")]).names) == len(children) + 1
    store.close()


def test_a_child_that_ends_like_any_program_leaves_the_parents_connection_alone(url):
    program = """
import os, sys, time
from manystore.store.url import parse_url
from manystore.stores.keyvalue.etcd import EtcdStore
from manystore.stores.keyvalue.protocol import Absent
store = EtcdStore.open(parse_url(sys.argv[1]), wait=time.sleep)
get = lambda: store._kv.get([("r:a", "x")]).values
assert get() == [None]
member = store._kv._cluster._members
seen = list(member)
if os.fork() == 0:
    get()
    store.close()
    del store
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
# Once, and without a second try: the connection of before the fork still serves.
from manystore.stores.keyvalue.etcd_messages import Txn
store._kv._cluster.ask("Txn", Txn(success=[store._kv._names.epoch_op]), once=True)
assert list(member) == seen
store.close()
"""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


# --- TLS and login ---------------------------------------------------------------------------------------------------


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA, and a server's and a client's certificate that it signed."""
    folder = tmp_path_factory.mktemp("tls")
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"),
        *("-keyout", ca_key, "-out", ca),
    )
    extension = folder / "extension"
    extension.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    for who in ("server", "client"):
        request = folder / f"{who}.csr"
        openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={who}"),
            *("-keyout", folder / f"{who}.key", "-out", request),
        )
        openssl(
            *("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2"),
            *("-extfile", extension, "-out", folder / f"{who}.pem"),
        )
    return folder


class TLSEtcd(servers.Etcd):
    """An etcd that takes only clients with a certificate."""

    certificates = None

    def command(self):
        command = [
            part.replace("http://", "https://") if f":{self.port}" in part else part for part in super().command()
        ]
        folder = self.certificates
        return [
            *command,
            *("--cert-file", f"{folder}/server.pem", "--key-file", f"{folder}/server.key"),
            *("--trusted-ca-file", f"{folder}/ca.pem", "--client-cert-auth"),
        ]

    def answers(self):
        store = made(self.secure_url("up", "&timeout=1&connect_timeout=1"))
        store.close()
        return True

    def secure_url(self, name, more="", who="client"):
        folder = self.certificates
        own = f"&cert={folder}/{who}.pem&key={folder}/{who}.key" if who else ""
        return f"{self.url}/{name}?ca={folder}/ca.pem{own}{more}"

    def until(self, holds):
        def try_it():
            try:
                return holds()
            except errors.Unavailable:
                return False

        super().until(try_it)


def test_tls(certificates, name):
    server = TLSEtcd(servers.this_run())
    server.certificates = certificates
    with server:
        store = begun(server.secure_url(name))
        assert create(store._kv, "x") is None
        assert store._kv.get([("r:a", "x")]).values == [RECORD]
        store.close()
        brief = "timeout=1&connect_timeout=0.5"
        with pytest.raises(errors.Unavailable):
            made(f"{server.url}/{name}?{brief}")  # no TLS
        with pytest.raises(errors.Unavailable):
            made(server.secure_url(name, f"&{brief}", who=""))  # no certificate
        with pytest.raises(errors.Unavailable):
            # A server that somebody else vouches for.
            made(f"{server.url}/{name}?ca={certificates}/server.pem&{brief}")


def authenticated(server, *calls):
    """Have the gateway carry out calls of the Auth service."""
    for path, body in calls:
        assert server.call("POST", f"/v3/auth/{path}", body).get("header"), path


def test_login(name):
    with servers.Etcd(servers.this_run(), options=["--auth-token-ttl=2"]) as server:
        before = begun(f"{server.url.replace('//', '//me:s3cret@')}/{name}")  # as yet nobody is asked
        assert create(before._kv, "first") is None
        authenticated(
            server,
            ("user/add", {"name": "root", "password": "r00t"}),
            ("user/grant", {"user": "root", "role": "root"}),
            ("role/add", {"name": "writer"}),
            (
                "role/grant",
                {"name": "writer", "perm": {"permType": 2, **base64_range(f"/{name}/", f"/{name}0")}},
            ),
            ("user/add", {"name": "me", "password": "s3cret"}),
            ("user/grant", {"user": "me", "role": "writer"}),
            ("enable", {}),
        )
        assert create(before._kv, "second") is None  # logs in when it is asked to
        before.close()
        brief = "timeout=2"
        for login, error in (("", errors.URLError), ("me:wrong@", errors.URLError), ("you:s3cret@", errors.URLError)):
            with pytest.raises(error, match="password") as caught:
                made(f"{server.url.replace('//', '//' + login)}/{name}?{brief}")
            assert "s3cret" not in str(caught.value)
        own = server.url.replace("//", "//me:s3cret@")
        with pytest.raises(errors.StoreError, match="prefix"):
            made(f"{own}/elsewhere?{brief}")
        store = made(f"{own}/{name}")
        assert create(store._kv, "third") is None
        first_token = store._kv._cluster._metadata
        time.sleep(3.5)  # longer than a token lives
        assert store._kv.get([("r:a", "third")]).values == [RECORD]
        time.sleep(3.5)
        assert create(store._kv, "fourth") is None
        assert store._kv._cluster._metadata != first_token
        assert len(store._kv._slots._leases) == 1
        store.close()


def base64_range(low, high):
    import base64

    return {"key": base64.b64encode(low.encode()).decode(), "range_end": base64.b64encode(high.encode()).decode()}


# --- a cluster -------------------------------------------------------------------------------------------------------


class Writers:
    """Threads that create records until they are told to stop, and what became of each."""

    def __init__(self, kv, number):
        self.acknowledged, self.unknown, self.failed, self.wrong = [], [], [], []
        self._kv, self._stop = kv, threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(number)]

    def _write(self, number):
        count = 0
        while not self._stop.is_set():
            key, count = f"{number}.{count:05}", count + 1
            try:
                outcome = create(self._kv, key)
            except errors.OutcomeUnknown:
                self.unknown.append(key)
            except errors.Unavailable:
                self.failed.append(key)
            except BaseException as error:
                self.wrong.append(error)
                raise
            else:
                # Nobody else makes these records: a check that fails would be a false Duplicate.
                (self.acknowledged if outcome is None else self.wrong).append(key)

    def go_on(self, number):
        """Wait until so many more are acknowledged."""
        until, end = len(self.acknowledged) + number, time.monotonic() + 30
        while len(self.acknowledged) < until:
            assert time.monotonic() < end, "it does not go on"
            time.sleep(0.02)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.cluster
def test_the_leader_is_killed_while_commits_stream(name):
    """Typed errors only, it goes on by itself, and what was acknowledged is there."""
    with servers.EtcdCluster(servers.this_run()) as cluster:
        store = begun(f"{cluster.url}/{name}?timeout=10&connect_timeout=1")
        with Writers(store._kv, 4) as writers:
            for _ in range(3):
                leader = cluster.leader()
                leader.crash()
                writers.go_on(40)
                leader.restart()
        stored = set(store._kv.scan([Span("r:a", "", "z")]).names)
        assert writers.wrong == []
        assert set(writers.acknowledged) <= stored
        assert stored.isdisjoint(writers.failed)
        assert stored <= {*writers.acknowledged, *writers.unknown}
        assert (writers.unknown, writers.failed) == ([], [])  # two members of three were there all the time
        store.close()


@pytest.mark.cluster
def test_saves_while_the_leader_is_frozen(name):
    """A counter that two writers raise by compare-and-set: no step is lost, and none is taken twice."""
    with servers.EtcdCluster(servers.this_run()) as cluster:
        url = f"{cluster.url}/{name}?timeout=12&connect_timeout=1"
        stores = [begun(url), begun(url)]
        stores[0]._kv.commit([], [("r:a", "n", counted(0, 0))], [], epoch=EPOCH)
        done, wrong, stop = [0, 0], [], threading.Event()

        def raise_it(place):
            kv = stores[place]._kv
            try:
                while not stop.is_set():
                    stored = kv.get([("r:a", "n")]).values[0]
                    value = counted(int(stored.rpartition(b":")[2][:-1]) + 1, random.getrandbits(63))
                    if (
                        kv.commit([Same(("r:a", "n"), token_of(stored))], [("r:a", "n", value)], [], epoch=EPOCH)
                        is None
                    ):
                        done[place] += 1
            except BaseException as error:
                wrong.append(error)
                raise

        threads = [threading.Thread(target=raise_it, args=(place,)) for place in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(2):
                leader = cluster.leader()
                before = sum(done)
                leader.freeze()
                end = time.monotonic() + 30
                while sum(done) < before + 20 and time.monotonic() < end and not wrong:
                    time.sleep(0.02)
                leader.thaw()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert wrong == []
        stored = stores[0]._kv.get([("r:a", "n")]).values[0]
        assert int(stored.rpartition(b":")[2][:-1]) == sum(done)
        for store in stores:
            store.close()


def counted(number, token):
    return f'{{"_revision":"{token:016x}","_previous":null,"n":{number}}}'.encode()


@pytest.mark.cluster
def test_without_a_quorum_it_is_unavailable(name):
    with servers.EtcdCluster(servers.this_run()) as cluster:
        store = begun(f"{cluster.url}/{name}?timeout=4&connect_timeout=0.5")
        assert create(store._kv, "x") is None
        for node in cluster.nodes[:2]:
            node.crash()
        time.sleep(1.5)  # the last one notices that nobody leads
        for call in (lambda: store._kv.get([("r:a", "x")]), lambda: create(store._kv, "y")):
            began = time.monotonic()
            with pytest.raises(errors.Unavailable):
                call()
            assert time.monotonic() - began < 8
        cluster.nodes[0].begin()
        cluster.nodes[0].until(cluster.nodes[0].answers)
        assert store._kv.get([("r:a", "x"), ("r:a", "y")]).values == [RECORD, None]
        assert create(store._kv, "y") is None
        store.close()
