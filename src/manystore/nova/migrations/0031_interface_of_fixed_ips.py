"""That the interface of a fixed ip is there is promised. Nova lost all fixed ips here on one database; here none is."""

from manystore.migrations import AddReference, Migration, Reference

migration = Migration(
    "0031_interface_of_fixed_ips",
    after=("0030_virtual_interfaces",),
    operations=(
        AddReference("fixed_ips", Reference("virtual_interface_id", "virtual_interfaces", on_delete="set_null")),
    ),
)
