"""A slip of the pen in the name of a token's URL is mended."""

from manystore.migrations import ChangeModel, Migration, RenameField

migration = Migration(
    "0018_server_management_url",
    after=("0017_instance_type_id_as_number",),
    operations=(
        RenameField("auth_tokens", "server_manageent_url", name="server_management_url"),
        ChangeModel("auth_tokens", version=3),
    ),
)
