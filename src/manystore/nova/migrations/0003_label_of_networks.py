"""A network may be given a name for people."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0003_label_of_networks",
    after=("0002_bexar",),
    operations=(
        AddField("networks", Field("label", "label", kind="str", optional=True, length=255)),
        ChangeModel("networks", version=3),
    ),
)
