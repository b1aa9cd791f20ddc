"""Keys and values that belong to a record: metadata and extra specs, written as the mapping that Nova's callers have.

Knows models with a key and a value; must not know what they belong to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from manystore import Col

from .guard import NovaRepository


def read_pairs(items: NovaRepository[Any], parent: Col[int], parent_id: int) -> dict[str, str | None]:
    """Give what belongs to a record as a mapping."""
    return {item.key: item.value for item in items.find(parent == parent_id)}


def write_pairs(
    items: NovaRepository[Any], parent: Col[int], parent_id: int, pairs: Mapping[str, str | None], *, delete: bool
) -> None:
    """Write a mapping: keys that are there are changed, the rest added; delete: what it does not name is deleted.

    Within a transaction that holds the parent, so that two who write at once do not mix.
    """
    there = {item.key: item for item in items.find(parent == parent_id)}
    if delete:
        for key in there.keys() - pairs.keys():
            items.delete(there[key])
    for key, value in pairs.items():
        item = there.get(key)
        if item is None:
            items.create(items.model(**{parent.spec.name: parent_id}, key=key, value=value))
        else:
            item.value = value
            items.save(item)
