"""IPv6 is a matter of networks, not of fixed ips. What was called the router is the gateway."""

from manystore.migrations import AddField, ChangeModel, DropField, Field, Migration, RenameField

migration = Migration(
    "0012_ipv6_of_networks",
    after=("0011_live_migration",),
    operations=(
        RenameField("networks", "ra_server", name="gateway_v6"),
        AddField("networks", Field("netmask_v6", "netmask_v6", kind="str", optional=True, length=255)),
        DropField("fixed_ips", "addressV6"),
        DropField("fixed_ips", "netmaskV6"),
        DropField("fixed_ips", "gatewayV6"),
        ChangeModel("networks", version=4),
        ChangeModel("fixed_ips", version=3),
    ),
)
