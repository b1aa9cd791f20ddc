"""The kinds of window that histories take place in: each a small change of one model, and a chain of several.

Pools hold values that the other version reads otherwise, cannot cast, or cannot hold. Every model is stored as `thing`.
"""

# pyright: reportRedeclaration=false
# Both versions of a model have its name.

from __future__ import annotations

from typing import Any

from manystore import field, index, model, unique
from manystore.migrations import (
    AddField,
    AddIndex,
    ChangeType,
    Field,
    Index,
    MapValues,
    MergeFields,
    RenameField,
    SplitField,
)
from manystore.testing.window_field_kinds import add, drop, make_unique, nullability, refer, widen
from manystore.testing.window_kind import COLLECTION, Group, Kind, Values, kind

_TAGS = ("x", "y")
_MAILS = ("a@x", "b@x", "c@x", "d@x", "e@x")
_ZIPS = ("1", "02", "2", "n/a", None)
_NUMBERS = (1, 2, 7, None)
_NAMES = ("Ada L", "Bob", "Cy de Vil")
_FIRSTS, _LASTS = ("Ada", "Bob", "Cy de"), ("L", "", "Vil")


def _text(name: str, length: int = 40, *, optional: bool = False) -> Field:
    return Field(name, name, "str", optional=optional, length=length)


def _index(name: str, field_name: str) -> Index:
    return Index(name, (field_name,), (False,))


# -- how values belong together, in the migrations and, by other functions of their own, for the oracle --


def _halves(name: str) -> tuple[str, str]:
    first, _, last = name.partition(" ")
    return first, last


def _joined(first: str, last: str) -> str:
    return f"{first} {last}".strip()


def _cast(values: Values) -> Values:
    text = values[0]
    return (int(text) if text is not None and text.strip().isdigit() else None,)


def _spelt(values: Values) -> Values:
    return (None if values[0] is None else str(values[0]),)


def _split(values: Values) -> Values:
    first, *rest = values[0].split(" ", 1)
    return first, rest[0] if rest else ""


def _unsplit(values: Values) -> Values:
    return (" ".join(values).strip(),)


# -- the kinds --


def rename() -> Kind:
    """A field gets another name; it has an index and a unique."""

    @model(collection=COLLECTION, indexes=[index("mail"), index("tag")], uniques=[unique("mail", name="one_mail")])
    class Thing:
        id: int = field(key=True)
        tag: str = field(max_length=10)
        mail: str | None = field(default=None, max_length=40)

    base = Thing

    @model(
        collection=COLLECTION,
        version=2,
        indexes=[index("email", name="by_mail"), index("tag")],
        uniques=[unique("email", name="one_mail")],
    )
    class Thing:  # type: ignore[no-redef]
        id: int = field(key=True)
        tag: str = field(max_length=10)
        email: str | None = field(default=None, max_length=40)

    return kind(
        "rename",
        (base, Thing),
        ((RenameField(COLLECTION, "mail", "email"),),),
        (Group(("tag",), ("tag",)), Group(("mail",), ("email",))),
        ({"tag": _TAGS, "mail": (*_MAILS, None)}, {"tag": _TAGS, "email": (*_MAILS, None)}),
        found=(("mail", "tag"), ("email", "tag")),
        uniques=(("mail",), ("email",)),
    )


def cast(*, is_indexed: bool = False) -> Kind:
    """A text becomes a number, and what is none becomes None; is_indexed: it gets an index as well."""

    @model(collection=COLLECTION, indexes=[index("tag")])
    class Thing:
        id: int = field(key=True)
        tag: str = field(max_length=10)
        zip: str | None = field(default=None, max_length=20)

    base = Thing
    indexes = [index("tag"), *([index("zip")] if is_indexed else [])]

    @model(collection=COLLECTION, version=2, indexes=indexes)
    class Thing:  # type: ignore[no-redef]
        id: int = field(key=True)
        tag: str = field(max_length=10)
        zip: int | None = None

    steps: tuple[Any, ...] = (ChangeType(COLLECTION, Field("zip", "zip", "int", optional=True), otherwise=None),)
    return kind(
        "index over a cast" if is_indexed else "cast",
        (base, Thing),
        ((*steps, AddIndex(COLLECTION, _index("by_zip", "zip"))) if is_indexed else steps,),
        (Group(("tag",), ("tag",)), Group(("zip",), ("zip",), _cast, _spelt)),
        ({"tag": _TAGS, "zip": _ZIPS}, {"tag": _TAGS, "zip": _NUMBERS}),
        found=(("tag",), ("tag", "zip") if is_indexed else ("tag",)),
    )


def split() -> Kind:
    """A field becomes two."""

    @model(collection=COLLECTION, indexes=[index("tag")])
    class Thing:
        id: int = field(key=True)
        name: str = field(max_length=40)
        tag: str = field(max_length=10)

    base = Thing

    @model(collection=COLLECTION, version=2, indexes=[index("tag"), index("last")])
    class Thing:  # type: ignore[no-redef]
        id: int = field(key=True)
        first: str = field(max_length=40)
        last: str = field(max_length=40)
        tag: str = field(max_length=10)

    return kind(
        "split",
        (base, Thing),
        (
            (
                SplitField(COLLECTION, "name", (_text("first"), _text("last")), _halves, _joined),
                AddIndex(COLLECTION, _index("by_last", "last")),
            ),
        ),
        (Group(("tag",), ("tag",)), Group(("name",), ("first", "last"), _split, _unsplit)),
        ({"tag": _TAGS, "name": _NAMES}, {"tag": _TAGS, "first": _FIRSTS, "last": _LASTS}),
        found=(("tag",), ("tag", "last")),
    )


def merge() -> Kind:
    """Two fields become one."""

    @model(collection=COLLECTION, indexes=[index("tag")])
    class Thing:
        id: int = field(key=True)
        first: str = field(max_length=40)
        last: str = field(max_length=40)
        tag: str = field(max_length=10)

    base = Thing

    @model(collection=COLLECTION, version=2, indexes=[index("tag")])
    class Thing:  # type: ignore[no-redef]
        id: int = field(key=True)
        name: str = field(max_length=80)
        tag: str = field(max_length=10)

    return kind(
        "merge",
        (base, Thing),
        ((MergeFields(COLLECTION, ("first", "last"), _text("name", 80), _joined, _halves),),),
        (Group(("tag",), ("tag",)), Group(("first", "last"), ("name",), _unsplit, _split)),
        ({"tag": _TAGS, "first": _FIRSTS, "last": _LASTS}, {"tag": _TAGS, "name": _NAMES}),
        found=(("tag",), ("tag",)),
    )


def map_values() -> Kind:
    """Some values become others, two of them the same one."""

    @model(collection=COLLECTION, indexes=[index("state")])
    class Thing:
        id: int = field(key=True)
        state: str = field(max_length=10)

    base = Thing

    @model(collection=COLLECTION, version=2, indexes=[index("state")])
    class Thing:  # type: ignore[no-redef]
        id: int = field(key=True)
        state: str = field(max_length=10)

    ups, downs = {"a": "on", "b": "on", "c": "off"}, {"on": "a", "off": "c"}
    return kind(
        "map values",
        (base, Thing),
        ((MapValues(COLLECTION, ("state",), ups, downs),),),
        (Group(("state",), ("state",), lambda old: (ups.get(*old, *old),), lambda new: (downs.get(*new, *new),)),),
        ({"state": ("a", "b", "c", "d")}, {"state": ("on", "off", "d", "a")}),
        found=(("state",), ("state",)),
    )


def recode() -> Kind:
    """The values of a unique become others, so all records are made anew while nobody writes."""

    @model(collection=COLLECTION, indexes=[index("tag")], uniques=[unique("code", name="one_code")])
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

    ups: dict[Any, Any] = {f"c{number}": f"k{number}" for number in range(5)}
    downs = {new: old for old, new in ups.items()}
    return kind(
        "recode a unique",
        (base, Thing),
        ((MapValues(COLLECTION, ("code",), ups, downs),),),
        (
            Group(("tag",), ("tag",)),
            Group(("code",), ("code",), lambda old: (ups.get(*old, *old),), lambda new: (downs.get(*new, *new),)),
        ),
        ({"tag": _TAGS, "code": (*ups, "x", None)}, {"tag": _TAGS, "code": (*downs, "x", None)}),
        found=(("tag", "code"), ("tag", "code")),
        uniques=(("code",), ("code",)),
        is_copied=True,
    )


def chain() -> Kind:
    """Two migrations at once: a split, a rename, a cast and a computed field."""

    @model(
        collection=COLLECTION,
        indexes=[index("zip"), index("mail", name="by_mail")],
        uniques=[unique("mail", name="one_mail")],
    )
    class Thing:
        id: int = field(key=True)
        name: str = field(max_length=40)
        mail: str | None = field(default=None, max_length=40)
        zip: str | None = field(default=None, max_length=20)

    base = Thing

    @model(
        collection=COLLECTION,
        version=2,
        indexes=[index("zip"), index("email", name="by_mail"), index("initial")],
        uniques=[unique("email", name="one_mail")],
    )
    class Thing:  # type: ignore[no-redef]
        id: int = field(key=True)
        first: str = field(max_length=40)
        last: str = field(max_length=40)
        email: str | None = field(default=None, max_length=40)
        zip: int | None = None
        initial: str = field(max_length=1)

    def up(values: Values) -> Values:
        first, last = _split(values)
        return first, last, first[:1]

    return kind(
        "chain",
        (base, Thing),
        (
            (
                SplitField(COLLECTION, "name", (_text("first"), _text("last")), _halves, _joined),
                RenameField(COLLECTION, "mail", "email"),
            ),
            (
                ChangeType(COLLECTION, Field("zip", "zip", "int", optional=True), otherwise=None),
                AddField(COLLECTION, _text("initial", 1), compute=lambda first: first[:1], sources=("first",)),
                AddIndex(COLLECTION, _index("by_initial", "initial")),
            ),
        ),
        (
            Group(("name",), ("first", "last", "initial"), up, lambda new: _unsplit(new[:2])),
            Group(("mail",), ("email",)),
            Group(("zip",), ("zip",), _cast, _spelt),
        ),
        (
            {"name": _NAMES, "mail": (*_MAILS, None), "zip": _ZIPS},
            {"first": _FIRSTS, "last": _LASTS, "email": (*_MAILS, None), "zip": _NUMBERS, "initial": ("A", "B", "C")},
        ),
        found=(("mail", "zip"), ("email", "zip", "initial")),
        uniques=(("mail",), ("email",)),
    )


def all_kinds() -> tuple[Kind, ...]:
    """Make every kind."""
    return (
        rename(),
        cast(),
        cast(is_indexed=True),
        split(),
        merge(),
        add(),
        add(is_computed=True),
        drop(),
        widen(),
        map_values(),
        recode(),
        make_unique(),
        refer(is_renamed=True),
        refer(is_renamed=False),
        nullability(is_required=True),
        nullability(is_required=False),
        chain(),
    )
