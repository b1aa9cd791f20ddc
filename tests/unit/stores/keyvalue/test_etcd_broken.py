"""Commits whose connection breaks on a real etcd: before they got there, after they were carried out, or held up.

Between the break and our answer nobody, one or two others write. Each case is decided, and nothing that we sent before
is carried out after we answered.
"""

from __future__ import annotations

import itertools
import random
import socket
import threading
import time

import pytest

from manystore.errors import EpochChanged, OutcomeUnknown
from manystore.store.url import parse_url
from manystore.stores.keyvalue.etcd import Etcd, EtcdStore
from manystore.stores.keyvalue.etcd_messages import LeaseRevoke
from manystore.stores.keyvalue.protocol import CATALOG, Absent, Same, Span, previous_of, token_of
from manystore.testing import servers

pytestmark = pytest.mark.server

KEY = ("r:book", "a1")
ENTRY = ("i:book.by_title", "$x! a1")
FIRST, OURS = f"{1:016x}", f"{2:016x}"
EPOCHS = ("e" * 16, "f" * 16)
MOMENTS = ("before", "after", "late")
CASES = list(itertools.product(MOMENTS, [0, 1, 2]))
PATIENCE = 10.0


def record(token: str, previous: str | None = None) -> bytes:
    shown = "null" if previous is None else f'"{previous}"'
    return f'{{"_revision":"{token}","_previous":{shown},"_version":1}}'.encode()


def catalog(epoch: str) -> bytes:
    return f'{{"format":1,"epoch":"{epoch}"}}'.encode()


class Proxy:
    """Hands bytes on between a client and a server; breaks the connection once, in the way that arm() was told."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._moment = ""
        self._between = self._applied = lambda: None
        self._held = b""
        self._to_server: socket.socket | None = None
        self._answers = 0
        self.breaks = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, moment, applied, between):
        self._applied, self._between, self._moment = applied, between, moment

    def release(self):
        """Deliver what was held up, and wait until the server has dealt with it."""
        before = self._answers
        self._to_server.sendall(self._held)
        wait_until(lambda: self._answers > before)
        time.sleep(0.1)

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(client, server), daemon=True).start()

    def _up(self, client, server):
        data = received(client)
        while data and not self._moment:
            server.sendall(data)
            data = received(client)
        if not data:
            server.close()
            return
        moment = self._moment
        if moment == "after":
            server.sendall(data)
            # What belongs to the same request may come in several pieces.
            threading.Thread(target=self._hand_on, args=(client, server), daemon=True).start()
            wait_until(self._applied)
        elif moment == "late":
            client.settimeout(0.15)
            while data:
                self._held += data
                data = received(client)
            self._to_server = server
        self._between()
        self._moment = ""
        self.breaks += 1
        client.shutdown(socket.SHUT_RDWR)
        if moment != "late":
            server.close()

    def _hand_on(self, client, server):
        while data := received(client):
            try:
                server.sendall(data)
            except OSError:
                return

    def _down(self, client, server):
        while data := received(server):
            self._answers += 1
            if not self._moment and server is not self._to_server:
                try:
                    client.sendall(data)
                except OSError:
                    break
        client.close()


def received(connection):
    try:
        return connection.recv(1 << 16)
    except OSError:
        return b""


def wait_until(holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def opened(port, name):
    store = EtcdStore.open(parse_url(f"etcd://127.0.0.1:{port}/{name}?timeout=8"), wait=time.sleep)
    assert isinstance(store._kv, Etcd)
    return store._kv


class Scene:
    """One database, reached by us through the proxy and by others directly."""

    def __init__(self, port):
        name = f"broken{random.getrandbits(40):x}"
        self.proxy = Proxy(port)
        self.others = opened(port, name)
        self.others.commit([Absent(CATALOG)], [(*CATALOG, catalog(EPOCHS[0]))], [], epoch=None)
        self.ours = opened(self.proxy.port, name)
        self.ours.commit([], [("r:warm", "up", b"x")], [], epoch=EPOCHS[0])

    def stored(self):
        return self.others.get([KEY]).values[0]

    def entries(self):
        return self.others.scan([Span(ENTRY[0], "", "\ue000")]).names

    def overwrite(self, number):
        """What an honest other writer does: replace what is there, or create it."""
        stored, token = self.stored(), f"{100 + number:016x}"
        if stored is None:
            check, value = Absent(KEY), record(token)
        else:
            check, value = Same(KEY, token_of(stored)), record(token, token_of(stored))
        assert self.others.commit([check], [(*KEY, value)], [], epoch=EPOCHS[0]) is None

    def remove(self):
        assert self.others.commit([Same(KEY, token_of(self.stored()))], [], [KEY, ENTRY], epoch=EPOCHS[0]) is None

    def broken(self, commit, moment, between=lambda: None):
        """Commit while the connection breaks; what was held up is delivered after the answer, and changes nothing."""
        before = self.stored()
        self.proxy.arm(moment, lambda: self.stored() != before, between)
        try:
            return self.ours.commit(*commit, epoch=EPOCHS[0])
        finally:
            assert self.proxy.breaks == 1
            if moment == "late":
                self.settled()

    def settled(self):
        then = (self.stored(), self.entries())
        self.proxy.release()
        assert (self.stored(), self.entries()) == then

    def close(self):
        self.ours.close()
        self.others.close()
        self.proxy.close()


@pytest.fixture(scope="module")
def port():
    return int(servers.url("etcd").rpartition(":")[2])


@pytest.fixture
def scene(port):
    made = Scene(port)
    yield made
    made.close()


SAVE = ([Same(KEY, FIRST)], [(*KEY, record(OURS, FIRST)), (*ENTRY, b"")], [])
CREATE = ([Absent(KEY)], [(*KEY, record(OURS)), (*ENTRY, b"")], [])
DELETE = ([Same(KEY, FIRST)], [], [KEY, ENTRY])


def first(scene):
    scene.others.commit([], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCHS[0])


@pytest.mark.parametrize(("moment", "others"), CASES)
@pytest.mark.parametrize("commit", [SAVE, CREATE, DELETE], ids=["save", "create", "delete"])
def test_decided(scene, commit, moment, others):
    if commit is not CREATE:
        first(scene)
    outcome = scene.broken(commit, moment, lambda: [scene.overwrite(number) for number in range(others)])
    assert outcome == (0 if others and moment != "after" else None)
    if others:
        assert token_of(scene.stored()) == f"{99 + others:016x}"
        was_ours = commit is not DELETE and moment == "after" and others == 1
        assert (previous_of(scene.stored()) == OURS) == was_ours
    elif commit is DELETE:
        assert (scene.stored(), scene.entries()) == (None, [])
    else:
        assert (token_of(scene.stored()), scene.entries()) == (OURS, [ENTRY[1]])


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_delete_that_others_did_is_told_from_ours(scene, moment):
    first(scene)
    between = scene.remove if moment != "after" else lambda: None
    assert scene.broken(DELETE, moment, between) == (None if moment == "after" else 0)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_create_that_others_deleted_again(scene, moment):
    def between():
        if moment != "after":
            scene.overwrite(0)
        scene.remove()

    assert scene.broken(CREATE, moment, between) is None
    if moment == "after":
        assert scene.stored() is None  # it was made, and then deleted: it is not made a second time
    else:
        assert token_of(scene.stored()) == OURS


def test_a_create_that_was_answered_as_taken_never_appears(scene):
    scene.proxy.arm("late", lambda: True, lambda: scene.overwrite(0))
    assert scene.ours.commit(*CREATE, epoch=EPOCHS[0]) == 0
    scene.remove()
    scene.settled()
    assert (scene.stored(), scene.entries()) == (None, [])


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_epoch_moved_on(scene, moment):
    def move():
        assert scene.others.commit([], [(*CATALOG, catalog(EPOCHS[1]))], [], epoch=EPOCHS[0]) is None

    first(scene)
    if moment == "after":
        assert scene.broken(SAVE, moment, move) is None
    else:
        with pytest.raises(EpochChanged):
            scene.broken(SAVE, moment, move)


@pytest.mark.parametrize(("moment", "others"), CASES)
def test_when_the_lease_is_gone_the_tokens_decide(scene, moment, others):
    """As far as they can: two overwrites hide what was before."""

    def between():
        for number in range(others):
            scene.overwrite(number)
        for lease in scene.ours._slots._leases:
            scene.others._cluster.ask("LeaseRevoke", LeaseRevoke(ID=lease))

    first(scene)
    if others == 2:
        with pytest.raises(OutcomeUnknown):
            scene.broken(SAVE, moment, between)
    else:
        assert scene.broken(SAVE, moment, between) == (0 if others and moment != "after" else None)


def test_many_breaks_in_a_row(scene):
    for number in range(12):
        key = ("r:book", f"n{number}")
        moment = MOMENTS[number % 2]
        there = lambda key=key: scene.others.get([key]).values[0] is not None  # noqa: E731
        scene.proxy.arm(moment, there, lambda: None)
        assert scene.ours.commit([Absent(key)], [(*key, record(OURS))], [], epoch=EPOCHS[0]) is None
    assert scene.proxy.breaks == 12
