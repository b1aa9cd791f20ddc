"""From any schema to any other: the comparison leads there, one matter at a time, or asks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manystore.migrations import FILL_IN, Collection, Field, Index, Reference, Unique
from manystore.migrations.comparison import compare
from manystore.migrations.wanted import Wanted
from manystore.schema.schema import Schema

NAMES = ("a", "b", "c", "d")


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    kind: Any = draw(st.sampled_from(["int", "str", "decimal", "uuid"]))
    parts: dict[str, Any] = {"optional": draw(st.booleans())}
    if kind == "str":
        parts |= {
            "length": draw(st.sampled_from([None, 5, 9])),
            "choices": draw(st.sampled_from([None, ("x",), ("x", "y")])),
        }
    if kind == "decimal":
        parts |= {"digits": draw(st.sampled_from([5, 7])), "scale": draw(st.sampled_from([0, 2]))}
    return Field(name, draw(st.sampled_from([name, f"c_{name}"])), kind, **parts)


@st.composite
def collections(draw: st.DrawFn, name: str, others: tuple[str, ...]) -> Collection:
    names = draw(st.permutations(draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))))
    own = [draw(fields(field)) for field in names]
    ints = [f.name for f in own if f.kind == "int" and not f.optional]
    key = Field("id", "id", "int")
    place = draw(st.integers(0, len(own)))
    parts = st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=2).map(tuple) if names else st.nothing()
    indexed = draw(st.lists(parts, max_size=2, unique=True)) if names else []
    uniques = draw(st.lists(parts, max_size=1)) if names else []
    leads = draw(st.sampled_from([*ints, None]))
    return Collection(
        name,
        draw(st.sampled_from([name.title(), name.upper()])),
        (*own[:place], key, *own[place:]),
        ("id",),
        tuple(Index(f"by_{'_'.join(i)}", i, tuple(draw(st.booleans()) for _ in i)) for i in indexed),
        tuple(Unique(f"unique_{'_'.join(u)}", u) for u in uniques),
        (Reference(leads, draw(st.sampled_from([name, *others])), "cascade"),) if leads and others else (),
        small=draw(st.booleans()),
        generated=draw(st.booleans()),
        scope=draw(st.sampled_from([None, *names])),
    )


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    names = tuple(draw(st.lists(st.sampled_from(["x", "y", "z"]), unique=True)))
    return Schema(tuple(draw(collections(name, names)) for name in sorted(names)))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(schemas(), schemas())
def test_the_operations_lead_from_any_schema_to_any_other(before: Schema, after: Schema) -> None:
    defaults = {(c.name, f.name): None if f.optional else FILL_IN for c in after.collections for f in c.fields}
    draft = compare(before, Wanted(after, {}, {}, defaults))
    state = before
    for operation in draft.operations:
        state = operation.apply(state)
    assert versionless(state) == versionless(after)
    gone = {f"all values of {c.model}.{f.name}" for c, f in lost(before, after)}
    gone |= {f"all records of {c.model}" for c in before.collections if c.name not in after}
    assert set(draft.dropped) == gone


def lost(before: Schema, after: Schema) -> list[tuple[Collection, Field]]:
    both = [(c, after.collection(c.name)) for c in before.collections if c.name in after]
    return [(there, f) for here, there in both for f in here.fields if f.name not in there.positions]


def versionless(schema: Schema) -> Schema:
    return Schema(tuple(msgspec.structs.replace(c, version=1) for c in schema.collections))


@settings(max_examples=30, deadline=None)
@given(schemas())
def test_nothing_leads_from_a_schema_to_itself(schema: Schema) -> None:
    defaults = {(c.name, f.name): None for c in schema.collections for f in c.fields}
    assert compare(schema, Wanted(schema, {}, {}, defaults)).operations == ()
