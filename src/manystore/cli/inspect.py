"""`manystore inspect URL`: what is there: collections of our own, or tables of anybody's, as a list or as models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import click

from ..api.database import Database
from ..migrations.model_source import model_source
from ..query.plan import CATALOG
from ..schema.adoption import FoundTable, Survey, Surveyed
from ..schema.catalog import Catalog
from ..schema.schema import Collection
from ..store.protocol import Store
from .opening import opened


@click.command()
@click.argument("url")
@click.option("--models", is_flag=True, help="Write Python source: a model for each table, and a Database of them.")
@click.option("--prefix", default="", metavar="NAME", help="What the names of all tables begin with.")
def inspect(url: str, prefix: str, *, models: bool) -> None:
    """List what the store of URL holds: collections, or the tables of a database that manystore did not make.

    \b
    manystore inspect redis://localhost
    manystore inspect postgresql://localhost/old
    manystore inspect sqlite:///old.db --models > models.py

    `manystore migrate adopt` takes over what `--models` was written of. What no model can say is a comment there.
    """
    with opened(url, prefix, foreign=True) as store:
        if models:
            click.echo(model_source(_survey(store), prefix, dir(Database)), nl=False)
            return
        for line in _lines(store, prefix):
            click.echo(line)


def _survey(store: Store) -> Surveyed:
    return cast("Surveyed", store.alter(Survey()))


def _lines(store: Store, prefix: str) -> Iterator[str]:
    found = store.read(CATALOG, (), epoch="").rows
    if found:
        yield from _catalog(found[0])
    elif store.capabilities.fixed_columns:
        tables = [table for table in _survey(store).tables if table.name.startswith(prefix)]
        yield "tables that manystore did not make" if tables else "empty"
        for table in tables:
            yield from _table(table)
    else:
        yield "empty"


def _catalog(catalog: Catalog) -> Iterator[str]:
    at = f", at {catalog.migration}" if catalog.migration else ""
    to = f", on the way to {catalog.target}" if catalog.target else ""
    yield f"a database of manystore's, format {catalog.format}, {catalog.phase}{at}{to}"
    for collection in catalog.kept.collections:
        if not collection.is_system:
            yield from _collection(collection, catalog)


def _collection(collection: Collection, catalog: Catalog) -> Iterator[str]:
    generation = f", generation {collection.generation}" if collection.generation > 1 else ""
    closed = ", takes no writes" if collection.name in catalog.closed else ""
    key = ", ".join(collection.key)
    yield (
        f"{collection.name}: {collection.model} version {collection.version}, {len(collection.fields)} fields, "
        f"key {key}{generation}{closed}"
    )
    parts = [(i.name, i.fields, "", i.generation) for i in collection.indexes]
    parts += [(u.name, u.fields, "unique, ", u.generation) for u in collection.uniques]
    for name, fields, kind, number in parts:
        yield f"  {name}: {kind}{catalog.state(collection.name, name, number)}, {', '.join(fields)}"
    for reference in collection.references:
        state = catalog.state(collection.name, f"{reference.field}.reference")
        yield f"  {reference.field}: leads to {reference.target}, {state}"


def _table(table: FoundTable) -> Iterator[str]:
    yield f"{table.name}: {len(table.fields)} columns, key {', '.join(table.key) or 'none'}"
    for index in table.indexes:
        yield f"  {index.name}: {'unique, ' if index.unique else ''}{', '.join(index.fields)}"
    for reference in table.references:
        yield f"  {', '.join(reference.fields)}: leads to {reference.target}"
