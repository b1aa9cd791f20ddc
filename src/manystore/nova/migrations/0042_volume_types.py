"""Volumes come in kinds, and users pin keys and values to them."""

from manystore.migrations import AddField, ChangeModel, Collection, CreateModel, Field, Migration, Reference, Unique

RECORD = (
    Field("created_at", "created_at", kind="datetime", optional=True),
    Field("updated_at", "updated_at", kind="datetime", optional=True),
    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
    Field("deleted", "deleted", kind="bool"),
)

migration = Migration(
    "0042_volume_types",
    after=("0041_config_drive",),
    operations=(
        CreateModel(
            Collection(
                "volume_types",
                "VolumeType",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("name", "name", kind="str", optional=True, length=255),
                ),
                key=("id",),
                uniques=(Unique("unique_name", ("name",)),),
                live="deleted",
                generated=True,
                small=True,
            ),
        ),
        CreateModel(
            Collection(
                "volume_type_extra_specs",
                "VolumeTypeExtraSpec",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("key", "key", kind="str", optional=True, length=255),
                    Field("value", "value", kind="str", optional=True, length=255),
                    Field("volume_type_id", "volume_type_id", kind="int"),
                ),
                key=("id",),
                references=(Reference("volume_type_id", "volume_types", on_delete="cascade"),),
                live="deleted",
                generated=True,
            ),
        ),
        CreateModel(
            Collection(
                "volume_metadata",
                "VolumeMetadataItem",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("key", "key", kind="str", optional=True, length=255),
                    Field("value", "value", kind="str", optional=True, length=255),
                    Field("volume_id", "volume_id", kind="int"),
                ),
                key=("id",),
                references=(Reference("volume_id", "volumes", on_delete="cascade"),),
                live="deleted",
                generated=True,
            ),
        ),
        AddField("volumes", Field("volume_type_id", "volume_type_id", kind="int", optional=True)),
        ChangeModel("volumes", version=4),
    ),
)
