"""An instance says whether its disk is seen to by the hypervisor."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0050_managed_disk",
    after=("0049_progress_of_instances",),
    operations=(
        AddField("instances", Field("managed_disk", "managed_disk", kind="bool", optional=True)),
        ChangeModel("instances", version=19),
    ),
)
