"""The mapper of one model over one store: its codec, its kept plans, and the changes that its operations mean.

Knows models, plans and the waist's words; must not know transactions or repositories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from ..errors import ValueRefused
from ..model.field import FieldSpec
from ..model.model import Model
from ..query.evaluate import Comparables, is_after, matcher, sort_keys
from ..query.plan import Plan
from ..query.planner import Query, plan
from ..query.predicate import Compare
from ..schema.catalog import Catalog
from ..schema.encoding import check_entries
from ..schema.schema import Collection, Schema
from ..store.protocol import Delete, Insert, Patch, Replace, Store, Values
from ..store.revision import new_revision
from .codec import ModelCodec


def _of_any_length(collection: Collection) -> Iterable[str]:
    return (field.name for field in collection.fields if field.kind in ("str", "bytes") and field.choices is None)


def _costs(collection: Collection, referrers: int) -> dict[type[Any], int]:
    """Say what each kind of change counts against the limit of one step, at most: the same on every store."""
    entries, references = len(collection.indexes) + len(collection.uniques), len(collection.references)
    return {
        Insert: 2 + entries + 2 * references,
        Replace: 2 + 2 * entries + 3 * references,
        Patch: 2 + 2 * entries + 3 * references,
        Delete: 2 + entries + references + referrers,
    }


class Mapper:
    """What the repositories of one model share, whatever view they belong to."""

    def __init__(self, model: Model, collection: Collection, schema: Schema, store: Store) -> None:
        self.model = model
        self.collection = collection
        self.codec = ModelCodec.of(model, store.forms)
        self.name = model.name
        self.plans: dict[Any, Plan] = {}
        self.cls = model.cls
        self.generated = model.generated
        self.key_names = collection.key
        self.key_parts = self.codec.key_parts
        self.single_key = collection.key[0] if len(collection.key) == 1 else None
        self.key_values: Callable[[Any], tuple[Any, ...]] = (
            self._several_key_values if self.single_key is None else self.codec.check_key
        )
        """Check a key as callers write it and give its parts as Python values; raise ValueRefused."""
        self.live = Compare(model.cls, "deleted", "live", False, optional=False) if collection.live else None
        self.dead = Compare(model.cls, "deleted", "eq", True, optional=False) if collection.live else None
        self.comparables: Comparables = {
            spec.name: spec.type.dump
            for spec in model.fields
            if spec.type.enum is not None or spec.type.kind in ("ip", "network")
        }
        self.costs = _costs(collection, len(schema.referrers(collection.name)) if collection.name in schema else 0)
        self.created = model.stamped("created")
        self.updated = model.stamped("updated")
        self.deleted = tuple(spec for spec in model.fields if spec.declared.stamp == "deleted")
        self.scope: FieldSpec | None = model.scope
        self._shares_values = any(spec.type.kind == "json" for spec in model.fields)
        self._check_entries = check_entries(collection)
        self.weighed: Callable[[Any], tuple[Values, int]] = (
            self.codec.weighed if self._check_entries is None else self._weighed_with_entries
        )
        """Check a record and bind its values, and say about how many bytes they take; raise ValueRefused."""
        # Only text and bytes of no or great length can make an entry too long; all else has a width.
        self._weighed = frozenset(_of_any_length(collection) if self._check_entries is not None else ())

    def plan_for(self, key: Any, query: Callable[[], Query], catalog: Catalog) -> Plan:
        """Give the kept plan of a query's shape, or make it."""
        kept = self.plans.get(key)
        if kept is None:
            kept = plan(query(), catalog)
            kept.codec = self.codec
            kept.matches = matcher(kept.where, self.comparables)
            kept.sort_keys = sort_keys(kept.order, self.comparables)
            kept.is_after = is_after(kept.order, self.comparables)
            self.plans[key] = kept
        return kept

    @cached_property
    def _entries(self) -> list[frozenset[str]]:
        """Give what each index entry and claim of a record is made of."""
        entries = [frozenset(index.fields) for index in self.collection.indexes]
        for unique in self.collection.uniques:
            live = {self.collection.live} if unique.among == "live" and self.collection.live else set[str]()
            entries.append(frozenset(unique.fields) | live)
        return entries

    def moving(self, changed: Iterable[str]) -> int:
        """Say what a change of these fields, and no others, counts at most: entries of other fields do not move."""
        fields = frozenset(changed)
        entries = sum(not fields.isdisjoint(entry) for entry in self._entries)
        return 2 + 2 * entries + 3 * sum(one.field in fields for one in self.collection.references)

    def key_of(self, record: Any) -> Any:
        """Give a record's key as callers write it: the value, or a tuple of them."""
        if self.single_key is not None:
            return getattr(record, self.single_key)
        return tuple(getattr(record, name) for name in self.key_names)

    def _several_key_values(self, key: Any) -> tuple[Any, ...]:
        if key.__class__ is not tuple or len(key) != len(self.key_names):
            reason = f"a key of {len(self.key_names)} parts, as a tuple"
            raise ValueRefused(self.name, ", ".join(self.key_names), reason)
        return self.codec.check_key(key)

    def _weighed_with_entries(self, record: Any) -> tuple[Values, int]:
        values, size = self.codec.weighed(record)
        assert self._check_entries is not None
        self._check_entries(values)
        return values, size

    def weighs(self, sets: Iterable[str]) -> bool:
        """Tell whether new values of these fields might make an index entry too long."""
        return not self._weighed.isdisjoint(sets)

    def weigh(self, record: Any, sets: Mapping[str, Any]) -> None:
        """Raise ValueRefused when new values of some fields of a record make an index entry too long."""
        if self._check_entries is not None and self.weighs(sets):
            changed = self.codec.copy(record)
            for name, value in sets.items():
                object.__setattr__(changed, name, value)
            self._check_entries(self.codec.bind(changed))

    def own(self, record: Any) -> Any:
        """Give a copy where bound values are the record's own, as JSON's may be; None where they cannot change."""
        return self.codec.copy(record) if self._shares_values else None

    def insert(self, record: Any) -> Insert:
        """Make the change that stores a new record."""
        values, size = self.weighed(record)
        return Insert(self.collection, values, new_revision(), size)

    def replace(self, record: Any, expected: int, require: tuple[tuple[str, Any], ...]) -> Replace:
        """Make the change that stores a record anew if it still is at a revision."""
        values, size = self.weighed(record)
        return Replace(self.collection, values, new_revision(), expected, require, size)

    def patch(self, key: Values, sets: dict[str, Any], **parts: Any) -> Patch:
        """Make the change that sets some fields, given as Python values that were checked."""
        bound = tuple((name, self.codec.dump(name, value)) for name, value in sets.items())
        return Patch(self.collection, key, new_revision(), bound, codec=self.codec, **parts)

    def stamp(self, record: Any, now: Callable[[], datetime]) -> list[tuple[str, Any]]:
        """Set the stamps of a change on a record, frozen or not; give what they were before."""
        before: list[tuple[str, Any]] = []
        if self.updated:
            instant = now()
            for spec in self.updated:
                before.append((spec.name, getattr(record, spec.name)))
                object.__setattr__(record, spec.name, instant)
        return before

    def stamps(self, specs: tuple[FieldSpec, ...], now: Callable[[], datetime]) -> dict[str, Any]:
        """Give the values of some stamps: one instant for all of them."""
        if not specs:
            return {}
        instant = now()
        return {spec.name: instant for spec in specs}
