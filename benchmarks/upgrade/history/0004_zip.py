"""0004: a cast, of a field with an index."""

from manystore.migrations import ChangeModel, ChangeType, Field, Migration

migration = Migration(
    "0004_zip",
    after=("0003_carrier",),
    operations=(ChangeType("parcel", Field("zip", "zip", "int"), otherwise=0), ChangeModel("parcel", version=4)),
)
