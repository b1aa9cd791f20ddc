"""What was set on a caller's objects before a write, so that a failed write can take it back. Knows attributes only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Undo:
    """Remembers attributes before they are set, so that a failed write leaves the caller's objects as they were."""

    __slots__ = ("_before", "generated")

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []
        self.generated = False

    def put(self, record: Any, name: str, value: Any) -> None:
        """Set an attribute, frozen or not."""
        self._before.append((record, name, getattr(record, name)))
        object.__setattr__(record, name, value)

    def undo(self, first: int = 0, records: Sequence[Any] | None = None) -> None:
        """Set everything back; of some records only, counted from first, when they are given."""
        chosen = None if records is None else {id(record) for record in records[first:]}
        for record, name, value in reversed(self._before):
            if chosen is None or id(record) in chosen:
                object.__setattr__(record, name, value)
