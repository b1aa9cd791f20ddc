"""Records as what carries migrations out reads them: as primitives, and on, while columns change their types."""

from __future__ import annotations

from typing import cast

from manystore.migrations import ChangeModel, ChangeType, Collection, CreateModel, Field, History, Migration
from manystore.migrations.records import Records
from manystore.model.types import Kind

from .deployed import Site

BOAT = Collection("boat", "Boat", (Field("id", "id", "int"), Field("size", "size", "int", optional=True)), ("id",))
WIDER = (
    ChangeType("boat", Field("size", "size", "str", optional=True, length=20)),
    ChangeModel("boat", version=2),
)


PRIMITIVES = {
    "str": "a b",
    "int": -5,
    "float": 1.5,
    "bool": True,
    "datetime": "2011-06-17T00:00:00.000001Z",
    "date": "2011-06-17",
    "uuid": "c9f0f895-fb98-4b91-99f5-1fd0297e236d",
    "ip": "47f000001",
    "network": "47f000000/008",
    "bytes": "AP8=",
    "json": {"a": [1, None, "ä"]},
}


def test_primitives_come_back_as_they_were_put(site: Site) -> None:
    fields = tuple(Field(f"a_{kind}", f"a_{kind}", cast("Kind", kind), optional=True) for kind in PRIMITIVES)
    kinds = Collection("kinds", "Kinds", (Field("id", "id", "int"), *fields), ("id",))
    site.history = History.of([Migration("0001_initial", (CreateModel(kinds),))])
    site.deployment().up()
    rows = [{"id": 1, **{f"a_{kind}": value for kind, value in PRIMITIVES.items()}}]
    rows.append({"id": 2, **dict.fromkeys(f.name for f in fields)})
    records = Records(site.store, site.catalog)
    assert sum(records.put(site.catalog.kept.collection("kinds"), rows)) == 2
    assert [{f: row[f] for f in rows[0]} for row in records.read("kinds")] == rows


def test_reads_go_on_over_a_change_of_type(site: Site) -> None:
    first = Migration("0001_initial", (CreateModel(BOAT),))
    site.history = History.of([first, Migration("0002_text", WIDER, ("0001_initial",))])
    site.deployment().up("0001")
    records = Records(site.store, site.catalog)
    assert sum(records.put(site.catalog.kept.collection("boat"), [{"id": 1, "size": 7}])) == 1
    for _ in range(9):  # a driver keeps a statement once it has come some times
        assert [row["size"] for row in records.read("boat")] == [7]
    site.deployment().up()
    assert [row["size"] for row in Records(site.store, site.catalog).read("boat")] == ["7"]
    site.deployment().down("0001")
    assert [row["size"] for row in Records(site.store, site.catalog).read("boat")] == [7]
