"""0006: a computed field."""

from benchmarks.upgrade.value import volume

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0006_volume",
    after=("0005_names",),
    operations=(
        AddField("parcel", Field("volume", "volume", "int"), compute=volume, sources=("width", "height", "depth")),
        ChangeModel("parcel", version=6),
    ),
)
