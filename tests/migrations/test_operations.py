"""Each operation: the schema after it, its class, its way back, what it loses, and what it refuses with a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from manystore import MigrationRefused, Pinned, ValueRefused
from manystore.migrations import (
    CUT,
    FILL_IN,
    STOP,
    AddField,
    AddIndex,
    AddReference,
    AddUnique,
    Arrange,
    ChangeChoices,
    ChangeKey,
    ChangeLength,
    ChangeModel,
    ChangeNullability,
    ChangeType,
    Collection,
    CreateModel,
    DropField,
    DropIndex,
    DropModel,
    DropReference,
    DropUnique,
    Field,
    Fill,
    Gather,
    Index,
    KeyedHash,
    Manner,
    MapValues,
    MergeFields,
    Operation,
    Precondition,
    Reference,
    RenameField,
    RenameModel,
    Seed,
    SplitField,
    Spread,
    Translate,
    Unique,
    Window,
)
from manystore.schema.schema import Schema

SHOP = Collection("shop", "Shop", (Field("id", "id", "int"), Field("name", "name", "str", length=20)), ("id",))
BIKE = Collection(
    "bike",
    "Bike",
    (
        Field("id", "id", "int"),
        Field("serial", "serial", "str", length=10),
        Field("state", "state", "str", optional=True, choices=("ready", "broken")),
        Field("charge", "charge", "int"),
        Field("shop", "shop", "str", optional=True, length=20),
        Field("owner", "owner", "int", optional=True),
        Field("price", "price", "decimal", digits=6, scale=2),
    ),
    ("id",),
    indexes=(Index("by_charge", ("charge",), (True,)),),
    uniques=(Unique("unique_serial", ("serial",)),),
    references=(Reference("owner", "shop", "set_null"),),
)
SCHEMA = Schema((BIKE, SHOP))
NEW = Collection("wheel", "Wheel", (Field("id", "id", "int"), Field("bike", "bike", "int")), ("id",))
ROWS = Collection("limit", "Limit", (Field("shop", "shop", "str"), Field("of", "of", "str")), ("shop", "of"))
GEARS = Field("gears", "gears", "int")
SIDE, UP, FELT, CLOSED = Manner


def first(value: str) -> str:
    return value[:1]


def halves(value: str) -> tuple[str, str]:
    return value[:1], value[1:]


def joined(one: str, other: str) -> str:
    return one + other


def number(value: str | None) -> int:
    return int(value) if value is not None and value.isdigit() else -1


def no_number(value: str | None) -> int | None:
    return None if number(value) == -1 else number(value)


@dataclass(frozen=True)
class Case:
    operation: Operation
    manner: Manner = SIDE
    lost: str = ""
    is_one_way: bool = False


CASES = [
    Case(CreateModel(NEW)),
    Case(DropModel("bike"), lost="all records of Bike"),
    Case(RenameModel("shop", "Store")),
    Case(RenameModel("shop", "Store", "store"), CLOSED),
    Case(ChangeModel("shop", small=True)),
    Case(ChangeModel("bike", scope="shop"), FELT),
    Case(ChangeKey("bike", ("serial",)), CLOSED),
    Case(ChangeKey("bike", ("id",), generated=True)),
    Case(Arrange("shop", "fields", ("name", "id"))),
    Case(AddField("bike", Field("gears", "gears", "int"), default=1)),
    Case(AddField("bike", Field("mark", "mark", "str"), compute=first, sources=("serial",)), UP),
    Case(AddField("bike", Field("uuid", "uuid", "uuid"), compute=KeyedHash()), UP),
    Case(DropField("bike", "shop"), UP, "all values of Bike.shop"),
    Case(RenameField("bike", "charge", "power")),
    Case(RenameField("bike", "charge", "power", "charge")),
    Case(ChangeType("bike", Field("shop", "shop", "int", optional=True), None), UP,
         "values of Bike.shop that cannot be cast"),
    Case(ChangeType("bike", Field("serial", "serial", "int")), CLOSED),
    Case(ChangeType("bike", Field("charge", "charge", "str", optional=True), back=-1), UP),
    Case(ChangeType("bike", Field("charge", "charge", "str", optional=True), down=number), UP),
    Case(ChangeType("bike", Field("charge", "charge", "str")), UP),
    Case(ChangeType("bike", Field("price", "price", "decimal", digits=9, scale=3)), UP),
    Case(ChangeNullability("bike", "charge", optional=True)),
    Case(ChangeNullability("bike", "shop", optional=False), CLOSED),
    Case(ChangeNullability("bike", "shop", optional=False, otherwise=""), UP, "which values of Bike.shop were None"),
    Case(ChangeLength("bike", "serial", 20)),
    Case(ChangeLength("bike", "serial", 5), CLOSED),
    Case(ChangeLength("bike", "serial", 5, CUT), UP, "what is longer than 5 in Bike.serial"),
    Case(ChangeChoices("bike", "state", ("ready", "broken", "lost"))),
    Case(ChangeChoices("bike", "state", ("ready",)), CLOSED),
    Case(ChangeChoices("bike", "state", ("ready",), {"broken": None}), UP, "which records of Bike had broken"),
    Case(AddIndex("bike", Index("by_shop", ("shop",), (False,)))),
    Case(DropIndex("bike", "by_charge")),
    Case(AddUnique("bike", Unique("unique_shop", ("shop",))), FELT),
    Case(DropUnique("bike", "unique_serial"), FELT),
    Case(AddReference("bike", Reference("charge", "shop")), FELT),
    Case(DropReference("bike", "owner"), FELT),
    Case(Fill("bike", "shop", "none"), UP, "which values of Bike.shop were None"),
    Case(MapValues("bike", ("charge",), {1: 2, 2: 1}), UP),
    Case(MapValues("bike", ("charge",), {1: 2}, {2: 1}), UP, "which of several old values became 2"),
    Case(MapValues("bike", ("state", "shop"), {("ready", None): ("broken", "x")}, {}), UP,
         "which of several old values became broken, x"),
    Case(SplitField("bike", "shop", (Field("a", "a", "str"), Field("b", "b", "str")), halves, joined), UP),
    Case(MergeFields("bike", ("shop", "state"), Field("both", "both", "str"), joined, halves), UP),
    Case(Translate("bike", "shop", Field("shop_id", "shop_id", "int", optional=True), "shop", "name", "id", None),
         CLOSED, "values of Bike.shop that no shop.name has"),
    Case(Translate("bike", "shop", Field("x", "x", "int", optional=True), "shop", "name", "id", None, keeps=True),
         CLOSED),
    Case(Spread("bike", ROWS, lambda _: []), CLOSED, "what up leaves out of Bike, and the keys that it had", True),
    Case(Spread("bike", ROWS, lambda _: [], keeps=True), CLOSED),
    Case(Spread("bike", ROWS, lambda _: [], lambda _: {}, ("shop",)), CLOSED,
         "what up leaves out of Bike, and the keys that it had"),
    Case(Gather("bike", ROWS, ("shop",), lambda _: None), CLOSED,
         "what up leaves out of Bike, and the keys that they had", True),
    Case(Seed("shop", ({"id": 1, "name": "Harbour"},))),
    Case(Precondition("bike", "no bike is without a shop", lambda records: all(r["shop"] for r in records))),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.operation.title())
def test_operations(case: Case) -> None:
    operation = case.operation
    after = operation.apply(SCHEMA)
    assert operation.manner(SCHEMA) is case.manner
    assert operation.lost(SCHEMA) == case.lost
    back = operation.inverse(SCHEMA)
    assert (back is None) is case.is_one_way
    if back is None:
        return
    for step in back:
        after = step.apply(after)
    if isinstance(operation, (DropIndex, DropUnique, DropReference, DropField, MergeFields)):
        assert {c.name: sorted(f.name for f in c.fields) for c in after.collections} == {
            c.name: sorted(f.name for f in c.fields) for c in SCHEMA.collections
        }
    else:
        assert after == SCHEMA


REFUSED: list[tuple[Operation, str]] = [
    (CreateModel(SHOP), "there is a collection shop already"),
    (DropModel("shop"), "shop is still referred to by bike.owner"),
    (DropModel("car"), "there is no collection car"),
    (RenameModel("shop", "Bike", "bike"), "there is a collection bike already"),
    (RenameModel("shop", "Shop"), "shop is called Shop already"),
    (ChangeModel("shop", version=1), "shop: its version is 1 and can only rise"),
    (ChangeModel("shop"), "shop: nothing is changed"),
    (ChangeModel("shop", live="deleted"), "shop.deleted: there is no such field"),
    (ChangeKey("bike", ("shop",)), "bike.shop: a key may be neither optional nor a float nor a JSON value"),
    (ChangeKey("shop", ("name",)), "shop: drop the references to its key first, and add them again: bike.owner"),
    (Arrange("shop", "fields", ("name",)), "shop: the order of its fields names not id"),
    (AddField("bike", Field("gears", "gears", "int")),
     "bike.gears: records made before would hold a wrong default: None, but the field is not optional"),
    (AddField("bike", Field("gears", "charge", "int"), default=1), "bike.gears: there is a column charge already"),
    (AddField("bike", Field("charge", "x", "int"), default=1), "bike: there is one called charge"),
    (DropField("bike", "serial", ""), "bike.serial is still used by the unique unique_serial"),
    (DropField("bike", "id", 0), "bike.id is still used by the key"),
    (DropField("bike", "price"),
     "bike.price: give the stand_in that older programs see: None, but the field is not optional"),
    (RenameField("bike", "gears", "cogs"), "bike.gears: there is no such field"),
    (RenameField("bike", "charge", "charge"), "bike.charge: is called that already"),
    (ChangeType("bike", Field("charge", "charge", "uuid")),
     "bike.charge: from int to uuid there is no cast; give up and down"),
    (ChangeType("bike", Field("shop", "shop", "int", optional=True), "many"),
     "bike.shop: otherwise= is refused: str where int is wanted"),
    (ChangeType("bike", Field("charge", "charge", "str", optional=True), back="0"),
     "bike.charge: back= is refused: str where int is wanted"),
    (ChangeNullability("bike", "shop", optional=True), "bike.shop: is optional already"),
    (ChangeNullability("bike", "charge", optional=True, otherwise=7),
     "bike.charge: otherwise= is for where None is forbidden"),
    (ChangeNullability("bike", "owner", optional=False), "bike.owner: its reference sets it to None"),
    (ChangeLength("bike", "charge", 3), "bike.charge: int has no length"),
    (ChangeChoices("bike", "state", ("ready",), {"broken": "lost"}),
     "bike.state: a value of the mapping is refused: not one of ready"),
    (AddIndex("bike", Index("by_charge", ("charge",), (False,))), "bike: there is one called by_charge"),
    (AddIndex("bike", Index("by_x", ("x",), (False,))), "bike.x: there is no such field"),
    (AddUnique("bike", Unique("live_shop", ("shop",), "live")),
     "bike: the unique live_shop is among the live, but nothing is deleted softly"),
    (DropIndex("bike", "by_x"), "bike: there is no index by_x"),
    (AddReference("bike", Reference("owner", "shop")), "bike.owner: is a reference already"),
    (Fill("bike", "charge", 1), "bike.charge: is never None, so there is nothing to fill"),
    (Fill("bike", "shop"), "bike.shop: give the value that it is filled with, or compute"),
    (MapValues("bike", ("charge",), {1: 2}), "bike.charge: several old values may become 2; give down"),
    (MapValues("bike", ("charge",), {1: "x"}, {}),
     "bike.charge: a value of the table is refused: str where int is wanted"),
    (MapValues("bike", ("charge", "shop"), {(1,): (2,)}, {}),
     "bike.charge, shop: the table has a row of 1 values for 2 fields"),
    (SplitField("bike", "serial", (Field("a", "a", "str"),), halves, joined),
     "bike.serial: is used by a key, index, unique, reference, scope or soft deletion"),
    (Translate("bike", "charge", Field("x", "x", "int"), "shop", "name", "id"),
     "bike.charge: is int, but shop.name is str"),
    (Spread("shop", ROWS, lambda _: []), "shop is still referred to by bike.owner"),
    (Gather("bike", ROWS, (), lambda _: None), "bike: by= names the fields whose records belong together"),
    (Seed("shop", ({"id": 1},)), "shop: a record to be put there lacks name"),
    (Seed("shop", ({"id": "x", "name": ""},)), "shop.id: a record to be put there is refused: str where int is wanted"),
    (Precondition("car", "", lambda _: True), "there is no collection car"),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "text"), REFUSED, ids=[text for _, text in REFUSED])
def test_what_does_not_fit_is_refused(operation: Operation, text: str) -> None:
    with pytest.raises(MigrationRefused) as refused:
        operation.apply(SCHEMA)
    assert str(refused.value) == text


def test_places_to_fill_in_are_found() -> None:
    with pytest.raises(
        MigrationRefused, match="change type of bike.shop to int: fill in otherwise".replace(".", r"\.")
    ):
        assert up(ChangeType("bike", Field("shop", "shop", "int", optional=True), FILL_IN))
    assert ChangeType("bike", Field("shop", "shop", "int"), FILL_IN, up=FILL_IN).unfilled() == ("otherwise", "up")
    assert Fill("bike", "shop", "x").unfilled() == ()


BEFORE: dict[str, Any] = {
    "id": 1, "serial": "02", "state": "broken", "charge": 5, "shop": "n/a", "owner": None, "price": 1250,
}  # fmt: skip


def up(*operations: Operation, **changes: Any) -> dict[str, Any]:
    pin = Window.of(SCHEMA, operations, b"s").pins["bike"]
    return pin.load(BEFORE | changes)


def test_what_becomes_of_records() -> None:
    optional = Field("shop", "shop", "int", optional=True)
    assert up(ChangeType("bike", optional, None))["shop"] is None
    assert up(ChangeType("bike", optional, None), shop="012")["shop"] == 12
    assert up(ChangeType("bike", Field("price", "price", "decimal", digits=9, scale=3)))["price"] == 12500
    assert up(ChangeLength("bike", "serial", 1, CUT))["serial"] == "0"
    assert up(ChangeChoices("bike", "state", ("ready",), {"broken": "ready"}))["state"] == "ready"
    assert up(Fill("bike", "owner", 7))["owner"] == 7
    assert up(ChangeNullability("bike", "shop", optional=False, otherwise=""), shop=None)["shop"] == ""
    assert up(RenameField("bike", "charge", "power"))["power"] == 5
    assert up(AddField("bike", Field("mark", "mark", "str"), compute=first, sources=("serial",)))["mark"] == "0"
    assert up(MapValues("bike", ("charge", "shop"), {(5, "n/a"): (0, None)}, {}))["shop"] is None


def test_a_keyed_hash_is_the_same_at_each_try_and_other_elsewhere() -> None:
    made = AddField("bike", Field("uuid", "uuid", "uuid"), compute=KeyedHash())
    one, again, other = (Window.of(SCHEMA, [made], secret).pins["bike"] for secret in (b"a", b"a", b"b"))
    assert one.load(BEFORE) == again.load(BEFORE)
    assert len({one.load(BEFORE)["uuid"], other.load(BEFORE)["uuid"], one.load(BEFORE | {"id": 2})["uuid"]}) == 3


def test_stop_stops() -> None:
    with pytest.raises(ValueRefused, match=r"^Bike.shop: a stored value stops .*: not an integer \(key 1\)$"):
        up(ChangeType("bike", Field("shop", "shop", "int", optional=True)))


def test_what_the_base_cannot_hold_is_pinned() -> None:
    pin = Window.of(SCHEMA, [RenameField("bike", "serial", "number"), ChangeLength("bike", "number", 20)]).pins["bike"]
    with pytest.raises(Pinned) as pinned:
        pin.put({**pin.load(BEFORE), "number": "x" * 11}, BEFORE)
    assert str(pinned.value) == (
        "Bike.number: programs of the older schema could not read it: 11 characters; at most 10"
    )


def test_what_older_programs_see_of_what_they_cannot_read_can_be_said() -> None:
    text = Field("charge", "charge", "str", optional=True)
    for operation in (
        ChangeType("bike", text, back=-1),
        ChangeType("bike", text, down=number),
        ChangeType("bike", text, down=no_number, back=-1),
    ):
        pin = Window.of(SCHEMA, [operation]).pins["bike"]
        stored, beside = pin.put({**pin.load(BEFORE), "charge": "7"}, BEFORE)
        for value in (None, "full"):
            stored, beside = pin.put({**pin.load(stored, beside), "charge": value}, stored, beside)
            assert (stored["charge"], pin.load(stored, beside)["charge"]) == (-1, value)
        assert pin.load(stored | {"charge": 8}, beside)["charge"] == "8"  # an older program saved it
    for operation in (ChangeType("bike", text), ChangeType("bike", text, back=STOP)):
        pin = Window.of(SCHEMA, [operation]).pins["bike"]
        with pytest.raises(Pinned, match=r"^Bike\.charge: .* None, but the field is not optional$"):
            pin.put({**pin.load(BEFORE), "charge": None}, BEFORE)
        with pytest.raises(Pinned, match=r"^Bike\.charge: .* not an integer$"):
            pin.put({**pin.load(BEFORE), "charge": "full"}, BEFORE)


def test_the_sweep_lifts_a_record_with_what_nobody_knows_and_sql_lowers_it() -> None:
    operations = [RenameField("bike", "charge", "power"), DropField("bike", "shop"), AddField("bike", GEARS, default=3)]
    pin = Window.of(SCHEMA, operations).pins["bike"]
    lifted = pin.lift({**BEFORE, "unknown": 1})
    assert (lifted["power"], lifted["gears"], lifted["unknown"]) == (5, 3, 1)
    assert not {"charge", "shop"} & set(lifted)
    assert pin.absent == {"gears": 3}
    assert pin.lower(lifted) == {**BEFORE, "shop": None}


def test_what_is_no_lens() -> None:
    shops = {"Harbour": {"id": 7, "name": "Harbour"}}
    into = Field("shop_id", "shop_id", "int", optional=True)
    translate = Translate("bike", "shop", into, "shop", "name", "id", None)
    made = translate.translated(SCHEMA, BEFORE | {"shop": "Harbour"}, shops.get)
    assert (made["shop_id"], "shop" in made) == (7, False)
    assert translate.translated(SCHEMA, BEFORE, shops.get)["shop_id"] is None
    with pytest.raises(ValueRefused, match=r"no shop\.name has its value"):
        Translate("bike", "shop", into, "shop", "name", "id", STOP).translated(SCHEMA, BEFORE, shops.get)
    spread = Spread("bike", ROWS, lambda record: [{"shop": record["shop"], "of": of} for of in ("a", "b")])
    assert [record["of"] for record in spread.spread(SCHEMA, BEFORE)] == ["a", "b"]
    gather = Gather("bike", ROWS, ("shop",), lambda group: {"shop": group[0]["shop"], "of": str(len(group))})
    assert gather.gathered(SCHEMA, [BEFORE, BEFORE]) == [{"shop": "n/a", "of": "2"}]
    wrong = Spread("bike", ROWS, lambda _: [{"shop": None, "of": "x"}])
    with pytest.raises(ValueRefused, match=r"Limit\.shop"):
        wrong.spread(SCHEMA, BEFORE)
    with pytest.raises(MigrationRefused, match="no bike is without a shop"):
        Precondition("bike", "no bike is without a shop", lambda rs: all(r["shop"] for r in rs)).check([{"shop": None}])


def test_a_window_is_closed_where_a_changed_value_is_a_key_or_unique() -> None:
    number = ChangeType("bike", Field("serial", "serial", "int"), 0)
    assert Window.of(SCHEMA, [number]).closed == {"bike": "serial changes, and unique_serial is over it"}
    assert Window.of(SCHEMA, [RenameField("bike", "serial", "number")]).closed == {}
    text = ChangeType("bike", Field("id", "id", "str"))
    assert Window.of(SCHEMA, [text]).closed == {"bike": "the key's id changes"}
    assert Window.of(SCHEMA, [text]).manner is CLOSED


def test_a_rename_is_told_so_that_filters_can_be_rewritten() -> None:
    moves = [RenameField("bike", "charge", "a"), RenameField("bike", "a", "b"), Fill("bike", "shop", "x")]
    lenses = Window.of(SCHEMA, moves).pins["bike"].lenses
    assert [lens.same for lens in lenses] == [(("charge", "b"),), ()]


def test_references_are_looked_at_when_all_is_done() -> None:
    text = [ChangeType("shop", Field("id", "id", "str"))]
    with pytest.raises(MigrationRefused, match=r"bike\.owner: is int, but the key of shop is str"):
        Window.of(SCHEMA, text)
    Window.of(SCHEMA, [*text, ChangeType("bike", Field("owner", "owner", "str", optional=True))])
