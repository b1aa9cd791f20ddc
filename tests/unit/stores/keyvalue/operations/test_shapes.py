"""Writes while records of two shapes are there: what is kept beside a record is always that of its own shape."""

from __future__ import annotations

import msgspec
import pytest

from manystore import errors
from manystore.schema.schema import Field, Schema
from manystore.schema.system import SYSTEM
from manystore.store.protocol import Patch
from manystore.store.protocol import Step as Addition
from manystore.stores.keyvalue.memory import Memory
from manystore.stores.keyvalue.protocol import head_of, version_of
from manystore.stores.keyvalue.shape import Keeper

from .shop import (
    BADGE,
    BASE,
    BETWEEN,
    BETWEEN_BADGE,
    BETWEEN_RIDER,
    HEAD,
    HEAD_RIDER,
    HEAD_TOWN,
    NOTE,
    RIDER,
    TOWN,
    Cutting,
    Shop,
    content,
    due,
    lift,
    lifted,
    rider,
)


@pytest.fixture
def shop() -> Shop:
    made = Shop()
    made.fill()
    return made


def raised(shop: Shop) -> Shop:
    shop.open()
    shop.build()
    shop.ready()
    shop.raise_()
    return shop


def check(shop: Shop) -> None:
    """What is kept of the kept schema is what the records say, each by its own shape."""
    found, wanted = content(shop.kv, BASE, BETWEEN, HEAD), due(shop.kv, shop.catalog)
    dropped = {"r:note", "u:note.unique_text", "i:town.by_name"}  # until Clear
    notes = {name for name in found.get("b:rider", {}) if " note." in name}
    found["b:rider"] = {name: b"" for name in found.get("b:rider", {}) if name not in notes}
    assert {space: held for space, held in found.items() if space not in dropped and held} == wanted


# --- the older shape and the kept one ---


@pytest.mark.parametrize("key", [7, 15])  # one with a claim and references, one with nothing but entries
def test_replace_brings_a_record_into_the_kept_shape(shop, key):
    raised(shop).replace(HEAD_RIDER, *lifted(key))
    record = shop.record(HEAD_RIDER, key)
    assert record["_version"] == 2
    assert list(record)[:4] == ["_revision", "_previous", "_version", "id"]
    assert not {"name", "mail", "boss"} & set(record)
    check(shop)


def test_replace_keeps_what_neither_shape_knows_and_drops_the_complement(shop):
    space, name = shop.key(RIDER, 7)
    held = shop.kv._spaces[space]
    held[name] = held[name][:-1] + b',"beyond":[1],"_extras":{"names":["A","B"]}}'
    raised(shop).replace(HEAD_RIDER, *lifted(7))
    record = shop.record(HEAD_RIDER, 7)
    assert record["beyond"] == [1]
    assert "_extras" not in record


def test_a_replace_may_change_claims_and_references_with_the_shape(shop):
    raised(shop)
    values = list(lifted(7, email="m8@x"))
    with pytest.raises(errors.Duplicate) as caught:
        shop.replace(HEAD_RIDER, *values)
    assert caught.value.fields == ("email",)
    values[3] = "m999@x"
    values[5] = 999
    with pytest.raises(errors.MissingReference):
        shop.replace(HEAD_RIDER, *values)
    check(shop)
    values[5] = 9
    shop.replace(HEAD_RIDER, *values)
    check(shop)
    shop.insert(HEAD_RIDER, lifted(23, email="m7@x"))  # which 7 gave up
    check(shop)


def test_a_patch_of_an_older_record_is_refused_and_of_a_new_one_not(shop):
    raised(shop)
    with pytest.raises(errors.Conflict):
        shop.patch(HEAD_RIDER, 7, city="Rome")
    shop.replace(HEAD_RIDER, *lifted(7))
    shop.patch(HEAD_RIDER, 7, city="Rome")
    check(shop)


def test_require_is_looked_up_in_the_records_own_shape(shop):
    raised(shop)
    shop.replace(HEAD_RIDER, *lifted(7), require=(("town", 2), ("zip", "z1")))
    with pytest.raises(errors.NotFound):
        shop.replace(HEAD_RIDER, *lifted(8), require=(("zip", "other"),))


def test_delete_of_either_shape(shop):
    raised(shop)
    shop.delete(BETWEEN_BADGE, 19)
    for key in (19, 20):  # nobody's boss
        shop.delete(HEAD_RIDER, key)
        check(shop)
    shop.replace(HEAD_RIDER, *lifted(18))
    shop.delete(HEAD_RIDER, 18)
    check(shop)


# --- on_delete ---


def test_set_null_leaves_the_shape_as_it_is(shop):
    raised(shop).replace(HEAD_RIDER, *lifted(7))
    old, new = shop.record(HEAD_RIDER, 1), shop.record(HEAD_RIDER, 7)
    assert old["town"] == new["town"] == 2
    shop.delete(HEAD_TOWN, 2)
    after = shop.record(HEAD_RIDER, 1)
    assert (after["town"], after["_version"], after["_previous"]) == (None, 1, old["_revision"])
    assert after["name"] == old["name"]
    after = shop.record(HEAD_RIDER, 7)
    assert (after["town"], after["_version"], after["_previous"]) == (None, 2, new["_revision"])
    check(shop)


def test_each_shape_has_its_own_rule(shop):
    """An older record holds its boss back, as its own schema says; one of the head goes with its chief."""
    raised(shop)
    for badge in (1, 3, 5, 7):
        shop.delete(BETWEEN_BADGE, badge)
    shop.replace(HEAD_RIDER, *lifted(7)[:5], None, *lifted(7)[6:])
    with pytest.raises(errors.Restricted) as caught:
        shop.delete(HEAD_RIDER, 2)  # 4 and 5 refer to it
    assert caught.value.by == "Rider.boss"
    for key in (4, 5):
        shop.replace(HEAD_RIDER, *lifted(key))
        check(shop)
    with pytest.raises(errors.Restricted):
        shop.delete(HEAD_RIDER, 2)  # they would go, but others refer to them in turn
    shop.sweep()
    for badge in (9, 11, 13, 15, 17, 19):
        shop.delete(BETWEEN_BADGE, badge)
    shop.delete(HEAD_RIDER, 2)
    left = {record["id"] for record in shop.riders()}
    assert 2 not in left
    assert 4 not in left
    assert 5 not in left
    check(shop)


def test_a_referrer_that_goes_to_another_target_in_the_same_step(shop):
    raised(shop)
    shop.insert(HEAD_TOWN, (9, "t"))
    shop.replace(HEAD_RIDER, *lifted(1)[:4], 9, *lifted(1)[5:])
    shop.delete(HEAD_TOWN, 2)
    assert shop.record(HEAD_RIDER, 1)["town"] == 9
    check(shop)


def test_a_reference_of_the_base_that_the_head_has_not_holds_nothing_back(shop):
    raised(shop)
    shop.replace(HEAD_RIDER, *lifted(19))
    shop.delete(BETWEEN_BADGE, 19)
    assert "b19 note.rider b19" in shop.names("b:rider")
    shop.delete(HEAD_RIDER, 19)
    check(shop)


# --- a sweep beside ---


@pytest.mark.parametrize("write", ["replace", "delete", "set_null"])
def test_a_sweep_between_the_read_and_the_commit_of_a_write(write):
    """The revision is the same after it, so the version must tell: else entries of the kept shape were left over."""
    kv = Cutting(Memory())
    shop = Shop(kv)
    shop.fill()
    raised(shop)
    shop.delete(BETWEEN_BADGE, 19)
    kv.before = shop.sweep
    if write == "replace":
        shop.replace(HEAD_RIDER, 19, "Eve", "Poe", None, None, None, "z", "Rome")
    elif write == "delete":
        shop.delete(HEAD_RIDER, 19)
    else:
        kv.before = lambda: setattr(kv, "before", shop.sweep)  # the first commit only learns that there are referrers
        shop.delete(HEAD_TOWN, 2)
    assert kv.before is None
    assert shop.record(HEAD_RIDER, 1)["_version"] == 2
    check(shop)
    assert shop.sweep() == 0


def test_a_write_between_the_read_and_the_commit_of_a_sweep():
    kv = Cutting(Memory())
    shop = Shop(kv)
    shop.fill()
    raised(shop)

    def others() -> None:
        shop.replace(HEAD_RIDER, 3, "Eve", "Poe", None, None, None, "z", "Rome")
        shop.delete(BETWEEN_BADGE, 5)
        shop.delete(HEAD_TOWN, 1)

    kv.before = others
    assert shop.sweep() > 0
    assert shop.record(HEAD_RIDER, 3)["first"] == "Eve"
    assert {record["_version"] for record in shop.riders()} == {2}
    check(shop)


def test_a_sweep_keeps_revisions_and_hands_the_lift_the_complement(shop):
    space, name = shop.key(RIDER, 7)
    held = shop.kv._spaces[space]
    held[name] = held[name][:-1] + b',"beyond":[1],"_extras":{"names":["A","B"]}}'
    before = {record["id"]: record for record in shop.riders()}
    raised(shop).sweep()
    for record in shop.riders():
        assert record["_revision"] == before[record["id"]]["_revision"]
        assert record["_previous"] == before[record["id"]]["_previous"]
    swept = shop.record(HEAD_RIDER, 7)
    assert (swept["first"], swept["last"], swept["beyond"]) == ("A", "B", [1])
    assert "_extras" not in swept
    check(shop)


# --- values that a record lacks ---


def test_what_a_record_lacks_is_what_the_catalog_says(shop):
    shop.open()
    shop.insert(RIDER, (50, "N", None, None, None, "z"))  # by a program that knows no city
    assert "city" not in shop.record(RIDER, 50)
    assert "$Oslo! a50" not in shop.names("i:rider.by_city")
    assert "$Oslo! b50" in shop.names("i:rider.by_city")
    shop.replace(RIDER, 50, "M", None, None, None, "z")
    shop.replace(BETWEEN_RIDER, 50, "M", None, None, None, "z", "Rome")
    assert "$Rome! b50" in shop.names("i:rider.by_city")
    shop.replace(RIDER, 50, "N", None, None, None, "z")
    assert "$Rome! b50" in shop.names("i:rider.by_city")  # it keeps what it does not know
    shop.replace(BETWEEN_RIDER, *rider(7), "Rome")  # it lacked the city
    assert [name for name in shop.names("i:rider.by_city") if name.endswith(" a7")] == ["$Rome! a7"]
    shop.build()
    assert {name.rpartition(" ")[2] for name in shop.names("i:rider.by_city")} == set(shop.names("r:rider"))
    assert content(shop.kv, BASE, BETWEEN) == due(shop.kv, shop.catalog)


def test_additions_and_conditions_see_it_as_well(shop):
    with_age = msgspec.structs.replace(BETWEEN_BADGE, fields=(*BADGE.fields, Field("age", "age", "int")), references=())
    shop.turn(phase="open", stored=Schema((with_age, NOTE, RIDER, TOWN, *SYSTEM)), absent={"badge": {"age": 5}})
    shop.write(Patch(with_age, (1,), shop.revision(), steps=(Addition("age", 2),), require=(("age", 5),)))
    assert shop.record(BADGE, 1)["age"] == 7


# --- states, generations, the complement ---


def test_what_is_absent_is_not_kept_up(shop):
    states = {"rider.by_city": "absent", "rider.unique_email": "absent", "badge.rider.reference": "absent"}
    shop.open()
    shop.turn(indexes=states)
    shop.insert(RIDER, (50, "N", "n@x", None, None, "z"))
    shop.insert(BADGE, (50, 77))  # leads nowhere
    assert shop.names("i:rider.by_city") == []
    assert shop.names("u:rider.unique_email") == []
    assert [name for name in shop.names("b:rider") if "badge" in name] == []
    assert content(shop.kv, BASE, BETWEEN) == due(shop.kv, shop.catalog)


def test_a_state_is_of_one_generation(shop):
    second = msgspec.structs.replace(RIDER.indexes[0], generation=2)
    again = msgspec.structs.replace(RIDER, indexes=(second, *RIDER.indexes[1:]))
    stored = Schema((BADGE, NOTE, again, TOWN, *SYSTEM))
    shop.turn(stored=stored, indexes={"rider.by_name": "absent", "rider.by_name@2": "building"})
    shop.insert(RIDER, (50, "N", "n@x", None, None, "z"))
    assert shop.names("i:rider.by_name@2") == ["$N! b50"]
    assert "$N! b50" not in shop.names("i:rider.by_name")
    assert shop.build() == 21
    assert len(shop.names("i:rider.by_name@2")) == 21


def test_a_collection_of_another_generation_is_kept_under_another_name():
    second = msgspec.structs.replace(RIDER, generation=2)
    schema = Schema((BETWEEN_BADGE, NOTE, second, TOWN, *SYSTEM))
    shop = Shop()
    shop.turn(stored=schema)
    shop.fill()  # by programs, which declare no generation
    assert shop.names("r:rider") == []
    assert len(shop.names("r:rider@2")) == 20
    assert any(" rider@2.boss " in name for name in shop.names("b:rider@2"))
    assert any(" badge.rider " in name for name in shop.names("b:rider@2"))
    assert any(" rider@2.town " in name for name in shop.names("b:town"))
    assert content(shop.kv, BASE, schema) == due(shop.kv, shop.catalog)
    with pytest.raises(errors.Restricted):
        shop.delete(RIDER, 2)
    with pytest.raises(errors.SchemaMismatch):
        shop.insert(msgspec.structs.replace(RIDER, generation=3), rider(50))


def test_the_complement_is_a_member_for_whoever_has_it(shop):
    shop.open()
    extras = Field("_extras", "_extras", "json", optional=True)
    pinned = msgspec.structs.replace(BETWEEN_RIDER, fields=(*BETWEEN_RIDER.fields, extras))
    shop.insert(
        pinned, (50, "N", None, None, None, "z", "Rome", None), (51, "N", None, None, None, "z", "Rome", {"a": 1})
    )
    space, name = shop.key(RIDER, 50)
    assert b"_extras" not in shop.kv._spaces[space][name]
    assert shop.record(RIDER, 51)["_extras"] == {"a": 1}
    shop.replace(RIDER, 51, "M", None, None, None, "z")  # by a program of the base, which keeps it
    assert shop.record(RIDER, 51)["_extras"] == {"a": 1}
    shop.replace(pinned, 51, "M", None, None, None, "z", "Rome", {"b": 2})
    assert shop.record(RIDER, 51)["_extras"] == {"b": 2}
    shop.replace(pinned, 51, "M", None, None, None, "z", "Rome", None)
    assert "_extras" not in shop.record(RIDER, 51)
    shop.patch(pinned, 51, _extras={"c": 3})
    assert shop.record(RIDER, 51)["_extras"] == {"c": 3}
    shop.patch(pinned, 51, _extras=None)
    assert "_extras" not in shop.record(RIDER, 51)
    shop.kv._spaces[space][name] = shop.kv._spaces[space][name][:-1] + b',"beyond":1,"_extras":{"d":4}}'
    shop.replace(pinned, 50, "N", None, None, None, "z", "Rome", None)
    assert (shop.record(RIDER, 50)["beyond"], "_extras" in shop.record(RIDER, 50)) == (1, False)


def test_members_go_under_a_token_only_where_a_window_was_dropped_or_a_version_stays(shop):
    """There alone a save compares the whole record; elsewhere its head or its token tell."""

    def shed() -> dict[str, set[str]]:
        keeper = Keeper(shop.catalog)
        return {name: set(gone) for name in ("badge", "rider", "town") if (gone := keeper.shed(name))}

    assert shed() == {}
    shop.open()
    assert shed() == {}
    raised(shop)
    assert shed() == {}
    extras = Field("_extras", "_extras", "json", optional=True)
    led = msgspec.structs.replace(BETWEEN_RIDER, fields=(*BETWEEN_RIDER.fields, extras))
    older = Schema((BETWEEN_BADGE, NOTE, led, TOWN, *SYSTEM))
    shop.turn(phase="open", head=BASE, stored=None, older=older, indexes={}, absent={})
    assert shed() == {"rider": {"city", "_extras"}}
    wide = msgspec.structs.replace(TOWN, fields=(*TOWN.fields, Field("size", "size", "int")))
    shop.turn(phase="raised", head=BASE, older=Schema((BADGE, NOTE, RIDER, wide, *SYSTEM)))
    assert shed() == {"town": {"size"}}


def test_head_and_version_of_a_record():
    for previous in (b"null", b'"0123456789abcdef"'):
        data = b'{"_revision":"0123456789abcdef","_previous":' + previous + b',"_version":12,"id":1}'
        assert version_of(data) == 12
        assert data.startswith(head_of(data))
        assert head_of(data).endswith(b'"_version":12,')


def test_the_lift_of_these_tests_is_what_a_program_of_the_head_would_write():
    record = dict(zip((f.column for f in RIDER.fields), rider(7), strict=True))
    assert tuple(lift(record, None).values()) == lifted(7)
