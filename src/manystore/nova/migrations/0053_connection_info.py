"""A mapping remembers how its volume is reached."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0053_connection_info",
    after=("0052_no_export_devices",),
    operations=(
        AddField("block_device_mapping", Field("connection_info", "connection_info", kind="str", optional=True)),
        ChangeModel("block_device_mapping", version=2),
    ),
)
