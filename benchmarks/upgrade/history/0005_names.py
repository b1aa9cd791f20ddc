"""0005: a split."""

from benchmarks.upgrade.value import join, split

from manystore.migrations import ChangeModel, Field, Migration, SplitField

migration = Migration(
    "0005_names",
    after=("0004_zip",),
    operations=(
        SplitField(
            "parcel",
            "name",
            (Field("first", "first", "str", length=40), Field("last", "last", "str", length=40)),
            up=split,
            down=join,
        ),
        ChangeModel("parcel", version=5),
    ),
)
