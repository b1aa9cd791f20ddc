"""What filters of instances mean: which of them a store can serve, and which are tried on each record.

Knows the fields of instances; must not know who asks (the view that it is run in does).

changes-since: changed later than that. deleted: True: deleted or to be reclaimed; False: neither; left out: all.
project_id, user_id, image_ref, vm_state, instance_type_id, uuid: equal, or one of a list. metadata: a mapping, or a
list of them, all of which must be pinned to it exactly. Any other: a regular expression that the text of that attribute
must match from its start; an empty attribute never matches, and an attribute that there is none of always does.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from manystore import Col, NotLoaded, Predicate, col

from ..exception import Invalid
from ..model.instance import SOFT_DELETED, Instance
from .guard import NovaRepository

_EXACT: Mapping[str, Col[Any]] = {
    "project_id": col(Instance.project_id),
    "user_id": col(Instance.user_id),
    "image_ref": col(Instance.image_ref),
    "vm_state": col(Instance.vm_state),
    "instance_type_id": col(Instance.instance_type_id),
}
_INDEXED = {"host": col(Instance.host), "reservation_id": col(Instance.reservation_id)}
_SINCE, _DELETED, _METADATA, _UUID = "changes-since", "deleted", "metadata", "uuid"
_LITERAL = re.compile(r"[\w @/:,;=-]*")  # what stands for itself at the beginning of a regular expression
_REPEATS = ("*", "?", "{")
_AT_ONCE = 50  # uuids
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class InstanceSearch:
    """A search: predicates for the store, and what is tried on what it gives. uuids: only these, if not None."""

    where: tuple[Predicate, ...]
    uuids: tuple[str, ...] | None
    metadata: tuple[tuple[str, str | None], ...]
    patterns: tuple[tuple[str, re.Pattern[str]], ...]

    @classmethod
    def of(cls, filters: Mapping[str, Any], *, is_own: bool) -> InstanceSearch:
        """Read filters; raise Invalid. is_own: a user's own project takes the place of any that is named."""
        given = {name: value for name, value in filters.items() if name != "project_id" or not is_own}
        known = {_SINCE, _DELETED, _METADATA, _UUID, *_EXACT}
        patterns = tuple((name, _pattern(name, value)) for name, value in given.items() if name not in known)
        uuids = _uuids(given[_UUID]) if _UUID in given else None
        return cls((*_exact(given), *_bounds(patterns)), uuids, _pairs(given.get(_METADATA)), patterns)

    def run(self, instances: NovaRepository[Instance]) -> list[Instance]:
        """Give what passes, the newest first."""
        # scan: the cap would refuse a project that has had many instances; an administrator who names no project, user,
        # host, reservation or uuid means the whole cloud.
        load = (Instance.metadata,) if self.metadata else ()
        found = [one for where in self._stretches() for one in instances.find(*where, load=load, scan=True)]
        found.sort(key=lambda instance: instance.id)
        found.sort(key=lambda instance: instance.created_at or _EARLIEST, reverse=True)
        return [instance for instance in found if self._passes(instance)]

    def _stretches(self) -> Iterator[tuple[Predicate, ...]]:
        """Give what is read at once: each uuid is found by its claim, and a store takes only so many in a question."""
        if self.uuids is None:
            yield self.where
            return
        for first in range(0, len(self.uuids), _AT_ONCE):
            each: list[Predicate] = [col(Instance.uuid) == uuid for uuid in self.uuids[first : first + _AT_ONCE]]
            yield (*self.where, functools.reduce(lambda left, right: left | right, each))

    def _passes(self, instance: Instance) -> bool:
        if not all(_matches(instance, name, pattern) for name, pattern in self.patterns):
            return False
        if not self.metadata:
            return True
        pinned = instance.metadata_by_key
        return all(key in pinned and pinned[key] == value for key, value in self.metadata)


def _exact(given: Mapping[str, Any]) -> Iterator[Predicate]:
    """Give what the store itself compares."""
    for name, column in _EXACT.items():
        if name in given:
            value: Any = given[name]
            yield column.in_(value) if _is_several(value) else column.is_(value)
    if _SINCE in given:
        since: datetime = given[_SINCE]
        yield col(Instance.updated_at) > since
    if _DELETED in given:
        gone = col(Instance.deleted).is_(True) | (col(Instance.vm_state) == SOFT_DELETED)
        yield gone if given[_DELETED] else ~gone


def _is_several(value: object) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def _uuids(value: Any) -> tuple[str, ...]:
    return tuple(sorted(set(value))) if _is_several(value) else (value,)


def _pairs(metadata: Any) -> tuple[tuple[str, str | None], ...]:
    mappings: list[Mapping[str, str | None]] = [metadata or {}] if isinstance(metadata or {}, Mapping) else metadata
    return tuple(pair for mapping in mappings for pair in mapping.items())


def _pattern(name: str, value: object) -> re.Pattern[str]:
    try:
        return re.compile(str(value))
    except re.error as error:
        raise Invalid(f"filter {name}: no regular expression: {error}") from None


def _bounds(patterns: tuple[tuple[str, re.Pattern[str]], ...]) -> Iterator[Predicate]:
    """Give the stretch of an index that holds all that a regular expression may match."""
    for name, pattern in patterns:
        start = _literal_start(pattern.pattern)
        if name in _INDEXED and start:
            yield _INDEXED[name].prefix(start)


def _literal_start(pattern: str) -> str:
    found = _LITERAL.match(pattern)
    start = found.group() if found else ""
    if "|" in pattern:
        return ""
    return start[:-1] if pattern[len(start) : len(start) + 1] in _REPEATS else start


def _matches(instance: Instance, name: str, pattern: re.Pattern[str]) -> bool:
    try:
        value = instance[name]
    except (KeyError, NotLoaded):
        return True
    return bool(value) and pattern.match(str(value)) is not None
