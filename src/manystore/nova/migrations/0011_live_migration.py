"""What compute hosts have and use becomes known, and where an instance was launched."""

from manystore.migrations import AddField, ChangeModel, Collection, CreateModel, Field, Migration

migration = Migration(
    "0011_live_migration",
    after=("0010_os_type_of_instances",),
    operations=(
        CreateModel(
            Collection(
                "compute_nodes",
                "ComputeNode",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("service_id", "service_id", kind="int"),
                    Field("vcpus", "vcpus", kind="int"),
                    Field("memory_mb", "memory_mb", kind="int"),
                    Field("local_gb", "local_gb", kind="int"),
                    Field("vcpus_used", "vcpus_used", kind="int"),
                    Field("memory_mb_used", "memory_mb_used", kind="int"),
                    Field("local_gb_used", "local_gb_used", kind="int"),
                    Field("hypervisor_type", "hypervisor_type", kind="str"),
                    Field("hypervisor_version", "hypervisor_version", kind="int"),
                    Field("cpu_info", "cpu_info", kind="str"),
                ),
                key=("id",),
                live="deleted",
                generated=True,
                small=True,
            ),
        ),
        AddField("instances", Field("launched_on", "launched_on", kind="str", optional=True)),
        ChangeModel("instances", version=4),
    ),
)
