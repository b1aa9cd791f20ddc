"""What an instance sees under the names of its devices is written down."""

from manystore.migrations import Collection, CreateModel, Field, Migration, Reference

migration = Migration(
    "0024_block_device_mapping",
    after=("0023_vm_mode_of_instances",),
    operations=(
        CreateModel(
            Collection(
                "block_device_mapping",
                "BlockDeviceMapping",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("instance_id", "instance_id", kind="int"),
                    Field("device_name", "device_name", kind="str", length=255),
                    Field("delete_on_termination", "delete_on_termination", kind="bool", optional=True),
                    Field("virtual_name", "virtual_name", kind="str", optional=True, length=255),
                    Field("snapshot_id", "snapshot_id", kind="int", optional=True),
                    Field("volume_id", "volume_id", kind="int", optional=True),
                    Field("volume_size", "volume_size", kind="int", optional=True),
                    Field("no_device", "no_device", kind="bool", optional=True),
                ),
                key=("id",),
                references=(
                    Reference("instance_id", "instances"),
                    Reference("snapshot_id", "snapshots"),
                    Reference("volume_id", "volumes"),
                ),
                live="deleted",
                generated=True,
            ),
        ),
    ),
)
