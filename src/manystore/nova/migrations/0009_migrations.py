"""That an instance is on its way from one host to another is written down."""

from manystore.migrations import Collection, CreateModel, Field, Migration, Reference

migration = Migration(
    "0009_migrations",
    after=("0008_instance_types",),
    operations=(
        CreateModel(
            Collection(
                "migrations",
                "Migration",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("source_compute", "source_compute", kind="str", optional=True, length=255),
                    Field("dest_compute", "dest_compute", kind="str", optional=True, length=255),
                    Field("dest_host", "dest_host", kind="str", optional=True, length=255),
                    Field("instance_id", "instance_id", kind="int", optional=True),
                    Field("status", "status", kind="str", optional=True, length=255),
                ),
                key=("id",),
                references=(Reference("instance_id", "instances"),),
                live="deleted",
                generated=True,
            ),
        ),
    ),
)
