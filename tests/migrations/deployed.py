"""A bike hire of two versions and the history between them, for tests that carry it out on real stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from manystore import Database, Repository, field, index, model, unique
from manystore.api.database import models_of
from manystore.migrations import (
    AddField,
    AddIndex,
    AddUnique,
    ChangeModel,
    ChangeType,
    CreateModel,
    DropField,
    Field,
    History,
    Index,
    Migration,
    RenameField,
    RenameModel,
    SplitField,
    Unique,
)
from manystore.migrations.deployment import Deployment
from manystore.query.plan import CATALOG
from manystore.schema.catalog import Catalog
from manystore.schema.schema import Schema
from manystore.store.registry import open_store
from manystore.store.url import parse_url


@model(indexes=[index("zip")], collection="rider")
class OldRider:
    id: int = field(key=True)
    name: str = field(max_length=80)
    mail: str = field(max_length=80)
    zip: str | None = field(max_length=10, default=None)
    note: str | None = field(max_length=80, default=None)


class Old(Database):
    rider: Repository[OldRider, int]


@model(
    indexes=[index("zip", name="by_zip"), index("last"), index("city")],
    uniques=[unique("email")],
    collection="rider",
    version=2,
)
class Rider:
    id: int = field(key=True)
    first: str = field(max_length=40)
    last: str = field(max_length=40)
    email: str = field(max_length=80)
    zip: int | None = None
    city: str = field(max_length=40, default="Oslo")


class New(Database):
    rider: Repository[Rider, int]


def split(name: str) -> tuple[str, str]:
    first, _, last = name.partition(" ")
    return first, last


def join(first: str, last: str) -> str:
    return f"{first} {last}".strip()


OLD_SCHEMA, NEW_SCHEMA = Schema.of(models_of(Old)), Schema.of(models_of(New))
FIRST = Migration("0001_initial", (CreateModel(OLD_SCHEMA.collection("rider")),))
SECOND = Migration(
    "0002_names",
    (
        RenameModel("rider", "Rider"),
        SplitField(
            "rider",
            "name",
            (Field("first", "first", "str", length=40), Field("last", "last", "str", length=40)),
            up=split,
            down=join,
        ),
        RenameField("rider", "mail", "email"),
        ChangeType("rider", Field("zip", "zip", "int", optional=True), otherwise=None),
        AddField("rider", Field("city", "city", "str", length=40), default="Oslo"),
        DropField("rider", "note"),
        AddIndex("rider", Index("by_last", ("last",), (False,))),
        AddIndex("rider", Index("by_city", ("city",), (False,))),
        AddUnique("rider", Unique("unique_email", ("email",))),
        ChangeModel("rider", version=2),
    ),
    ("0001_initial",),
)
HISTORY = History.of([FIRST, SECOND])


class Place:
    """A store at a URL, what deployers say there, and how long they waited."""

    def __init__(self, url: str, history: History = HISTORY) -> None:
        self.url = url
        self.history = history
        self.told: list[str] = []
        self.store = open_store(parse_url(url), wait=lambda _: None)

    def deployment(self, wait: Callable[[float], None] = lambda _: None, **parts: Any) -> Deployment:
        return Deployment(self.store, self.history, wait=wait, told=self.told.append, **parts)

    @property
    def catalog(self) -> Catalog:
        found: Catalog = self.store.read(CATALOG, (), epoch="").rows[0]
        return found


def filled(place: Place, number: int = 5) -> None:
    with Old.connect(place.url) as db:
        for n in range(number):
            db.rider.create(
                OldRider(id=n, name=f"Ada{n} Lovelace{n}", mail=f"ada{n}@example.org", zip=str(n) if n % 2 else "n/a")
            )
