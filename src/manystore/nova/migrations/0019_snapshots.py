"""Volumes can be kept as they were at one moment."""

from manystore.migrations import Collection, CreateModel, Field, Migration

migration = Migration(
    "0019_snapshots",
    after=("0018_server_management_url",),
    operations=(
        CreateModel(
            Collection(
                "snapshots",
                "Snapshot",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("user_id", "user_id", kind="str", optional=True, length=255),
                    Field("project_id", "project_id", kind="str", optional=True, length=255),
                    Field("volume_id", "volume_id", kind="int"),
                    Field("status", "status", kind="str", optional=True, length=255),
                    Field("progress", "progress", kind="str", optional=True, length=255),
                    Field("volume_size", "volume_size", kind="int", optional=True),
                    Field("display_name", "display_name", kind="str", optional=True, length=255),
                    Field("display_description", "display_description", kind="str", optional=True, length=255),
                    Field("scheduled_at", "scheduled_at", kind="datetime", optional=True),
                ),
                key=("id",),
                live="deleted",
                scope="project_id",
                generated=True,
            ),
        ),
    ),
)
