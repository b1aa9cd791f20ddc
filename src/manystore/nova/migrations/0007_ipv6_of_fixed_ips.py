"""Fixed ips get IPv6 addresses of their own. 0012 takes them back."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0007_ipv6_of_fixed_ips",
    after=("0006_provider_data_of_volumes",),
    operations=(
        AddField("fixed_ips", Field("addressV6", "addressV6", kind="str", optional=True, length=255)),
        AddField("fixed_ips", Field("netmaskV6", "netmaskV6", kind="str", optional=True, length=255)),
        AddField("fixed_ips", Field("gatewayV6", "gatewayV6", kind="str", optional=True, length=255)),
        ChangeModel("fixed_ips", version=2),
    ),
)
