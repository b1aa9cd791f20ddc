"""Ordered names in buckets: splits under writers and readers, a splitter killed at every step, ranges that hold."""

from __future__ import annotations

import itertools
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from kazoo.client import KazooClient

from manystore.stores.keyvalue.layout import after_all
from manystore.stores.keyvalue.protocol import CATALOG, Absent, Empty, Exists, Range, Same, Span
from manystore.stores.keyvalue.zookeeper import commit, split
from manystore.stores.keyvalue.zookeeper.buckets import state, state_of
from manystore.stores.keyvalue.zookeeper.split import FULL, boundary, cuts, is_full, right_above
from manystore.testing import death, servers
from manystore.testing.network import Proxy
from manystore.testing.speech import Numbered

from .conftest import catalog
from .test_tree import RECORD, TOKEN

pytestmark = pytest.mark.server

SPACE = "i:a.x"
ALL = Span(SPACE, "", "\ue000")


def entries(tree, names, *, each=200):
    for start in range(0, len(names), each):
        assert tree.commit([], [(SPACE, name, b"") for name in names[start : start + each]], [], epoch=None) is None


def sizes(client, root, space=SPACE):
    """Give the number of entries of each bucket, in order; each has what lies between its bound and the next."""
    names = sorted(client.get_children(f"{root}/{space}"), key=lambda name: name.rpartition("~")[0])
    lows = [name.rpartition("~")[0] for name in names]
    found = []
    for place, name in enumerate(names):
        children = client.get_children(f"{root}/{space}/{name}")
        high = lows[place + 1] if place + 1 < len(lows) else "\ue000"
        assert all(lows[place] <= child < high for child in children)
        is_frozen, following = state_of(client.get(f"{root}/{space}/{name}")[0])
        assert (is_frozen, following) == (False, (names[place + 1 :] or [""])[0])
        found.append(len(children))
    return found


def cut(names, coming=()):
    """Give the pieces of sorted entries with the bound of each; every entry lies between its piece's and the next."""
    made = cuts(names, coming)
    lows, ends = ["", *(low for _, low in made), "\ue000"], [0, *(place for place, _ in made), len(names)]
    assert lows == sorted(set(lows))
    for number in range(len(lows) - 1):
        assert all(lows[number] <= name < lows[number + 1] for name in names[ends[number] : ends[number + 1]])
    return [end - start for start, end in itertools.pairwise(ends)], lows[1:-1]


def test_a_full_bucket_is_halved():
    names = [f"{n:05}" for n in range(FULL + 1)]
    assert cut(names) == ([301, 300], ["00301"])
    assert cut(names, ["00100 new"])[0] == [301, 300]
    assert cut(names[:400]) == ([400], [])
    assert cut([]) == ([0], [])
    assert cut([f"{n:05}" for n in range(1300)])[0] == [325] * 4
    long = [f"{n:05}" + "x" * 2500 for n in range(150)]
    assert max(cut(long)[0]) * len(long[0]) <= 150_000
    assert is_full(150, long[0])
    assert not is_full(FULL, names[0])


def test_a_bucket_that_many_come_to_is_cut_smaller():
    names = [f"{n:05}" for n in range(FULL + 1)]
    assert cut(names, [f"{n:05} new" for n in range(0, 600, 10)])[0] == [151, 151, 151, 148]


def test_a_bucket_is_cut_where_others_come():
    names = [f"a{n:03}" for n in range(400)] + [f"c{n:03}" for n in range(250)]
    assert cut(names, ["d"]) == ([650, 0], ["d"])
    assert cut(names, ["c2490", "d000"]) == ([650, 0], ["c2490"])
    assert cut(names, [f"b{n}" for n in range(10)]) == ([400, 0, 250], ["b", "c"])
    assert cut(names, ["b"])[0] == [325, 325]
    # Little lies before them: they go on there.
    assert cut(names, [f"a100 {n}" for n in range(10)])[0] == [101, 275, 274]
    assert cut(names, [f"{end} {n}" for end in ("a399", "c249") for n in range(10)]) == ([400, 0, 250], ["a399 ", "c"])
    # They are there already, or come before all others.
    assert cut(names, ["c249"])[0] == [325, 325]
    assert cut(names, [f"a {n}" for n in range(10)])[0] == [325, 325]
    # What stays is cut as well when it is too much.
    assert cut([f"a{n:04}" for n in range(2000)], ["b"])[0] == [400] * 5 + [0]


def test_a_bound_right_above():
    assert right_above("a599", "z") == "b"
    assert right_above("a599", "a9") == "a6"
    assert right_above("a599", "a5990") == "a5990"
    assert right_above("a5", "a6") == "a6"
    # A bound holds only what a name may hold.
    assert right_above("a-", "a1") == "a1"
    assert right_above("a.1", "ab") == "ab"
    assert right_above("}", "\u00e9") == "\u00e9"


def test_names_that_come_downwards_above_a_full_bucket(tree, client, root):
    names = [f"a{n:03}" for n in range(FULL + 1)]
    entries(tree, names, each=FULL + 1)
    downwards = [f"{letter}{n:02}" for letter in "zyxwvutsrqponmlkjihgfedcb" for n in range(30, 0, -1)]
    for name in downwards[:200]:
        entries(tree, [name])
    assert sizes(client, root) == [FULL + 1, 200]


def test_random_cuts():
    choice = random.Random(3)
    for _ in range(300):
        every = [f"{n:04}" for n in range(choice.randrange(1, 3000))]
        names = sorted(choice.sample(every, choice.randrange(len(every))))
        start = choice.randrange(len(every))
        coming = sorted(
            set(choice.sample(every, min(len(every), 40))) | set(every[start : start + choice.randrange(300)])
        )
        sizes, _ = cut(names, coming[:: choice.randrange(1, 30)])
        assert sum(sizes) == len(names)
        assert max(sizes[1:], default=0) <= 400


def test_boundary():
    assert boundary("abc", "abx") == "abx"
    assert boundary("abc", "b") == "b"
    assert boundary("ab", "abc") == "abc"
    assert boundary("a\ud7ff", "b\ud7ff0") == "b"


def test_a_bucket_splits_and_everything_is_read_in_order(tree, opened, client, root):
    names = [f"{n:06}" for n in range(3000)]
    random.Random(1).shuffle(names)
    entries(tree, names, each=50)
    names.sort()
    found = sizes(client, root)
    assert sum(found) == 3000
    assert 4 < len(found) < 20
    assert max(found) <= FULL + 100
    for reader in (tree, opened()):
        page = reader.scan([ALL])
        assert (page.names, page.trips) == (names, 1)
        assert reader.scan([ALL], reverse=True).names == names[::-1]
        assert reader.scan([Span(SPACE, "000700", "001500")]).names == names[700:1500]
        assert reader.scan([Span(SPACE, "000700", "001500")], reverse=True, limit=500).names == names[1499:999:-1]
        for limit in (1, 599, 1700):
            assert reader.scan([ALL], limit=limit).names == names[:limit]
            assert reader.scan([ALL], limit=limit, reverse=True).names == names[::-1][:limit]


def test_long_names(tree, client, root):
    names = [f"{n:04}" + "x" * 2500 for n in range(500)]
    entries(tree, names, each=40)
    assert tree.scan([ALL]).names == names
    assert max(sizes(client, root)) < 160


def test_one_commit_may_overfill_a_bucket(tree, client, root):
    names = [f"{n:05}" for n in range(2000)]
    entries(tree, names, each=2000)
    assert sizes(client, root) == [2000]
    entries(tree, ["00000a"])
    assert max(sizes(client, root)) <= 401
    assert tree.scan([ALL]).names == sorted([*names, "00000a"])


def test_a_writer_between_the_look_and_the_move(tree, opened, client, root):
    """It meets a frozen bucket; when that stays so, it goes on with the split, and the first splitter is told."""
    names, other = [f"{n:05}" for n in range(700)], opened()
    entries(other, ["a"])  # so that it knows the bucket, and will not look again before it writes
    entries(tree, names, each=700)
    read, done = tree.link.read, []

    def interrupted(nodes, lists=()):
        found = read(nodes, lists)
        if lists and lists[0].endswith("~00000000") and not done:
            done.append(lists[0])
            entries(other, ["00699 other"])
        return found

    tree.link.read = interrupted
    entries(tree, ["00000 ours"])
    assert len(done) == 1
    assert tree.scan([ALL]).names == sorted([*names, "a", "00699 other", "00000 ours"])
    assert max(sizes(client, root)) < 400


def test_who_knows_old_buckets_is_told(tree, opened, client, root):
    old = opened()
    entries(old, ["5"])
    entries(tree, [f"{n:04}" for n in range(0, 2000, 2)], each=50)
    assert len(sizes(client, root)) > 2
    entries(old, ["0001", "1999"])
    assert old.scan([Span(SPACE, "1990", "2000")]).names == ["1990", "1992", "1994", "1996", "1998", "1999"]
    stale = opened()
    assert stale.scan([ALL], limit=1).names == ["0000"]
    tree.commit([], [], [(SPACE, f"{n:04}") for n in range(0, 2000, 2)], epoch=None)
    entries(tree, [f"{n:04}" for n in range(600, 1900)], each=50)
    assert stale.scan([ALL], limit=2).names == ["0001", "0600"]


def test_empty_buckets_go(tree, client, root):
    """As in a queue: what is added at one end is taken away at the other."""
    most, held = 0, 700
    for start in range(0, 6000, 100):
        puts = [(SPACE, f"{n:06}", b"") for n in range(start, start + 100)]
        deletes = [(SPACE, f"{n:06}") for n in range(start - held, start - held + 100) if n >= 0]
        tree.commit([], puts, deletes, epoch=None)
        most = max(most, len(client.get_children(f"{root}/{SPACE}")))
    assert most <= 8
    assert tree.scan([ALL]).names == [f"{n:06}" for n in range(6000 - held, 6000)]


@pytest.mark.slow
@pytest.mark.parametrize("full", [FULL, 12])
def test_writers_and_readers_while_buckets_split_and_go(opened, client, root, full, monkeypatch):
    """Three writers and two readers, each a program of its own: nothing is lost, doubled or missed."""
    monkeypatch.setattr(split, "FULL", full)
    if full < FULL:  # small buckets, looked at often: hundreds of splits and removals in the same time
        monkeypatch.setattr(split, "_PIECE", full // 2 + 2)
        monkeypatch.setattr(commit, "LOOK_AFTER", 3)
    fixed = [f"{n:04} fixed" for n in range(0, 1000, 10)]
    entries(opened(), fixed)
    trees = [opened() for _ in range(5)]
    done = threading.Event()
    kept = [set(), set(), set()]
    reads = [0, 0]

    def write(number):
        choice = random.Random(number)
        for _ in range(250):
            new = {f"{choice.randrange(1000):04} {number} {choice.randrange(10**6)}" for _ in range(8)} - kept[number]
            old = set(choice.sample(sorted(kept[number]), min(len(kept[number]), choice.choice([0, 3, 12]))))
            puts, deletes = [(SPACE, name, b"") for name in new], [(SPACE, name) for name in old]
            assert trees[number].commit([], puts, deletes, epoch=None) is None
            kept[number] = kept[number] - old | new

    def read(number):
        while not done.is_set():
            names = trees[3 + number].scan([ALL], reverse=number == 1).names
            assert names == sorted(set(names), reverse=number == 1)
            assert set(fixed) <= set(names)
            reads[number] += 1

    with ThreadPoolExecutor(5) as pool:
        writing = [pool.submit(write, number) for number in range(3)]
        reading = [pool.submit(read, number) for number in range(2)]
        try:
            for future in writing:
                future.result()
        finally:
            done.set()
        for future in reading:
            future.result()
    wanted = sorted({*fixed, *kept[0], *kept[1], *kept[2]})
    assert opened().scan([ALL]).names == wanted
    assert sum(sizes(client, root)) == len(wanted)
    assert len(sizes(client, root)) > 3
    assert min(reads) > 5


SPLITTER = """
import sys, time
from pathlib import Path
from manystore.store.url import parse_url
from manystore.stores.keyvalue.zookeeper.location import location_of
from manystore.stores.keyvalue.zookeeper.tree import Tree
root = Path(sys.argv[2]).read_text()
tree = Tree(location_of(parse_url(f"zookeeper://127.0.0.1:{sys.argv[1]}{root}")), wait=time.sleep)
assert tree.commit([], [("i:a.x", "00700 new", b"")], [], epoch=None) is None
tree.close()
"""


@pytest.mark.slow
def test_a_splitter_killed_at_any_step_loses_nothing(opened, client, root, server, tmp_path):
    """The bucket takes four steps to split; before and after each request, the splitter dies, and another goes on."""
    names = [f"{n:05}" for n in range(1300)]
    host, port = server.partition("://")[2].split(":")
    states, file = [], tmp_path / "root"

    def prepare():
        here = f"{root}/{len(states)}"
        file.write_text(here)
        client.create(f"{here}/{SPACE}/~00000000", state(""), makepath=True)
        for start in range(0, 1300, 500):
            step = client.transaction()
            for name in names[start : start + 500]:
                step.create(f"{here}/{SPACE}/~00000000/{name}")
            step.commit()
        return here

    with Proxy(host, int(port), Numbered) as proxy:
        here = prepare()
        for found in death.everywhere([sys.executable, "-c", SPLITTER, str(proxy.port), str(file)], proxy):
            buckets = client.get_children(f"{here}/{SPACE}")
            left = [state_of(client.get(f"{here}/{SPACE}/{name}")[0])[0] for name in buckets]
            states.append((found.killed, sum(left), len(buckets)))
            reader = opened(below=here, catalogued=False)
            seen = reader.scan([ALL]).names
            assert [name for name in seen if name != "00700 new"] == names
            entries(reader, ["00500 other"])
            assert sorted({*seen, "00500 other"}) == reader.scan([ALL]).names
            assert max(sizes(client, here)) <= FULL
            here = prepare()
    assert {(frozen, buckets) for killed, frozen, buckets in states if killed} >= {
        (0, 1),
        (1, 1),
        (1, 2),
        (1, 3),
        (0, 4),
    }
    assert states[-1] == (False, 0, 4)


# --- checks that hold against others ---


def race(*jobs):
    """Run jobs at once; give what each gave."""
    barrier = threading.Barrier(len(jobs))

    def run(job):
        barrier.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result() for future in [pool.submit(run, job) for job in jobs]]


@pytest.mark.parametrize("kind", ["empty", "range"])
def test_none_there_then_insert_is_won_by_one(opened, kind):
    trees = [opened(), opened()]
    entries(trees[0], [f"{n:02} 0" for n in range(40)])
    for number in range(40):
        prefix = f"{number:02} "

        def insert(who, prefix=prefix):
            check = Empty(SPACE, prefix + "1")
            if kind == "range":
                check = Range(Span(SPACE, prefix, after_all(prefix)), (prefix + "0",))
            return trees[who].commit([check], [(SPACE, f"{prefix}1{who}", b"")], [], epoch=None)

        outcome = race(lambda: insert(0), lambda: insert(1))
        assert sorted(outcome, key=str) == [0, None]
        assert len(trees[0].scan([Span(SPACE, prefix, after_all(prefix))]).names) == 2


def test_a_range_holds_against_writers_who_check_nothing(opened, client, root):
    """Whoever checks what it has seen, has seen all that the server did before, as the server's own numbers tell."""
    trees = [opened(), opened()]
    entries(trees[0], ["0"])
    held = []

    def write():
        for number in range(200):
            entries(trees[1], [f"1 {number:04}"])

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        seen = tuple(trees[0].scan([ALL]).names)
        name = f"2 {len(held):04}"
        if trees[0].commit([Range(ALL, seen)], [(SPACE, name, b"")], [], epoch=None) is None:
            held.append((name, len(seen)))
    writer.join()
    made = {n: client.exists(f"{root}/{SPACE}/~00000000/{n}").czxid for n in trees[0].scan([ALL]).names}
    assert len(made) == 201 + len(held) < FULL  # none was moved, which would give it another number
    assert [sum(zxid < made[name] for zxid in made.values()) for name, _ in held] == [number for _, number in held]
    assert len(held) > 3


def test_delete_against_create_of_a_reference_is_won_by_one(opened):
    trees = [opened(), opened()]
    trees[0].commit([], [("r:a", f"{n:03}", RECORD) for n in range(150)], [], epoch=None)
    for number in range(150):
        name = f"{number:03}"
        target, prefix = ("r:a", name), f"{name} "
        puts = [("r:c", name, RECORD), ("b:a", f"{prefix}c.f {name}", b"")]
        gone, made = race(
            lambda target=target, prefix=prefix: trees[0].commit(
                [Empty("b:a", prefix), Same(target, TOKEN)], [], [target], epoch=None
            ),
            lambda target=target, puts=puts: trees[1].commit(
                [Absent(("r:c", puts[0][1])), Exists(target)], puts, [], epoch=None
            ),
        )
        assert (gone, made) in ((None, 1), (0, None))
        stored = trees[0].get([target, ("r:c", name)]).values
        assert [value is None for value in stored] == [gone is None, gone is None]


def test_a_bucket_that_somebody_left_frozen_is_opened(tree, client, root):
    entries(tree, ["a", "b"])
    client.set(f"{root}/{SPACE}/~00000000", state("", frozen=True))
    assert tree.scan([ALL]).names == ["a", "b"]
    entries(tree, ["c"])
    assert tree.scan([ALL]).names == ["a", "b", "c"]
    assert sizes(client, root) == [3]


# --- many ---


@pytest.mark.soak
def test_two_hundred_thousand_records(opened, root):
    """No list of children comes near a megabyte, at a fifth of a million; reads stay right."""
    with servers.ZooKeeper(servers.this_run(), options=["-Xmx2g"]) as server:
        fill_and_look(opened(at=server.url), root, server)


def fill_and_look(tree, root, server):
    number = 200_000
    value = RECORD[:-1] + b',"text":"' + b"x" * 100 + b'"}'
    for start in range(0, number, 400):
        names = [f"a{n:06}" for n in range(start, start + 400)]
        puts = [("r:a", name, value) for name in names]
        puts += [(SPACE, f"${hash(name) % 997:04}! {name}", b"") for name in names]
        assert tree.commit([Absent(("r:a", name)) for name in names], puts, [], epoch="e" * 16) is None
    client = KazooClient(server.url.partition("://")[2])
    client.start()
    assert sum(sizes(client, root, "k:a")) == sum(sizes(client, root)) == number
    lists = [f"{root}/{space}" for space in ("k:a", "r:a", SPACE)]
    lists += [f"{top}/{child}" for top in list(lists) for child in client.get_children(top)]
    assert max(sum(len(child) + 4 for child in client.get_children(path)) for path in lists) < 60_000
    client.stop()
    client.close()
    page = tree.scan([Span("r:a", "a100000", "\ue000")], limit=2000, follow="r:a")
    assert page.names == [f"a{n}" for n in range(100_000, 102_000)]
    assert page.values == [value] * 2000
    assert tree.get([CATALOG]).values == [catalog()]
