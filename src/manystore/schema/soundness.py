"""Soundness: whether records that manystore did not write are such as a schema has them, told without their values.

Takes them one by one, so that any number of them passes; of uniques and references it keeps what was met. Must not know
where records come from, nor where they go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .foreign import Unfit, primitive_of
from .schema import Collection, Schema, Unique

_SHOWN = 5  # keys of each finding
_DIGEST = 16
_UNFIT: Any = object()  # in the place of a primitive that there is none for


class Finding:
    """One thing that is wrong with some records. more: what to do about it."""

    __slots__ = ("count", "keys", "more")

    def __init__(self, more: str = "") -> None:
        self.count = 0
        self.keys: list[str] = []
        self.more = more

    def add(self, key: str, count: int = 1) -> None:
        """Count a record, or several."""
        self.count += count
        if len(self.keys) < _SHOWN and key:
            self.keys.append(key)

    def sentence(self, what: str) -> str:
        """Say what is wrong, with how many records, and with which."""
        dots = ", ..." if self.count > len(self.keys) else ""
        keys = f" (keys {', '.join(self.keys)}{dots})" if self.keys else ""
        return f"{what}: {self.count:,}{keys}{self.more}"


class Soundness:
    """What was learned of the records so far. fill: by collection and field, what stands in for a null."""

    def __init__(self, schema: Schema, fill: Mapping[str, Mapping[str, Any]]) -> None:
        self._schema = schema
        self._fill = fill
        self._findings: dict[str, Finding] = {}
        self._met: dict[tuple[str, str], set[Any]] = {}  # of a unique: the values that are taken
        self._there: dict[str, set[Any]] = {}  # of a collection that is referred to: its keys
        self._wanted: dict[tuple[str, str], dict[Any, Finding]] = {}  # of a reference: what it leads to, and from where
        self.greatest: dict[str, int] = {}
        self.counts: dict[str, int] = {}

    def begin(self, collection: Collection) -> None:
        """Say that a collection's records follow, if there are any."""
        self.counts[collection.name] = 0
        self._there[collection.name] = set()

    def take(self, collection: Collection, raws: Sequence[Any]) -> list[Any] | None:
        """Look at a record, whose raw values are in the order of the fields; give its primitives, or None."""
        self.counts[collection.name] += 1
        label = "/".join(_shown(raws[place]) for place in collection.key_positions)
        values = self._values(collection, raws, label)
        key = values[collection.key_positions[0]]
        if self._schema.referrers(collection.name):
            self._there[collection.name].add(key)
        if collection.generated and key is not _UNFIT:
            self.greatest[collection.name] = max(key, self.greatest.get(collection.name, 0))
        self._claim(collection, "the key", collection.key, values, label)
        for unique in collection.uniques:
            if not _is_exempt(collection, unique, values):
                self._claim(collection, unique.name, unique.fields, values, label)
        for reference in collection.references:
            target = values[collection.positions[reference.field]]
            if target is not None and target is not _UNFIT:
                wanted = self._wanted.setdefault((collection.name, reference.field), {})
                wanted.setdefault(target, Finding()).add(label)
        return None if any(value is _UNFIT for value in values) else values

    def _values(self, collection: Collection, raws: Sequence[Any], label: str) -> list[Any]:
        """Give the primitives, with _UNFIT where there is none."""
        fill = self._fill.get(collection.name, {})
        values: list[Any] = []
        for field, raw in zip(collection.fields, raws, strict=True):
            place = f"{collection.name}.{field.column}"
            if raw is None:
                value = None if field.optional else fill.get(field.name)
                if value is None and not field.optional:
                    more = f"; --fill {collection.name}.{field.name}=VALUE gives them one"
                    self.find(f"{place}: values are missing", more).add(label)
                    value = _UNFIT
                values.append(value)
                continue
            try:
                values.append(primitive_of(field, raw))
            except Unfit as reason:
                self.find(f"{place}: values {reason}").add(label)
                values.append(_UNFIT)
        return values

    def find(self, what: str, more: str = "") -> Finding:
        """Give the finding of that text."""
        return self._findings.setdefault(what, Finding(more))

    def _claim(
        self, collection: Collection, name: str, fields: Sequence[str], values: Sequence[Any], label: str
    ) -> None:
        met = self._met.setdefault((collection.name, name), set())
        parts = [values[collection.positions[part]] for part in fields]
        if any(part is _UNFIT for part in parts):
            return
        held = _held(parts)
        if held in met:
            self.find(f"{collection.name}: records repeat what another has in {name}").add(label)
        met.add(held)

    def sentences(self) -> list[str]:
        """Say all that is wrong."""
        said = [finding.sentence(what) for what, finding in self._findings.items()]
        for (name, field), wanted in self._wanted.items():
            target = self._target(name, field)
            if target not in self._there:
                continue  # its records were not looked at, because of its shape
            there, lost = self._there[target], Finding()
            for value, finding in wanted.items():
                if value not in there:
                    for key in finding.keys:
                        lost.add(key)
                    lost.count += finding.count - len(finding.keys)
            if lost.count:
                said.append(lost.sentence(f"{name}.{field}: values lead to no record of {target}"))
        return said

    def _target(self, name: str, field: str) -> str:
        return next(r.target for r in self._schema.collection(name).references if r.field == field)


def _is_exempt(collection: Collection, unique: Unique, values: Sequence[Any]) -> bool:
    """Tell whether a unique ignores a record."""
    if any(values[collection.positions[part]] is None for part in unique.fields):
        return True
    live = None if collection.live is None else values[collection.positions[collection.live]]
    return unique.among == "live" and live in (True, _UNFIT)


def _held(values: list[Any]) -> Any:
    """Give what stands for some values in a set: one short value itself, of others a digest."""
    if len(values) == 1 and not (isinstance(values[0], (str, bytes)) and len(values[0]) > _DIGEST):
        return values[0]
    return hashlib.blake2b(msgspec.json.encode(values), digest_size=_DIGEST).digest()


def _shown(value: Any) -> str:
    return value.hex() if isinstance(value, (bytes, memoryview)) else str(value)
