"""A case for each operation of migrations: what it is given, and what the records must be then.

What they must be is worked out without lenses or anything of the library's (operation_shop.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from manystore.migrations import (
    CUT,
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
    CreateModel,
    Discard,
    DropField,
    DropIndex,
    DropModel,
    DropReference,
    DropUnique,
    Field,
    Fill,
    Gather,
    History,
    Index,
    KeyedHash,
    MapValues,
    MergeFields,
    Migration,
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
)

from .operation_shop import (
    BIKE,
    FIRST,
    LINE,
    PART,
    TALLY,
    WHEEL,
    Change,
    Record,
    World,
    canonical,
    day,
    eight,
    halves,
    hashed,
    initial,
    instead,
    joined,
    lines,
    lines_of,
    lowered,
    number_or_none,
    odd,
    parted,
    parts,
    parts_of,
    place,
    shop_id,
    strong,
    tallies,
    tally_of,
    uuid_of,
    weak,
)


@dataclass(frozen=True)
class Case:
    """operations: of the migration under test, but for versions of what changes shape; first: of the base's, further.

    after, back: what records become by it, and by its way back, which is None where there is none. given: what they are
    before.
    """

    name: str
    operations: tuple[Operation, ...]
    after: Change
    back: Callable[[World], World] | None
    given: Change
    first: tuple[Operation, ...]

    @property
    def history(self) -> History:
        base = Migration(FIRST.name, (*FIRST.operations, *self.first))
        schema = History.of([base]).schema()
        pins = Migration("", self.operations).window(schema).pins
        risen = [
            ChangeModel(name, version=pin.base.version + 1)
            for name, pin in pins.items()
            if pin.lenses and pin.head.version == pin.base.version
        ]
        return History.of([base, Migration("0002_next", (*self.operations, *risen), (base.name,))])

    @property
    def kinds(self) -> set[str]:
        return {type(operation).__name__ for operation in (*self.operations, *self.first)}


def same(there: World) -> World:
    return there


def each(collection: str, change: Callable[[Record], Record], name: str = "") -> Change:
    """Make a change of each record of a collection, which may get another name by it."""

    def changed(there: World) -> World:
        rest = {n: rows for n, rows in there.items() if n != collection}
        return rest | {name or collection: [change(dict(row)) for row in there[collection]]}

    return changed


def put(collection: str, field: str, value: Callable[[Record], Any]) -> Change:
    return each(collection, lambda row: row | {field: value(row)})


def out(collection: str, *fields: str) -> Change:
    return each(collection, lambda row: {name: value for name, value in row.items() if name not in fields})


def turned(collection: str, old: str, new: str) -> Change:
    return each(collection, lambda row: {new if name == old else name: value for name, value in row.items()})


def then(*changes: Change) -> Change:
    def all_of(there: World) -> World:
        for change in changes:
            there = change(there)
        return there

    return all_of


def one(
    name: str,
    *operations: Operation,
    after: Change = same,
    back: Callable[[World], World] | None = same,
    given: Change = same,
    first: tuple[Operation, ...] = (),
) -> Case:
    return Case(name, operations, after, back, given, first)


LOST_TO_BROKEN = {"lost": "broken"}
SPLIT_TITLE = SplitField(
    "bike", "title", (Field("what", "what", "str", length=20), Field("rest", "rest", "str", length=40)), halves, joined
)
BY_SHOP = Translate("bike", "shop", Field("shop_id", "shop_id", "int", optional=True), "shop", "name", "id", None)
NEW_SHOP = {"id": 90, "name": "shop 90", "city": "Bergen"}
TAKEN_SHOP = {"id": 1, "name": "taken", "city": None}


def split_title(row: Record) -> Record:
    first, last = halves(row.pop("title"))
    return row | {"what": first, "rest": last}


def merged_shop(row: Record) -> Record:
    return {"id": row["id"], "where": place(row["name"], row["city"])}


CASES = [
    # -- models --
    one("create", CreateModel(WHEEL), after=lambda w: w | {"wheel": []}),
    one("drop", DropModel("gear"), after=lambda w: {n: r for n, r in w.items() if n != "gear"},
        back=lambda w: w | {"gear": []}),
    one("rename-model", RenameModel("shop", "Store")),
    one("move-model", RenameModel("shop", "Store", "store"), after=each("shop", dict, "store")),
    one("move-model-that-refers", RenameModel("gear", "Cog", "cog"), after=each("gear", dict, "cog")),
    one("version", ChangeModel("bike", version=4)),
    one("small", ChangeModel("shop", small=True)),
    one("live", ChangeModel("bike", live="deleted")),
    one("not-live", ChangeModel("bike", live=""), first=(ChangeModel("bike", live="deleted"),)),
    one("scope", ChangeModel("gear", scope="bike")),
    one("generated", ChangeModel("shop", generated=True)),
    one("not-generated", ChangeModel("gear", generated=False)),
    one("key", DropReference("gear", "bike"), ChangeKey("bike", ("serial",))),
    one("key-of-two", ChangeKey("gear", ("bike", "name"))),
    one("key-generated", ChangeKey("shop", ("id",), generated=True)),
    one("arrange-fields", Arrange("bike", "fields", tuple(f.name for f in reversed(BIKE.fields)))),
    one("arrange-indexes", Arrange("bike", "indexes", ("by_shop", "by_charge"))),
    # -- fields --
    one("add-constant", AddField("bike", Field("gears", "gears", "int"), 3), after=put("bike", "gears", lambda _: 3)),
    one("add-none", AddField("bike", Field("note", "note", "str", optional=True)),
        after=put("bike", "note", lambda _: None)),
    one("add-json", AddField("shop", Field("tags", "tags", "json"), {"a": [1, None, "ø"]}),
        after=put("shop", "tags", lambda _: {"a": [1, None, "ø"]})),
    one("add-bool-and-index", AddField("bike", Field("lent", "lent", "bool"), False),
        AddIndex("bike", Index("by_lent", ("lent", "charge"), (False, True))),
        after=put("bike", "lent", lambda _: False)),
    one("add-computed", AddField("bike", Field("mark", "mark", "str", length=9), compute=initial, sources=("serial",)),
        AddIndex("bike", Index("by_mark", ("mark",), (False,))), after=put("bike", "mark", lambda r: r["serial"][:2])),
    one("add-hash", AddField("bike", Field("uuid", "uuid", "uuid"), compute=KeyedHash()),
        AddUnique("bike", Unique("unique_uuid", ("uuid",))), after=put("bike", "uuid", uuid_of)),
    one("add-hex", AddField("bike", Field("hex", "hex", "str", length=32), compute=KeyedHash("hex")),
        after=put("bike", "hex", lambda r: hashed("Bike", "hex", [r["id"]]).hex())),
    one("drop-field", DropField("bike", "zip", "0"), after=out("bike", "zip"), back=put("bike", "zip", lambda _: "0")),
    one("drop-field-with-index", DropIndex("bike", "by_shop"), DropField("bike", "shop"), after=out("bike", "shop"),
        back=put("bike", "shop", lambda _: None)),
    one("drop-field-computed", DropField("bike", "zip", compute=initial, sources=("serial",)), after=out("bike", "zip"),
        back=put("bike", "zip", lambda r: r["serial"][:2])),
    one("rename", RenameField("bike", "charge", "power"), after=turned("bike", "charge", "power")),
    one("rename-column-stays", RenameField("bike", "charge", "power", "charge"),
        after=turned("bike", "charge", "power")),
    one("rename-column-only", RenameField("bike", "charge", "charge", "power")),
    one("rename-unique", RenameField("bike", "serial", "code"), after=turned("bike", "serial", "code")),
    one("rename-reference", RenameField("bike", "owner", "holder"), after=turned("bike", "owner", "holder")),
    one("rename-key", RenameField("shop", "id", "number"), after=turned("shop", "id", "number")),
    one("swap-names", RenameField("bike", "title", "x"), RenameField("bike", "serial", "title"),
        RenameField("bike", "x", "serial"),
        after=each("bike", lambda r: r | {"serial": r["title"], "title": r["serial"]})),
    # -- definitions --
    one("type-or-none", ChangeType("bike", Field("zip", "zip", "int", optional=True), None),
        after=put("bike", "zip", number_or_none), back=put("bike", "zip", canonical)),
    one("type-or-value", ChangeType("bike", Field("zip", "zip", "int", optional=True), -1),
        after=put("bike", "zip", lambda r: None if r["zip"] is None else (-1 if r["zip"] == "n/a" else int(r["zip"]))),
        back=put("bike", "zip", lambda r: {"n/a": "-1", None: None}.get(r["zip"], canonical(r)))),
    one("type-stop", ChangeType("bike", Field("zip", "zip", "int", optional=True), STOP),
        given=put("bike", "zip", canonical), after=put("bike", "zip", number_or_none)),
    one("type-and-none", ChangeType("bike", Field("title", "title", "int", optional=True), None, back="none"),
        given=put("bike", "title", lambda r: str(r["id"]) if r["id"] % 2 else "odd"),
        after=put("bike", "title", lambda r: int(r["title"]) if r["title"].isdigit() else None),
        back=put("bike", "title", lambda r: r["title"] if r["title"].isdigit() else "none")),
    one("type-none-by-function", ChangeType("bike", Field("title", "title", "int", optional=True), None, down=odd),
        given=put("bike", "title", lambda r: str(r["id"]) if r["id"] % 2 else "odd"),
        after=put("bike", "title", lambda r: int(r["title"]) if r["title"].isdigit() else None)),
    one("type-only-none", ChangeType("bike", Field("charge", "charge", "int", optional=True), back=7)),
    one("type-indexed", ChangeType("bike", Field("charge", "charge", "str", length=20)),
        after=put("bike", "charge", lambda r: str(r["charge"]))),
    one("type-scale", ChangeType("bike", Field("price", "price", "decimal", digits=9, scale=4)),
        after=put("bike", "price", lambda r: r["price"] * 100)),
    one("type-date", ChangeType("bike", Field("born", "born", "date")), after=put("bike", "born", day),
        back=put("bike", "born", lambda r: f"{day(r)}T00:00:00.000000Z")),
    one("type-functions", ChangeType("bike", Field("charge", "charge", "bool"), up=strong, down=weak),
        after=put("bike", "charge", lambda r: r["charge"] >= 50),
        back=put("bike", "charge", lambda r: 100 if r["charge"] >= 50 else 0)),
    one("type-of-keys", ChangeType("shop", Field("id", "id", "str", length=20)),
        ChangeType("bike", Field("owner", "owner", "str", optional=True, length=255)),
        after=then(put("shop", "id", lambda r: str(r["id"])),
                   put("bike", "owner", lambda r: r["owner"] and str(r["owner"])))),
    one("none-replaced-indexed", ChangeNullability("bike", "charge", optional=False, otherwise=7),
        first=(ChangeNullability("bike", "charge", optional=True),),
        given=put("bike", "charge", lambda r: r["charge"] if r["id"] % 2 else None),
        after=put("bike", "charge", lambda r: r["charge"] if r["id"] % 2 else 7),
        back=put("bike", "charge", lambda r: r["charge"] if r["id"] % 2 else 7)),
    one("none-allowed", ChangeNullability("bike", "charge", optional=True)),
    one("none-replaced", ChangeNullability("bike", "shop", optional=False, otherwise="none"),
        after=put("bike", "shop", lambda r: r["shop"] or "none"),
        back=put("bike", "shop", lambda r: r["shop"] or "none")),
    one("none-stops", ChangeNullability("bike", "zip", optional=False),
        given=put("bike", "zip", lambda r: r["zip"] or "")),
    one("longer", ChangeLength("bike", "serial", 30)),
    one("any-length", ChangeLength("bike", "title", None)),
    one("cut", ChangeLength("bike", "title", 9, CUT), after=put("bike", "title", lambda r: r["title"][:9]),
        back=put("bike", "title", lambda r: r["title"][:9])),
    one("shorter-or-value", ChangeLength("bike", "title", 13, "long"),
        after=put("bike", "title", lambda r: r["title"] if len(r["title"]) < 14 else "long"),
        back=put("bike", "title", lambda r: r["title"] if len(r["title"]) < 14 else "long")),
    one("shorter-stops", ChangeLength("bike", "serial", 8)),
    one("more-choices", ChangeChoices("bike", "state", ("ready", "broken", "lost", "sold"))),
    one("any-choice", ChangeChoices("bike", "state", None)),
    one("choices-mapped", ChangeChoices("bike", "state", ("ready", "lost"), {"broken": None}),
        after=put("bike", "state", lowered), back=put("bike", "state", lowered)),
    one("choices-or-value", ChangeChoices("bike", "state", ("ready",), otherwise="ready"),
        after=put("bike", "state", lambda r: r["state"] and "ready"),
        back=put("bike", "state", lambda r: r["state"] and "ready")),
    one("choices-stop", ChangeChoices("bike", "state", ("ready", "broken")),
        given=put("bike", "state", lambda r: LOST_TO_BROKEN.get(r["state"], r["state"]))),
    # -- access paths and promises --
    one("add-index", AddIndex("bike", Index("by_state", ("state", "price"), (False, True)))),
    one("drop-index", DropIndex("bike", "by_charge")),
    one("index-anew", DropIndex("bike", "by_charge"), AddIndex("bike", Index("by_charge", ("zip",), (False,)))),
    one("add-unique", AddUnique("bike", Unique("unique_title", ("title",)))),
    one("add-unique-live", ChangeModel("bike", live="deleted"),
        AddUnique("bike", Unique("unique_title", ("title",), "live")),
        given=put("bike", "title", lambda r: "gone" if r["deleted"] else r["title"])),
    one("drop-unique", DropUnique("bike", "unique_serial")),
    one("add-reference", AddReference("gear", Reference("maker", "shop", "restrict"))),
    one("drop-reference", DropReference("bike", "owner")),
    # -- values --
    one("fill", Fill("shop", "city", "Bergen"), after=put("shop", "city", lambda r: r["city"] or "Bergen"),
        back=put("shop", "city", lambda r: r["city"] or "Bergen")),
    one("fill-computed", Fill("bike", "zip", compute=initial, sources=("serial",)),
        after=put("bike", "zip", lambda r: r["zip"] or r["serial"][:2]),
        back=put("bike", "zip", lambda r: r["zip"] or r["serial"][:2])),
    one("map", MapValues("bike", ("charge",), {7: 8, 8: 7}),
        after=put("bike", "charge", lambda r: {7: 8, 8: 7}.get(r["charge"], r["charge"]))),
    one("map-pairs", MapValues("bike", ("state", "shop"), {("ready", "shop 1"): ("broken", "x")}, {}),
        after=each("bike", lambda r: r | ({"state": "broken", "shop": "x"} if is_first(r) else {})),
        back=each("bike", lambda r: r | ({"state": "broken", "shop": "x"} if is_first(r) else {}))),
    one("split", SPLIT_TITLE, after=each("bike", split_title)),
    one("merge", MergeFields("shop", ("name", "city"), Field("where", "where", "str", length=50), place, parted),
        after=each("shop", merged_shop)),
    # -- whole collections --
    one("translate", DropIndex("bike", "by_shop"), BY_SHOP,
        AddReference("bike", Reference("shop_id", "shop")), Arrange("bike", "references", ("shop_id", "owner")),
        after=then(put("bike", "shop_id", shop_id), out("bike", "shop"))),
    one("translate-keeps", Translate(*[getattr(BY_SHOP, name) for name in BY_SHOP.__struct_fields__[:-1]], keeps=True),
        ChangeModel("bike", version=2),
        after=put("bike", "shop_id", shop_id)),
    one("spread", Spread("gear", PART, parts_of), after=instead("gear", "part", parts), back=None),
    one("spread-keeps", Spread("gear", PART, parts_of, keeps=True), after=lambda w: w | {"part": parts(w)}),
    one("gather", Gather("gear", TALLY, ("bike",), tally_of), after=instead("gear", "tally", tallies), back=None),
    one("gather-and-spread", Gather("gear", TALLY, ("bike",), tally_of, lines_of),
        first=(DropModel("gear"), CreateModel(LINE)), given=instead("gear", "gear", lines),
        after=instead("gear", "tally", tallies)),
    one("discard", Discard("gear"), after=lambda w: {n: r for n, r in w.items() if n != "gear"}, back=None),
    one("seed", Seed("shop", (NEW_SHOP, TAKEN_SHOP)), after=lambda w: w | {"shop": [*w["shop"], NEW_SHOP]},
        back=lambda w: w | {"shop": [*w["shop"], NEW_SHOP]}),
    one("precondition", Precondition("bike", "there are eight bikes", eight), DropIndex("bike", "by_charge")),
]  # fmt: skip


def is_first(row: Record) -> bool:
    return (row["state"], row["shop"]) == ("ready", "shop 1")


CASE = {case.name: case for case in CASES}
KINDS = tuple({type(case.operations[0]): case for case in reversed(CASES)}.values())  # one of each operation
