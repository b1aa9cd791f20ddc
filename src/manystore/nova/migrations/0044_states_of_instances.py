"""What an instance is and what is being done to it are told apart. What has no place in the table stays as it is."""

from manystore.migrations import AddField, ChangeModel, Field, MapValues, Migration, RenameField

migration = Migration(
    "0044_states_of_instances",
    after=("0043_virtual_storage_arrays",),
    operations=(
        RenameField("instances", "state", name="power_state"),
        RenameField("instances", "state_description", name="vm_state"),
        AddField("instances", Field("task_state", "task_state", kind="str", optional=True, length=255)),
        MapValues(
            "instances",
            ("vm_state", "task_state"),
            up={
                ("stopping", None): ("active", "stopping"),
                ("stopped", None): ("stopped", None),
                ("terminated", None): ("deleted", None),
                ("terminating", None): ("active", "deleting"),
                ("running", None): ("active", None),
                ("scheduling", None): ("building", "scheduling"),
                ("migrating", None): ("migrating", None),
                ("pending", None): ("building", "scheduling"),
            },
            down={
                ("active", None): ("running", None),
                ("active", "deleting"): ("terminating", None),
                ("active", "stopping"): ("stopping", None),
                ("building", None): ("pending", None),
                ("building", "scheduling"): ("scheduling", None),
                ("stopped", None): ("stopped", None),
                ("rebuilding", None): ("pending", None),
                ("deleted", None): ("terminated", None),
                ("migrating", None): ("migrating", None),
            },
        ),
        ChangeModel("instances", version=16),
    ),
)
