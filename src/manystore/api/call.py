"""What the on_call hook is told of each call that reached the store."""

from __future__ import annotations

import msgspec


class Call(msgspec.Struct, frozen=True):
    """One call of the store. examined: records the access gave (0 for writes); round_trips: waits; seconds: all of it.

    operation: the repository's method, or commit. access: how it read, as in explain; the kinds of change for a write.
    error: the name of the error it ended in, or None.
    """

    operation: str
    collection: str
    access: str
    examined: int
    round_trips: int
    seconds: float
    error: str | None = None
