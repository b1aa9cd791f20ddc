"""Kinds of window in which a field comes, goes, or holds more or fewer values than before.

As in window_kinds.py, which has those in which values become others.
"""

# pyright: reportRedeclaration=false
# Both versions of a model have its name.

from __future__ import annotations

from manystore import field, index, model, ref, unique
from manystore.migrations import (
    AddField,
    AddIndex,
    AddReference,
    AddUnique,
    ChangeLength,
    ChangeNullability,
    DropField,
    Field,
    Index,
    Operation,
    Reference,
    RenameField,
    Unique,
)
from manystore.testing.window_kind import COLLECTION, Group, Kind, Pools, Values, kind, same

_TAGS = ("x", "y")


def _refused() -> Values:
    raise ValueError("the base cannot hold it")


def add(*, is_computed: bool = False) -> Kind:
    """A field comes, with a constant and an index, or made of another one."""

    @model(collection=COLLECTION, indexes=[index("tag")])
    class Thing:
        id: int = field(key=True)
        tag: str = field(max_length=10)

    base = Thing
    indexes = [index("tag"), index("city")]

    @model(collection=COLLECTION, version=2, indexes=indexes)
    class Thing:  # type: ignore[no-redef]
        id: int = field(key=True)
        tag: str = field(max_length=10)
        city: str = field(max_length=10)

    by_city = AddIndex(COLLECTION, Index("by_city", ("city",), (False,)))
    city = Field("city", "city", "str", length=10)
    groups: tuple[Group, ...]
    if is_computed:
        added = AddField(COLLECTION, city, compute=lambda tag: tag.upper(), sources=("tag",))
        groups = (Group(("tag",), ("tag", "city"), lambda old: (old[0], old[0].upper()), lambda new: new[:1]),)
    else:
        added = AddField(COLLECTION, city, default="Oslo")
        groups = (Group(("tag",), ("tag",)), Group((), ("city",), lambda _: ("Oslo",), lambda _: ()))
    return kind(
        "add computed" if is_computed else "add constant",
        (base, Thing),
        ((added, by_city),),
        groups,
        ({"tag": _TAGS}, {"tag": _TAGS, "city": ("X", "Oslo", "Rome")}),
        found=(("tag",), ("tag", "city")),
    )


def drop() -> Kind:
    """A field goes; older programs see a stand-in in what newer ones make."""

    @model(collection=COLLECTION, indexes=[index("tag")])
    class Thing:
        id: int = field(key=True)
        note: str = field(max_length=10)
        tag: str = field(max_length=10)

    base = Thing

    @model(collection=COLLECTION, version=2, indexes=[index("tag")])
    class Thing:  # type: ignore[no-redef]
        id: int = field(key=True)
        tag: str = field(max_length=10)

    return kind(
        "drop",
        (base, Thing),
        ((DropField(COLLECTION, "note", stand_in="-"),),),
        (Group(("tag",), ("tag",)), Group(("note",), (), lambda _: (), lambda _: ("-",))),
        ({"tag": _TAGS, "note": ("p", "q", "-")}, {"tag": _TAGS}),
        found=(("tag",), ("tag",)),
    )


def widen() -> Kind:
    """A text may be longer: the base cannot hold that."""

    @model(collection=COLLECTION, indexes=[index("title")])
    class Thing:
        id: int = field(key=True)
        title: str = field(max_length=4)

    base = Thing

    @model(collection=COLLECTION, version=2, indexes=[index("title")])
    class Thing:  # type: ignore[no-redef]
        id: int = field(key=True)
        title: str = field(max_length=8)

    return kind(
        "widen",
        (base, Thing),
        ((ChangeLength(COLLECTION, "title", 8),),),
        (Group(("title",), ("title",), same, lambda new: new if len(new[0]) <= 4 else _refused()),),
        ({"title": ("a", "bb")}, {"title": ("a", "bb", "longer")}),
        found=(("title",), ("title",)),
    )


def make_unique() -> Kind:
    """A field is to be held once from now on."""

    @model(collection=COLLECTION, indexes=[index("tag")])
    class Thing:
        id: int = field(key=True)
        tag: str = field(max_length=10)
        code: str | None = field(default=None, max_length=10)

    base = Thing

    @model(collection=COLLECTION, version=2, indexes=[index("tag")], uniques=[unique("code", name="one_code")])
    class Thing:  # type: ignore[no-redef]
        id: int = field(key=True)
        tag: str = field(max_length=10)
        code: str | None = field(default=None, max_length=10)

    codes = (*(f"c{number}" for number in range(8)), None, None)
    return kind(
        "add unique",
        (base, Thing),
        ((AddUnique(COLLECTION, Unique("one_code", ("code",))),),),
        (Group(("tag",), ("tag",)), Group(("code",), ("code",))),
        ({"tag": _TAGS, "code": codes}, {"tag": _TAGS, "code": codes}),
        found=(("tag",), ("tag", "code")),
        uniques=(("code",), ("code",)),
        may_refuse=True,
    )


def refer(*, is_renamed: bool) -> Kind:
    """A field is to lead to another record from now on, or did so already and gets another name."""
    if is_renamed:

        @model(collection=COLLECTION, indexes=[index("tag"), index("boss")])
        class Thing:
            id: int = field(key=True)
            tag: str = field(max_length=10)
            boss: int | None = ref(to="Thing.id", default=None, on_delete="restrict")
    else:

        @model(collection=COLLECTION, indexes=[index("tag"), index("boss")])
        class Thing:  # type: ignore[no-redef]
            id: int = field(key=True)
            tag: str = field(max_length=10)
            boss: int | None = None

    base = Thing
    if is_renamed:

        @model(collection=COLLECTION, version=2, indexes=[index("tag"), index("chief", name="by_boss")])
        class Thing:  # type: ignore[no-redef]
            id: int = field(key=True)
            tag: str = field(max_length=10)
            chief: int | None = ref(to="Thing.id", default=None, on_delete="restrict")
    else:

        @model(collection=COLLECTION, version=2, indexes=[index("tag"), index("boss")])
        class Thing:  # type: ignore[no-redef]
            id: int = field(key=True)
            tag: str = field(max_length=10)
            boss: int | None = ref(to="Thing.id", default=None, on_delete="restrict")

    name = "chief" if is_renamed else "boss"
    step: Operation = AddReference(COLLECTION, Reference("boss", COLLECTION, "restrict"))
    if is_renamed:
        step = RenameField(COLLECTION, "boss", "chief")
    leads = (1, 1, 2, 3, None, None) if is_renamed else (1, 2, None, None, None, None)
    return kind(
        "rename a reference" if is_renamed else "add a reference",
        (base, Thing),
        ((step,),),
        (Group(("tag",), ("tag",)), Group(("boss",), (name,))),
        ({"tag": _TAGS, "boss": leads}, {"tag": _TAGS, name: leads}),
        found=(("tag", "boss"), ("tag", name)),
        refers=("boss", name),
        may_refuse=not is_renamed,
    )


def nullability(*, is_required: bool) -> Kind:
    """A field may no longer be None, or may be it from now on."""
    loose: Pools = {"note": ("p", "q", None)}
    strict: Pools = {"note": ("p", "q", "none")}
    if is_required:

        @model(collection=COLLECTION, indexes=[index("note")])
        class Thing:
            id: int = field(key=True)
            note: str | None = field(default=None, max_length=10)

        base = Thing

        @model(collection=COLLECTION, version=2, indexes=[index("note")])
        class Thing:  # type: ignore[no-redef]
            id: int = field(key=True)
            note: str = field(max_length=10)

        step = ChangeNullability(COLLECTION, "note", optional=False, otherwise="none")
        group = Group(("note",), ("note",), lambda old: ("none",) if old == (None,) else old)
        pools = (loose, strict)
    else:

        @model(collection=COLLECTION, indexes=[index("note")])
        class Thing:  # type: ignore[no-redef]
            id: int = field(key=True)
            note: str = field(max_length=10)

        base = Thing

        @model(collection=COLLECTION, version=2, indexes=[index("note")])
        class Thing:  # type: ignore[no-redef]
            id: int = field(key=True)
            note: str | None = field(default=None, max_length=10)

        step = ChangeNullability(COLLECTION, "note", optional=True)
        group = Group(("note",), ("note",), same, lambda new: new if new != (None,) else _refused())
        pools = (strict, loose)
    name = "forbid None" if is_required else "allow None"
    return kind(name, (base, Thing), ((step,),), (group,), pools, found=(("note",), ("note",)))
