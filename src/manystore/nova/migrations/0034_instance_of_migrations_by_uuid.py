"""A migration names its instance by uuid. Nova forgot here which it was; here it is looked up."""

from manystore.migrations import ChangeModel, DropReference, Field, Migration, Translate

migration = Migration(
    "0034_instance_of_migrations_by_uuid",
    after=("0033_hosts_of_networks",),
    operations=(
        DropReference("migrations", "instance_id"),
        Translate(
            "migrations",
            "instance_id",
            into=Field("instance_uuid", "instance_uuid", kind="str", optional=True, length=255),
            through="instances",
            match="id",
            take="uuid",
        ),
        ChangeModel("migrations", version=3),
    ),
)
