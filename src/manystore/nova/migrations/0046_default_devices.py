"""An instance says what its own disk and its swap space are called."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0046_default_devices",
    after=("0045_priority_of_networks",),
    operations=(
        AddField(
            "instances",
            Field("default_local_device", "default_local_device", kind="str", optional=True, length=255),
        ),
        AddField(
            "instances",
            Field("default_swap_device", "default_swap_device", kind="str", optional=True, length=255),
        ),
        ChangeModel("instances", version=17),
    ),
)
