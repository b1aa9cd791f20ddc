"""Rewriting: what a window makes of whole collections, on plain lists; one window is as good as one for each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manystore import ManystoreError, MigrationRefused, ValueRefused
from manystore.migrations import (
    STOP,
    AddField,
    AddReference,
    AddUnique,
    ChangeKey,
    ChangeModel,
    ChangeType,
    Collection,
    CreateModel,
    DropField,
    DropReference,
    DropUnique,
    Field,
    Gather,
    Operation,
    Precondition,
    Reference,
    RenameField,
    RenameModel,
    Seed,
    Spread,
    Translate,
    Unique,
    Window,
)
from manystore.migrations.lens import Record
from manystore.migrations.rewriting import EXTRAS, Rewriting
from manystore.schema.schema import Schema

from .plain import PlainStore


def text(name: str, *, optional: bool = True) -> Field:
    return Field(name, name, "str", optional=optional)


def number(name: str, *, optional: bool = True) -> Field:
    return Field(name, name, "int", optional=optional)


def collection(name: str, *fields: Field, **parts: Any) -> Collection:
    return Collection(name, name.title(), (number("id", optional=False), *fields), ("id",), generated=True, **parts)


KIND = collection("kind", text("name"), number("code"), uniques=(Unique("unique_code", ("code",)),))
THING = collection("thing", text("kind"), number("weight"), text("label"))
NOTE = collection("note", number("thing_id"), references=(Reference("thing_id", "thing"),))
BASE = Schema((KIND, NOTE, THING))
KINDS = ({"id": 1, "name": "oak", "code": 10}, {"id": 2, "name": "elm", "code": 20}, {"id": 5, "name": "elm"})
THINGS = (
    {"id": 1, "kind": "elm", "weight": 7, "label": "7"},
    {"id": 2, "kind": "oak", "weight": 8},
    {"id": 3, "kind": "yew", "weight": 7, "label": "x"},
    {"id": 4},
)
NOTES = ({"id": 1, "thing_id": 3}, {"id": 2})
BY_ID = Translate("thing", "kind", number("kind_id"), "kind", "name", "id", None)


def store(*operations: Operation) -> PlainStore:
    """Make the store of these records, and carry a window over some operations out on it."""
    made = PlainStore(BASE)
    made.insert("kind", *KINDS)
    made.insert("thing", *THINGS)
    made.insert("note", *NOTES)
    if operations:
        made.carry(Window.of(BASE, operations))
    return made


def rewriting(*operations: Operation) -> Rewriting:
    return Rewriting(Window.of(BASE, operations))


def column(made: PlainStore, name: str, field: str) -> list[Any]:
    return [row[field] for row in made.records(name)]


def test_what_is_translated_is_copied_and_what_refers_to_it_too() -> None:
    made = rewriting(BY_ID)
    assert made.copied == {
        "thing": "translate thing.kind to kind_id through kind",
        "note": "refers to thing, which is copied",
    }
    assert list(made.copied) == ["thing", "note"]
    assert made.sources == {"thing": ("kind", "thing"), "note": ("note",)}
    assert made.closed == ("kind", "note", "thing")
    assert column(store(BY_ID), "thing", "kind_id") == [2, 1, None, None]  # of two elms the lower key counts


def test_a_window_of_lenses_copies_nothing() -> None:
    made = rewriting(AddField("thing", text("colour"), "green"), RenameField("thing", "weight", "grams"))
    assert made.copied == {}
    assert list(made.records(lambda name: [])) == []


def test_what_is_not_found_may_stop() -> None:
    with pytest.raises(ValueRefused, match=r"Thing\.kind.*no kind\.name has its value"):
        store(Translate("thing", "kind", number("kind_id"), "kind", "name", "id"))


def test_a_value_that_cannot_be_cast_stops_before_anything_is_changed() -> None:
    cast = ChangeType("thing", number("label"))
    assert rewriting(cast).copied == {
        "thing": "change type of thing.label to int",
        "note": "refers to thing, which is copied",
    }
    made = store()
    with pytest.raises(ValueRefused, match="a stored value stops the migration"):
        made.carry(Window.of(BASE, [cast]))
    assert made.records("thing") == store().records("thing")


def test_a_unique_over_changed_values_is_copied_and_looked_at_first() -> None:
    cast = (DropUnique("kind", "unique_code"), ChangeType("kind", text("code")))
    again = AddUnique("kind", Unique("unique_code", ("code",)))
    assert column(store(*cast, again), "kind", "code") == ["10", "20", None]
    one = ChangeType("kind", text("code"), up=lambda value: None if value is None else "x", down=lambda value: None)
    with pytest.raises(MigrationRefused, match="kind: two records would have the unique_code x; nothing was changed"):
        store(cast[0], one, again)


def test_what_new_programs_wrote_meanwhile_is_copied_as_they_see_it() -> None:
    base = Schema((KIND,))
    window = Window.of(base, [DropUnique("kind", "unique_code"), AddField("kind", text("colour"), "green"),
                              ChangeType("kind", text("code")),
                              AddUnique("kind", Unique("unique_code", ("code",)))])  # fmt: skip
    pin = window.pins["kind"]
    stored, extras = pin.put({"id": 1, "name": "oak", "code": "010", "colour": "red"}, None)
    assert stored["code"] == 10
    made = Rewriting(window).records(lambda name: [{**stored, EXTRAS: extras}, {"id": 2, "name": "elm", "code": 20}])
    assert [(r["code"], r["colour"]) for _, r in made] == [("010", "red"), ("20", "green")]


def test_records_move_with_a_model_and_references_follow() -> None:
    moved = RenameModel("thing", "Item", "item")
    assert list(rewriting(moved).copied) == ["item", "note"]
    made = store(moved)
    assert [row["id"] for row in made.records("item")] == [1, 2, 3, 4]
    assert made.schema.collection("note").references[0].target == "item"


def test_another_key_comes_once() -> None:
    drop = DropReference("note", "thing_id")
    code = AddField("thing", Field("code", "code", "int"), compute=lambda key: 10 - key, sources=("id",))
    made = store(drop, code, ChangeKey("thing", ("code",)))
    assert column(made, "thing", "id") == [4, 3, 2, 1]
    same = AddField("thing", Field("code", "code", "int"), compute=lambda key: key // 2, sources=("id",))
    with pytest.raises(MigrationRefused, match="thing: two records would have the key 1; nothing was changed"):
        store(drop, same, ChangeKey("thing", ("code",)))


PARTS = collection("part", number("thing_id"), number("part"))


def parts(row: Record) -> list[Record]:
    return [{"thing_id": row["id"], "part": n} for n in range((row["weight"] or 0) - 6)]


PARTS_OF_TEXT = collection("part", text("of"))


def parts_of_text(row: Record) -> list[Record]:
    return [{"of": f"{row['id']}, {n}"} for n in range((row["weight"] or 6) - 5)]


def test_a_record_becomes_many_beside_those_that_stay() -> None:
    made = store(Spread("thing", PARTS, parts, keeps=True))
    assert made.records("part") == [
        {"id": 1, "thing_id": 1, "part": 0},
        {"id": 2, "thing_id": 2, "part": 0},
        {"id": 3, "thing_id": 2, "part": 1},
        {"id": 4, "thing_id": 3, "part": 0},
    ]
    assert len(made.records("thing")) == 4


@pytest.mark.parametrize(
    "turned",
    [
        (
            AddField("thing", Field("code", "code", "int"), compute=lambda key: 10 - key, sources=("id",)),
            ChangeKey("thing", ("code",)),
        ),
        (ChangeModel("thing", generated=False), ChangeType("thing", Field("id", "id", "str"))),
        (Seed("thing", ({"id": 0, "weight": 7},)),),
    ],
    ids=["another key", "a key of another type", "a record put in front"],
)
def test_new_keys_are_counted_in_the_order_of_the_old_ones(turned: tuple[Operation, ...]) -> None:
    operations = (DropReference("note", "thing_id"), *turned, Spread("thing", PARTS_OF_TEXT, parts_of_text))
    one_by_one, at_once = store(), store()
    for made in (one_by_one, at_once):
        made.insert("thing", {"id": 10, "weight": 9})
    for operation in operations:
        one_by_one.carry(Window.of(one_by_one.schema, [operation]))
    at_once.carry(Window.of(BASE, operations))
    assert at_once.records("part") == one_by_one.records("part")


def test_many_become_one_by_what_they_share() -> None:
    whole = collection("whole", text("kind"), number("weight"))
    gather = Gather("thing", whole, ("weight",), lambda rows: None if rows[0]["weight"] is None else
                    {"kind": "+".join(row["kind"] for row in rows), "weight": rows[0]["weight"]})  # fmt: skip
    made = store(DropReference("note", "thing_id"), gather)
    assert made.records("whole") == [
        {"id": 1, "kind": "elm+yew", "weight": 7},
        {"id": 2, "kind": "oak", "weight": 8},
    ]


def test_a_precondition_is_asked_of_records_as_they_are_at_its_place() -> None:
    asked = list[Any]()

    def holds(rows: Any) -> bool:
        asked.extend(row["grams"] for row in rows)
        return False

    with pytest.raises(MigrationRefused, match="thing: too heavy"):
        store(RenameField("thing", "weight", "grams"), Precondition("thing", "too heavy", holds))
    assert asked == [7, 8, 7, None]
    store(Precondition("thing", "too heavy", lambda rows: False, back=True))


def test_seeds_go_where_no_record_has_their_key_and_on_through_what_follows() -> None:
    seed = Seed("kind", ({"id": 1, "name": "ash", "code": 1}, {"id": 9, "name": "yew", "code": 9}))
    made = rewriting(seed, RenameField("kind", "name", "title"))
    assert made.seeds() == (
        ("kind", {"id": 1, "title": "ash", "code": 1}),
        ("kind", {"id": 9, "title": "yew", "code": 9}),
    )
    assert column(store(seed), "kind", "name") == ["oak", "elm", "elm", "yew"]
    assert column(store(seed, BY_ID), "thing", "kind_id") == [2, 1, 9, None]
    keyless = Seed("kind", ({"name": "yew", "code": 9},))
    assert column(store(keyless), "kind", "id") == [1, 2, 5, 6]
    with pytest.raises(MigrationRefused, match="whose keys are not known yet: go migration by migration"):
        store(keyless, BY_ID)


def test_a_seed_into_what_is_rewritten_comes_with_its_records() -> None:
    seed = Seed("thing", ({"id": 9, "kind": "oak"},))
    made = rewriting(seed, BY_ID)
    assert made.seeds() == ()
    assert column(store(seed, BY_ID), "thing", "kind_id") == [2, 1, None, None, 1]


def test_what_is_looked_up_may_not_change_in_the_same_window() -> None:
    """A program of the head may have given the computed field another value, which a copy would not know of."""
    slug = AddField("kind", text("slug"), compute=lambda name: f"<{name}>", sources=("name",))
    through = Translate("thing", "kind", text("slug"), "kind", "name", "slug", None)
    made = "thing is made of kind.slug, which changes in the same window: go migration by migration, up to each in turn"
    with pytest.raises(MigrationRefused, match=made):
        store(slug, through)
    one_by_one = store(slug)
    one_by_one.carry(Window.of(one_by_one.schema, [through]))
    assert column(one_by_one, "thing", "slug") == ["<elm>", "<oak>", None, None]
    assert column(store(RenameField("kind", "name", "title"),
                        Translate("thing", "kind", number("kind_id"), "kind", "title", "id", None)),
                  "thing", "kind_id") == [2, 1, None, None]  # fmt: skip


def test_what_was_rewritten_may_change_and_be_looked_up() -> None:
    """New programs cannot have written it: what is rewritten has no pin."""
    made = store(
        BY_ID,
        ChangeType("thing", text("kind_id"), otherwise=None),
        Translate("note", "thing_id", text("kind_id"), "thing", "id", "kind_id", None, keeps=True),
    )
    assert column(made, "note", "kind_id") == [None, None]
    assert column(made, "thing", "kind_id") == ["2", "1", None, None]


def test_those_that_refer_to_each_other_come_by_name() -> None:
    there = Schema((collection("a", number("b")), collection("b", number("a"))))
    circle = (AddReference("a", Reference("b", "b")), AddReference("b", Reference("a", "a")))
    window = Window.of(there, [*circle, Translate("a", "b", number("c"), "b", "a", "a", keeps=True)])
    assert list(Rewriting(window).copied) == ["a", "b"]


@st.composite
def operations_on(draw: st.DrawFn, schema: Schema) -> Operation:
    names = sorted(c.name for c in schema.collections)
    here = schema.collection(draw(st.sampled_from(names)))
    other = schema.collection(draw(st.sampled_from(names)))
    field = draw(st.sampled_from(here.fields))
    match, take = (draw(st.sampled_from(other.fields)) for _ in range(2))
    new = draw(st.sampled_from(["p", "q", "r"]))
    into = Field(new, new, take.kind, optional=True)
    shape = collection(draw(st.sampled_from([here.name, "x", "y"])), number("n"), text("t"))
    keeps, otherwise = draw(st.booleans()), draw(st.sampled_from([STOP, None]))
    seed = {f.name: 30 if f.kind == "int" else "30" for f in here.fields}

    def spread(row: Record) -> list[Record]:
        return [{"n": place, "t": str(row[field.name])} for place in range(len(str(row[field.name])) % 3)]

    def gather(rows: list[Record]) -> Record | None:
        return None if len(rows) > 3 else {"n": len(rows), "t": ",".join(str(row[field.name]) for row in rows)}

    choices: list[Callable[[], Operation]] = [
        lambda: Translate(here.name, field.name, into, other.name, match.name, take.name, otherwise, keeps),
        lambda: Spread(here.name, shape, spread, keeps=keeps and shape.name != here.name),
        lambda: Gather(here.name, shape, (field.name,), gather),
        lambda: AddField(here.name, into, draw(st.sampled_from([None, 4 if into.kind == "int" else "4"]))),
        lambda: AddField(here.name, text(new), compute=lambda value: f"<{value}>", sources=(field.name,)),
        lambda: DropField(here.name, field.name),
        lambda: RenameField(here.name, field.name, new),
        lambda: ChangeType(here.name, Field(field.name, field.column, "str" if field.kind == "int" else "int",
                                            optional=field.optional), otherwise),
        lambda: RenameModel(here.name, "Moved", draw(st.sampled_from(["x", "y", "z"]))),
        lambda: ChangeKey(here.name, (field.name,)),
        lambda: Seed(here.name, (seed,)),
        lambda: DropReference(here.name, "thing_id"),
        lambda: CreateModel(collection("z", text("t"))),
    ]  # fmt: skip
    return draw(st.sampled_from(choices))()


@st.composite
def ways(draw: st.DrawFn) -> list[Operation]:
    schema, operations = BASE, list[Operation]()
    for _ in range(draw(st.integers(1, 6))):
        operation = draw(operations_on(schema))
        try:
            schema = Window.of(schema, [operation]).head
        except MigrationRefused:
            continue
        operations.append(operation)
    return operations


def carried(made: PlainStore, window: Window) -> str:
    """Carry a window out; say why not when it is refused."""
    try:
        made.carry(window)
    except ManystoreError as reason:
        return str(reason)
    return ""


# A promise that was broken on the way only, and a value that stopped what nothing came of, stop no whole window.
ONLY_ON_THE_WAY = ("held twice", "leads nowhere", "two records would have")


@pytest.mark.slow
@given(ways())
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
def test_one_window_is_as_good_as_one_for_each_step(operations: list[Operation]) -> None:
    stepwise, whole = store(), store()
    stopped = ""
    for operation in operations:
        if stopped := carried(stepwise, Window.of(stepwise.schema, [operation])):
            break
    refused = carried(whole, Window.of(BASE, operations))
    if refused:
        assert stopped or "go migration by migration" in refused
        assert whole.held == store().held
    elif stopped:
        assert any(reason in stopped for reason in ONLY_ON_THE_WAY)
    else:
        assert {c.name: whole.records(c.name) for c in whole.schema.collections} == {
            c.name: stepwise.records(c.name) for c in stepwise.schema.collections
        }
