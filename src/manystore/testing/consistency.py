"""Is a whole database consistent? Every record is looked for on every way that leads to it, through public calls only.

What a store keeps beside its records, entries and claims, shows here as a record that one way finds and another does
not. It knows no store; nobody may write meanwhile.
"""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Iterator
from typing import Any

from manystore import Database, NotFound, Repository, col
from manystore.schema.schema import Collection, Schema

_ALL: dict[str, Any] = {"deleted": "any"}


def faults(db: Database) -> list[str]:
    """Give a sentence for each inconsistency; [] for a database that is as it should be."""
    models = _models(type(db))
    schema = Schema.of(models.values())
    by_collection = {_collection(schema, cls).name: name for name, cls in models.items()}
    records = {name: getattr(db, name).find(scan=True, **_ALL) for name in models}
    found: list[str] = []
    for name, cls in models.items():
        one = _Checked(getattr(db, name), cls, _collection(schema, cls), records[name])
        found += one.by_key()
        found += one.by_index()
        found += one.by_unique()
        for reference in one.collection.references:
            target = by_collection[reference.target]
            (key,) = schema.collection(reference.target).key
            there = {getattr(record, key) for record in records[target]}
            found += one.dangling(reference.field, there)
    return found


def _models(cls: type[Database]) -> dict[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    for name, hint in typing.get_type_hints(cls).items():
        for base in (hint, *getattr(hint, "__orig_bases__", ())):
            if typing.get_origin(base) is Repository:
                found[name] = typing.get_args(base)[0]
    return found


def _collection(schema: Schema, cls: type[Any]) -> Collection:
    return next(collection for collection in schema.collections if collection.model == cls.__name__)


class _Checked:
    """One repository and all of its records, by a scan."""

    def __init__(self, repository: Any, cls: type[Any], collection: Collection, records: list[Any]) -> None:
        self.repository = repository
        self.cls = cls
        self.collection = collection
        self.records = records

    def _values(self, record: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(getattr(record, name) for name in names)

    def _key(self, record: Any) -> tuple[Any, ...]:
        return self._values(record, self.collection.key)

    def _equal(self, names: tuple[str, ...], values: tuple[Any, ...]) -> list[Any]:
        """Give the condition that some fields have these values."""
        return [col(getattr(self.cls, name)) == value for name, value in zip(names, values, strict=True)]

    def _found(self, names: tuple[str, ...], values: tuple[Any, ...]) -> list[Any]:
        where = self._equal(names, values)
        return sorted(self._key(record) for record in self.repository.find(*where, scan=True, **_ALL))

    def _told(self, way: str, values: tuple[Any, ...], what: str) -> str:
        return f"{self.collection.model} by {way} {values!r}: {what}"

    def by_key(self) -> Iterator[str]:
        """Every record of the scan is found by its key, once; and a count agrees."""
        keys = Counter(map(self._key, self.records))
        yield from (self._told("key", key, "twice in the scan") for key, times in keys.items() if times > 1)
        if (counted := self.repository.count(scan=True, **_ALL)) != len(self.records):
            yield self._told("count", (counted,), f"the scan gives {len(self.records)}")
        for record in self.records:
            key = self._key(record)
            try:
                if self.repository.get(key if len(key) > 1 else key[0], **_ALL) != record:
                    yield self._told("key", key, "is another record than in the scan")
            except NotFound:
                yield self._told("key", key, "not found")

    def by_index(self) -> Iterator[str]:
        """Each value that occurs leads to exactly the records that have it, and counts as many."""
        for index in self.collection.indexes:
            expected: dict[tuple[Any, ...], list[Any]] = {}
            for record in self.records:
                expected.setdefault(self._values(record, index.fields), []).append(self._key(record))
            for values, keys in expected.items():
                if (found := self._found(index.fields, values)) != sorted(keys):
                    yield self._told(index.name, values, f"finds {found}, not {sorted(keys)}")
                counted = self.repository.count(*self._equal(index.fields, values), scan=True, **_ALL)
                if counted != len(keys):
                    yield self._told(index.name, values, f"counts {counted}, not {len(keys)}")
            firsts = {values[0] for values in expected}
            counted = sum(
                self.repository.count(*self._equal(index.fields[:1], (first,)), scan=True, **_ALL) for first in firsts
            )
            if counted != len(self.records):
                yield self._told(index.name, (), f"counts {counted} in all, the scan gives {len(self.records)}")

    def by_unique(self) -> Iterator[str]:
        """Each value leads to the one record that holds it."""
        for unique in self.collection.uniques:
            for record in self.records:
                values = self._values(record, unique.fields)
                is_dead = unique.among == "live" and self.collection.live and getattr(record, self.collection.live)
                if None in values or is_dead:
                    continue
                found = self._found(unique.fields, values)
                if self._key(record) not in found or (len(found) > 1 and unique.among == "all"):
                    yield self._told(unique.name, values, f"finds {found}, not {[self._key(record)]}")

    def dangling(self, field: str, there: set[Any]) -> Iterator[str]:
        """Nothing refers to what is not there."""
        for record in self.records:
            value = getattr(record, field)
            if value is not None and value not in there:
                yield self._told(field, (value,), f"{self._key(record)!r} refers to nothing")
