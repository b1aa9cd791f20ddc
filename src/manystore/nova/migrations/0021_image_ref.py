"""Images are referred to in more ways than by id."""

from manystore.migrations import ChangeModel, Migration, RenameField

migration = Migration(
    "0021_image_ref",
    after=("0020_snapshot_of_volumes",),
    operations=(
        RenameField("instances", "image_id", name="image_ref"),
        ChangeModel("instances", version=7),
    ),
)
