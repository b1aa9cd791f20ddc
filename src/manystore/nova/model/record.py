"""The four fields that every Nova model has, and its dict habits."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeGuard, TypeVar

from manystore import AsMapping, NotLoaded, field, model

R = TypeVar("R", bound="NovaRecord")


@model(abstract=True)
class NovaRecord(AsMapping):
    """When a record was made, last changed and deleted; most models are deleted by these alone.

    By name one reads fields, and, as Nova's callers do, properties and loaded related records: `instance["name"]`.
    """

    __slots__ = ()

    created_at: datetime | None = field(default=None, stamp="created")
    updated_at: datetime | None = field(default=None, stamp="updated")
    deleted_at: datetime | None = field(default=None, stamp="deleted")
    deleted: bool = False

    def __getitem__(self, name: str) -> Any:
        if name[:1] == "_" or callable(getattr(type(self), name, None)):
            raise KeyError(name)
        try:
            return getattr(self, name)
        except NotLoaded:
            raise
        except AttributeError:
            raise KeyError(name) from None

    def get(self, name: str, default: Any = None) -> Any:
        """Give what is read by this name, or the default when there is nothing of that name."""
        try:
            return self[name]
        except (KeyError, NotLoaded):
            return default


def is_live(record: R | None) -> TypeGuard[R]:
    """Tell whether a related record is there and not deleted."""
    return record is not None and not record.deleted
