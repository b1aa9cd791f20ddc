"""A network may have two name servers."""

from manystore.migrations import AddField, ChangeModel, Field, Migration, RenameField

migration = Migration(
    "0035_second_dns",
    after=("0034_instance_of_migrations_by_uuid",),
    operations=(
        RenameField("networks", "dns", name="dns1"),
        AddField("networks", Field("dns2", "dns2", kind="str", optional=True, length=255)),
        ChangeModel("networks", version=7),
    ),
)
