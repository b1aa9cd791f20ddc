"""The stored schema as a writer knows it: under one epoch, with the statements of its collections.

Knows catalogs and mutations; must not know connections.
"""

from __future__ import annotations

import msgspec

from ...schema.catalog import Catalog
from ...schema.schema import Collection, Schema
from ...store.protocol import Delete, Insert, Patch, Replace
from .keeping import kept
from .mutation import Bound, Mutation
from .tables import ANY_SIGN, Layout


class Known:
    """What was learned of the catalog of one epoch."""

    def __init__(self, catalog: Catalog, layout: Layout) -> None:
        self.epoch = catalog.epoch
        self.schema: Schema = heeded(catalog)
        self.dialect = layout.dialect
        self._layout = layout
        self._mutations: dict[int, tuple[Collection, Mutation]] = {}
        self._alike: dict[Collection, Mutation] = kept((layout.key, self.schema), dict[Collection, Mutation])

        self._sign = layout.dialect.quoted(layout.sign(catalog.epoch)) if layout.dialect.signed else ""
        self._any_sign = layout.dialect.quoted(ANY_SIGN)
        self._signed: dict[str, str] = {}
        self.is_signed = bool(self._sign)
        """Statements that are a whole step ask for the epoch's sign; set to False where that is missing."""

    def alone(self, change: Insert | Replace | Patch | Delete) -> Bound | None:
        """Write a change as one guarded statement; None where one statement cannot be the whole step."""
        bound = self.mutation(change.collection).alone(change, self.epoch)
        if not self._sign or bound is None:
            return bound
        if not self.is_signed:
            return None
        text, values = bound
        signed = self._signed.get(text)
        if signed is None:
            signed = self._signed[text] = text.replace(self._any_sign, self._sign)
        return signed, values

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
