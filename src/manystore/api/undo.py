"""What was set on a caller's objects before a write, so that a failed write can take it back. Knows attributes only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

_put = object.__setattr__


class Undo:
    """Remembers attributes before they are set, so that a failed write leaves the caller's objects as they were."""

    __slots__ = ("_before", "generated")

    def __init__(self) -> None:
        self._before: list[tuple[Sequence[Any], str, Any]] = []
        self.generated = False

    def put(self, record: Any, name: str, value: Any, *, before: Any) -> None:
        """Set an attribute of a record, frozen or not; before: what it is."""
        self._before.append(((record,), name, before))
        _put(record, name, value)

    def fill(self, records: Sequence[Any], name: str, value: Any) -> None:
        """Set an attribute of those records where it is None."""
        filled = [record for record in records if getattr(record, name) is None]
        for record in filled:
            _put(record, name, value)
        self._before.append((filled, name, None))

    def put_each(self, records: Sequence[Any], name: str, values: Iterable[Any], *, before: Any) -> None:
        """Set an attribute of some records, to another value on each; before: what it is on all of them."""
        self._before.append((records, name, before))
        for record, value in zip(records, values, strict=True):
            _put(record, name, value)

    def undo(self, first: int = 0, records: Sequence[Any] | None = None) -> None:
        """Set everything back; of some records only, counted from first, when they are given."""
        chosen = None if records is None else {id(record) for record in records[first:]}
        for changed, name, value in reversed(self._before):
            for record in changed:
                if chosen is None or id(record) in chosen:
                    _put(record, name, value)
