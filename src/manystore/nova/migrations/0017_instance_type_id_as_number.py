"""An instance's type is the number that an id is. A text that is none becomes None."""

from manystore.migrations import ChangeModel, ChangeType, Field, Migration

migration = Migration(
    "0017_instance_type_id_as_number",
    after=("0016_quotas_as_rows",),
    operations=(
        ChangeType(
            "instances",
            Field("instance_type_id", "instance_type_id", kind="int", optional=True),
            otherwise=None,
        ),
        ChangeModel("instances", version=6),
    ),
)
