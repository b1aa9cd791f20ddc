"""Other clouds below this one become known."""

from manystore.migrations import Collection, CreateModel, Field, Migration

migration = Migration(
    "0004_zones",
    after=("0003_label_of_networks",),
    operations=(
        CreateModel(
            Collection(
                "zones",
                "Zone",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("api_url", "api_url", kind="str", optional=True, length=255),
                    Field("username", "username", kind="str", optional=True, length=255),
                    Field("password", "password", kind="str", optional=True, length=255),
                ),
                key=("id",),
                generated=True,
                small=True,
            ),
        ),
    ),
)
