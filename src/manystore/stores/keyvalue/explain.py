"""Explain: what an operation would do, in sentences. Nothing is changed, and nobody has to wait for any of them."""

from __future__ import annotations

from ...schema.catalog import Catalog
from ...schema.encoding import END
from ...schema.operation import Build, Clear, Contract, Prepare, Sweep, Words
from ...schema.schema import Collection
from .clear import parts
from .layout import records_space
from .protocol import KeyValue, Span
from .shape import Keeper

_MOST = 10_000  # records that are counted


def explain(kv: KeyValue, catalog: Catalog | None, operation: Prepare | Build | Sweep | Clear | Contract) -> Words:
    """Say it."""
    if isinstance(operation, Prepare) or catalog is None:
        return Words(("nothing is made beforehand: a collection or an index is there with its first record",))
    if isinstance(operation, Contract):
        return Words(("the last catalog is put in force, in one step; records stay as they are",))
    if isinstance(operation, Clear):
        return Words(tuple(f"take away the {part.words}" for part in parts(operation.older, catalog.kept)))
    if operation.collection not in catalog.kept:
        return Words((f"{operation.collection} has no records yet",))
    collection = catalog.kept.collection(operation.collection)
    number = _counted(kv, collection)
    if isinstance(operation, Sweep):
        return Words((f"rewrite the older records among {number} of {collection.model}, {operation.limit} at a time",))
    built = _built(catalog, collection)
    return Words((f"put {built} of {number} of {collection.model}, {operation.limit} at a time",))


def _built(catalog: Catalog, collection: Collection) -> str:
    """Name the spaces that are building; before the window is open, none are."""
    upkeep = Keeper(catalog, ("building",)).upkeep(collection.name)
    spaces = [*upkeep.spaces, *(claim.space for claim in upkeep.claims)]
    spaces += [f"{pointer.space} from {pointer.column}" for pointer in upkeep.pointers]
    return ", ".join(spaces) or "the entries, claims and references that are building then"


def _counted(kv: KeyValue, collection: Collection) -> str:
    space = records_space(collection.stored)
    number = len(kv.scan((Span(space, "", END),), limit=_MOST).names)
    return f"at least {number:,} records" if number == _MOST else f"{number:,} records"
