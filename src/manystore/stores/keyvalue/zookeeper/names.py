"""Reading names in order: from the buckets of a space, or from below the records that references lead to.

Names that come from one request are as they were at one moment. A stretch that needs several requests is checked to be
without a gap, but a row that moves meanwhile may be seen twice or not at all, as between two pages.
"""

from __future__ import annotations

from ....errors import Unavailable
from ..layout import GAP, just_after
from ..protocol import Page, Span
from .buckets import Buckets, Directory, state_of
from .multiread import Found
from .nodes import IN_ORDER, RECORDS, REFERENCES, is_reference

_TRIES = 100
_EXPECTED = 150  # entries that a bucket is taken to have at least, when it is worked out how many to read at once
_AT_ONCE = 24  # buckets in one request: about 10,000 entries
_TARGETS = 200  # records in one request, each with all that refers to it


class Names:
    """The ordered names of one database."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._link = buckets.link
        self._nodes = buckets.nodes

    def read(self, span: Span, limit: int | None, *, reverse: bool) -> Page:
        """Read at most limit names of a span, with the epoch at the last request."""
        if span.space[:2] == REFERENCES:
            page = self._references(span)
            return Page((page.names[::-1] if reverse else page.names)[:limit], [], page.epoch, page.trips)
        space = IN_ORDER + span.space[2:] if span.space[:2] == RECORDS else span.space
        for attempt in range(_TRIES):
            read = self._bucketed(space, span, limit, reverse=reverse)
            if read is not None:
                return read
            self._buckets.forget(space)
            self._buckets.wait(0.001 * min(attempt, 20))
        raise Unavailable("the buckets of an index changed faster than they could be read")

    def _bucketed(self, space: str, span: Span, limit: int | None, *, reverse: bool) -> Page | None:
        """Read from buckets; None when those that are known are not those that are there."""
        directory = self._buckets.directory(space)
        if directory is None or span.low >= span.high or limit == 0:
            return Page([], [], _epoch_in(self._link.read([self._nodes.epoch])))
        first, end = directory.place(span.low), directory.end(span.high)
        found: list[str] = []
        trips = 0
        while True:
            number = _AT_ONCE if limit is None else min(_AT_ONCE, 1 + (limit - len(found)) // _EXPECTED)
            start = max(first, end - number) if reverse else first
            stop = end if reverse else min(end, first + number)
            paths = [bucket.path for bucket in directory.buckets[start:stop]]
            read = self._link.read([*paths, self._nodes.epoch], paths)
            trips += 1
            if not _is_whole(directory, start, read):
                return None
            listed = sorted(name for names in read.lists for name in names or () if span.low <= name < span.high)
            found += listed[::-1] if reverse else listed
            if reverse:
                end = start
            else:
                first = stop
            if first >= end or (limit is not None and len(found) >= limit):
                return Page(found[:limit], [], _epoch_in(read), trips)

    def _references(self, span: Span) -> Page:
        trips, (target, _, low) = 0, span.low.partition(GAP)
        targets = [target]
        if not (low or span.low.endswith(GAP)) or not span.high.startswith(target + GAP):
            last = span.high.partition(GAP)[0]
            above = Span(RECORDS + span.space[2:], target, just_after(last))
            page = self.read(above, None, reverse=False)
            targets, trips = page.names, page.trips
        names: list[str] = []
        read = Found([], [None])
        for start in range(0, max(1, len(targets)), _TARGETS):
            part = targets[start : start + _TARGETS]
            paths = [self._nodes.value((RECORDS + span.space[2:], name)) for name in part]
            read = self._link.read([self._nodes.epoch], paths)
            trips += 1
            for name, children in zip(part, read.lists, strict=True):
                names += [f"{name}{GAP}{child}" for child in children or () if is_reference(child)]
        return Page(sorted(name for name in names if span.low <= name < span.high), [], _epoch_in(read), trips)


def _is_whole(directory: Directory, start: int, read: Found) -> bool:
    """Tell whether each bucket is there, and is followed by the one that was expected."""
    for place, node in enumerate(read.nodes[:-1], start):
        if node is None or state_of(node[0])[1] != directory.following(place):
            return False
    return True


def _epoch_in(read: Found) -> str:
    node = read.nodes[-1]
    return "" if node is None else node[0].decode()
