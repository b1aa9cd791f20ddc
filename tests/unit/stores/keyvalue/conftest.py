"""A store of some collections at the waist, with the codecs that api makes, but without api above it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest

from manystore.api.codec import ModelCodec
from manystore.model.model import model_of
from manystore.query.evaluate import Comparables, is_after, matcher, sort_keys
from manystore.query.plan import CATALOG, Plan
from manystore.query.planner import Query, plan
from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase
from manystore.schema.schema import Schema
from manystore.schema.system import SYSTEM
from manystore.store.protocol import Check, Delete, Insert, Patch, Replace
from manystore.stores.keyvalue.memory import Memory
from manystore.stores.keyvalue.store import KeyValueStore


class Place:
    """One store, and short words for its plans and changes."""

    def __init__(self, *models: type[Any], kv: Any = None) -> None:
        self.schema = Schema.of(models, SYSTEM)
        self.kv = kv or Memory()
        self.store = KeyValueStore(self.kv, wait=lambda _: None)
        self.store.alter(CreateDatabase(Catalog.first(self.schema)))
        self.catalog: Catalog = self.store.read(CATALOG, (), epoch="").rows[0]
        self.epoch = self.catalog.epoch
        self.codecs = {cls: ModelCodec(model_of(cls), {}) for cls in models}

    def collection(self, cls: type[Any]) -> Any:
        return self.schema.collection(model_of(cls).collection)

    def plan(self, cls: type[Any], predicate: Any = None, **parts: Any) -> Plan:
        query = Query(self.collection(cls), None if predicate is None else predicate.shape, **parts)
        made = plan(query, self.catalog)
        made.codec = self.codecs[cls]
        comparables: Comparables = {
            spec.name: spec.type.dump
            for spec in model_of(cls).fields
            if spec.type.enum is not None or spec.type.kind in ("ip", "network")
        }
        made.matches = matcher(made.where, comparables)
        made.sort_keys = sort_keys(made.order, comparables)
        made.is_after = is_after(made.order, comparables)
        return made

    def read(self, cls: type[Any], predicate: Any = None, *, bounds: dict[str, Any] | None = None, **parts: Any) -> Any:
        values = () if predicate is None else tuple(predicate.values())
        return self.store.read(self.plan(cls, predicate, **parts), values, epoch=self.epoch, **bounds or {})

    def find(self, cls: type[Any], predicate: Any = None, **parts: Any) -> list[Any]:
        return self.read(cls, predicate, scan=True, **parts).rows

    def write(self, *changes: Any) -> list[Any]:
        return self.store.write(changes, epoch=self.epoch).records

    def insert(self, *records: Any) -> None:
        self.write(*[self.inserted(record) for record in records])

    def inserted(self, record: Any) -> Insert:
        cls = type(record)
        return Insert(self.collection(cls), self.codecs[cls].bind(record), random.getrandbits(63))

    def replaced(self, record: Any, expected: int | None = None, **parts: Any) -> Replace:
        cls = type(record)
        seen = record._revision if expected is None else expected
        return Replace(self.collection(cls), self.codecs[cls].bind(record), random.getrandbits(63), seen, **parts)

    def patched(self, cls: type[Any], key: Any, *, sets: Iterable[Any] = (), **parts: Any) -> Patch:
        return Patch(self.collection(cls), self.key(key), random.getrandbits(63), tuple(sets), **parts)

    def deleted(self, cls: type[Any], key: Any, **parts: Any) -> Delete:
        return Delete(self.collection(cls), self.key(key), **parts)

    def checked(self, record: Any, expected: int | None = None) -> Check:
        cls = type(record)
        return Check(
            self.collection(cls), self.codecs[cls].key(record), record._revision if expected is None else expected
        )

    @staticmethod
    def key(key: Any) -> tuple[Any, ...]:
        return key if isinstance(key, tuple) else (key,)

    def names(self, space: str) -> list[str]:
        """Give what a space of the memory holds."""
        return sorted(self.kv._spaces.get(space, ()))


@pytest.fixture
def place() -> type[Place]:
    return Place
