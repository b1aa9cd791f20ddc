"""AsMapping: dict habits for a model, opt in, since no decorator can tell a type checker of `__getitem__`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

RESERVED = frozenset({"keys", "values", "items", "get", "update"})


class AsMapping:
    """Read and write a model's fields by name: `book["title"]`, `dict(book)`, `"title" in book`, `**book`."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__ or name[:1] == "_":  # type: ignore[attr-defined]
            raise KeyError(name)
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self.__dataclass_fields__ or name[:1] == "_":  # type: ignore[attr-defined]
            raise KeyError(name)
        setattr(self, name, value)

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def keys(self) -> list[str]:
        """Give the names of the fields, in the order of the class."""
        return [f.name for f in dataclasses.fields(self)]  # type: ignore[arg-type]

    def values(self) -> list[Any]:
        """Give the fields' values, in the order of the class."""
        return [getattr(self, name) for name in self.keys()]

    def items(self) -> list[tuple[str, Any]]:
        """Give (name, value) pairs, in the order of the class."""
        return [(name, getattr(self, name)) for name in self.keys()]

    def get(self, name: str, default: Any = None) -> Any:
        """Give a field's value, or the default when the model has no such field."""
        return getattr(self, name) if name in self else default

    def update(self, *others: Any, **values: Any) -> None:
        """Set fields from mappings and keywords; raise KeyError for a name that is no field, changing nothing."""
        changes: dict[str, Any] = {}
        for other in others:
            changes |= dict(other)
        changes |= values
        if unknown := [name for name in changes if name not in self]:
            raise KeyError(unknown[0])
        for name, value in changes.items():
            setattr(self, name, value)
