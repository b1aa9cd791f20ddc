"""An interface may outlive its instance: that it is there is no longer promised."""

from manystore.migrations import DropReference, Migration

migration = Migration(
    "0047_interfaces_without_reference",
    after=("0046_default_devices",),
    operations=(DropReference("virtual_interfaces", "instance_id"),),
)
