"""An instance names its type by id, not by name. It was a text at first, which 0017 mends."""

from manystore.migrations import ChangeModel, ChangeType, Field, Migration, Translate

migration = Migration(
    "0014_instance_type_by_id",
    after=("0013_flavors_of_migrations",),
    operations=(
        Translate(
            "instances",
            "instance_type",
            into=Field("instance_type_id", "instance_type_id", kind="int", optional=True),
            through="instance_types",
            match="name",
            take="id",
            otherwise=None,
        ),
        ChangeType("instances", Field("instance_type_id", "instance_type_id", kind="str", optional=True, length=255)),
        ChangeModel("instances", version=5),
    ),
)
