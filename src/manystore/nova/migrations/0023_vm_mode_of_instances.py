"""An instance says how it is virtualised."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0023_vm_mode_of_instances",
    after=("0022_engine",),
    operations=(
        AddField("instances", Field("vm_mode", "vm_mode", kind="str", optional=True, length=255)),
        ChangeModel("instances", version=8),
    ),
)
