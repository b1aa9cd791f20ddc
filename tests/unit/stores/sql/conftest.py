"""A shop: some collections on each SQL database, reached at the waist: plans and changes by hand, codecs of api."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest

from manystore import field, index, model, ref, unique
from manystore.api.codec import ModelCodec
from manystore.model.model import model_of
from manystore.query.evaluate import is_after, matcher, sort, sort_keys
from manystore.query.plan import CATALOG, Ordering, Plan
from manystore.query.planner import Query, plan
from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase
from manystore.schema.schema import Collection, Schema
from manystore.schema.system import SYSTEM
from manystore.store.protocol import Delete, Insert, Patch, Read, Replace, Step, Written
from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.testing import provision


class Size(Enum):
    SMALL = 3
    LARGE = 1


@model
class Maker:
    id: int = field(key=True)
    name: str = field(unique=True)


@model(
    indexes=[index("tag", "-rank"), index("rank", "name"), index("-at"), index("maker", "deleted")],
    uniques=[unique("serial", among="live"), unique("tag", "rank")],
    soft_delete=True,
)
class Item:
    id: int = field(key=True)
    name: str
    tag: str | None = None
    rank: int | None = None
    ratio: float | None = None
    size: Size = Size.SMALL
    at: datetime | None = None
    address: IPv4Address | IPv6Address | None = None
    flag: bool = False
    data: dict[str, Any] | None = None
    serial: str | None = None
    maker: int | None = ref(Maker.id, default=None)
    deleted: bool = False


@model
class Part:
    """Goes with its item, and loses its neighbour."""

    shelf: str = field(key=True)
    number: int = field(key=True)
    item: int = ref(Item.id, on_delete="cascade")
    beside: int | None = ref(Maker.id, default=None, on_delete="set_null")
    label: str | None = field(default=None, unique=True, column="label_text")


MODELS = (Maker, Item, Part)
URLS = [
    pytest.param("sqlite:", id="sqlite"),
    pytest.param("postgresql:", id="postgresql", marks=pytest.mark.server),
    pytest.param("mariadb:", id="mariadb", marks=pytest.mark.server),
]


class Shop:
    """One open store, and short words for what is asked of it."""

    Maker, Item, Part, Size = Maker, Item, Part, Size

    def __init__(self, url: str, prefix: str = "") -> None:
        self.url, self.prefix = url, prefix
        self.store: Any = open_store(parse_url(url, prefix), wait=time.sleep)
        self.path = Path(parse_url(url).path)  # where it is a file
        self.schema = Schema.of(MODELS, SYSTEM)
        found = self.store.read(CATALOG, (), epoch="").rows
        if not found:
            self.store.alter(CreateDatabase(Catalog.first(self.schema)))
            found = self.store.read(CATALOG, (), epoch="").rows
        self.catalog: Catalog = found[0]
        self.epoch = self.catalog.epoch
        self.codecs = {cls: ModelCodec(model_of(cls), self.store.forms) for cls in MODELS}

    def sql(self, text: str) -> list[Any]:
        """Run a statement past manystore; {name} stands for a table."""
        quote = self.store._dialect.quoted
        names = {name: quote(f"{self.prefix}{name}") for name in ("_manystore", "maker", "item", "part")}
        connection = self.store._connections.opened()
        try:
            found: list[Any] = connection.execute(text.format_map(names), ()).fetchall()
            return found
        finally:
            connection.close()

    def collection(self, cls: type[Any]) -> Collection:
        return self.schema.collection(model_of(cls).collection)

    def plan(self, cls: type[Any], where: Any = None, **query: Any) -> Plan:
        made = plan(Query(self.collection(cls), where.shape if where is not None else None, **query), self.catalog)
        made.codec = self.codecs[cls]
        return made

    def read(self, cls: type[Any], where: Any = None, bounds: dict[str, Any] | None = None, **query: Any) -> Read:
        values = () if where is None else tuple(where.values())
        return self.store.read(self.plan(cls, where, **query), values, epoch=self.epoch, **(bounds or {}))

    def all(self, cls: type[Any]) -> list[Any]:
        return self.read(cls, scan=True).rows

    def write(self, *changes: Any) -> Written:
        return self.store.write(changes, epoch=self.epoch)

    def new(self, record: Any) -> Insert:
        cls = type(record)
        return Insert(self.collection(cls), self.codecs[cls].bind(record), random.getrandbits(63))

    def saved(self, record: Any, expected: int | None = None, **parts: Any) -> Replace:
        cls = type(record)
        was = record._revision if expected is None else expected
        return Replace(self.collection(cls), self.codecs[cls].bind(record), random.getrandbits(63), was, **parts)

    def patched(self, cls: type[Any], *key: Any, sets: tuple[Any, ...] = (), **parts: Any) -> Patch:
        return Patch(self.collection(cls), key, random.getrandbits(63), sets, **parts)

    def stepped(self, cls: type[Any], *key: Any, by: Step) -> Patch:
        return self.patched(cls, *key, steps=(by,), codec=self.codecs[cls])

    def deleted(self, cls: type[Any], *key: Any, **parts: Any) -> Delete:
        return Delete(self.collection(cls), key, **parts)


def comparables(cls: type[Any]) -> dict[str, Callable[[Any], Any]]:
    specs = model_of(cls).fields
    return {s.name: s.type.dump for s in specs if s.type.enum is not None or s.type.kind in ("ip", "network")}


class Python:
    """What a plan means, worked out on objects."""

    def __init__(self, made: Plan, cls: type[Any]) -> None:
        self._comparables = comparables(cls)
        self.matches = matcher(made.where, self._comparables)
        self.is_after = is_after(made.order, self._comparables)

    def sort(self, records: list[Any], order: Sequence[Ordering]) -> None:
        sort(records, order, sort_keys(order, self._comparables))


@pytest.fixture(params=URLS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """An empty shop on each database."""
    with provision.place(request.param, tmp_path) as place:
        opened = Shop(place.url, place.prefix)
        yield opened
        opened.store.close()


@pytest.fixture(scope="module", params=URLS)
def large_shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop on each database for all tests of a module."""
    with provision.place(request.param, tmp_path_factory.mktemp("shop")) as place:
        opened = Shop(place.url, place.prefix)
        yield opened
        opened.store.close()


@pytest.fixture
def words() -> type[Python]:
    """How a plan is worked out in Python."""
    return Python


@pytest.fixture(scope="session")
def shop_class() -> type[Shop]:
    """How a shop is opened."""
    return Shop
