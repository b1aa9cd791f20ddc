"""Records as the callers of 2011 read them: by item and by attribute, times without a zone, (name, value) pairs.

Knows the models' objects; must not know operations. A record wraps an object; what leads on to others wraps these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from datetime import UTC, datetime
from functools import cache
from typing import Any

from manystore import NotLoaded

from ..model.record import NovaRecord
from .fitting import aware, types_of


class Record:
    """One object, read by item and by attribute. `==` and hash are those of what it wraps.

    Anything may be set on it, as on an object of 2011: what is no field stays on this record, and is stored nowhere.
    """

    __slots__ = ("_added", "_wrapped")

    _added: dict[str, Any]
    _wrapped: NovaRecord

    def __init__(self, wrapped: NovaRecord, added: Mapping[str, Any] | None = None) -> None:
        object.__setattr__(self, "_wrapped", wrapped)
        object.__setattr__(self, "_added", dict(added or {}))

    def __getattr__(self, name: str) -> Any:
        if name in self._added:
            return self._added[name]
        return shown(getattr(self._wrapped, name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._wrapped:
            setattr(self._wrapped, name, aware(value))
        elif isinstance(getattr(type(self._wrapped), name, None), property):
            raise AttributeError(f"{name} is made from other fields")
        else:
            self._added[name] = value

    def __getitem__(self, name: str) -> Any:
        if name in self._added:
            return self._added[name]
        return shown(self._wrapped[name])

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def __contains__(self, name: object) -> bool:
        return name in self._wrapped or name in self._added

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter([(name, self[name]) for name in self.keys()])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and bool(self._wrapped == other._wrapped)

    def __hash__(self) -> int:
        return hash((type(self._wrapped), self._wrapped.get("id")))

    def __repr__(self) -> str:
        return repr(self._wrapped)

    def __copy__(self) -> Record:
        return Record(copy(self._wrapped), self._added)

    def __reduce__(self) -> tuple[Any, ...]:
        return Record, (self._wrapped, self._added)

    def keys(self) -> list[str]:
        """Give the names of the fields."""
        return list(self._wrapped)

    def get(self, name: str, default: Any = None) -> Any:
        """Give what is read by this name, or the default."""
        try:
            return self[name]
        except (KeyError, NotLoaded):
            return default

    def items(self) -> list[tuple[str, Any]]:
        """Give (name, value) pairs of the fields."""
        return list(self)

    def values(self) -> list[Any]:
        """Give the values of the fields."""
        return [value for _, value in self]

    def iteritems(self) -> Iterator[tuple[str, Any]]:
        """Give (name, value) pairs of the fields, of the related records that are loaded, and of what was set."""
        model: Any = type(self._wrapped)
        related = {name: self.get(name, self) for name in _related_names(model)}
        loaded = {name: value for name, value in related.items() if value is not self}
        return iter((dict(self) | loaded | self._added).items())

    def update(self, values: Mapping[str, Any]) -> None:
        """Set what is given."""
        for name, value in dict(values).items():
            self[name] = value


@cache
def _related_names(model: type[NovaRecord]) -> tuple[str, ...]:
    """Give the names that lead on to other records: of relations, and of properties that go over links to them."""
    models = {kind.__name__ for kind in NovaRecord.__subclasses__()}
    slots = [name for name in model.__annotations__ if name not in model.__dataclass_fields__]
    made = {name: found for name, found in vars(model).items() if isinstance(found, property)}
    over_links = [name for name, found in made.items() if types_of(found.fget.__annotations__["return"]) & models]
    return (*(name for name in slots if not name.endswith("_links")), *over_links)


def shown(value: Any) -> Any:
    """Turn what an operation gives into what its function gave."""
    if isinstance(value, NovaRecord):
        return Record(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    kind: Any = value.__class__
    if kind is list:
        return [shown(item) for item in value]
    if kind is tuple:
        return tuple(shown(item) for item in value)
    if kind is dict:
        return {name: shown(item) for name, item in value.items()}
    return value
