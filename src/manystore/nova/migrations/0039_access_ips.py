"""An instance says at which addresses its user reaches it."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0039_access_ips",
    after=("0038_uuid_of_virtual_interfaces",),
    operations=(
        AddField("instances", Field("access_ip_v4", "access_ip_v4", kind="str", optional=True, length=255)),
        AddField("instances", Field("access_ip_v6", "access_ip_v6", kind="str", optional=True, length=255)),
        ChangeModel("instances", version=14),
    ),
)
