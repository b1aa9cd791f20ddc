"""0002: one of each kind that goes side by side: split, rename, cast, constant, drop, indexes, a unique."""

from manystore.migrations import (
    AddField,
    AddIndex,
    AddUnique,
    ChangeModel,
    ChangeType,
    DropField,
    Field,
    Index,
    Migration,
    RenameField,
    RenameModel,
    SplitField,
    Unique,
)


def split(name):
    first, _, last = name.partition(" ")
    return first, last


def join(first, last):
    return f"{first} {last}".strip()


migration = Migration(
    "0002_names",
    after=("0001_initial",),
    operations=(
        RenameModel("rider", "Rider"),
        SplitField(
            "rider",
            "name",
            (Field("first", "first", "str", length=40), Field("last", "last", "str", length=40)),
            up=split,
            down=join,
        ),
        RenameField("rider", "mail", "email"),
        ChangeType("rider", Field("zip", "zip", "int", optional=True), otherwise=None),
        AddField("rider", Field("city", "city", "str", length=40), default="Oslo"),
        DropField("rider", "note"),
        AddIndex("rider", Index("by_last", ("last",), (False,))),
        AddIndex("rider", Index("by_city", ("city",), (False,))),
        AddUnique("rider", Unique("unique_email", ("email",))),
        ChangeModel("rider", version=2),
    ),
)
