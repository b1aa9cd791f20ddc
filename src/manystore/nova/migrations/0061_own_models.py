"""Three models of our own: a replay's journal, that a project took a network, and what projects use."""

from manystore.migrations import Collection, CreateModel, Field, Migration

RECORD = (
    Field("created_at", "created_at", kind="datetime", optional=True),
    Field("updated_at", "updated_at", kind="datetime", optional=True),
    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
    Field("deleted", "deleted", kind="bool"),
)

migration = Migration(
    "0061_own_models",
    after=("0060_access_paths",),
    operations=(
        CreateModel(
            Collection(
                "journals",
                "Journal",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("trace", "trace", kind="str", length=64),
                    Field("rows", "rows", kind="int"),
                    Field("hosts", "hosts", kind="int"),
                    Field("workers", "workers", kind="int"),
                    Field("profile", "profile", kind="str", length=8),
                    Field("plane", "plane", kind="bool"),
                    Field("event", "event", kind="int"),
                    Field("step", "step", kind="int"),
                    Field("instance_id", "instance_id", kind="int", optional=True),
                    Field("compute_node_id", "compute_node_id", kind="int", optional=True),
                    Field("fixed_ip", "fixed_ip", kind="str", optional=True, length=255),
                    Field("floating_ip", "floating_ip", kind="str", optional=True, length=255),
                    Field("volume_id", "volume_id", kind="int", optional=True),
                    Field("volume_number", "volume_number", kind="int"),
                    Field("booted", "booted", kind="int"),
                    Field("deleted_instances", "deleted_instances", kind="int"),
                    Field("refused_quota", "refused_quota", kind="int"),
                    Field("refused_room", "refused_room", kind="int"),
                    Field("refused_pool", "refused_pool", kind="int"),
                    Field("operations", "operations", kind="int"),
                    Field("milliseconds", "milliseconds", kind="int"),
                    Field("done", "done", kind="bool"),
                    Field("floating_ips", "floating_ips", kind="int"),
                    Field("freed_floating_ips", "freed_floating_ips", kind="int"),
                    Field("refused_floating_quota", "refused_floating_quota", kind="int"),
                    Field("refused_floating_pool", "refused_floating_pool", kind="int"),
                    Field("volumes", "volumes", kind="int"),
                    Field("deleted_volumes", "deleted_volumes", kind="int"),
                    Field("refused_volume_quota", "refused_volume_quota", kind="int"),
                    Field("refused_target", "refused_target", kind="int"),
                ),
                key=("id",),
                small=True,
            ),
        ),
        CreateModel(
            Collection(
                "network_takings",
                "NetworkTaking",
                fields=(
                    *RECORD,
                    Field("project_id", "project_id", kind="str", length=255),
                ),
                key=("project_id",),
            ),
        ),
        CreateModel(
            Collection(
                "quota_uses",
                "QuotaUse",
                fields=(
                    *RECORD,
                    Field("project_id", "project_id", kind="str", length=255),
                    Field("resource", "resource", kind="str", length=255),
                    Field("used", "used", kind="int"),
                ),
                key=("project_id", "resource"),
            ),
        ),
    ),
)
