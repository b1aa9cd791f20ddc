"""The provider forbids traffic in the whole cloud."""

from manystore.migrations import Collection, CreateModel, Field, Migration

migration = Migration(
    "0027_provider_fw_rules",
    after=("0026_agent_builds",),
    operations=(
        CreateModel(
            Collection(
                "provider_fw_rules",
                "ProviderFirewallRule",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("protocol", "protocol", kind="str", optional=True, length=5),
                    Field("from_port", "from_port", kind="int", optional=True),
                    Field("to_port", "to_port", kind="int", optional=True),
                    Field("cidr", "cidr", kind="str", optional=True, length=255),
                ),
                key=("id",),
                live="deleted",
                generated=True,
                small=True,
            ),
        ),
    ),
)
