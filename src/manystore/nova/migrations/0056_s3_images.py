"""Images get the numbers by which another API knows them."""

from manystore.migrations import Collection, CreateModel, Field, Migration

migration = Migration(
    "0056_s3_images",
    after=("0055_flavorid_as_text",),
    operations=(
        CreateModel(
            Collection(
                "s3_images",
                "S3Image",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("uuid", "uuid", kind="str", length=36),
                ),
                key=("id",),
                live="deleted",
                generated=True,
            ),
        ),
    ),
)
