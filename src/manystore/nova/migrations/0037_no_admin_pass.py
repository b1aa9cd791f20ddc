"""Passwords of instances are no longer kept."""

from manystore.migrations import ChangeModel, DropField, Migration

migration = Migration(
    "0037_no_admin_pass",
    after=("0036_instance_types_of_migrations",),
    operations=(
        DropField("instances", "admin_pass"),
        ChangeModel("instances", version=13),
    ),
)
