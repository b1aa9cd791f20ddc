"""The stored schema as a writer knows it: under one epoch, with the statements of its collections.

Knows catalogs and mutations; must not know connections.
"""

from __future__ import annotations

from ...schema.catalog import Catalog
from ...schema.schema import Collection, Schema
from .mutation import Mutation
from .tables import Layout


class Known:
    """What was learned of the catalog of one epoch."""

    def __init__(self, catalog: Catalog, layout: Layout) -> None:
        self.epoch = catalog.epoch
        self.schema: Schema = catalog.kept
        self.dialect = layout.dialect
        self._layout = layout
        self._mutations: dict[int, Mutation] = {}

    def mutation(self, collection: Collection) -> Mutation:
        """Give the statements of a collection, as the program or the catalog describes it."""
        # By identity, because a collection is slow to hash; the mutation keeps it, so the id stays its own.
        found = self._mutations.get(id(collection))
        if found is None:
            found = self._mutations[id(collection)] = Mutation(collection, self.schema, self._layout)
        return found
