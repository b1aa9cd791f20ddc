"""0003: a field with a constant."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0003_carrier",
    after=("0002_email",),
    operations=(
        AddField("parcel", Field("carrier", "carrier", "str", length=20), default="post"),
        ChangeModel("parcel", version=3),
    ),
)
