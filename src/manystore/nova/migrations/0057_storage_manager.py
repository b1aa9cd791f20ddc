"""The storage manager writes down what it has, and where volumes lie."""

from manystore.migrations import Collection, CreateModel, Field, Migration, Reference

RECORD = (
    Field("created_at", "created_at", kind="datetime", optional=True),
    Field("updated_at", "updated_at", kind="datetime", optional=True),
    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
    Field("deleted", "deleted", kind="bool"),
)

migration = Migration(
    "0057_storage_manager",
    after=("0056_s3_images",),
    operations=(
        CreateModel(
            Collection(
                "sm_flavors",
                "SMFlavor",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("label", "label", kind="str", optional=True, length=255),
                    Field("description", "description", kind="str", optional=True, length=255),
                ),
                key=("id",),
                generated=True,
                small=True,
            ),
        ),
        CreateModel(
            Collection(
                "sm_backend_config",
                "SMBackendConf",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("flavor_id", "flavor_id", kind="int"),
                    Field("sr_uuid", "sr_uuid", kind="str", optional=True, length=255),
                    Field("sr_type", "sr_type", kind="str", optional=True, length=255),
                    Field("config_params", "config_params", kind="str", optional=True, length=2047),
                ),
                key=("id",),
                references=(Reference("flavor_id", "sm_flavors"),),
                generated=True,
                small=True,
            ),
        ),
        CreateModel(
            Collection(
                "sm_volume",
                "SMVolume",
                fields=(
                    *RECORD,
                    Field("id", "id", kind="int"),
                    Field("backend_id", "backend_id", kind="int"),
                    Field("vdi_uuid", "vdi_uuid", kind="str", optional=True, length=255),
                ),
                key=("id",),
                references=(Reference("id", "volumes"), Reference("backend_id", "sm_backend_config")),
            ),
        ),
    ),
)
