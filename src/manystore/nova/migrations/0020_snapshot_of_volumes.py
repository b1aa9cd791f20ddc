"""A volume may be made from a snapshot."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0020_snapshot_of_volumes",
    after=("0019_snapshots",),
    operations=(
        AddField("volumes", Field("snapshot_id", "snapshot_id", kind="int", optional=True)),
        ChangeModel("volumes", version=3),
    ),
)
