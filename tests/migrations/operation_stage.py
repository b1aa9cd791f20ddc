"""A case of operation_cases.py on a store: its records put there, and what must be after `up` and after `down`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from manystore import ProgramTooOld, SchemaMismatch, col
from manystore.migrations.records import Records
from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase
from manystore.schema.schema import Collection, Schema
from manystore.schema.system import SYSTEM
from manystore.store.protocol import Store
from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.testing import consistency, provision
from manystore.testing.holdings import differences, holdings
from manystore.testing.program import program

from .deployed import Site
from .operation_cases import Case
from .operation_shop import SECRET, World, world

BASE, HEAD = "0001_initial", "0002_next"


class Stage:
    """One case on one place, and what its records are."""

    def __init__(self, case: Case, site: Site, number: int, fresh: Callable[[], Any] | None = None) -> None:
        self.case = case
        self.site = site
        self.fresh = fresh
        self.history = case.history
        self.base, self.head = self.history.schema(BASE), self.history.schema(HEAD)
        self.given = case.given(world(number))
        site.history = self.history

    def begin(self) -> None:
        """Make the base's database, with its records."""
        made(self.site.store, self.base, self.given, BASE)

    def up(self, store: Any = None) -> None:
        self.site.deployment(store).up()

    def down(self, store: Any = None) -> None:
        self.site.deployment(store).down(BASE)

    @property
    def is_two_way(self) -> bool:
        return self.case.back is not None

    @property
    def returned(self) -> World:
        """Give what the records are after there and back."""
        assert self.case.back is not None
        return self.case.back(self.given)

    def look_there(self) -> None:
        """After `up`: records, all that is stored, and the programs of both schemas."""
        self._look(self.head, HEAD, self.case.after(self.given))
        if self.fresh is not None:
            with self.site.connect(program(self.head)) as db:
                assert consistency.faults(db) == []
        if self.base.fingerprint != self.head.fingerprint:
            self._refused(self.base)

    def look_back(self) -> None:
        """After `down`: as it was, but for what is lost."""
        self._look(self.base, BASE, self.returned)

    def _look(self, schema: Schema, name: str, expected: World) -> None:
        catalog = self.site.catalog
        assert (catalog.phase, catalog.migration, catalog.target, catalog.indexes) == ("stable", name, "", {})
        assert (catalog.stored, catalog.older, catalog.absent, catalog.closed) == (None, None, {}, ())
        assert_same(content(self.site.store, catalog), expected)
        if self.fresh is not None:
            with self.fresh() as place:
                store = open_store(parse_url(place.url, place.prefix), wait=time.sleep)
                try:
                    made(store, schema, expected, name)
                    wanted = holdings(store, place.prefix, self.base, self.head)
                finally:
                    store.close()
            found = holdings(self.site.store, self.site.prefix, self.base, self.head)
            assert found == wanted, differences(found, wanted)
        self._works(schema)
        self._answers(schema)
        assert_same(content(self.site.store, catalog), expected)
        for there in schema.collections:
            if there.generated:
                keys = [row[there.key[0]] for row in expected[there.name]]
                assert Records(self.site.store, catalog).reserve(there.name) > max(keys, default=0)

    def _works(self, schema: Schema) -> None:
        """A program of the schema saves, deletes and creates; in the end all is as it was."""
        with self.site.connect(program(schema)) as db:
            for there in schema.collections:
                repository = getattr(db, there.name)
                for found in repository.find(scan=True, deleted="any", limit=2):
                    repository.save(found)
                    if there.live is None and not schema.referrers(there.name):
                        _made_again(repository, there, found)

    def _answers(self, schema: Schema) -> None:
        """A program of the schema finds by each index and unique what a scan finds, and no more."""
        with self.site.connect(program(schema)) as db:
            for there in schema.collections:
                repository = getattr(db, there.name)
                whole = list(repository.find(scan=True, deleted="any"))
                for part in (*there.indexes, *there.uniques):
                    for values in {values_of(record, part.fields) for record in whole[:: len(whole) // 3 or 1]}:
                        where = [col(getattr(type(whole[0]), n)) == v for n, v in zip(part.fields, values, strict=True)]
                        alike = [values_of(r, there.key) for r in whole if values_of(r, part.fields) == values]
                        found = repository.find(*where, scan=True, deleted="any")
                        assert sorted(values_of(record, there.key) for record in found) == sorted(alike)

    def _refused(self, schema: Schema) -> None:
        try:
            self.site.connect(program(schema)).close()
        except (ProgramTooOld, SchemaMismatch):
            return
        raise AssertionError("a program of the base may go on")


def values_of(record: Any, fields: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in fields)


def _made_again(repository: Any, there: Collection, found: Any) -> None:
    key = tuple(getattr(found, name) for name in there.key)
    repository.delete(key if len(key) > 1 else key[0])
    repository.create(type(found)(**{f.name: getattr(found, f.name) for f in there.fields}))


def made(store: Store, schema: Schema, records: World, migration: str) -> None:
    """Make a database of a schema in an empty place, and put records there."""
    whole = Schema(tuple(sorted((*schema.collections, *SYSTEM), key=lambda c: c.name)))
    catalog = msgspec.structs.replace(Catalog.first(whole, migration), secret=SECRET.hex())
    store.alter(CreateDatabase(catalog))
    holder = Records(store, catalog)
    for there in targets_first(schema):
        rows = records[there.name]
        assert sum(holder.put(there, rows)) == len(rows)
        if there.generated and rows:
            holder.pass_over(there.name, max(row[there.key[0]] for row in rows))


def targets_first(schema: Schema) -> list[Collection]:
    """Order collections so that each comes after those that it refers to."""
    left, ordered = {c.name: c for c in schema.collections}, list[Collection]()
    while left:
        found = next(c for c in left.values() if not {r.target for r in c.references} & (left.keys() - {c.name}))
        ordered.append(left.pop(found.name))
    return ordered


def content(store: Store, catalog: Catalog) -> World:
    """Give all records by the names of fields, in the order of their keys."""
    found: World = {}
    for there in catalog.kept.collections:
        if not there.name.startswith("_"):
            rows = list(Records(store, catalog).read(there.name))
            for row in rows:
                assert row.pop("_extras") is None
            found[there.name] = sorted(rows, key=lambda row: tuple(row[name] for name in there.key))
    return found


def assert_same(found: World, expected: World) -> None:
    odd = [(n, a, b) for n in expected for a, b in zip(found[n], expected[n], strict=False) if a != b]
    assert found == expected, odd[:3]


@contextmanager
def staged(case: Case, kind: str, directory: Path, number: int, *, comparing: bool = True) -> Iterator[Stage]:
    """Give a case on a fresh place, its records there. comparing: what is stored, with a fresh database's."""
    url = f"{kind}:{'?durability=off' if kind == 'sqlite' else ''}"
    with provision.place(url, directory) as place:
        site = Site(place.url, place.prefix, case.history)
        try:
            stage = Stage(case, site, number, (lambda: provision.place(url, directory)) if comparing else None)
            stage.begin()
            yield stage
        finally:
            site.store.close()
