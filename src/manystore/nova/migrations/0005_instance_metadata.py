"""Users pin keys and values to instances, and a quota says how many."""

from manystore.migrations import AddField, ChangeModel, Collection, CreateModel, Field, Migration, Reference

migration = Migration(
    "0005_instance_metadata",
    after=("0004_zones",),
    operations=(
        CreateModel(
            Collection(
                "instance_metadata",
                "InstanceMetadataItem",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("key", "key", kind="str", optional=True, length=255),
                    Field("value", "value", kind="str", optional=True, length=255),
                    Field("instance_id", "instance_id", kind="int"),
                ),
                key=("id",),
                references=(Reference("instance_id", "instances", on_delete="cascade"),),
                live="deleted",
                generated=True,
            ),
        ),
        AddField("quotas", Field("metadata_items", "metadata_items", kind="int", optional=True)),
        ChangeModel("quotas", version=2),
    ),
)
