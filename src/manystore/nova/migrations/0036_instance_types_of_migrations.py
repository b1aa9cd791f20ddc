"""A migration names sizes by the ids of instance types, not by flavor ids.

Nova forgot those that no type has; here such a one stops it.
"""

from manystore.migrations import ChangeModel, Field, Migration, Translate

migration = Migration(
    "0036_instance_types_of_migrations",
    after=("0035_second_dns",),
    operations=(
        Translate(
            "migrations",
            "old_flavor_id",
            into=Field("old_instance_type_id", "old_instance_type_id", kind="int", optional=True),
            through="instance_types",
            match="flavorid",
            take="id",
        ),
        Translate(
            "migrations",
            "new_flavor_id",
            into=Field("new_instance_type_id", "new_instance_type_id", kind="int", optional=True),
            through="instance_types",
            match="flavorid",
            take="id",
        ),
        ChangeModel("migrations", version=4),
    ),
)
