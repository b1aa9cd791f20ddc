"""A flavor id may be any text, and still belongs to one type."""

from manystore.migrations import STOP, AddUnique, ChangeModel, ChangeType, DropUnique, Field, Migration, Unique

migration = Migration(
    "0055_flavorid_as_text",
    after=("0054_bw_usage_cache",),
    operations=(
        DropUnique("instance_types", "unique_flavorid"),
        ChangeType("instance_types", Field("flavorid", "flavorid", kind="str", optional=True, length=255), back=STOP),
        AddUnique("instance_types", Unique("unique_flavorid", ("flavorid",))),
        ChangeModel("instance_types", version=3),
    ),
)
