"""A bike hire of two versions, whose history is in hire/, and places where tests carry it out on real stores."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from manystore import Database, Repository, field, index, model, unique
from manystore.api.lease import Lease
from manystore.migrations import Folder, History
from manystore.migrations.deployment import Deployment
from manystore.query.plan import CATALOG
from manystore.schema.catalog import Catalog
from manystore.schema.operation import Altered, Operation
from manystore.schema.schema import Schema
from manystore.store.protocol import Store
from manystore.store.registry import open_store
from manystore.store.url import parse_url

FOLDER = Path(__file__).parent / "hire"


@model(indexes=[index("zip")], collection="rider")
class OldRider:
    id: int = field(key=True)
    name: str = field(max_length=80)
    mail: str = field(max_length=80)
    zip: str | None = field(max_length=10, default=None)
    note: str | None = field(max_length=80, default=None)


class Old(Database):
    rider: Repository[OldRider, int]


@model(indexes=[index("zip"), index("last"), index("city")], uniques=[unique("email")], collection="rider", version=2)
class Rider:
    id: int = field(key=True)
    first: str = field(max_length=40)
    last: str = field(max_length=40)
    email: str = field(max_length=80)
    zip: int | None = None
    city: str = field(max_length=40, default="Oslo")


class New(Database):
    migrations = FOLDER
    rider: Repository[Rider, int]


class Recalling(Database):
    """A database of a test whose history is in no folder."""

    history: ClassVar[History]

    @classmethod
    def _history(cls) -> History:
        return cls.history


class Site:
    """A store at a URL, what deployers say there, and how they wait."""

    def __init__(self, url: str, prefix: str = "", history: History | None = None) -> None:
        self.url = url
        self.prefix = prefix
        self.history = history or Folder(FOLDER).history()
        self.told: list[str] = []
        self.store = open_store(parse_url(url, prefix), wait=time.sleep)
        self.waits = 0

    def wait(self, _: float) -> None:
        """Wait for no time at all."""
        self.waits += 1

    def deployment(self, store: Store | None = None, wait: Callable[[float], None] | None = None) -> Deployment:
        return Deployment(store or self.store, self.history, wait=wait or self.wait, told=self.told.append)

    def begin(self, history: History) -> None:
        """Take another history, and lead the store to its first migration."""
        self.history = history
        self.deployment().up(history.migrations[0].name)

    def connect(self, database: type[Any]) -> Any:
        return database.connect(self.url, prefix=self.prefix)

    @property
    def catalog(self) -> Catalog:
        found: Catalog = self.store.read(CATALOG, (), epoch="").rows[0]
        return found

    def lease(self, label: str, schema: Schema) -> tuple[Lease, Callable[[float], None]]:
        """Announce a program of a schema, and give a wait in which it goes on working."""
        now = [0.0]
        made = Lease(self.store, schema.fingerprint, lambda: label, lambda: now[0])
        made.touch(self.catalog.epoch)

        def wait(seconds: float) -> None:
            now[0] += 20 * seconds
            made.touch(self.catalog.epoch)

        return made, wait


class Cut(Exception):
    """What ends a deployer in the midst of its work."""


class CutStore:
    """A store whose user dies: at the n-th operation, before it is carried out or after."""

    def __init__(self, store: Store, number: int, *, after: bool) -> None:
        self._store = store
        self._left = number
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _counted(self, work: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Cut
        done = work()
        if self._left == 0:
            raise Cut
        return done

    def alter(self, operation: Operation) -> Altered:
        found: Altered = self._counted(lambda: self._store.alter(operation))
        return found

    def write(self, changes: Any, *, epoch: str) -> Any:
        return self._counted(lambda: self._store.write(changes, epoch=epoch))


def fill(site: Site, number: int = 7) -> None:
    """Put riders there, as the older program does; each other one has a zip that is no number."""
    with site.connect(Old) as db:
        db.rider.create_all(
            OldRider(
                id=n,
                name=f"Ada{n} Lovelace{n}",
                mail=f"ada{n}@example.org",
                zip=f"{n:03}" if n % 2 else None,
                note=None if n % 3 else f"note {n}",
            )
            for n in range(number)
        )


def old_riders(site: Site) -> list[OldRider]:
    with site.connect(Old) as db:
        return list(db.rider.find(scan=True))


def new_riders(site: Site) -> list[Rider]:
    with site.connect(New) as db:
        return list(db.rider.find(scan=True))


def expected(number: int = 7) -> list[Rider]:
    """Give the riders that `fill` puts there, as the newer program shall see them."""
    zips = [n if n % 2 else None for n in range(number)]
    return [
        Rider(id=n, first=f"Ada{n}", last=f"Lovelace{n}", email=f"ada{n}@example.org", zip=zips[n], city="Oslo")
        for n in range(number)
    ]
