"""Each interface gets a uuid, those that are there as well."""

from manystore.migrations import AddField, ChangeModel, Field, KeyedHash, Migration

migration = Migration(
    "0038_uuid_of_virtual_interfaces",
    after=("0037_no_admin_pass",),
    operations=(
        AddField(
            "virtual_interfaces",
            Field("uuid", "uuid", kind="str", optional=True, length=36),
            compute=KeyedHash(),
        ),
        ChangeModel("virtual_interfaces", version=2),
    ),
)
