"""Nova's history walked there and back on each store, by the deployer, with data at each step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from manystore.migrations import History, Migration
from manystore.migrations.lens import Record
from manystore.migrations.records import Records
from manystore.schema.schema import Schema
from manystore.testing import provision

from ..migrations.conftest import SERVERS
from ..migrations.deployed import Site
from ..migrations.plain import NOTHING
from .growth import grow
from .test_migrations import FOLDER, walk_back, walk_there

STORES = [
    pytest.param("memory", marks=pytest.mark.slow),
    pytest.param("sqlite", marks=pytest.mark.soak),
    *(pytest.param(kind, marks=[pytest.mark.server, pytest.mark.soak]) for kind in SERVERS),
]


class Walking:
    """A real store, as the walk sees it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.schema = Schema(())

    def _look(self) -> None:
        self.catalog = self.site.catalog
        self.schema = Schema(tuple(c for c in self.catalog.head.declared.collections if c.name[0] != "_"))
        self.held = Records(self.site.store, self.catalog)

    def apply(self, migration: Migration) -> None:
        self.site.deployment().up(migration.name)
        self._look()

    def revert(self, migration: Migration) -> None:
        self.site.deployment().down(*migration.after)
        self._look()

    def records(self, collection: str) -> list[Record]:
        found = list(self.held.read(collection))
        for record in found:
            assert record.pop("_extras") is None
        return found

    def insert(self, collection: str, *records: Record) -> None:
        there = self.catalog.kept.collection(collection)
        whole = [
            {f.name: r.get(f.name, None if f.optional else NOTHING.get(f.kind)) for f in there.fields} for r in records
        ]
        assert sum(self.held.put(there, whole)) == len(records)
        if there.generated:
            self.held.pass_over(collection, max(record["id"] for record in records))


@pytest.fixture(params=STORES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    options = "?durability=off" if request.param == "sqlite" else ""
    with provision.place(f"{request.param}:{options}", tmp_path) as place:
        made = Site(place.url, place.prefix, FOLDER.history())
        yield made
        made.store.close()


def test_there_and_back_with_data_at_each_step(site: Site) -> None:
    history: History = site.history
    store = Walking(site)
    walk_there(store, history.migrations, history)
    grow(store, 2000)
    walk_back(store, history.migrations[1:])
    assert store.schema.collections == history.schema("0001").collections
