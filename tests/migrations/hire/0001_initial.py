"""0001: create model rider."""

from manystore.migrations import Collection, CreateModel, Field, Index, Migration

migration = Migration(
    "0001_initial",
    operations=(
        CreateModel(
            Collection(
                "rider",
                "OldRider",
                (
                    Field("id", "id", "int"),
                    Field("name", "name", "str", length=80),
                    Field("mail", "mail", "str", length=80),
                    Field("zip", "zip", "str", optional=True, length=10),
                    Field("note", "note", "str", optional=True, length=80),
                ),
                ("id",),
                (Index("by_zip", ("zip",), (False,)),),
            )
        ),
    ),
)
