"""A migration may lead to another size."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0013_flavors_of_migrations",
    after=("0012_ipv6_of_networks",),
    operations=(
        AddField("migrations", Field("old_flavor_id", "old_flavor_id", kind="int", optional=True)),
        AddField("migrations", Field("new_flavor_id", "new_flavor_id", kind="int", optional=True)),
        ChangeModel("migrations", version=2),
    ),
)
