"""A network may be served by each host, which then has addresses of its own."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0033_hosts_of_networks",
    after=("0032_root_device_name",),
    operations=(
        AddField("fixed_ips", Field("host", "host", kind="str", optional=True, length=255)),
        AddField("networks", Field("multi_host", "multi_host", kind="bool", optional=True)),
        ChangeModel("fixed_ips", version=5),
        ChangeModel("networks", version=6),
    ),
)
