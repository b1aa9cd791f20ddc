"""How far the work on an instance has come is told."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0049_progress_of_instances",
    after=("0048_names_of_zones",),
    operations=(
        AddField("instances", Field("progress", "progress", kind="int", optional=True)),
        ChangeModel("instances", version=18),
    ),
)
