"""Each network gets a uuid, those that are there as well."""

from manystore.migrations import AddField, ChangeModel, Field, KeyedHash, Migration

migration = Migration(
    "0040_uuid_of_networks",
    after=("0039_access_ips",),
    operations=(
        AddField("networks", Field("uuid", "uuid", kind="str", optional=True, length=36), compute=KeyedHash()),
        ChangeModel("networks", version=8),
    ),
)
