"""A site: one database of a target on its way through the window over five migrations, and how it gets there.

Knows deployments and stores by their waists; must not know clocks or figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from manystore.migrations import Folder, History
from manystore.migrations.deployment import Deployment
from manystore.migrations.passage import Passage
from manystore.migrations.route import route
from manystore.migrations.transit import Transit
from manystore.query.plan import CATALOG
from manystore.schema.catalog import Catalog
from manystore.store.registry import open_store
from manystore.store.url import parse_url

from .parcel import FOLDER, New, Old, new, old

_AT_ONCE = 5000


class Site:
    """store: opened by hand, whose inner parts the figures look into."""

    def __init__(self, url: str, prefix: str) -> None:
        self.url = url
        self.prefix = prefix
        self.history: History = Folder(FOLDER).history()
        self.store: Any = open_store(parse_url(url, prefix), wait=time.sleep)

    def open(self, database: type[Any]) -> Any:
        """Open the database as a program does."""
        return database.connect(self.url, prefix=self.prefix)

    @property
    def catalog(self) -> Catalog:
        """Give the catalog in force."""
        found: Catalog = self.store.read(CATALOG, (), epoch="").rows[0]
        return found

    @contextmanager
    def filled(self, database: type[Any], numbers: Sequence[int]) -> Iterator[Any]:
        """Put parcels there, in the shape of a program's, and leave it open."""
        make = new if database is New else old
        with self.open(database) as db:
            for start in range(0, len(numbers), _AT_ONCE):
                db.parcel.create_all(make(n) for n in numbers[start : start + _AT_ONCE])
            yield db

    def fill(self, number: int) -> None:
        """Put so many parcels of the base there."""
        with self.filled(Old, range(number)):
            pass

    def passage(self) -> Passage:
        """Give the way through the window over all five migrations, from where the database stands."""
        catalog = self.catalog
        first, last = self.history.migrations[0].name, self.history.migrations[-1].name
        (leg,) = route(self.history, first, last, bytes.fromhex(catalog.secret))
        return Passage(leg.window, catalog.base, self.store.capabilities.fixed_columns)

    def raise_(self) -> Passage:
        """Open the window, build, and raise it: nothing is swept yet."""
        passage, catalog = self.passage(), self.catalog
        transit = Transit(self.store, passage, time.sleep, lambda _: None)
        first, last = self.history.migrations[0].name, self.history.migrations[-1].name
        transit.raise_(transit.build(transit.open(catalog, first, last)))
        return passage

    def deployment(self, history: History | None = None) -> Deployment:
        """Give a deployer that waits for nobody."""
        return Deployment(self.store, history or self.history, wait=lambda _: None, patience=0)

    def close(self) -> None:
        """Let go of it."""
        self.store.close()
