"""0001: create model parcel, called OldParcel in the program that has both."""

from manystore.migrations import Collection, CreateModel, Field, Index, Migration, Unique

migration = Migration(
    "0001_parcels",
    operations=(
        CreateModel(
            Collection(
                "parcel",
                "OldParcel",
                (
                    Field("id", "id", "int"),
                    Field("code", "code", "str", length=20),
                    Field("mail", "mail", "str", length=80),
                    Field("zip", "zip", "str", length=10),
                    Field("name", "name", "str", length=80),
                    Field("width", "width", "int"),
                    Field("height", "height", "int"),
                    Field("depth", "depth", "int"),
                    Field("weight", "weight", "int"),
                    Field("depot", "depot", "str", length=20),
                    Field("note", "note", "str", optional=True, length=200),
                    Field("sent_at", "sent_at", "datetime"),
                ),
                ("id",),
                (Index("by_zip", ("zip",), (False,)), Index("by_depot", ("depot",), (False,))),
                (Unique("unique_code", ("code",)),),
            )
        ),
    ),
)
