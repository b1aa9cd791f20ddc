"""Building: what existing records lack of references that are new. Indexes and uniques are the preparation's.

Knows the catalog's states; must not know connections.
"""

from __future__ import annotations

from ....schema.catalog import Catalog
from ....schema.operation import Build, Progress
from ..reader import Reader, changed
from .refusal import dangling
from .run import Run


def build(run: Run, reader: Reader, catalog: Catalog, operation: Build) -> Progress:
    """Look through a collection's references that are building; raise MigrationRefused for what leads nowhere."""
    if catalog.epoch != operation.epoch:
        raise changed()
    if operation.collection in catalog.kept:
        collection = catalog.kept.collection(operation.collection)
        for reference in collection.references:
            is_building = catalog.state(collection.name, f"{reference.field}.reference") == "building"
            if is_building and reference.target in catalog.kept:
                dangling(run, reader.layout, collection, reference, catalog.kept.collection(reference.target))
    return Progress(0)


def looks(catalog: Catalog, name: str) -> list[str]:
    """Say in words what a build looks for."""
    if name not in catalog.kept:
        return []
    collection = catalog.kept.collection(name)
    return [
        f"look for {collection.model}.{reference.field} that leads to no record of {reference.target}"
        for reference in collection.references
        if catalog.state(name, f"{reference.field}.reference") == "building"
    ]
