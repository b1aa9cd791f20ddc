"""Certificates, consoles, a log of actions and iSCSI targets come; a token's user is known by a text, as users are."""

from manystore.migrations import (
    STOP,
    AddField,
    ChangeModel,
    ChangeType,
    Collection,
    CreateModel,
    Field,
    Migration,
    Reference,
)

RECORD = (
    Field("created_at", "created_at", kind="datetime", optional=True),
    Field("updated_at", "updated_at", kind="datetime", optional=True),
    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
    Field("deleted", "deleted", kind="bool"),
)

migration = Migration(
    "0002_bexar",
    after=("0001_austin",),
    operations=(
        CreateModel(
            Collection(
                "certificates",
                "Certificate",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("user_id", "user_id", kind="str", optional=True, length=255),
                    Field("project_id", "project_id", kind="str", optional=True, length=255),
                    Field("file_name", "file_name", kind="str", optional=True, length=255),
                ),
                key=("id",),
                live="deleted",
                scope="project_id",
                generated=True,
            ),
        ),
        CreateModel(
            Collection(
                "console_pools",
                "ConsolePool",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("address", "address", kind="str", optional=True, length=255),
                    Field("username", "username", kind="str", optional=True, length=255),
                    Field("password", "password", kind="str", optional=True, length=255),
                    Field("console_type", "console_type", kind="str", optional=True, length=255),
                    Field("public_hostname", "public_hostname", kind="str", optional=True, length=255),
                    Field("host", "host", kind="str", optional=True, length=255),
                    Field("compute_host", "compute_host", kind="str", optional=True, length=255),
                ),
                key=("id",),
                live="deleted",
                generated=True,
                small=True,
            ),
        ),
        CreateModel(
            Collection(
                "consoles",
                "Console",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("instance_name", "instance_name", kind="str", optional=True, length=255),
                    Field("instance_id", "instance_id", kind="int", optional=True),
                    Field("password", "password", kind="str", optional=True, length=255),
                    Field("port", "port", kind="int", optional=True),
                    Field("pool_id", "pool_id", kind="int", optional=True),
                ),
                key=("id",),
                references=(Reference("pool_id", "console_pools"),),
                generated=True,
            ),
        ),
        CreateModel(
            Collection(
                "instance_actions",
                "InstanceAction",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("instance_id", "instance_id", kind="int", optional=True),
                    Field("action", "action", kind="str", optional=True, length=255),
                    Field("error", "error", kind="str", optional=True),
                ),
                key=("id",),
                references=(Reference("instance_id", "instances", on_delete="cascade"),),
                live="deleted",
                generated=True,
            ),
        ),
        CreateModel(
            Collection(
                "iscsi_targets",
                "IscsiTarget",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("target_num", "target_num", kind="int", optional=True),
                    Field("host", "host", kind="str", optional=True, length=255),
                    Field("volume_id", "volume_id", kind="int", optional=True),
                ),
                key=("id",),
                references=(Reference("volume_id", "volumes", on_delete="set_null"),),
                live="deleted",
                generated=True,
            ),
        ),
        ChangeType("auth_tokens", Field("user_id", "user_id", kind="str", optional=True, length=255), back=STOP),
        AddField("instances", Field("availability_zone", "availability_zone", kind="str", optional=True, length=255)),
        AddField("instances", Field("locked", "locked", kind="bool", optional=True)),
        AddField("networks", Field("cidr_v6", "cidr_v6", kind="str", optional=True, length=255)),
        AddField("networks", Field("ra_server", "ra_server", kind="str", optional=True, length=255)),
        AddField("services", Field("availability_zone", "availability_zone", kind="str", optional=True, length=255)),
        ChangeModel("auth_tokens", version=2),
        ChangeModel("instances", version=2),
        ChangeModel("networks", version=2),
        ChangeModel("services", version=2),
    ),
)
