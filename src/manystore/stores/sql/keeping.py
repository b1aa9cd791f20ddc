"""Keeping: what was compiled for one store, kept for all of the process that are alike: same dialect, same prefix.

Knows keys only. To build and compile one statement takes as long as to run it a hundred times, and a program that opens
a database again, or follows its catalog, needs the same statements again. What is kept must hold no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")
_MOST = 1000  # more is not the work of one program; then all is made anew
_KEPT: dict[Hashable, Any] = {}


def kept(key: Hashable, make: Callable[[], T]) -> T:
    """Give what was made under a key; make it if it is not there."""
    found: T | None = _KEPT.get(key)
    if found is None:
        if len(_KEPT) >= _MOST:
            _KEPT.clear()
        found = _KEPT[key] = make()
    return found
