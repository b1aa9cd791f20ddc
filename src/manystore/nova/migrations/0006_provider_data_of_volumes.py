"""A volume remembers where its driver has put it, and how to get in there."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0006_provider_data_of_volumes",
    after=("0005_instance_metadata",),
    operations=(
        AddField("volumes", Field("provider_location", "provider_location", kind="str", optional=True, length=255)),
        AddField("volumes", Field("provider_auth", "provider_auth", kind="str", optional=True, length=255)),
        ChangeModel("volumes", version=2),
    ),
)
