"""0002: a rename, and the name of the model."""

from manystore.migrations import ChangeModel, Migration, RenameField, RenameModel

migration = Migration(
    "0002_email",
    after=("0001_parcels",),
    operations=(
        RenameModel("parcel", "Parcel"),
        RenameField("parcel", "mail", "email"),
        ChangeModel("parcel", version=2),
    ),
)
