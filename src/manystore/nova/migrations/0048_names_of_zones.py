"""Other clouds have names."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0048_names_of_zones",
    after=("0047_interfaces_without_reference",),
    operations=(
        AddField("zones", Field("name", "name", kind="str", optional=True, length=255)),
        ChangeModel("zones", version=3),
    ),
)
