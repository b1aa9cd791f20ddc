"""A floating ip says whether it was given without being asked for. Of those that are there it is not known."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0015_auto_assigned_floating_ips",
    after=("0014_instance_type_by_id",),
    operations=(
        AddField("floating_ips", Field("auto_assigned", "auto_assigned", kind="bool", optional=True)),
        ChangeModel("floating_ips", version=2),
    ),
)
