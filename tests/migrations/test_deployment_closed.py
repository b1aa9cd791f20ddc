"""Histories that make whole collections anew, put seeds and ask preconditions, carried out on real stores."""

from __future__ import annotations

from typing import Any

import pytest

from manystore import Duplicate, MigrationRefused, MissingReference, Restricted, ValueRefused
from manystore.migrations import (
    AddField,
    AddIndex,
    AddReference,
    AddUnique,
    ChangeKey,
    ChangeModel,
    Collection,
    CreateModel,
    DropIndex,
    DropReference,
    Field,
    Gather,
    History,
    Index,
    MapValues,
    Migration,
    Operation,
    Precondition,
    Reference,
    RenameModel,
    Seed,
    Spread,
    Translate,
    Unique,
)
from manystore.migrations.passage import Passage
from manystore.migrations.record_form import RecordForm
from manystore.migrations.records import Records
from manystore.migrations.window_store import WindowStore
from manystore.store.protocol import Delete, Insert

from .deployed import Cut, CutStore, Site

KIND = Collection("kind", "Kind", (Field("id", "id", "int"), Field("name", "name", "str", length=20)), ("id",))
BIKE = Collection(
    "bike",
    "Bike",
    (
        Field("id", "id", "int"),
        Field("kind", "kind", "str", length=20),
        Field("code", "code", "str", length=20),
        Field("parent", "parent", "int", optional=True),
    ),
    ("id",),
    indexes=(Index("by_kind", ("kind",), (False,)),),
    references=(Reference("parent", "bike", "set_null"),),
)
GEAR = Collection(
    "gear",
    "Gear",
    (Field("id", "id", "int"), Field("bike", "bike", "int"), Field("name", "name", "str", length=30)),
    ("id",),
    indexes=(Index("by_bike", ("bike",), (False,)),),
    references=(Reference("bike", "bike", "cascade"),),
    generated=True,
)
FIRST = Migration("0001_initial", (CreateModel(KIND), CreateModel(BIKE), CreateModel(GEAR)))
KINDS = [{"id": 1, "name": "city"}, {"id": 2, "name": "race"}]
# A bike's parent may come after it.
BIKES = [
    {"id": n, "kind": ("city", "race")[n % 2], "code": f"C{n}", "parent": (n + 1) % 8 if n % 3 else None}
    for n in range(8)
]
GEARS = [{"id": n + 1, "bike": n // 2, "name": f"gear {n}"} for n in range(16)]


def after(*operations: Operation, name: str = "0002_next", follows: str = "0001_initial") -> Migration:
    return Migration(name, operations, (follows,))


def begun(site: Site, *more: Migration) -> Site:
    """Lead a site to the first migration, with records, and give it the whole history."""
    site.history = History.of([FIRST, *more])
    site.deployment().up("0001")
    catalog = site.catalog
    records = Records(site.store, catalog)
    # Parents last: none may be missing when a record is put.
    bikes = sorted(BIKES, key=lambda bike: (bike["parent"] is not None, -bike["id"]))
    for name, made in (("kind", KINDS), ("bike", bikes), ("gear", GEARS)):
        assert sum(records.put(catalog.kept.collection(name), made)) == len(made)
    records.pass_over("gear", len(GEARS))
    site.told.clear()
    return site


def rows(site: Site, name: str) -> list[dict[str, Any]]:
    return [
        {column: value for column, value in record.items() if column != "_extras"}
        for record in Records(site.store, site.catalog).read(name)
    ]


TRANSLATED = (
    DropIndex("bike", "by_kind"),
    Translate("bike", "kind", Field("kind_id", "kind_id", "int"), "kind", "name", "id"),
    AddReference("bike", Reference("kind_id", "kind")),
    AddIndex("bike", Index("by_kind_id", ("kind_id",), (False,))),
    ChangeModel("bike", version=2),
)


def translated() -> list[dict[str, Any]]:
    kinds = {"city": 1, "race": 2}
    return [{"id": b["id"], "kind_id": kinds[b["kind"]], "code": b["code"], "parent": b["parent"]} for b in BIKES]


def test_a_translation_and_what_refers_to_it_is_made_anew(site: Site) -> None:
    begun(site, after(*TRANSLATED)).deployment().up()
    assert rows(site, "bike") == translated()
    assert rows(site, "gear") == GEARS
    kept = site.catalog.kept
    assert [kept.collection(name).generation for name in ("bike", "gear", "kind")] == [2, 2, 1]
    assert "  bike: 8 records made anew" in site.told
    assert "bike, gear, kind: no writes until all records are made anew" in site.told
    bike, kind = kept.collection("bike"), kept.collection("kind")
    epoch = site.catalog.epoch
    with pytest.raises(Restricted):
        site.store.write([Delete(kind, (1,))], epoch=epoch)
    with pytest.raises(MissingReference):
        site.store.write([Insert(bike, (90, 1, "C90", 89), 1)], epoch=epoch)
    site.store.write([Delete(bike, (0,))], epoch=epoch)
    assert rows(site, "gear") == [g for g in GEARS if g["bike"] != 0]
    assert [b["id"] for b in rows(site, "bike") if b["parent"] is None] == [3, 6, 7]


def test_and_back_again(site: Site) -> None:
    begun(site, after(*TRANSLATED)).deployment().up()
    site.deployment().down("0001")
    assert rows(site, "bike") == BIKES
    assert rows(site, "gear") == GEARS
    site.deployment().up()
    assert rows(site, "bike") == translated()
    assert site.catalog.kept.collection("bike").generation == 4


def test_another_key_and_another_name(site: Site) -> None:
    rekeyed = after(DropReference("bike", "parent"), DropReference("gear", "bike"), ChangeKey("bike", ("code",)))
    moved = after(RenameModel("bike", "Cycle", "cycle"), name="0003_moved", follows="0002_next")
    begun(site, rekeyed, moved).deployment().up()
    assert rows(site, "cycle") == BIKES
    assert [said for said in site.told if said.startswith("open")] == [
        "open the window from 0001_initial to 0002_next",
        "open the window from 0002_next to 0003_moved",
    ]
    assert "bike" not in site.catalog.kept


def spread(bike: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"bike": bike["id"], "text": f"{bike['code']}{end}"} for end in ("a", "b")[: bike["id"] % 3]]


def gathered(notes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"bike": notes[0]["bike"], "number": len(notes)}


NOTE = Collection(
    "note",
    "Note",
    (Field("id", "id", "int"), Field("bike", "bike", "int"), Field("text", "text", "str", length=30)),
    ("id",),
    generated=True,
)
TALLY = Collection("tally", "Tally", (Field("bike", "bike", "int"), Field("number", "number", "int")), ("bike",))


def test_one_to_many_counts_keys_up_and_many_to_one(site: Site) -> None:
    notes = after(Spread("bike", NOTE, spread, keeps=True))
    tally = after(Gather("note", TALLY, ("bike",), gathered), name="0003_tally", follows="0002_next")
    begun(site, notes, tally).deployment().up("0002")
    made = [note for bike in BIKES for note in spread(bike)]
    assert [{k: v for k, v in row.items() if k != "id"} for row in rows(site, "note")] == made
    assert rows(site, "bike") == BIKES
    first = Records(site.store, site.catalog).reserve("note")
    assert first > max(row["id"] for row in rows(site, "note"))
    site.deployment().up()
    assert rows(site, "tally") == [{"bike": b["id"], "number": b["id"] % 3} for b in BIKES if b["id"] % 3]


LOWER = (
    MapValues("bike", ("code",), {f"C{n}": f"c{n}" for n in range(8)}, {f"c{n}": f"C{n}" for n in range(8)}),
    AddUnique("bike", Unique("unique_code", ("code",))),
    ChangeModel("bike", version=2),
)


def test_a_unique_over_values_that_change(site: Site) -> None:
    begun(site, after(*LOWER))
    bike = site.catalog.kept.collection("bike")
    site.store.write([Insert(bike, (20, "city", "c1", None), 5)], epoch=site.catalog.epoch)
    with pytest.raises(MigrationRefused, match="bike: two records would have the unique_code c1; nothing was changed"):
        site.deployment().up()
    assert (site.catalog.phase, site.catalog.migration) == ("stable", "0001_initial")
    site.store.write([Delete(bike, (20,))], epoch=site.catalog.epoch)
    site.deployment().up()
    assert [row["code"] for row in rows(site, "bike")] == [f"c{n}" for n in range(8)]
    bike = site.catalog.kept.collection("bike")
    with pytest.raises(Duplicate):
        site.store.write([Insert(bike, (20, "city", "c1", None), 5)], epoch=site.catalog.epoch)


def test_a_value_that_stops_it_stops_it_before_anything_is_changed(site: Site) -> None:
    begun(site, after(*TRANSLATED))
    bike = site.catalog.kept.collection("bike")
    site.store.write([Insert(bike, (20, "tandem", "C20", None), 5)], epoch=site.catalog.epoch)
    with pytest.raises(ValueRefused, match=r"Bike\.kind: no kind\.name has its value"):
        site.deployment().up()
    assert (site.catalog.phase, site.catalog.migration) == ("stable", "0001_initial")


def test_programs_at_work_need_one_window(site: Site) -> None:
    second = after(*TRANSLATED)
    third = after(ChangeModel("kind", small=True), name="0003_small", follows="0002_next")
    begun(site, second, third)
    _, wait = site.lease("shop", site.catalog.base)
    with pytest.raises(MigrationRefused) as refused:
        site.deployment(wait=wait).up()
    assert str(refused.value) == (
        "shop: at work, and the way to 0003_small is no single window; end what writes, or go to 0002_next first, with "
        "programs of that version"
    )
    site.deployment(wait=wait).up("0002")
    assert site.catalog.phase == "open"
    with pytest.raises(MigrationRefused, match="shop: at work, with the older schema"):
        site.deployment(wait=wait).finalize()


SEEDS = (
    CreateModel(NOTE),
    AddReference("note", Reference("bike", "bike")),
    Seed("note", ({"bike": 40, "text": "first"}, {"id": 7, "bike": 1, "text": "seventh"})),
    Seed("bike", ({"id": 40, "kind": "city", "code": "C40"}, {"id": 1, "kind": "taken", "code": ""})),
)


def test_seeds_are_put_once_and_leave_what_is_there(site: Site) -> None:
    begun(site, after(*SEEDS))
    lease, wait = site.lease("shop", site.catalog.base)
    site.deployment(wait=wait).up()
    assert site.catalog.phase == "open"
    assert rows(site, "bike") == [*BIKES, {"id": 40, "kind": "city", "code": "C40", "parent": None}]
    assert [(note["bike"], note["text"]) for note in rows(site, "note")] == [(40, "first"), (1, "seventh")]
    assert Records(site.store, site.catalog).reserve("note") > 7
    note = site.catalog.kept.collection("note")
    site.store.write([Delete(note, (7,))], epoch=site.catalog.epoch)
    lease.release(site.catalog.epoch)
    site.deployment().up()
    assert [note["text"] for note in rows(site, "note")] == ["first"]


def test_preconditions_are_asked_before_anything_is_changed(site: Site) -> None:
    def few(records: Any) -> bool:
        return len(list(records)) < 8

    begun(site, after(Precondition("bike", "there are eight of them", few)))
    with pytest.raises(MigrationRefused, match="bike: there are eight of them"):
        site.deployment().up()
    assert site.catalog.migration == "0001_initial"
    bike = site.catalog.kept.collection("bike")
    site.store.write([Delete(bike, (3,))], epoch=site.catalog.epoch)
    site.deployment().up()
    assert site.catalog.migration == "0002_next"


def test_a_dropped_window_leaves_no_copies(site: Site) -> None:
    begun(site, after(*TRANSLATED))
    for number in range(1, 40):
        store: Any = CutStore(site.store, number, after=True)
        try:
            site.deployment(store).up()
        except Cut:
            if site.catalog.phase == "closed" and "bike@2" in site.catalog.kept and rows(site, "bike@2"):
                break
    assert site.catalog.phase == "closed"
    site.deployment().down("0001")
    assert rows(site, "bike") == BIKES
    site.deployment().up()
    assert rows(site, "bike") == translated()
    assert rows(site, "gear") == GEARS


def test_what_new_programs_store_beforehand_is_made_anew_as_well(site: Site) -> None:
    city = AddField("bike", Field("city", "city", "str", length=9), default="Oslo")
    begun(site, after(*LOWER, city, AddIndex("bike", Index("by_code", ("code",), (False,)))))
    lease, wait = site.lease("shop", site.catalog.base)
    site.deployment(wait=wait).up()
    opened = site.catalog
    assert opened.state("bike", "by_code") == opened.state("bike", "unique_code") == "absent"
    passage = Passage(site.history.window("0001", secret=bytes.fromhex(opened.secret)), opened.base, fixed(site))
    store: Any = WindowStore(site.store, passage, opened, site.wait)
    head = passage.head.collection("bike")
    bike = {"id": 50, "kind": "city", "code": "zz", "parent": None, "city": "Rome"}
    store.write([Insert(head, RecordForm(head, site.store.forms).values(bike), 7)], epoch=opened.epoch)
    lease.release(opened.epoch)
    site.deployment().up()
    assert rows(site, "bike")[-1] == bike
    assert [row["city"] for row in rows(site, "bike")[:-1]] == ["Oslo"] * 8
    assert site.catalog.indexes == {}


def fixed(site: Site) -> bool:
    return site.store.capabilities.fixed_columns
