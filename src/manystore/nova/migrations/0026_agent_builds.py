"""Builds of the agent inside guests become known, and an instance says for which processor it is."""

from manystore.migrations import AddField, ChangeModel, Collection, CreateModel, Field, Migration

migration = Migration(
    "0026_agent_builds",
    after=("0025_uuid_of_instances",),
    operations=(
        CreateModel(
            Collection(
                "agent_builds",
                "AgentBuild",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("hypervisor", "hypervisor", kind="str", optional=True, length=255),
                    Field("os", "os", kind="str", optional=True, length=255),
                    Field("architecture", "architecture", kind="str", optional=True, length=255),
                    Field("version", "version", kind="str", optional=True, length=255),
                    Field("url", "url", kind="str", optional=True, length=255),
                    Field("md5hash", "md5hash", kind="str", optional=True, length=255),
                ),
                key=("id",),
                live="deleted",
                generated=True,
                small=True,
            ),
        ),
        AddField("instances", Field("architecture", "architecture", kind="str", optional=True, length=255)),
        ChangeModel("instances", version=10),
    ),
)
