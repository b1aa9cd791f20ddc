"""Records as the callers of 2011 read them: by item and by attribute, times without a zone, (name, value) pairs.

Knows the models' objects; must not know operations. A record wraps an object; what leads on to others wraps these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from manystore import NotLoaded

from ..model.record import NovaRecord


class Record:
    """One object, read by item and by attribute. `==` and hash are those of what it wraps."""

    __slots__ = ("_wrapped",)

    def __init__(self, wrapped: NovaRecord) -> None:
        object.__setattr__(self, "_wrapped", wrapped)

    def __getattr__(self, name: str) -> Any:
        return shown(getattr(self._wrapped, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._wrapped, name, aware(value))

    def __getitem__(self, name: str) -> Any:
        return shown(self._wrapped[name])

    def __setitem__(self, name: str, value: Any) -> None:
        self._wrapped[name] = aware(value)

    def __contains__(self, name: object) -> bool:
        return name in self._wrapped

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter([(name, self[name]) for name in self.keys()])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and bool(self._wrapped == other._wrapped)

    def __hash__(self) -> int:
        return hash((type(self._wrapped), self._wrapped.get("id")))

    def __repr__(self) -> str:
        return repr(self._wrapped)

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

    iteritems = items

    def update(self, values: Mapping[str, Any]) -> None:
        """Set fields; a name that is none is passed over, as it was never stored."""
        for name, value in values.items():
            if name in self:
                self[name] = value


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


def aware(value: Any) -> Any:
    """Give a time without a zone the one that it is meant in."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
