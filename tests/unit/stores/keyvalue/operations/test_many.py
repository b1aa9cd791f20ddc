"""A sweep that lifts many records at once leaves what one leaves that lifts each by itself, whatever comes between."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from manystore.errors import Corrupted, EpochChanged, MigrationRefused
from manystore.schema.operation import Many, Progress, Sweep
from manystore.schema.schema import Collection, Field, Index, Schema, Unique
from manystore.schema.system import SYSTEM
from manystore.stores.keyvalue.bulk import Limits
from manystore.stores.keyvalue.layout import entries_space
from manystore.stores.keyvalue.memory import Memory
from manystore.stores.keyvalue.store import KeyValueStore

from .shop import Content, Cutting, Shop, content, due

ID = Field("id", "id", "int")
NAME, CODE = Field("name", "name", "str", length=80), Field("code", "code", "str", length=9)
SIDE = Field("side", "side", "str", length=9)
MARK = Field("mark", "mark", "str", optional=True, length=80)
CARD = Collection(
    "card",
    "Card",
    (ID, NAME, CODE, SIDE, MARK),
    ("id",),
    (
        Index("by_name", ("name",), (False,)),
        Index("by_code", ("side", "code"), (False, True)),
        Index("by_side", ("side",), (False,)),
    ),
    (Unique("unique_mark", ("mark",)),),
)
COLOUR = Field("colour", "colour", "str", length=9)
BETWEEN_CARD = msgspec.structs.replace(CARD, fields=(*CARD.fields, COLOUR))
FIRST, LAST = Field("first", "first", "str", length=80), Field("last", "last", "str", length=80)
HEAD_CARD = Collection(
    "card",
    "Card",
    (ID, FIRST, LAST, Field("code", "code", "int"), SIDE, MARK, COLOUR),
    ("id",),
    (
        Index("by_name", ("last", "first"), (True, False), generation=2),
        Index("by_code", ("side", "code"), (False, True), generation=2),
        Index("by_side", ("side",), (False,)),
    ),
    CARD.uniques,
    version=2,
)
BASE, BETWEEN, HEAD = (Schema((card, *SYSTEM)) for card in (CARD, BETWEEN_CARD, HEAD_CARD))
ABSENT = {"card": {"colour": "red"}}


def lift(columns: dict[str, Any], complement: dict[str, Any] | None) -> dict[str, Any]:
    first, _, last = columns["name"].partition(" ")
    kept = {column: columns.get(column) for column in ("id", "side", "mark")}
    new = {"first": first, "last": (complement or {}).get("last", last), "code": int(columns["code"])}
    return {**kept, **new, "colour": columns.get("colour", "red")}


def lift_many(columns: Any, number: int) -> Any:
    assert {len(values) for values in columns.values()} == {number}
    parts = [name.partition(" ") for name in columns["name"]]
    new = {"first": [p[0] for p in parts], "last": [p[2] for p in parts], "code": list(map(int, columns["code"]))}
    return {**{column: columns[column] for column in ("id", "side", "mark", "colour")}, **new}


MANY = Many((*BETWEEN_CARD.columns,), lift_many)
NEVER = Many(MANY.takes, lambda *_: pytest.fail("there is nothing to be lifted"))


def card(n: int, code: str = "") -> tuple[Any, ...]:
    return n, f"Ann{n % 3} Lee{n}", code or f"{n:03}", "left" if n % 2 else "right", None if n % 4 else f"m{n}"


class Deck(Shop):
    """A store on its way through this window."""

    def __init__(self, shop: Shop | None = None, limits: Limits | None = None) -> None:
        store = KeyValueStore(Cutting(Memory()), wait=lambda _: None, limits=limits)
        other = shop or Shop(store=store)
        self.store, self.random, self.catalog = other.store, other.random, other.catalog
        self.kv: Any = self.store._kv
        self.turn(base=BASE, head=BASE)

    def raise_(self) -> None:
        self.turn(head=HEAD, phase="open", stored=BETWEEN, absent=ABSENT)
        self.turn(phase="raised", stored=HEAD, older=BETWEEN)

    def swept(self, many: Many | None = MANY, limit: int = 5) -> int:
        return self.pages(lambda after: Sweep(self.catalog.epoch, "card", lift, after, limit, many))

    def alter_record(self, n: int, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a stored record by hand, past all programs."""
        record = self.record(CARD, n)
        change(record)
        self.kv.commit([], [(*self.key(CARD, n), msgspec.json.encode(record))], [], epoch=None)

    def mixed(self, numbers: Sequence[int] = range(1, 24)) -> None:
        """Have records of all sorts."""
        self.insert(CARD, *map(card, numbers))
        self.alter_record(2, lambda record: record.update(_extras={"last": "kept"}))
        self.alter_record(3, lambda record: record.update(unknown=[1, {"a": None}]))
        self.alter_record(5, lambda record: record.update(colour="blue"))
        self.alter_record(6, lambda record: record.pop("mark"))
        self.alter_record(7, lambda record: record.update(_extras={}))
        self.raise_()
        self.insert(HEAD_CARD, (50, "New", "One", 50, "left", None, "green"))

    def all(self) -> dict[str, Any]:
        """Give what is stored, records as their values, revisions left out."""
        found: dict[str, Any] = dict(self.kept())
        records = [json.loads(data) for data in found.pop("r:card").values()]
        new = ("id", "first", "last", "code", "side", "mark", "colour", "unknown", "_extras", "_version")
        found["records"] = [
            {name: record.get(name, "-" if name == "unknown" else None) for name in new} for record in records
        ]
        assert not any(name in record for record in records for name in ("name", "_extras"))
        return found

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in content(self.kv, BASE)["r:card"].values()]

    def kept(self) -> Content:
        found = content(self.kv, BASE)
        for index in HEAD_CARD.indexes:
            if names := self.names(space := entries_space("card", index)):
                found[space] = dict.fromkeys(names, b"")
        return dict(sorted(found.items()))


def test_it_leaves_what_one_by_one_leaves(fresh):
    decks = [Deck(fresh()), Deck()]
    for deck, many in zip(decks, (MANY, None), strict=True):
        deck.mixed()
        before = {n: deck.record(CARD, n)["_revision"] for n in range(1, 24)}
        assert deck.swept(many) == 23
        assert {n: deck.record(CARD, n)["_revision"] for n in range(1, 24)} == before
        assert deck.kept() == due(deck.kv, deck.catalog)
    assert decks[0].all() == decks[1].all()
    assert decks[0].record(CARD, 2)["last"] == "kept"
    assert decks[0].record(CARD, 3)["unknown"] == [1, {"a": None}]
    assert decks[0].swept(NEVER) == 0


@pytest.mark.parametrize("after", [False, True])
def test_it_is_cut_off_and_given_again(after):
    deck = Deck(limits=Limits(operations=20))
    deck.mixed()
    number = 0
    while {record["_version"] for record in deck.records()} != {2}:
        number += 1
        with deck.kv.cut(1 + number % 2, after=after):
            deck.swept()
        assert deck.kept() == due(deck.kv, deck.catalog)
    assert number > 3


@pytest.mark.parametrize("write", ["replace", "delete", "patch"])
def test_what_others_change_meanwhile_is_theirs(write):
    deck = Deck()
    deck.mixed()

    def between() -> None:
        if write == "delete":
            deck.delete(HEAD_CARD, 9)
            return
        deck.replace(HEAD_CARD, 9, "Mine", "Now", 77, "left", None, "blue")
        if write == "patch":
            deck.patch(HEAD_CARD, 9, code=78)

    deck.kv.before = between
    assert deck.swept(limit=50) == 23
    assert deck.kv.before is None
    assert deck.kept() == due(deck.kv, deck.catalog)
    assert {record["_version"] for record in deck.records()} == {2}
    if write != "delete":
        record = deck.record(HEAD_CARD, 9)
        assert (record["first"], record["code"]) == ("Mine", 78 if write == "patch" else 77)


def test_another_catalog_stops_it():
    deck = Deck()
    deck.mixed()
    epoch = deck.catalog.epoch
    deck.kv.before = lambda: deck.turn(indexes={})
    with pytest.raises(EpochChanged):
        deck.store.alter(Sweep(epoch, "card", lift, None, 50, MANY))
    assert {record["_version"] for record in deck.records() if record["id"] != 50} == {1}


def test_a_value_moves_that_an_index_of_both_shapes_has():
    deck, plain = Deck(), Deck()
    turned = {"left": "right", "right": "left"}
    one = lambda columns, extras: {**(new := lift(columns, extras)), "side": turned[new["side"]]}  # noqa: E731
    many = Many(MANY.takes, lambda c, n: {**lift_many(c, n), "side": [turned[side] for side in c["side"]]})
    for made, page in ((deck, many), (plain, None)):
        made.mixed()
        made.store.alter(Sweep(made.catalog.epoch, "card", one, None, 50, page))
        assert made.kept() == due(made.kv, made.catalog)
    assert deck.all() == plain.all()
    assert deck.record(HEAD_CARD, 1)["side"] == "right"


def test_commits_are_as_long_as_the_url_allows():
    for limits, most in ((Limits(operations=12), 2), (Limits(bytes=2_500), 5), (Limits(operations=1), 1)):
        deck = Deck(limits=limits)
        deck.insert(CARD, *map(card, range(1, 13)))
        deck.raise_()
        deck.kv.commits, sizes = 0, list[int]()
        commit = deck.kv._kv.commit
        deck.kv._kv.commit = lambda checks, *p, commit=commit, sizes=sizes, **k: (
            sizes.append(len(checks)),
            commit(checks, *p, **k),
        )[1]
        deck.swept(limit=50)
        assert max(sizes) <= most
        assert sum(sizes) == 12
        assert deck.kept() == due(deck.kv, deck.catalog)


def test_an_entry_that_would_be_too_long_is_refused():
    deck = Deck()
    deck.insert(CARD, *map(card, range(1, 4)))
    wide = [msgspec.structs.replace(f, length=None) if f.name in ("first", "last") else f for f in HEAD_CARD.fields]
    head = Schema((msgspec.structs.replace(HEAD_CARD, fields=tuple(wide)), *SYSTEM))
    deck.turn(head=head, phase="open", stored=BETWEEN, absent=ABSENT)
    deck.turn(phase="raised", stored=head, older=BETWEEN)
    many = Many(MANY.takes, lambda c, n: {**lift_many(c, n), "first": ["x" * 3000] * n})
    with pytest.raises(MigrationRefused, match=r"^a record cannot be rewritten: Card\.first: "):
        deck.swept(many)
    assert deck.swept() == 3


def test_what_is_no_record_is_refused_as_such():
    deck = Deck()
    deck.insert(CARD, *map(card, range(1, 4)))
    deck.raise_()
    data = deck.kv.get([deck.key(CARD, 2)]).values[0]
    deck.kv.commit([], [(*deck.key(CARD, 2), data[:-1])], [], epoch=None)
    with pytest.raises(Corrupted, match=r"^Card: "):
        deck.swept()


def test_a_constant_that_is_a_list_is_had_one_by_one():
    extra = Field("tags", "tags", "json", optional=True)
    between, head = (
        Schema((msgspec.structs.replace(c, fields=(*c.fields, extra)), *SYSTEM)) for c in (BETWEEN_CARD, HEAD_CARD)
    )
    deck = Deck()
    deck.insert(CARD, *map(card, range(1, 4)))
    deck.turn(head=head, phase="open", stored=between, absent={"card": {**ABSENT["card"], "tags": ["a"]}})
    deck.turn(phase="raised", stored=head, older=between)
    with_tags = lambda columns, extras: {**lift(columns, extras), "tags": columns.get("tags", ["a"])}  # noqa: E731
    assert deck.store.alter(Sweep(deck.catalog.epoch, "card", with_tags, None, 50, NEVER)) == Progress(3)
    assert deck.record(HEAD_CARD, 2)["tags"] == ["a"]
