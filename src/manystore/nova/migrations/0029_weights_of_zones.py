"""Costs in another cloud are weighed."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0029_weights_of_zones",
    after=("0028_instance_type_extra_specs",),
    operations=(
        AddField("zones", Field("weight_offset", "weight_offset", kind="float", optional=True)),
        AddField("zones", Field("weight_scale", "weight_scale", kind="float", optional=True)),
        ChangeModel("zones", version=2),
    ),
)
