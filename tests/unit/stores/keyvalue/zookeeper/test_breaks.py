"""Connections that break in the middle of a commit, servers that say nothing: what is answered, and what is stored."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manystore import Database, Repository, col, errors, field, model
from manystore.stores.keyvalue.protocol import CATALOG, Absent, Empty, Exists, Same, Span, token_of
from manystore.testing import servers
from manystore.testing.network import Proxy
from manystore.testing.speech import Numbered

from .conftest import EPOCH
from .test_tree import record

pytestmark = pytest.mark.server

KEY, ENTRY = ("r:a", "a1"), ("i:a.x", "$x! a1")
FIRST, OURS = f"{1:016x}", f"{0xABCDEF:016x}"
FAULTS = ("cut_before", "cut_after", "hold")
CASES = list(itertools.product(FAULTS, [0, 1, 2]))


@pytest.fixture
def proxy(server):
    host, port = server.partition("://")[2].split(":")
    with Proxy(host, int(port), Numbered) as made:
        yield made


@pytest.fixture
def ours(opened, proxy):
    """A program that reaches the server through the proxy."""
    return opened("timeout=5", at=f"zookeeper://127.0.0.1:{proxy.port}")


class Others:
    """Another program, which writes a number of times between the break and the look at the slot."""

    def __init__(self, tree, ours, number):
        self.tree, self.number, self.written = tree, number, 0
        ask = ours._slots.ask

        def after_the_break(slot):
            while self.written < self.number:
                self.write()
            return ask(slot)

        ours._slots.ask = after_the_break

    def write(self):
        self.written += 1
        token, stored = f"{100 + self.written:016x}", self.tree.get([KEY]).values[0]
        check = Absent(KEY) if stored is None else Same(KEY, token_of(stored))
        new = record(token, None if stored is None else token_of(stored))
        puts = [(*KEY, new)] if stored is not None else [(*KEY, new), (*ENTRY, b"")]
        assert self.tree.commit([check], puts, [], epoch=EPOCH) is None


def outcome(tree, parts):
    try:
        return tree.commit(*parts, epoch=EPOCH)
    except errors.OutcomeUnknown:
        return "unknown"


def play(opened, ours, proxy, fault, others, parts, *, is_there):
    """Break a commit; give its outcome and the token that is stored then, after any late bytes."""
    direct = opened()
    if is_there:
        direct.commit([Absent(KEY)], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCH)
    else:
        # The nodes above are there, as they nearly always are; the first record of all takes a further try.
        direct.commit([Absent(KEY)], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCH)
        direct.commit([Same(KEY, FIRST)], [], [KEY, ENTRY], epoch=EPOCH)
    ours.scan([Span("i:a.x", "", "z")])
    Others(direct, ours, others)
    # The token stands in every operation on the record, so the fault meets the commit and no request before it.
    made = getattr(proxy, fault)(containing=(OURS if parts[1] else FIRST).encode())
    found = outcome(ours, parts)
    assert made.has_struck
    before = direct.get([KEY]).values[0]
    if fault == "hold":
        made.release()
        # What comes late finds its slot closed: nothing changes after we answered.
        for _ in range(3):
            assert direct.get([KEY]).values[0] == before
    names = direct.scan([Span("i:a.x", "", "z")]).names
    assert names == ([] if before is None else [ENTRY[1]])
    return found, None if before is None else token_of(before)


@pytest.mark.parametrize(("fault", "others"), CASES)
def test_save(opened, ours, proxy, fault, others):
    parts = ([Exists(KEY), Same(KEY, FIRST)], [(*KEY, record(OURS, FIRST))], [])
    found, token = play(opened, ours, proxy, fault, others, parts, is_there=True)
    was_applied = fault == "cut_after"
    assert found == (1 if others and not was_applied else None)
    assert token == (f"{100 + others:016x}" if others else OURS)


@pytest.mark.parametrize(("fault", "others"), CASES)
def test_create(opened, ours, proxy, fault, others):
    parts = ([Absent(KEY)], [(*KEY, record(OURS)), (*ENTRY, b"")], [])
    found, token = play(opened, ours, proxy, fault, others, parts, is_there=False)
    was_applied = fault == "cut_after"
    assert found == (0 if others and not was_applied else None)
    assert token == (f"{100 + others:016x}" if others else OURS)


@pytest.mark.parametrize(("fault", "others"), CASES)
def test_delete(opened, ours, proxy, fault, others):
    parts = ([Same(KEY, FIRST), Empty("b:a", "a1 ")], [], [KEY, ENTRY])
    found, token = play(opened, ours, proxy, fault, others, parts, is_there=True)
    was_applied = fault == "cut_after"
    assert found == (0 if others and not was_applied else None)
    assert token == (f"{100 + others:016x}" if others else None)


def test_a_record_that_came_and_went_does_not_appear(opened, ours, proxy):
    """`absent` can become true again: a late create must not be carried out when it has."""
    direct = opened()
    direct.commit([Absent(KEY)], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCH)
    direct.commit([Same(KEY, FIRST)], [], [KEY, ENTRY], epoch=EPOCH)
    Others(direct, ours, 2)
    held = proxy.hold(containing=OURS.encode())
    assert outcome(ours, ([Absent(KEY)], [(*KEY, record(OURS)), (*ENTRY, b"")], [])) == 0
    direct.commit([Same(KEY, f"{102:016x}")], [], [KEY, ENTRY], epoch=EPOCH)
    held.release()
    for _ in range(5):
        assert direct.get([KEY]).values == ours.get([KEY]).values == [None]


# --- slots ---


def slots(client, root):
    """Give the slots that are there: what each holds, and how often it was written."""
    found = {}
    for name in client.get_children(f"{root}/w:"):
        value, stat = client.get(f"{root}/w:/{name}")
        assert stat.ephemeralOwner
        found[name] = value, stat.version
    return found


def test_a_slot_goes_from_commit_to_commit(opened, root, client):
    tree = opened()
    tree.commit([Absent(KEY)], [(*KEY, record(FIRST))], [], epoch=EPOCH)
    before = slots(client, root)
    ((name, (value, version)),) = before.items()
    assert tree.commit([Absent(KEY)], [(*KEY, record(OURS))], [], epoch=EPOCH) == 0
    assert tree.commit([Same(KEY, FIRST), Exists(KEY)], [], [], epoch=EPOCH) is None
    with pytest.raises(errors.EpochChanged):
        tree.commit([Same(KEY, FIRST)], [], [KEY], epoch="f" * 16)
    assert slots(client, root) == before
    assert tree.commit([Same(KEY, FIRST)], [], [KEY], epoch=EPOCH) is None
    assert slots(client, root) == {name: (value, version + 1)}
    tree.close()
    assert slots(client, root) == {}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_slot_is_left_of_a_commit_that_broke(opened, ours, proxy, root, client, fault):
    ours.commit([Absent(KEY)], [(*KEY, record(FIRST))], [], epoch=EPOCH)
    getattr(proxy, fault)(containing=OURS.encode())
    assert ours.commit([Same(KEY, FIRST)], [(*KEY, record(OURS, FIRST))], [], epoch=EPOCH) is None
    assert len(slots(client, root)) == (0 if fault == "cut_after" else 1)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_slot_that_went_with_its_session_leaves_it_to_the_tokens(opened, ours, proxy, root, client, fault):
    """So it is when the session ended before its program could ask."""
    ask = ours._slots.ask

    def after_the_end(slot):
        client.delete(slot.path)
        return ask(slot)

    ours._slots.ask = after_the_end
    ours.commit([Absent(KEY)], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCH)
    getattr(proxy, fault)(containing=OURS.encode())
    assert ours.commit([Same(KEY, FIRST)], [(*KEY, record(OURS, FIRST))], [], epoch=EPOCH) is None
    ours.commit([Same(KEY, OURS)], [], [KEY, ENTRY], epoch=EPOCH)
    struck = getattr(proxy, fault)(containing=OURS.encode())
    found = outcome(ours, ([Absent(KEY)], [(*KEY, record(OURS)), (*ENTRY, b"")], []))
    # Of a create, the tokens tell only that it is there; who finds none knows not whether another took it away.
    assert found == (None if fault == "cut_after" else "unknown")
    before = opened().get([KEY]).values
    if fault == "hold":
        struck.release()
    for _ in range(5):
        assert opened().get([KEY]).values == before  # without its slot, it is refused for ever


@pytest.mark.parametrize("fault", FAULTS)
def test_the_question_is_lost_as_well(opened, ours, proxy, fault):
    """It is asked until it is answered, and says the same each time."""
    for number, lost in enumerate(("cut_before", "cut_after")):
        key = ("r:a", f"asked {number}")
        ours.commit([Absent(KEY)], [(*KEY, record(FIRST))], [KEY], epoch=EPOCH)
        commit, asked = getattr(proxy, fault)(containing=key[1].encode()), getattr(proxy, lost)(containing=b"closed")
        assert ours.commit([Absent(key)], [(*key, record(OURS))], [], epoch=EPOCH) is None
        assert commit.has_struck
        assert asked.has_struck
        assert opened().get([key]).values == [record(OURS)]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_making_of_a_slot_is_lost(opened, ours, proxy, fault):
    struck = getattr(proxy, fault)(containing=b"/w:/")
    assert ours.commit([Absent(KEY)], [(*KEY, record(FIRST))], [], epoch=EPOCH) is None
    assert struck.has_struck


@pytest.mark.slow
def test_a_commit_that_is_stuck_on_its_way(opened, proxy):
    """Nothing is cut: we give up, drop the connection, and ask on another one, where the late bytes count no more."""
    ours, direct = opened("timeout=1", at=f"zookeeper://127.0.0.1:{proxy.port}"), opened()
    ours.commit([Absent(KEY)], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCH)
    held = proxy.hold(containing=OURS.encode(), stays=True)
    begin = time.monotonic()
    assert ours.commit([Same(KEY, FIRST)], [], [KEY, ENTRY], epoch=EPOCH) is None
    assert ours.commit([Absent(KEY)], [(*KEY, record(OURS)), (*ENTRY, b"")], [], epoch=EPOCH) is None
    assert 0.9 < time.monotonic() - begin < 4
    direct.commit([Same(KEY, OURS)], [], [KEY, ENTRY], epoch=EPOCH)
    held.release()
    for _ in range(5):
        assert direct.get([KEY]).values == ours.get([KEY]).values == [None]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_catalog(opened, ours, proxy, fault):
    from .conftest import catalog

    made = getattr(proxy, fault)(containing=b"f" * 16)
    assert ours.commit([], [(*CATALOG, catalog("f" * 16))], [], epoch=EPOCH) is None
    assert made.has_struck
    assert opened().get([]).epoch == "f" * 16


@pytest.mark.parametrize("fault", FAULTS)
def test_reads_are_asked_again(ours, proxy, fault):
    made = getattr(proxy, fault)(containing=b"/r:a/")
    assert ours.get([KEY]).values == [None]
    assert made.has_struck


# --- as an application meets it ---


@model
class Bike:
    id: int = field(key=True)
    serial: str = field(unique=True, max_length=20)
    hires: int = field(default=0, index=True)


class Hire(Database):
    bike: Repository[Bike, int]


@pytest.mark.parametrize("fault", FAULTS)
def test_no_false_conflict_or_duplicate(opened, proxy, root, fault):
    with Hire.connect(f"zookeeper://127.0.0.1:{proxy.port}{root}") as db:
        db.bike.create(Bike(id=1, serial="one"))
        bike = db.bike.get(1)
        for number in range(5):
            bike.hires += 1
            struck = getattr(proxy, fault)(containing=b'"hires":%d' % bike.hires)
            db.bike.save(bike)
            assert struck.has_struck
            made = Bike(id=10 + number, serial=f"new {number}")
            struck = getattr(proxy, fault)(containing=b'"serial":"new %d"' % number)
            db.bike.create(made)
            assert struck.has_struck
        assert db.bike.get(1).hires == 5
        assert [bike.id for bike in db.bike.find(col(Bike.hires) == 0)] == [10, 11, 12, 13, 14]


# --- servers that are away, or say nothing ---


def seconds(call, error):
    begin = time.monotonic()
    with pytest.raises(error):
        call()
    return time.monotonic() - begin


def test_nobody_there():
    def connect():
        Hire.connect("zookeeper://127.0.0.1:1/t?timeout=0.5")

    assert 0.4 < seconds(connect, errors.Unavailable) < 3


def test_a_connection_that_nothing_comes_through(opened, ours, proxy):
    ours.commit([Absent(KEY)], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCH)
    proxy.down()
    assert seconds(lambda: ours.get([KEY]), errors.Unavailable) < 12
    # Nothing was sent, so nothing can have been written.
    assert seconds(lambda: ours.commit([Same(KEY, FIRST)], [], [KEY], epoch=EPOCH), errors.Unavailable) < 12
    proxy.up()
    assert ours.get([KEY]).values == [record(FIRST)]


def freeze(server):
    """Stop a server, and wait until all its threads have."""
    server.freeze()
    tasks = Path(f"/proc/{server.pid}/task")
    while any((task / "stat").read_text().rpartition(") ")[2][0] != "T" for task in tasks.iterdir()):
        time.sleep(0.001)


@pytest.mark.slow
def test_a_server_that_stands_still(opened, root):
    with servers.ZooKeeper(servers.this_run()) as server:
        tree = opened("timeout=1", at=server.url)
        tree.commit([Absent(KEY)], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCH)
        freeze(server)
        try:
            assert seconds(lambda: tree.get([KEY]), errors.Unavailable) < 4
            unsent = opened("timeout=1", at=server.url, catalogued=False)
            assert seconds(lambda: unsent.get([KEY]), errors.Unavailable) < 4
            assert seconds(lambda: unsent.commit([], [], [], epoch=EPOCH), errors.Unavailable) < 4
            begin = time.monotonic()
            unsent.close()
            assert time.monotonic() - begin < 4
        finally:
            server.thaw()
        assert tree.get([KEY]).values == [record(FIRST)]


@pytest.mark.slow
def test_a_server_that_stands_still_in_a_commit(opened, root):
    with servers.ZooKeeper(servers.this_run()) as server:
        tree = opened("timeout=1", at=server.url)
        tree.commit([Absent(KEY)], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCH)
        freeze(server)
        try:
            save = ([Same(KEY, FIRST)], [(*KEY, record(OURS, FIRST))], [])
            assert seconds(lambda: tree.commit(*save, epoch=EPOCH), errors.OutcomeUnknown) < 5
        finally:
            server.thaw()
        assert token_of(tree.get([KEY]).values[0] or b"") in (FIRST, OURS)


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back(opened, root):
    with servers.ZooKeeper(servers.this_run(), durable=True) as server:
        tree = opened("timeout=10", at=server.url)
        tree.commit([Absent(KEY)], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCH)
        server.crash()
        server.restart()
        assert tree.get([KEY]).values == [record(FIRST)]
        assert tree.commit([Same(KEY, FIRST)], [(*KEY, record(OURS, FIRST))], [], epoch=EPOCH) is None


@pytest.mark.slow
def test_a_session_that_is_over_is_followed_by_another(opened, proxy):
    tree = opened("session_timeout=0.5", at=f"zookeeper://127.0.0.1:{proxy.port}")
    tree.commit([Absent(KEY)], [(*KEY, record(FIRST)), (*ENTRY, b"")], [], epoch=EPOCH)
    before = tree.link._session[0]
    proxy.down()
    time.sleep(2)
    proxy.up()
    assert tree.get([KEY]).values == [record(FIRST)]
    assert tree.link._session[0] != before
    assert tree.commit([Same(KEY, FIRST)], [(*KEY, record(OURS, FIRST))], [], epoch=EPOCH) is None


READER = """
import logging, sys
from manystore import Database, Repository, field, model

@model
class Bike:
    id: int = field(key=True)

class Hire(Database):
    bike: Repository[Bike, int]

if sys.argv[2] == "logs":
    logging.basicConfig()
with Hire.connect(sys.argv[1]) as db:
    db.bike.create(Bike(id=1))
    print("ready", flush=True)
    sys.stdin.readline()
    print(db.bike.get(1))
"""


@pytest.mark.slow
@pytest.mark.parametrize("keeps", ["logs", "no logs"])
def test_a_line_that_breaks_is_logged_and_printed_nowhere(proxy, root, keeps):
    """The driver warns of it, and Python prints the warnings that nobody handles."""
    url = f"zookeeper://127.0.0.1:{proxy.port}{root}"
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", READER, url, keeps], text=True, **pipes) as reader:
        assert reader.stdout.readline() == "ready\n"
        proxy.down()
        proxy.up()
        told, printed = reader.communicate("\n", timeout=60)
    assert (reader.returncode, told) == (0, "Bike(id=1)\n")
    if keeps == "logs":
        assert "WARNING:manystore.zookeeper:Connection dropped" in printed
    else:
        assert printed == ""
