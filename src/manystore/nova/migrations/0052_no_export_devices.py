"""Devices of a kind that nobody exports any more go."""

from manystore.migrations import DropModel, Migration

migration = Migration(
    "0052_no_export_devices",
    after=("0051_vcpu_weight",),
    operations=(DropModel("export_devices"),),
)
