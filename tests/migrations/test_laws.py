"""The laws of records in an open window, over random chains of operations and random writes of old and new programs.

The oracle keeps, per lens, the last pair of old and new values that a new program wrote, and the present old values. It
knows nothing of the complement, of stored columns, or of how lenses are composed: it walks the operations one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from manystore import MigrationRefused, Pinned
from manystore.migrations import (
    CUT,
    AddField,
    ChangeChoices,
    ChangeLength,
    ChangeNullability,
    ChangeType,
    Collection,
    DropField,
    Field,
    Fill,
    KeyedHash,
    MapValues,
    MergeFields,
    Operation,
    RenameField,
    SplitField,
    Window,
)
from manystore.migrations.lens import Lens, all_same, taken
from manystore.migrations.pin import Pin
from manystore.migrations.primitive import cast, cast_many, quick, quick_many, refusal
from manystore.migrations.upward import upward
from manystore.schema.schema import Schema

pytestmark = pytest.mark.slow

BASE = Schema(
    (
        Collection(
            "thing",
            "Thing",
            (
                Field("id", "id", "int"),
                Field("a", "a", "str", length=6),
                Field("b", "b", "str", optional=True),
                Field("n", "n", "int"),
                Field("m", "m", "int", optional=True),
                Field("e", "e", "str", choices=("x", "y", "z")),
            ),
            ("id",),
        ),
    )
)
SHAPES = (
    Field("a", "a", "str"),
    Field("a", "a", "str", optional=True, length=3),
    Field("a", "a", "str", choices=("x", "y")),
    Field("a", "a", "int"),
    Field("a", "a", "int", choices=(1, 2)),
    Field("a", "a", "bool"),
    Field("a", "a", "date"),
)
TEXTS = st.sampled_from(["", "1", "02", "7-up", "a-b-c", "n/a", "-5", "x", "y", "123456", "1234567"])
NUMBERS = st.sampled_from([0, 1, 2, -5, 10**12])
NAMES = st.sampled_from([f"{letter}{n}" for letter in "pqr" for n in range(3)])


def values_of(field: Field) -> st.SearchStrategy[Any]:
    if field.choices is not None:
        found: st.SearchStrategy[Any] = st.sampled_from(field.choices)
    elif field.kind == "str":
        found = TEXTS.map(lambda text: text[: field.length])
    else:
        found = NUMBERS if field.kind == "int" else st.sampled_from(["00000000-0000-4000-8000-000000000000"])
    return st.none() | found if field.optional else found


def records_of(collection: Collection) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({f.column: values_of(f) for f in collection.fields if f.name != "id"}).map(
        lambda values: {"id": 1, **values}
    )


def halves(value: Any) -> tuple[str, str | None]:
    first, dash, rest = ("" if value is None else str(value)).partition("-")
    return first, rest if dash else None


def whole(first: str, rest: str | None) -> str:
    return first if rest is None else f"{first}-{rest}"


@st.composite
def operations_on(draw: st.DrawFn, thing: Collection) -> Operation:
    field = draw(st.sampled_from([f for f in thing.fields if f.name != "id"]))
    name, new = field.name, draw(NAMES)
    column = draw(st.sampled_from([new, f"c_{new}", field.column]))
    source = draw(st.sampled_from([f.name for f in thing.fields if f.kind in ("str", "int")]))
    made = Field(new, column, "str", optional=draw(st.booleans()))
    wide = msgspec.structs.replace(field, optional=True, length=None, choices=None)
    choices: list[Callable[[], Operation]] = [
        lambda: AddField("thing", made, default="x"),
        lambda: AddField("thing", Field(new, column, "int", optional=True)),
        lambda: AddField("thing", made, compute=lambda value: f"<{value}>"[:12], sources=(source,)),
        lambda: AddField("thing", Field(new, column, "uuid"), compute=KeyedHash()),
        lambda: DropField("thing", name, None if field.optional else draw(values_of(field))),
        lambda: DropField("thing", name, compute=lambda value: fitted(field, value), sources=(source,)),
        lambda: RenameField("thing", name, new, column),
        lambda: ChangeType("thing", msgspec.structs.replace(wide, kind="int"), otherwise=None),
        lambda: ChangeType("thing", msgspec.structs.replace(wide, kind="str"), otherwise=None),
        lambda: ChangeType("thing", msgspec.structs.replace(wide, kind="int"), None, back=draw(values_of(field))),
        lambda: ChangeLength("thing", name, draw(st.sampled_from([1, 3, 8, None])), otherwise=CUT),
        lambda: ChangeNullability("thing", name, optional=True),
        lambda: ChangeNullability("thing", name, optional=False, otherwise=draw(values_of(field).filter(bool))),
        lambda: ChangeChoices("thing", name, ("x", "y", "w"), {"z": "w"}, otherwise="y"),
        lambda: ChangeChoices("thing", name, None),
        lambda: Fill("thing", name, draw(values_of(field).filter(bool))),
        lambda: Fill("thing", name, compute=lambda value: fitted(field, value), sources=(source,)),
        lambda: MapValues("thing", (name,), {"x": "y", "1": "02", 1: 2} if field.kind == "str" else {1: 2}, {}),
        lambda: SplitField("thing", name, (made_text(new), made_text(f"{new}_rest", optional=True)), halves, whole),
        lambda: MergeFields("thing", (name, source), made_text(new), merged, parted),
    ]
    return draw(st.sampled_from(choices))()


def fitted(field: Field, value: Any) -> Any:
    if field.choices is not None:
        return field.choices[0]
    if field.kind == "int":
        return len(str(value))
    return str(value)[: field.length] if field.kind == "str" else "00000000-0000-4000-8000-000000000000"


def made_text(name: str, *, optional: bool = False) -> Field:
    return Field(name, name, "str", optional=optional)


def merged(first: Any, second: Any) -> str:
    return f"{'' if first is None else first}-{'' if second is None else second}"


def parted(text: str) -> tuple[str, str]:
    first, _, second = text.partition("-")
    return first, second


@st.composite
def windows(draw: st.DrawFn) -> Window:
    schema, operations = BASE, list[Operation]()
    for _ in range(draw(st.integers(1, 5))):
        thing = schema.collection("thing")
        if len(thing.fields) < 2:
            break
        operation = draw(operations_on(thing))
        try:
            schema = operation.apply(schema)
        except (MigrationRefused, TypeError):
            continue
        operations.append(operation)
    assume(operations)
    return Window.of(BASE, operations, b"secret")


class Oracle:
    """What a reader of the head must see, from the words of the protocol alone."""

    def __init__(self, window: Window, pin: Pin, old: dict[str, Any]) -> None:
        self.steps = [lens for s in window.steps for lens in s.operation.lenses(s.before, window.secret)]
        self.pin = pin
        self.old = old
        self.pairs: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {}

    def lifted(self) -> dict[str, Any]:
        """Carry the whole old record through the operations, one by one."""
        record = {column: self.old[column] for column in self.pin.base.columns}
        for step in self.steps:
            made = step.up(tuple(record.pop(column) for column in step.base))
            record.update(zip(step.head, made, strict=True))
        return record

    def read(self) -> dict[str, Any]:
        record = self.lifted()
        for lens in self.pin.lenses:
            pair = self.pairs.get(lens.name)
            if pair is not None and all_same(pair[0], taken(self.old, lens.base)):
                record.update(zip(lens.head, pair[1], strict=True))
        return record

    def write_new(self, new: dict[str, Any], down: Callable[[Lens, tuple[Any, ...]], tuple[Any, ...]]) -> None:
        before = self.read()
        untouched = set(self.pin.base.columns) - {c for lens in self.pin.lenses for c in lens.base}
        for column in untouched:
            self.old[column] = new[column]
        for lens in self.pin.lenses:
            values = taken(new, lens.head)
            if all_same(values, taken(before, lens.head)):
                continue
            base = down(lens, values)
            self.old.update(zip(lens.base, base, strict=True))
            self.pairs[lens.name] = (base, values)


def stored_again(value: Any) -> Any:
    """Send a value through JSON, as a store does."""
    return msgspec.json.decode(msgspec.json.encode(value))


LAWS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@LAWS
@given(windows(), st.data())
def test_every_read_equals_the_oracle(window: Window, data: st.DataObject) -> None:
    pin = window.pins["thing"]
    stored: dict[str, Any] = data.draw(records_of(pin.base))
    complement: dict[str, Any] = {}
    oracle = Oracle(window, pin, dict(stored))
    for _ in range(data.draw(st.integers(1, 6))):
        assert pin.load(stored, complement) == oracle.read()
        if data.draw(st.booleans(), label="is_new"):
            new = pin.load(stored, complement)
            wanted = data.draw(records_of(pin.head))
            for column in data.draw(st.sets(st.sampled_from(sorted(new)), max_size=3)):
                new[column] = wanted[column]
            try:
                stored, complement = stored_again(pin.put(new, stored, complement))
            except Pinned:
                continue
            oracle.write_new(new, lambda lens, values: lens.down(values))
            assert pin.load(stored, complement) == new
        else:
            wanted = data.draw(records_of(pin.base))
            for column in data.draw(st.sets(st.sampled_from(sorted(wanted)), max_size=2)):
                stored[column] = oracle.old[column] = wanted[column]  # the complement and unknown columns stay
    assert {column: stored[column] for column in pin.base.columns} == oracle.old


@LAWS
@given(windows(), st.data())
def test_saving_unchanged_changes_nothing(window: Window, data: st.DataObject) -> None:
    pin = window.pins["thing"]
    stored, complement = data.draw(records_of(pin.base)), dict[str, Any]()
    try:
        stored, complement = stored_again(pin.put(data.draw(records_of(pin.head)), stored, complement))
    except Pinned:
        assume(False)
    if data.draw(st.booleans()):
        stored |= data.draw(records_of(pin.base))
    assert pin.put(pin.load(stored, complement), stored, complement) == (stored, complement)


@LAWS
@given(windows(), st.data())
def test_parts_that_are_not_touched_keep_their_bytes(window: Window, data: st.DataObject) -> None:
    pin = window.pins["thing"]
    stored: dict[str, Any] = data.draw(records_of(pin.base)) | {"unknown": 1}
    complement: dict[str, Any] = {"unknown": [[1], [2]]}
    new, wanted = pin.load(stored, complement), data.draw(records_of(pin.head))
    lens = data.draw(st.sampled_from(pin.lenses)) if pin.lenses else None
    assume(lens is not None)
    assert lens is not None
    new.update({column: wanted[column] for column in lens.head})
    try:
        after, beside = pin.put(new, stored, complement)
    except Pinned:
        assume(False)
    mine = {*lens.base, *(pin.absent.keys() & set(lens.head))}
    assert {c: v for c, v in after.items() if c not in mine} == {c: v for c, v in stored.items() if c not in mine}
    assert {n: v for n, v in beside.items() if n != lens.name} == complement


@LAWS
@given(windows(), st.data())
def test_a_new_record_reads_as_it_was_written_and_old_programs_can_read_it(window: Window, data: st.DataObject) -> None:
    pin = window.pins["thing"]
    new = data.draw(records_of(pin.head))
    try:
        stored, complement = stored_again(pin.put(new, None))
    except Pinned:
        assume(False)
    assert pin.load(stored, complement) == new
    assert set(pin.base.columns) <= set(stored)
    assert pin.lower(new) == {column: stored[column] for column in pin.base.columns}


@LAWS
@given(windows(), st.data())
def test_the_generated_lift_is_the_pins(window: Window, data: st.DataObject) -> None:
    pin = window.pins["thing"]
    stored: dict[str, Any] = data.draw(records_of(pin.base)) | {"unknown": 1}
    complement: dict[str, Any] | None = None
    if data.draw(st.booleans(), label="has a complement"):
        try:
            stored, complement = stored_again(pin.put(data.draw(records_of(pin.head)), stored))
        except Pinned:
            assume(False)
    before = dict(stored)
    whole = pin.lift(stored, complement)
    assert upward(pin, None).one(stored, complement) == whole
    columns = {column: f"{column}.2" for column in pin.head.columns}
    assert upward(pin, columns).one(stored, complement) == {f"{column}.2": whole[column] for column in pin.head.columns}
    assert stored == before


@LAWS
@given(windows(), st.data())
def test_many_records_are_lifted_as_each_of_them(window: Window, data: st.DataObject) -> None:
    pin = window.pins["thing"]
    records = data.draw(st.lists(records_of(pin.base), min_size=1, max_size=4))
    whole = [pin.lift({**pin.absent, **record}) for record in records]
    columns = {column: f"{column}.2" for column in pin.head.columns}
    for lift, names in ((upward(pin, None), {c: c for c in columns}), (upward(pin, columns), columns)):
        there = {c: [{**pin.absent, **record}[c] for record in records] for c in lift.many.takes}
        before = {column: list(values) for column, values in there.items()}
        made = lift.many.made(there, len(records))
        for column, name in names.items():
            assert all_same(made[name], [record[column] for record in whole])
        assert made.keys() == set(names.values())
        assert there == before


VALUES = st.one_of(TEXTS, st.text(max_size=8), st.integers(), st.booleans(), st.none(), st.floats(), st.just([1]))


@given(st.sampled_from(list(SHAPES)), st.lists(VALUES, max_size=3))
@example(Field("a", "a", "str"), ["x", "\0"])
@example(Field("a", "a", "str"), ["\ud800", "x"])
@example(Field("a", "a", "int"), [1, True])
@example(Field("a", "a", "int"), [2**63, 1])
@example(Field("a", "a", "int"), [-(2**63) - 1])
@example(Field("a", "a", "str", length=2), ["x", "xyz"])
@example(Field("a", "a", "str"), ["x", None])
def test_what_a_look_at_many_lets_through_is_not_refused(shape: Field, values: list[Any]) -> None:
    if quick_many(shape)(values):
        assert [refusal(shape, value) for value in values] == [None] * len(values)


def test_a_look_at_many_lets_through_what_is_common() -> None:
    assert quick_many(Field("a", "a", "str", length=7))(["Jos\u00e9 Li", ""])
    assert quick_many(Field("n", "n", "int", optional=True))([-5, None, 2**63 - 1])
    assert quick_many(Field("n", "n", "bool"))((True, False))


@given(st.lists(st.one_of(TEXTS, st.text(max_size=20), st.none()), max_size=3))
@example(["1", ""])
@example(["1_0", "2"])
@example(["\u0663"])
@example(["1", "9" * 19])
@example(["7", None])
def test_a_cast_of_many_is_that_of_each_or_none(values: list[Any]) -> None:
    before, after = Field("a", "a", "str", optional=True), Field("a", "a", "int", optional=True)
    (one, many) = cast(before, after), cast_many(before, after)
    assert one is not None
    assert many is not None
    try:
        made = many(values)
    except (TypeError, ValueError):
        return
    assert made == [one(value) for value in values]


@given(st.sampled_from(list(SHAPES)), st.one_of(TEXTS, st.text(max_size=8), st.integers(), st.booleans(), st.none()))
@example(Field("a", "a", "str"), "\0")
@example(Field("a", "a", "str"), "\ud800")
@example(Field("a", "a", "int"), True)
@example(Field("a", "a", "int"), 2**63)
def test_what_a_quick_look_lets_through_is_not_refused(shape: Field, value: Any) -> None:
    if quick(shape)((value,)):
        assert refusal(shape, value) is None
    assert not quick(shape, shape)((value, [])), "each value counts"


def test_a_quick_look_lets_through_what_is_common() -> None:
    assert quick(Field("a", "a", "str", length=7), Field("n", "n", "int"))(("Jos\u00e9 Li", -5))


@LAWS
@given(windows(), st.data())
def test_what_an_old_program_sets_voids_the_complement(window: Window, data: st.DataObject) -> None:
    pin = window.pins["thing"]
    try:
        stored, complement = stored_again(pin.put(data.draw(records_of(pin.head)), None))
    except Pinned:
        assume(False)
    assume(complement)
    lens = next(lens for lens in pin.lenses if lens.name in complement)
    values = data.draw(records_of(pin.base))
    old = taken(values, lens.base)
    assume(lens.base)
    assume(not all_same(old, taken(stored, lens.base)))
    later = {**stored, **dict(zip(lens.base, old, strict=True))}
    assert taken(pin.load(later, complement), lens.head) == lens.up(old)
    # Set back, it counts again: accepted, and documented.
    assert pin.load(stored, complement) == pin.load({**later, **taken_dict(stored, lens)}, complement)


def taken_dict(record: dict[str, Any], lens: Lens) -> dict[str, Any]:
    return {column: record[column] for column in lens.base}


@LAWS
@given(windows())
def test_an_operation_is_undone_by_its_inverse(window: Window) -> None:
    for step in window.steps:
        back = step.operation.inverse(step.before)
        if back is None:
            continue
        schema = step.after
        try:
            for operation in back:
                schema = operation.apply(schema)
        except MigrationRefused as reason:
            pytest.fail(f"{step.operation!r}: {reason}")
        assert {f.name: f for f in schema.collection("thing").fields} == {
            f.name: f for f in step.before.collection("thing").fields
        }
