"""Projects make arrays of controllers and drives."""

from manystore.migrations import Collection, CreateModel, Field, Migration

migration = Migration(
    "0043_virtual_storage_arrays",
    after=("0042_volume_types",),
    operations=(
        CreateModel(
            Collection(
                "virtual_storage_arrays",
                "VirtualStorageArray",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("display_name", "display_name", kind="str", optional=True, length=255),
                    Field("display_description", "display_description", kind="str", optional=True, length=255),
                    Field("project_id", "project_id", kind="str", optional=True, length=255),
                    Field("availability_zone", "availability_zone", kind="str", optional=True, length=255),
                    Field("instance_type_id", "instance_type_id", kind="int"),
                    Field("image_ref", "image_ref", kind="str", optional=True, length=255),
                    Field("vc_count", "vc_count", kind="int"),
                    Field("vol_count", "vol_count", kind="int"),
                    Field("status", "status", kind="str", optional=True, length=255),
                ),
                key=("id",),
                live="deleted",
                scope="project_id",
                generated=True,
            ),
        ),
    ),
)
