"""A size may ask more of its host."""

from manystore.migrations import Collection, CreateModel, Field, Migration, Reference

migration = Migration(
    "0028_instance_type_extra_specs",
    after=("0027_provider_fw_rules",),
    operations=(
        CreateModel(
            Collection(
                "instance_type_extra_specs",
                "InstanceTypeExtraSpec",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("key", "key", kind="str", optional=True, length=255),
                    Field("value", "value", kind="str", optional=True, length=255),
                    Field("instance_type_id", "instance_type_id", kind="int"),
                ),
                key=("id",),
                references=(Reference("instance_type_id", "instance_types", on_delete="cascade"),),
                live="deleted",
                generated=True,
            ),
        ),
    ),
)
