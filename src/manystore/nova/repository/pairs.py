"""Keys and values that belong to a record: metadata and extra specs, written as the mapping that Nova's callers have.

Knows models with a key and a value; must not know what they belong to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manystore import Col, col

from .guard import NovaRepository


def read_pairs(items: NovaRepository[Any], parent: Col[int], parent_id: int) -> dict[str, str | None]:
    """Give what belongs to a record as a mapping."""
    return {item.key: item.value for item in items.find(parent == parent_id)}


def make_pairs(
    items: NovaRepository[Any], parent: Col[int], parent_id: int, pairs: Mapping[str, str | None]
) -> list[Any]:
    """Add what belongs to a new record; give the records of it."""
    made = [items.model(**{parent.spec.name: parent_id}, key=key, value=value) for key, value in pairs.items()]
    return items.create_all(made)


def write_pairs(
    items: NovaRepository[Any], parent: Col[int], parent_id: int, pairs: Mapping[str, str | None], *, delete: bool
) -> dict[str, str | None]:
    """Write a mapping and give all that is there now; delete: what it does not name is deleted.

    A key that was there keeps its record; one that was deleted before gets a new one. To be called within a
    transaction that holds the parent, so that two who write at once do not mix.
    """
    there = {item.key: item for item in items.find(parent == parent_id)}
    if delete:
        for gone in there.keys() - pairs.keys():
            items.delete(there.pop(gone))
    for key, value in pairs.items():
        item = there.get(key)
        if item is None:
            there[key] = items.create(items.model(**{parent.spec.name: parent_id}, key=key, value=value))
        elif item.value != value:
            item.value = value
            items.save(item)
    return {key: item.value for key, item in there.items()}


def delete_pair(items: NovaRepository[Any], parent: Col[int], parent_id: int, key: str) -> None:
    """Delete one key of a record, if it is there."""
    items.delete_where(parent == parent_id, col(items.model.key) == key)
