"""A store that is read on, by the same statements, while the types of columns change under it."""

from __future__ import annotations

from manystore.migrations import ChangeModel, ChangeType, Collection, CreateModel, Field, History, Migration
from manystore.migrations.records import Records

from .deployed import Site

BOAT = Collection("boat", "Boat", (Field("id", "id", "int"), Field("size", "size", "int", optional=True)), ("id",))
WIDER = (
    ChangeType("boat", Field("size", "size", "str", optional=True, length=20)),
    ChangeModel("boat", version=2),
)


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
