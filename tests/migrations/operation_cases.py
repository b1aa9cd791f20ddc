"""A shop of bikes, and a case for each operation of migrations: what it is given and what the records must be then.

What they must be is worked out here in plain Python, from the records before, without lenses or anything of the
library's. Records are by the names of fields, in primitives as JSON has them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

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
    Collection,
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

Record = dict[str, Any]
World = dict[str, list[Record]]
Change = Callable[[World], World]

SECRET = bytes(range(16))
SHOP = Collection(
    "shop",
    "Shop",
    (
        Field("id", "id", "int"),
        Field("name", "name", "str", length=20),
        Field("city", "city", "str", optional=True, length=20),
    ),
    ("id",),
)
BIKE = Collection(
    "bike",
    "Bike",
    (
        Field("id", "id", "int"),
        Field("serial", "serial", "str", length=12),
        Field("state", "state", "str", optional=True, length=10, choices=("ready", "broken", "lost")),
        Field("charge", "charge", "int"),
        Field("shop", "shop", "str", optional=True, length=20),
        Field("owner", "owner", "int", optional=True),
        Field("price", "price", "decimal", digits=6, scale=2),
        Field("title", "title", "str", length=40),
        Field("zip", "zip", "str", optional=True, length=10),
        Field("born", "born", "datetime"),
        Field("deleted", "deleted", "bool"),
    ),
    ("id",),
    indexes=(Index("by_charge", ("charge",), (True,)), Index("by_shop", ("shop",), (False,))),
    uniques=(Unique("unique_serial", ("serial",)),),
    references=(Reference("owner", "shop", "set_null"),),
)
GEAR = Collection(
    "gear",
    "Gear",
    (
        Field("id", "id", "int"),
        Field("bike", "bike", "int"),
        Field("name", "name", "str", length=30),
        Field("maker", "maker", "int", optional=True),
    ),
    ("id",),
    indexes=(Index("by_bike", ("bike",), (False,)),),
    uniques=(Unique("unique_name", ("bike", "name")),),
    references=(Reference("bike", "bike", "cascade"),),
    generated=True,
)
FIRST = Migration("0001_initial", (CreateModel(SHOP), CreateModel(BIKE), CreateModel(GEAR)))
SHOPS = 5


def world(number: int) -> World:
    """Give the records of a base of so many bikes."""
    return {
        "shop": [{"id": n, "name": f"shop {n}", "city": "Oslo" if n % 2 else None} for n in range(1, SHOPS + 1)],
        "bike": [
            {
                "id": n,
                "serial": f"S{n:06}",
                "state": ("ready", "broken", "lost", None)[n % 4],
                "charge": n * 7 % 101,
                "shop": None if n % 6 == 0 else f"shop {n % SHOPS + 1}",
                "owner": None if n % 3 == 0 else n % SHOPS + 1,
                "price": n * 13 % 9000,
                "title": f"bike number {n}",
                "zip": (f"{n % 1000:04}", "n/a", None)[n % 3],
                "born": f"2011-{n % 12 + 1:02}-{n % 28 + 1:02}T{n % 24:02}:00:00.000000Z",
                "deleted": n % 10 == 9,
            }
            for n in range(number)
        ],
        "gear": [
            {"id": n + 1, "bike": n // 2, "name": f"gear {n}", "maker": n % SHOPS + 1 if n % 2 else None}
            for n in range(number // 2)
        ],
    }


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


# --- functions of migrations -----------------------------------------------------------------------------------------


def initial(serial: str) -> str:
    return serial[:2]


def halves(title: str) -> tuple[str, str]:
    first, _, last = title.partition(" ")
    return first, last


def joined(first: str, last: str) -> str:
    return f"{first} {last}"


def place(name: str, city: str | None) -> str:
    return f"{name}/{city or ''}"


def parted(both: str) -> tuple[str, str | None]:
    name, _, city = both.partition("/")
    return name, city or None


def strong(charge: int) -> bool:
    return charge >= 50


def weak(is_strong: bool) -> int:
    return 100 if is_strong else 0


def hashed(model: str, field: str, key: list[Any]) -> bytes:
    """Give what docs/format.md says that a keyed hash is made of."""
    said = json.dumps([model, field, key], separators=(",", ":")).encode()
    return hmac.new(SECRET, said, hashlib.sha256).digest()[:16]


def uuid_of(row: Record) -> str:
    return str(UUID(bytes=hashed("Bike", "uuid", [row["id"]]), version=4))


PART = Collection(
    "part",
    "Part",
    (Field("id", "id", "int"), Field("gear", "gear", "int"), Field("label", "label", "str", length=40)),
    ("id",),
    indexes=(Index("by_gear", ("gear",), (False,)),),
    generated=True,
)
TALLY = Collection(
    "tally",
    "Tally",
    (Field("bike", "bike", "int"), Field("names", "names", "str", length=200)),
    ("bike",),
    uniques=(Unique("unique_names", ("names",)),),
    references=(Reference("bike", "bike", "cascade"),),
)
# As gears, but for the key: what is gathered and spread again has no id to go by.
LINE = Collection(
    "gear",
    "Gear",
    (Field("bike", "bike", "int"), Field("name", "name", "str", length=30)),
    ("bike", "name"),
    indexes=(Index("by_name", ("name",), (True,)),),
)
WHEEL = Collection(
    "wheel",
    "Wheel",
    (Field("id", "id", "int"), Field("bike", "bike", "int", optional=True), Field("size", "size", "int")),
    ("id",),
    indexes=(Index("by_size", ("size",), (False,)),),
    uniques=(Unique("unique_bike", ("bike",)),),
    references=(Reference("bike", "bike", "set_null"),),
    generated=True,
)


def parts_of(gear: Record) -> list[Record]:
    return [{"gear": gear["id"], "label": f"{gear['name']}{end}"} for end in ("a", "b")[: gear["id"] % 3]]


def parts(there: World) -> list[Record]:
    made = [part for gear in there["gear"] for part in parts_of(gear)]
    return [{"id": n, **part} for n, part in enumerate(made, 1)]


def tally_of(gears: list[Record]) -> Record | None:
    return {"bike": gears[0]["bike"], "names": ",".join(gear["name"] for gear in gears)}


def lines_of(tally: Record) -> list[Record]:
    return [{"bike": tally["bike"], "name": name} for name in tally["names"].split(",")]


def tallies(there: World) -> list[Record]:
    found: dict[int, list[str]] = {}
    for gear in there["gear"]:
        found.setdefault(gear["bike"], []).append(gear["name"])
    return [{"bike": bike, "names": ",".join(names)} for bike, names in sorted(found.items())]


def lines(there: World) -> list[Record]:
    return sorted(({"bike": g["bike"], "name": g["name"]} for g in there["gear"]), key=lambda g: (g["bike"], g["name"]))


def instead(collection: str, name: str, rows: Callable[[World], list[Record]]) -> Change:
    """Make the change that puts other records in the place of a collection's."""
    return lambda there: {n: r for n, r in there.items() if n != collection} | {name: rows(there)}


def eight(records: Any) -> bool:
    return sum(1 for _ in records) >= 8


def day(row: Record) -> str:
    return str(row["born"][:10])


def number_or_none(row: Record) -> int | None:
    return int(row["zip"]) if row["zip"] and row["zip"].isdigit() else None


def canonical(row: Record) -> str | None:
    return None if row["zip"] is None or not row["zip"].isdigit() else str(int(row["zip"]))


def shop_id(row: Record) -> int | None:
    return None if row["shop"] is None else int(row["shop"].split(" ")[1])


def lowered(row: Record) -> str | None:
    return {"broken": None}.get(row["state"], row["state"])


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
