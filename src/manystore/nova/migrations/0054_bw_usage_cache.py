"""What an instance sends and receives is kept for accounts."""

from manystore.migrations import Collection, CreateModel, Field, Migration

migration = Migration(
    "0054_bw_usage_cache",
    after=("0053_connection_info",),
    operations=(
        CreateModel(
            Collection(
                "bw_usage_cache",
                "BandwidthUsage",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("instance_id", "instance_id", kind="int"),
                    Field("network_label", "network_label", kind="str", optional=True, length=255),
                    Field("start_period", "start_period", kind="datetime"),
                    Field("last_refreshed", "last_refreshed", kind="datetime", optional=True),
                    Field("bw_in", "bw_in", kind="int", optional=True),
                    Field("bw_out", "bw_out", kind="int", optional=True),
                ),
                key=("id",),
                live="deleted",
                generated=True,
            ),
        ),
    ),
)
