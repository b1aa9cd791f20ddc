"""One read under way: what it asked the store for, and how far it may still go.

Knows the inner waist; must not know plans. Believes nothing that was read under another epoch than the plan's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from ...errors import EpochChanged, TooManyExamined
from .layout import just_after
from .protocol import Key, KeyValue, Page, Span

Bounds: TypeAlias = tuple[int | None, tuple[Any, ...] | None, int | None]  # limit, after, cap of a read
CHANGED = "the catalog changed since the query was planned"
PAGE = 2000  # names in one scan at most: some megabytes of records
_SPANS = 1000  # in one scan


class Reach:
    """One read under way: how far it goes, and what it sent. Believes nothing that was read under another epoch."""

    __slots__ = ("after", "cap", "epoch", "examined", "kv", "limit", "trips")

    def __init__(self, kv: KeyValue, epoch: str, bounds: Bounds) -> None:
        self.kv = kv
        self.epoch = epoch
        self.limit, self.after, self.cap = bounds
        self.examined = 0
        self.trips = 0

    def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        """Read values."""
        got = self.kv.get(keys)
        self.trips += got.trips
        if got.epoch != self.epoch:
            raise EpochChanged(CHANGED)
        return got.values

    def owned(self, claim: Key, space: str) -> list[bytes]:
        """Read the record that a claim names, if there is one."""
        got = self.kv.get((claim,), follow=space)
        self.trips += got.trips
        if got.epoch != self.epoch:
            raise EpochChanged(CHANGED)
        return [data for data in got.values if data is not None]

    def present(self, keys: Sequence[Key]) -> list[bytes]:
        """Read values, in several trips when they are many; leave out what is not there."""
        if len(keys) <= PAGE:
            return [data for data in self.get(keys) if data is not None]
        slices = (keys[start : start + PAGE] for start in range(0, len(keys), PAGE))
        return [data for part in slices for data in self.get(part) if data is not None]

    def scan(self, spans: Sequence[Span], limit: int, *, reverse: bool, follow: str | None) -> Page:
        """Read names in order, of as many spans as go into one scan."""
        part = spans if len(spans) <= _SPANS else spans[:_SPANS]
        page = self.kv.scan(part, limit=limit, reverse=reverse, follow=follow)
        self.trips += page.trips
        if page.epoch != self.epoch:
            raise EpochChanged(CHANGED)
        return page

    def weigh(self, number: int, model: str) -> None:
        """Take so many records as examined, all of them needed; raise TooManyExamined."""
        self.examined = number
        if self.cap is not None and number > self.cap:
            raise TooManyExamined(model, self.cap)


def beyond(spans: Sequence[Span], page: Page, limit: int, *, reverse: bool) -> Sequence[Span]:
    """Give what is left of some spans after a scan with this limit."""
    if len(page.names) < limit:
        return spans[_SPANS:]
    place, last = 0, page.names[-1]
    while not spans[place].low <= last < spans[place].high:
        place += 1
    span = spans[place]
    rest = Span(span.space, span.low, last) if reverse else Span(span.space, just_after(last), span.high)
    return [rest, *spans[place + 1 :]]
