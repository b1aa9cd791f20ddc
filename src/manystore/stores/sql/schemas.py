"""The stored schema as a writer knows it: under one epoch, with the statements of its collections.

Knows catalogs and mutations; must not know connections.
"""

from __future__ import annotations

import msgspec

from ...schema.catalog import Catalog
from ...schema.schema import Collection, Schema
from .keeping import kept
from .mutation import Mutation
from .tables import Layout


class Known:
    """What was learned of the catalog of one epoch."""

    def __init__(self, catalog: Catalog, layout: Layout) -> None:
        self.epoch = catalog.epoch
        self.schema: Schema = heeded(catalog)
        self.dialect = layout.dialect
        self._layout = layout
        self._mutations: dict[int, tuple[Collection, Mutation]] = {}
        self._alike: dict[Collection, Mutation] = kept((layout.key, self.schema), dict[Collection, Mutation])

    def mutation(self, collection: Collection) -> Mutation:
        """Give the statements of a collection, as the program or the catalog describes it."""
        # By identity, because a collection is slow to hash; the entry keeps it, so the id stays its own.
        found = self._mutations.get(id(collection))
        if found is None:
            made = self._alike.get(collection)
            if made is None:
                made = self._alike[collection] = Mutation(collection, self.schema, self._layout)
            found = self._mutations[id(collection)] = (collection, made)
        return found[1]


def heeded(catalog: Catalog) -> Schema:
    """Give what is kept, without the uniques and references that nobody keeps up yet."""
    return Schema(tuple(_heeded(collection, catalog) for collection in catalog.kept.collections))


def _heeded(collection: Collection, catalog: Catalog) -> Collection:
    def is_up(part: str, generation: int = 1) -> bool:
        return catalog.state(collection.name, part, generation) != "absent"

    uniques = tuple(unique for unique in collection.uniques if is_up(unique.name, unique.generation))
    references = tuple(reference for reference in collection.references if is_up(f"{reference.field}.reference"))
    if (uniques, references) == (collection.uniques, collection.references):
        return collection
    return msgspec.structs.replace(collection, uniques=uniques, references=references)
