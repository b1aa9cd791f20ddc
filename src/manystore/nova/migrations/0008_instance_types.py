"""The sizes of instances move from the code into records.

The first five are put there once: who removes one is rid of it.
"""

from manystore.migrations import Collection, CreateModel, Field, Migration, Seed, Unique

migration = Migration(
    "0008_instance_types",
    after=("0007_ipv6_of_fixed_ips",),
    operations=(
        CreateModel(
            Collection(
                "instance_types",
                "InstanceType",
                fields=(
                    Field("created_at", "created_at", kind="datetime", optional=True),
                    Field("updated_at", "updated_at", kind="datetime", optional=True),
                    Field("deleted_at", "deleted_at", kind="datetime", optional=True),
                    Field("deleted", "deleted", kind="bool"),
                    Field("id", "id", kind="int"),
                    Field("name", "name", kind="str", optional=True, length=255),
                    Field("memory_mb", "memory_mb", kind="int"),
                    Field("vcpus", "vcpus", kind="int"),
                    Field("local_gb", "local_gb", kind="int"),
                    Field("flavorid", "flavorid", kind="int", optional=True),
                    Field("swap", "swap", kind="int"),
                    Field("rxtx_quota", "rxtx_quota", kind="int"),
                    Field("rxtx_cap", "rxtx_cap", kind="int"),
                ),
                key=("id",),
                uniques=(Unique("unique_name", ("name",)), Unique("unique_flavorid", ("flavorid",))),
                live="deleted",
                generated=True,
                small=True,
            ),
        ),
        Seed(
            "instance_types",
            (
                {
                    "id": 1,
                    "deleted": False,
                    "name": "m1.tiny",
                    "memory_mb": 512,
                    "vcpus": 1,
                    "local_gb": 0,
                    "flavorid": 1,
                    "swap": 0,
                    "rxtx_quota": 0,
                    "rxtx_cap": 0,
                },
                {
                    "id": 2,
                    "deleted": False,
                    "name": "m1.small",
                    "memory_mb": 2048,
                    "vcpus": 1,
                    "local_gb": 20,
                    "flavorid": 2,
                    "swap": 0,
                    "rxtx_quota": 0,
                    "rxtx_cap": 0,
                },
                {
                    "id": 3,
                    "deleted": False,
                    "name": "m1.medium",
                    "memory_mb": 4096,
                    "vcpus": 2,
                    "local_gb": 40,
                    "flavorid": 3,
                    "swap": 0,
                    "rxtx_quota": 0,
                    "rxtx_cap": 0,
                },
                {
                    "id": 4,
                    "deleted": False,
                    "name": "m1.large",
                    "memory_mb": 8192,
                    "vcpus": 4,
                    "local_gb": 80,
                    "flavorid": 4,
                    "swap": 0,
                    "rxtx_quota": 0,
                    "rxtx_cap": 0,
                },
                {
                    "id": 5,
                    "deleted": False,
                    "name": "m1.xlarge",
                    "memory_mb": 16384,
                    "vcpus": 8,
                    "local_gb": 160,
                    "flavorid": 5,
                    "swap": 0,
                    "rxtx_quota": 0,
                    "rxtx_cap": 0,
                },
            ),
        ),
    ),
)
