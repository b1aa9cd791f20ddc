"""An instance says which system runs in it. Those that are there run Linux."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0010_os_type_of_instances",
    after=("0009_migrations",),
    operations=(
        AddField("instances", Field("os_type", "os_type", kind="str", optional=True, length=255), default="linux"),
        ChangeModel("instances", version=3),
    ),
)
