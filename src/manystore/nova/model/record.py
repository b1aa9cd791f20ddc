"""The four fields that every Nova model has, and its dict habits."""

from __future__ import annotations

from datetime import datetime

from manystore import AsMapping, field, model


@model(abstract=True)
class NovaRecord(AsMapping):
    """When a record was made, last changed and deleted; most models are deleted by these alone."""

    __slots__ = ()

    created_at: datetime | None = field(default=None, stamp="created")
    updated_at: datetime | None = field(default=None, stamp="updated")
    deleted_at: datetime | None = field(default=None, stamp="deleted")
    deleted: bool = False
