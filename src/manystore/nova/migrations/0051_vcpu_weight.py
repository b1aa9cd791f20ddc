"""Processors of a size may weigh more or less."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0051_vcpu_weight",
    after=("0050_managed_disk",),
    operations=(
        AddField("instance_types", Field("vcpu_weight", "vcpu_weight", kind="int", optional=True)),
        ChangeModel("instance_types", version=2),
    ),
)
