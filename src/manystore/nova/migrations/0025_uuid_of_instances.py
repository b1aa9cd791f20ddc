"""Each instance gets a uuid, those that are there as well."""

from manystore.migrations import AddField, ChangeModel, Field, KeyedHash, Migration

migration = Migration(
    "0025_uuid_of_instances",
    after=("0024_block_device_mapping",),
    operations=(
        AddField("instances", Field("uuid", "uuid", kind="str", optional=True, length=36), compute=KeyedHash()),
        ChangeModel("instances", version=9),
    ),
)
