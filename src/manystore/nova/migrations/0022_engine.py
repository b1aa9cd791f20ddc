"""Nova moved its tables to another engine of one database here.

That is the store's own business: nothing is to be done.
"""

from manystore.migrations import Migration

migration = Migration(
    "0022_engine",
    after=("0021_image_ref",),
)
