"""An instance says what its first disk is called."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0032_root_device_name",
    after=("0031_interface_of_fixed_ips",),
    operations=(
        AddField("instances", Field("root_device_name", "root_device_name", kind="str", optional=True, length=255)),
        ChangeModel("instances", version=12),
    ),
)
