"""Networks are handed out in an order."""

from manystore.migrations import AddField, ChangeModel, Field, Migration

migration = Migration(
    "0045_priority_of_networks",
    after=("0044_states_of_instances",),
    operations=(
        AddField("networks", Field("priority", "priority", kind="int", optional=True)),
        ChangeModel("networks", version=9),
    ),
)
