"""An instance may be configured by a drive."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0041_config_drive",
    after=("0040_uuid_of_networks",),
    operations=(
        AddField("instances", Field("config_drive", "config_drive", kind="str", optional=True, length=255)),
        ChangeModel("instances", version=15),
    ),
)
