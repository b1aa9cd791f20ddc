"""Writes: what is stored, in how many statements, and which refusal comes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from manystore import Conflict, Duplicate, MissingReference, NotFound, OutOfBounds, Restricted, col
from manystore.errors import EpochChanged
from manystore.schema.operation import ReplaceCatalog
from manystore.store.protocol import Check, Step


def maker(shop: Any, number: int = 1, name: str | None = None) -> Any:
    record = shop.Maker(id=number, name=name or f"maker {number}")
    insert = shop.new(record)
    shop.write(insert)
    record._revision = insert.revision
    return record


def item(shop: Any, number: int = 1, **fields: Any) -> Any:
    record = shop.Item(id=number, **{"name": "item", **fields})
    insert = shop.new(record)
    shop.write(insert)
    record._revision = insert.revision
    return record


def part(shop: Any, number: int = 1, **fields: Any) -> Any:
    record = shop.Part(**{"shelf": "a", "number": number, **fields})
    insert = shop.new(record)
    shop.write(insert)
    record._revision = insert.revision
    return record


def stored(shop: Any, sql: str) -> list[Any]:
    return [tuple(row) for row in shop.sql(sql)]


def test_one_change_is_one_statement(shop: Any) -> None:
    made = maker(shop)
    insert = shop.new(shop.Item(id=1, name="x", maker=1))
    assert shop.write(insert).trips == 1
    record = shop.read(shop.Item, col(shop.Item.id) == 1).rows[0]
    replace = shop.saved(record)
    assert shop.write(replace).trips == 1
    assert shop.write(shop.patched(shop.Item, 1, sets=(("maker", None),))).trips == 1
    # Whoever may refer to it is looked for under a lock, where others write meanwhile: a second trip commits.
    assert shop.write(shop.deleted(shop.Item, 1)).trips <= 2
    assert shop.write(shop.deleted(shop.Maker, 1, expected=made._revision)).trips <= 2
    assert shop.all(shop.Item) == shop.all(shop.Maker) == []


def test_a_record_keeps_the_revision_before(shop: Any) -> None:
    record = item(shop, data={"b": [1], "a": {"x": 1.5}})
    look = "SELECT _revision, _previous, _version, _extras, data FROM {item}"
    assert stored(shop, look) == [(record._revision, None, 1, None, '{"b":[1],"a":{"x":1.5}}')]
    replace = shop.saved(record)
    shop.write(replace)
    patch = shop.patched(shop.Item, 1, sets=(("rank", 3),))
    assert stored(shop, look)[0][:2] == (replace.revision, record._revision)
    shop.write(patch)
    assert stored(shop, look)[0][:2] == (patch.revision, replace.revision)


def test_a_replace_leaves_what_it_does_not_know(shop: Any) -> None:
    record = item(shop)
    shop.sql("""UPDATE {item} SET _extras = '{{"colour":"red"}}'""")
    shop.write(shop.saved(record))
    assert stored(shop, "SELECT _extras FROM {item}") == [('{"colour":"red"}',)]


def test_a_patch_gives_the_record_back(shop: Any) -> None:
    item(shop, rank=5)
    patch = shop.patched(shop.Item, 1, sets=(("name", "new"),), codec=shop.codecs[shop.Item])
    written = shop.write(patch)
    assert written.trips <= 2
    assert (written.records[0].name, written.records[0].rank) == ("new", 5)
    assert written.records[0]._revision == patch.revision
    both = (
        shop.patched(shop.Item, 1, sets=(("rank", 6),), codec=shop.codecs[shop.Item]),
        shop.new(shop.Maker(id=1, name="m")),
    )
    first, second = shop.write(*both).records
    assert (first.rank, second) == (6, None)


def test_steps_stay_within_their_bounds_and_64_bits(shop: Any) -> None:
    item(shop, 1, rank=None)
    item(shop, 2, rank=2**63 - 2)
    assert shop.write(shop.stepped(shop.Item, 1, by=Step("rank", 3, 0, 3))).records[0].rank == 3
    beyond = [
        (1, Step("rank", 1, 0, 3)),
        (1, Step("rank", -4, 0, 3)),
        (2, Step("rank", 2)),
        (2, Step("rank", -2, None, 5)),
    ]
    for number, step in beyond:
        with pytest.raises(OutOfBounds, match=r"Item\.rank"):
            shop.write(shop.stepped(shop.Item, number, by=step))
    assert shop.write(shop.stepped(shop.Item, 2, by=Step("rank", 1))).records[0].rank == 2**63 - 1
    assert shop.write(shop.stepped(shop.Item, 2, by=Step("rank", -(2**63)))).records[0].rank == -1


@pytest.mark.parametrize("alone", [True, False])
def test_refusals_of_one_change(shop: Any, alone: bool) -> None:
    maker(shop, 1)
    record = item(shop, 1, serial="s", tag="t", rank=1)
    item(shop, 2)

    def write(change: Any) -> None:
        shop.write(change) if alone else shop.write(shop.new(shop.Maker(id=99, name="else")), change)

    missing = shop.Item(id=3, name="x", maker=7)
    cases: list[tuple[type[Exception], Any]] = [
        (Duplicate, shop.new(shop.Item(id=1, name="x"))),
        (Duplicate, shop.new(shop.Item(id=3, name="x", serial="s"))),
        (Duplicate, shop.patched(shop.Item, 2, sets=(("tag", "t"), ("rank", 1)))),
        (MissingReference, shop.new(missing)),
        (MissingReference, shop.patched(shop.Item, 1, sets=(("maker", 7),))),
        (Conflict, shop.saved(record, expected=12345)),
        (Conflict, shop.saved(shop.Item(id=9, name="x"), expected=12345)),
        (NotFound, shop.saved(record, require=(("tag", "other"),))),
        (Conflict, shop.patched(shop.Item, 1, sets=(("rank", 2),), expected=12345)),
        (NotFound, shop.patched(shop.Item, 9, sets=(("rank", 2),))),
        (NotFound, shop.patched(shop.Item, 1, sets=(("rank", 2),), require=(("tag", None),))),
        (NotFound, shop.deleted(shop.Item, 9)),
        (NotFound, shop.deleted(shop.Item, 1, require=(("deleted", True),))),
        (Conflict, shop.deleted(shop.Item, 1, expected=12345)),
    ]
    before = stored(shop, "SELECT * FROM {item}")
    for error, change in cases:
        with pytest.raises(error) as caught:
            write(change)
        assert type(caught.value) is error, change
    assert stored(shop, "SELECT * FROM {item}") == before
    assert [m.id for m in shop.all(shop.Maker)] == [1]


def test_the_first_refusal_is_the_one_told(shop: Any) -> None:
    maker(shop, 1)
    item(shop, 1, maker=1, serial="s")
    clash = shop.new(shop.Item(id=2, name="x", serial="s"))
    gone = shop.deleted(shop.Item, 9)
    with pytest.raises(NotFound):
        shop.write(clash, gone)
    with pytest.raises(Restricted):  # what references refuse comes before a unique
        shop.write(clash, shop.deleted(shop.Maker, 1))
    with pytest.raises(MissingReference):
        shop.write(clash, shop.new(shop.Item(id=3, name="x", maker=7)))
    with pytest.raises(Restricted):
        shop.write(shop.new(shop.Item(id=3, name="x", maker=7)), shop.deleted(shop.Maker, 1))
    with pytest.raises(Duplicate) as caught:
        shop.write(
            shop.new(shop.Item(id=4, name="x", tag="t", rank=1, serial="s")), shop.new(shop.Item(id=5, name="x"))
        )
    assert caught.value.fields == ("serial",)


def test_a_clash_does_not_hide_that_another_refers_to_it(shop: Any) -> None:
    maker(shop, 1, "taken")
    with pytest.raises(Duplicate):
        shop.write(shop.new(shop.Maker(id=2, name="taken")), shop.new(shop.Item(id=1, name="x", maker=2)))


def test_a_delete_frees_a_value_and_a_swap_is_refused(shop: Any) -> None:
    maker(shop, 1, "a")
    maker(shop, 2, "b")
    shop.write(shop.new(shop.Maker(id=3, name="a")), shop.deleted(shop.Maker, 1))
    assert [(m.id, m.name) for m in shop.all(shop.Maker)] == [(2, "b"), (3, "a")]
    with pytest.raises(Duplicate):
        shop.write(
            shop.patched(shop.Maker, 2, sets=(("name", "a"),)), shop.patched(shop.Maker, 3, sets=(("name", "b"),))
        )


def test_uniques_ignore_none_and_the_deleted(shop: Any) -> None:
    item(shop, 1, tag="t", rank=None)
    item(shop, 2, tag="t", rank=None)
    record = item(shop, 3, serial="s")
    record.deleted = True
    shop.write(shop.saved(record))
    item(shop, 4, serial="s")
    with pytest.raises(Duplicate):
        shop.write(shop.patched(shop.Item, 3, sets=(("deleted", False),)))


def test_many_inserts_are_one_statement_and_all_or_none(shop: Any) -> None:
    many = [shop.new(shop.Maker(id=n, name=f"m{n}")) for n in range(500)]
    # A statement in this process is no trip; PostgreSQL copies so many in, which is three trips more.
    assert shop.write(*many).trips <= 5
    assert len(shop.all(shop.Maker)) == 500
    more = [shop.new(shop.Maker(id=n, name=f"m{n}")) for n in range(600, 610)]
    with pytest.raises(Duplicate) as caught:
        shop.write(*more, shop.new(shop.Maker(id=611, name="m5")))
    assert caught.value.fields == ("name",)
    with pytest.raises(Duplicate) as caught:
        shop.write(*more, shop.new(shop.Maker(id=5, name="m611")))
    assert caught.value.fields == ("id",)
    assert len(shop.all(shop.Maker)) == 500


def test_a_check_holds_or_everything_is_refused(shop: Any) -> None:
    record = maker(shop, 1)
    collection = shop.collection(shop.Maker)
    good, bad = Check(collection, (1,), record._revision), Check(collection, (1,), record._revision ^ 1)
    assert shop.write(good).records == [None]
    assert shop.write(good, shop.new(shop.Maker(id=2, name="b"))).records == [None, None]
    for wrong in (bad, Check(collection, (9,), 1)):
        with pytest.raises(Conflict):
            shop.write(wrong)
        with pytest.raises(Conflict):
            shop.write(shop.deleted(shop.Maker, 77), wrong)


def test_cascade_goes_on_and_set_null_makes_a_new_revision(shop: Any) -> None:
    maker(shop, 1)
    item(shop, 1)
    part(shop, 1, item=1, label="l")
    beside = part(shop, 2, item=1, beside=1)
    shop.write(shop.deleted(shop.Maker, 1))
    left = shop.read(shop.Part, (col(shop.Part.shelf) == "a") & (col(shop.Part.number) == 2)).rows[0]
    assert left.beside is None
    assert left._revision != beside._revision
    assert stored(shop, "SELECT _previous FROM {part} WHERE number = 2") == [(beside._revision,)]
    # The label that goes with the item may be taken in the same step.
    label = shop.new(shop.Part(shelf="b", number=1, item=2, label="l"))
    shop.write(shop.deleted(shop.Item, 1), shop.new(shop.Item(id=2, name="x")), label)
    assert [(p.shelf, p.number) for p in shop.all(shop.Part)] == [("b", 1)]


def test_on_delete_looks_at_the_end_of_the_step(shop: Any) -> None:
    maker(shop, 1)
    maker(shop, 2)
    mine = item(shop, 1, maker=1)
    mine.maker = 2
    shop.write(shop.deleted(shop.Maker, 1), shop.saved(mine))  # nobody refers to it any more
    item(shop, 2)
    moved = part(shop, 1, item=2)
    stays = part(shop, 2, item=2)
    moved.item = 1
    stays.label = "changed, but still the item's"
    shop.write(shop.deleted(shop.Item, 2), shop.saved(moved), shop.saved(stays))
    assert [(p.number, p.item) for p in shop.all(shop.Part)] == [(1, 1)]
    with pytest.raises(MissingReference):
        shop.write(shop.deleted(shop.Item, 1), shop.new(shop.Part(shelf="n", number=1, item=1)))
    with pytest.raises(MissingReference):
        shop.write(shop.deleted(shop.Maker, 2), shop.patched(shop.Item, 1, sets=(("maker", 3),)))


def test_set_null_leaves_a_saved_record_the_revision_of_its_save(shop: Any) -> None:
    maker(shop, 1)
    item(shop, 1)
    beside = part(shop, 1, item=1, beside=1)
    beside.label = "new"
    replace = shop.saved(beside)
    shop.write(shop.deleted(shop.Maker, 1), replace)
    (left,) = shop.all(shop.Part)
    assert (left.label, left.beside, left._revision) == ("new", None, replace.revision)


def test_a_soft_deleted_referrer_still_restricts(shop: Any) -> None:
    maker(shop, 1)
    item(shop, 1, maker=1, deleted=True)
    with pytest.raises(Restricted) as caught:
        shop.write(shop.deleted(shop.Maker, 1))
    assert caught.value.by == "Item.maker"


def test_nothing_is_written_under_another_epoch(shop: Any) -> None:
    record = maker(shop, 1)
    shop.store.alter(ReplaceCatalog(shop.epoch, shop.catalog.changed()))
    two = (shop.new(shop.Maker(id=2, name="b")), shop.new(shop.Maker(id=3, name="c")))
    steps: list[tuple[Any, ...]] = [
        (two[0],), two, (shop.saved(record),), (shop.patched(shop.Maker, 1, sets=(("name", "x"),)),),
        (shop.deleted(shop.Maker, 1),), (Check(shop.collection(shop.Maker), (1,), record._revision),),
    ]  # fmt: skip
    for changes in steps:
        with pytest.raises(EpochChanged):
            shop.write(*changes)
    assert stored(shop, "SELECT id, name FROM {maker}") == [(1, "maker 1")]


def test_no_read_is_believed_under_another_epoch(shop: Any) -> None:
    maker(shop, 1)
    plans: list[Callable[[], Any]] = [
        lambda: shop.read(shop.Maker, col(shop.Maker.id) == 1),
        lambda: shop.read(shop.Maker, col(shop.Maker.name) == "none"),
        lambda: shop.all(shop.Maker),
        lambda: shop.read(shop.Maker, output="count", scan=True),
        lambda: shop.read(shop.Maker, col(shop.Maker.id) == 1, {"cap": 5}, output="exists"),
        lambda: shop.read(shop.Maker, output="groups", scan=True),
        lambda: shop.read(shop.Maker, col(shop.Maker.id) < 5, {"cap": 5}, output="rows", columns=("name",)),
    ]
    for run in plans:
        run()
    shop.sql("UPDATE {_manystore} SET epoch = '0123456789abcdef'")
    for run in plans:
        with pytest.raises(EpochChanged):
            run()
    shop.sql("DROP TABLE {maker}")
    for run in plans:
        with pytest.raises(EpochChanged):
            run()


def test_a_read_is_one_trip_also_when_it_finds_nothing(shop: Any) -> None:
    maker(shop, 1)
    assert shop.read(shop.Maker, col(shop.Maker.id) == 1).trips == 1
    assert shop.read(shop.Maker, col(shop.Maker.id) == 2).trips == 1
    assert shop.read(shop.Maker, col(shop.Maker.name) == "maker 1").trips == 1
