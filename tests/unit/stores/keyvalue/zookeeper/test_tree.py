"""The inner waist on a real server: what memory says of the same commits and reads, and where it is kept."""

from __future__ import annotations

import random

import pytest

from manystore import errors
from manystore.stores.keyvalue.layout import after_all
from manystore.stores.keyvalue.memory import Memory
from manystore.stores.keyvalue.protocol import CATALOG, Absent, Empty, Exists, Range, Same, Span

from .conftest import EPOCH, catalog

pytestmark = pytest.mark.server

TOKEN = "0123456789abcdef"


def record(token: str = TOKEN, previous: str | None = None) -> bytes:
    shown = "null" if previous is None else f'"{previous}"'
    return f'{{"_revision":"{token}","_previous":{shown},"_version":1}}'.encode()


RECORD = record()


@pytest.fixture
def filled(tree):
    tree.commit([], [("r:a", name, RECORD) for name in "abcd"], [], epoch=None)
    tree.commit([], [("i:a.x", f"{n} {name}", b"") for n, name in enumerate("dcbz")], [], epoch=None)
    tree.commit([], [("b:a", "a c.f x", b""), ("b:a", "a c.f y", b""), ("b:a", "b c.f x", b"")], [], epoch=None)
    tree.commit([], [("u:a.u", "one", b"a")], [], epoch=None)
    return tree


def test_get(filled):
    keys = [("r:a", "a"), ("u:a.u", "one"), ("r:a", "q"), ("r:none", "a"), ("b:a", "a c.f x")]
    assert filled.get(keys).values == [RECORD, b"a", None, None, b""]
    assert filled.get([("r:none", "a")]).values == [None]
    many = [("r:a", name * 200) for name in "abcdefghij"] * 300  # more than fits one request
    assert filled.get([*many, ("r:a", "a")]).values == [None] * 3000 + [RECORD]


def test_scan(filled):
    assert filled.scan([Span("r:a", "b", "d")]).names == ["b", "c"]
    assert filled.scan([Span("r:a", "", "z")], limit=2, reverse=True).names == ["d", "c"]
    page = filled.scan([Span("r:a", "", "z")], follow="r:a")
    assert (page.names, page.values, page.trips) == (list("abcd"), [RECORD] * 4, 2)
    page = filled.scan([Span("i:a.x", "1", "9")], follow="r:a")
    assert (page.names, page.values) == (["1 c", "2 b", "3 z"], [RECORD, RECORD, None])
    assert filled.scan([Span("i:a.x", "3", "9")], follow="r:none").values == [None]
    for nothing in (Span("i:none", "", "z"), Span("i:a.x", "3", "1"), Span("b:a", "q ", after_all("q "))):
        assert filled.scan([nothing], follow="r:a").names == []
    assert filled.scan([Span("i:a.x", "", "z")], limit=0).names == []


def test_scan_of_references(filled):
    assert filled.scan([Span("b:a", "a ", after_all("a "))]).names == ["a c.f x", "a c.f y"]
    assert filled.scan([Span("b:a", "a c.f y", after_all("a "))]).names == ["a c.f y"]
    assert filled.scan([Span("b:a", "a", "z")], reverse=True).names == ["b c.f x", "a c.f y", "a c.f x"]
    assert filled.scan([Span("b:a", "a c.f y", "b c.f y")], limit=1).names == ["a c.f y"]


@pytest.mark.parametrize(
    ("check", "holds"),
    [
        (Same(("r:a", "a"), TOKEN), True),
        (Same(("r:a", "a"), "f" * 16), False),
        (Same(("r:a", "q"), TOKEN), False),
        (Absent(("r:a", "q")), True),
        (Absent(("r:none", "q")), True),
        (Absent(("r:a", "a")), False),
        (Absent(("i:a.x", "1 q")), True),
        (Absent(("i:a.x", "1 c")), False),
        (Exists(("r:a", "a")), True),
        (Exists(("i:a.x", "1 c")), True),
        (Exists(("i:a.x", "1 q")), False),
        (Exists(("u:a.u", "one")), True),
        (Exists(("r:a", "q")), False),
        (Empty("i:a.x", "4 "), True),
        (Empty("i:none", "4 "), True),
        (Empty("i:a.x", "1 "), False),
        (Empty("b:a", "c "), True),
        (Empty("b:a", "q "), True),
        (Empty("b:a", "a "), False),
        (Range(Span("b:a", "b ", after_all("b ")), ("b c.f x",)), True),
        (Range(Span("b:a", "a ", after_all("a ")), ("a c.f x",)), False),
        (Range(Span("r:a", "b", "d"), ("b", "c")), True),
        (Range(Span("i:a.x", "1", "3"), ("1 c", "2 b")), True),
        (Range(Span("i:a.x", "1", "3"), ("1 c",)), False),
        (Range(Span("i:a.x", "1", "3"), ("1 c", "2 a")), False),
        (Range(Span("i:a.x", "1", "3"), ("1 c", "2 b", "2 c")), False),
    ],
    ids=repr,
)
def test_checks(filled, check, holds):
    puts, deletes = [("r:a", "new", RECORD), ("i:a.x", "2 new", b"")], [("r:a", "d"), ("i:a.x", "0 d")]
    outcome = filled.commit([Exists(("r:a", "b")), check], puts, deletes, epoch=None)
    assert outcome == (None if holds else 1)
    assert filled.get([("r:a", "new"), ("r:a", "d")]).values == ([RECORD, None] if holds else [None, RECORD])
    assert ("2 new" in filled.scan([Span("i:a.x", "", "z")]).names) == holds
    # What was held is let go: others write, and what the check made and undid is gone.
    assert filled.commit([], [("i:a.x", "1 z", b"")], [("i:a.x", "1 z")], epoch=None) is None
    assert filled.scan([Span("b:a", "a ", after_all("a "))]).names == ["a c.f x", "a c.f y"]
    assert filled.get([("r:a", "q"), ("r:none", "q")]).values == [None, None]


def test_what_was_held_for_others_is_refused_by_name(filled):
    with pytest.raises(errors.Unsupported):
        filled.commit([Empty("b:a", "a c")], [], [], epoch=None)


def test_what_is_deleted_and_put_is_there(filled):
    new = record("f" * 16)
    filled.commit([], [("r:a", "a", new), ("u:a.u", "one", b"b")], [("r:a", "a"), ("u:a.u", "one")], epoch=None)
    assert filled.get([("r:a", "a"), ("u:a.u", "one")]).values == [new, b"b"]


def test_puts_and_deletes_of_what_is_otherwise_than_expected(filled):
    filled.commit([], [("i:a.x", "1 c", b""), ("u:a.u", "two", b"b")], [("i:a.x", "7 q"), ("u:a.u", "q")], epoch=None)
    filled.commit([], [("r:a", "a", RECORD), ("r:a", "e", RECORD)], [("r:a", "q"), ("b:a", "q c.f x")], epoch=None)
    assert filled.get([("u:a.u", "two"), ("r:a", "a"), ("r:a", "e")]).values == [b"b", RECORD, RECORD]
    assert filled.scan([Span("r:a", "", "z")]).names == list("abcde")


def test_a_record_that_is_made_anew_is_not_the_one_before(filled):
    filled.commit([], [], [("b:a", "a c.f x"), ("b:a", "a c.f y"), ("r:a", "a")], epoch=None)
    filled.commit([Absent(("r:a", "a"))], [("r:a", "a", record("f" * 16))], [], epoch=None)
    assert filled.commit([Same(("r:a", "a"), TOKEN)], [("r:a", "a", record("1" * 16, TOKEN))], [], epoch=None) == 0
    assert filled.get([("r:a", "a")]).values == [record("f" * 16)]


def test_a_record_goes_only_without_references(filled):
    gone, empty = ("r:a", "a"), Empty("b:a", "a ")
    assert filled.commit([Same(gone, TOKEN), empty], [], [gone], epoch=None) == 1
    span = Span("b:a", "a ", after_all("a "))
    for seen in (("a c.f x",), ("a c.f x", "a c.f y", "a c.f z")):
        assert filled.commit([Same(gone, TOKEN), Range(span, seen)], [], [gone], epoch=None) == 1
    seen = ("a c.f x", "a c.f y")
    deletes = [gone, *[("b:a", name) for name in seen]]
    assert filled.commit([Same(gone, TOKEN), Range(span, seen)], [], deletes, epoch=None) is None
    assert filled.get([gone]).values == [None]
    # References that nobody spoke of go with their record, if the commit does not ask.
    assert filled.commit([Same(("r:a", "b"), TOKEN)], [], [("r:a", "b")], epoch=None) is None
    assert filled.commit([Same(("r:a", "b"), TOKEN)], [], [("r:a", "b")], epoch=None) == 0


def test_epoch(opened):
    tree = opened(catalogued=False)
    assert tree.get([CATALOG]).epoch == ""
    assert tree.commit([Absent(CATALOG)], [(*CATALOG, catalog())], [], epoch=None) is None
    assert tree.commit([Absent(CATALOG)], [(*CATALOG, catalog("f" * 16))], [], epoch=None) == 0
    assert tree.get([]).epoch == tree.scan([Span("r:a", "", "z")]).epoch == EPOCH
    assert tree.get([CATALOG]).values == [catalog()]
    with pytest.raises(errors.EpochChanged):
        tree.commit([], [("r:a", "a", RECORD)], [], epoch="f" * 16)
    with pytest.raises(errors.EpochChanged):
        tree.commit([], [(*CATALOG, catalog("1" * 16))], [], epoch="f" * 16)
    assert tree.commit([], [("r:a", "a", RECORD)], [], epoch=EPOCH) is None
    assert tree.commit([], [(*CATALOG, catalog("1" * 16))], [], epoch=EPOCH) is None
    assert tree.commit([], [(*CATALOG, catalog("2" * 16))], [], epoch=None) is None
    with pytest.raises(errors.EpochChanged):
        tree.commit([], [], [], epoch="1" * 16)
    assert tree.get([]).epoch == "2" * 16
    assert tree.commit([], [], [], epoch="2" * 16) is None


def test_where_it_is_kept(filled, client, root):
    assert sorted(client.get_children(root)) == ["c:", "i:a.x", "k:a", "r:a", "u:a.u", "w:"]
    assert client.get(f"{root}/c:/catalog")[0] == catalog()
    assert client.get(f"{root}/c:/epoch")[0] == EPOCH.encode()
    assert client.get_children(f"{root}/c:/epoch") == [EPOCH]
    assert client.get(f"{root}/r:a/43/a")[0] == RECORD  # 0x43: the last byte of the CRC-32 of "a"
    assert sorted(client.get_children(f"{root}/r:a/43/a")) == [TOKEN, "c.f x", "c.f y"]
    assert client.get_children(f"{root}/k:a") == ["~00000000"]
    assert sorted(client.get_children(f"{root}/k:a/~00000000")) == list("abcd")
    assert client.get(f"{root}/i:a.x/~00000000")[0] == b"open\n"


# --- any commits, beside memory ---


class Pair:
    """The same commits on both; what a server may answer differently is which of several failing checks it names."""

    def __init__(self, tree, seed):
        self.tree, self.memory = tree, Memory()
        self.memory.commit([], [(*CATALOG, catalog())], [], epoch=None)
        self.random = random.Random(seed)
        self.tokens = 0

    def commit(self, checks, puts, deletes):
        failing = [place for place, check in enumerate(checks) if self.memory.commit([check], [], [], epoch=None) == 0]
        expected = self.memory.commit(checks, puts, deletes, epoch=EPOCH)
        found = self.tree.commit(checks, puts, deletes, epoch=EPOCH)
        assert (found is None) == (expected is None), (checks, puts, deletes)
        assert found is None or found in failing
        return found is None

    def compare(self):
        keys = [(space, name) for space in ("r:a", "r:d", "u:a.u") for name in "abcdef"]
        assert self.tree.get(keys).values == self.memory.get(keys).values
        for space in ("r:a", "r:d", "i:a.x", "i:a.y", "b:a"):
            span = Span(space, "", "\ue000")
            assert self.tree.scan([span]).names == self.memory.scan([span]).names

    def token(self):
        self.tokens += 1
        return f"{self.tokens:016x}"

    def some_check(self):
        pick = self.random.choice
        space = pick(["i:a.x", "i:a.y", "r:a", "b:a"])
        low = pick("abcdef") + (" " if space == "b:a" or pick([True, False]) else "")
        span = Span(space, low, after_all(low))
        seen = tuple(self.memory.scan([span]).names)
        if pick([True, False, False]):
            seen = (*seen, low + "q")
        stored = self.memory.get([("r:a", "a")]).values[0]
        return pick(
            [
                Empty(space, low),
                Range(span, seen),
                Exists(("r:d", pick("abcdef"))),
                Exists(("u:a.u", pick("abcdef"))),
                Absent(("r:d", pick("abcdef"))),
                Absent(("i:a.x", f"{pick('abc')} {pick('abc')}")),
                Same(("r:a", "a"), pick([f"{1:016x}", "0" * 16]) if stored is None else stored[14:30].decode()),
            ]
        )

    def step(self):
        pick = self.random.choice
        checks = [self.some_check() for _ in range(pick([0, 0, 1, 2]))]
        puts, deletes = [], []
        for _ in range(pick([1, 2, 3])):
            key = (pick(["r:a", "r:d"]), pick("abcdef"))
            stored = self.memory.get([key]).values[0]
            if pick([True, False]):
                old = None if stored is None else stored[14:30].decode()
                puts.append((*key, record(self.token(), old)))
                if pick([True, True, False]):
                    checks.append(Absent(key) if old is None else Same(key, old))
            elif key[0] == "r:d" or not self.memory.scan([Span("b:a", key[1] + " ", after_all(key[1] + " "))]).names:
                deletes.append(key)
            puts += [(pick(["i:a.x", "i:a.y"]), f"{pick('abc')} {pick('abc')}", b"")]
            deletes += [(pick(["i:a.x", "i:a.y"]), f"{pick('abc')} {pick('abc')}"), ("u:a.u", pick("abcdef"))]
            puts.append(("u:a.u", pick("abcdef"), pick([b"x", b"y"])))
            target = pick("abcdef")
            if self.memory.get([("r:a", target)]).values[0] is not None and ("r:a", target) not in deletes:
                puts.append(("b:a", f"{target} d.f {pick('abc')}", b""))
                checks.append(Exists(("r:a", target)))
            deletes.append(("b:a", f"{pick('abcdef')} d.f {pick('abc')}"))
        # A record that goes takes no reference in the same commit: nobody writes that.
        gone = {name for space, name in deletes if space == "r:a"} - {name for space, name, _ in puts if space == "r:a"}
        puts = [put for put in puts if put[0] != "b:a" or put[1][0] not in gone]
        self.commit(checks, puts, deletes)


@pytest.mark.parametrize("seed", range(6))
def test_any_commits_are_as_in_memory(tree, seed):
    pair = Pair(tree, seed)
    for _ in range(60):
        pair.step()
    pair.compare()
