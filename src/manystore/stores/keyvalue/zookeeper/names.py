"""Reading names in order: from the buckets of a space, or from below the records that references lead to.

Names that come from one request are as they were at one moment. A stretch that needs several requests is checked to be
without a gap, but a row that moves meanwhile may be seen twice or not at all, as between two pages.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence
from itertools import chain

from ....errors import Unavailable
from ..layout import GAP, just_after
from ..protocol import Page, Span
from .buckets import Buckets, Directory, state_of
from .multiread import Found, MultiRead
from .nodes import CLAIMS, IN_ORDER, RECORDS, REFERENCES, is_reference

_TRIES = 100
_EXPECTED = 150  # entries that a bucket is taken to have at least, when it is worked out how many to read at once
_AT_ONCE = 24  # buckets in one request: about 10,000 entries
_IN_A_TRIP = 4 * _AT_ONCE  # buckets in the requests that are sent at once, when several spans are read
_TARGETS = 200  # records in one request, each with all that refers to it
_HASHED = 16  # hash directories in one request


class Names:
    """The ordered names of one database."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._link = buckets.link
        self._nodes = buckets.nodes

    def read(self, spans: Sequence[Span], limit: int | None, *, reverse: bool) -> Page:
        """Read at most limit names of some spans of one space, with the epoch at the last request."""
        space = spans[0].space
        if space[:2] == REFERENCES:
            return self._references(spans, limit, reverse=reverse)
        if space[:2] == CLAIMS:
            return self._claims(space, limit)
        if space[:2] == RECORDS:
            space = IN_ORDER + space[2:]
        for attempt in range(_TRIES):
            directory = self._buckets.directory(space)
            if directory is None or limit == 0:
                return Page([], [], _epoch_in(self._link.read([self._nodes.epoch])))
            read = self._bucketed(directory, spans, limit, reverse=reverse)
            if read is not None:
                return read
            self._buckets.forget(space)
            self._buckets.wait(0.001 * min(attempt, 20))
        raise Unavailable("the buckets of an index changed faster than they could be read")

    def _bucketed(
        self, directory: Directory, spans: Sequence[Span], limit: int | None, *, reverse: bool
    ) -> Page | None:
        """Read from buckets; None when those that are known are not those that are there."""
        ahead, is_one = _steps(directory, spans, reverse=reverse), len(spans) == 1
        listed: dict[int, list[str]] = {}
        found: list[str] = []
        epoch, trips = "", 0
        while True:
            number = _AT_ONCE if limit is None else min(_AT_ONCE, 1 + (limit - len(found)) // _EXPECTED)
            # Each further span may lie in a bucket of its own.
            if not is_one:
                number = min(number + len(spans) - 1, _IN_A_TRIP)
            steps, places = _taken(ahead, number, listed)
            if places or not trips:
                reads = self._read(directory, places)
                if reads is None:
                    return None
                trips += 1
                epoch = _epoch_in(reads[-1])
                lists = [names or [] for read in reads for names in read.lists]
                listed.update(zip(places, lists if is_one else map(sorted, lists), strict=True))
            for span, place in steps:
                names = listed[place]
                if is_one:
                    part = sorted(name for name in names if span.low <= name < span.high)
                else:
                    part = names[bisect_left(names, span.low) : bisect_left(names, span.high)]
                found += part[::-1] if reverse else part
            if not steps or (limit is not None and len(found) >= limit):
                return Page(found[:limit], [], epoch, trips)

    def _read(self, directory: Directory, places: Sequence[int]) -> list[Found] | None:
        """Read some buckets, with the epoch; None unless each is there and followed by the one that was expected."""
        requests: list[MultiRead] = []
        for start in range(0, max(1, len(places)), _AT_ONCE):
            paths = [directory.buckets[place].path for place in places[start : start + _AT_ONCE]]
            requests.append(MultiRead([*paths, self._nodes.epoch], paths))
        reads = self._link.read_all(requests)
        nodes = [node for read in reads for node in read.nodes[:-1]]
        for place, node in zip(places, nodes, strict=True):
            if node is None or state_of(node[0])[1] != directory.following(place):
                return None
        return reads

    def _references(self, spans: Sequence[Span], limit: int | None, *, reverse: bool) -> Page:
        records, trips = RECORDS + spans[0].space[2:], 0
        targets: list[Sequence[str]] = []
        for span in spans:
            target, _, low = span.low.partition(GAP)
            if (low or span.low.endswith(GAP)) and span.high.startswith(target + GAP):
                targets.append([target])
                continue
            above = self.read([Span(records, target, just_after(span.high.partition(GAP)[0]))], None, reverse=False)
            targets.append(above.names)
            trips += above.trips
        every = list(dict.fromkeys(chain.from_iterable(targets)))
        children: dict[str, list[str] | None] = {}
        read = Found([], [None])
        for start in range(0, max(1, len(every)), _TARGETS):
            part = every[start : start + _TARGETS]
            read = self._link.read([self._nodes.epoch], [self._nodes.value((records, name)) for name in part])
            trips += 1
            children.update(zip(part, read.lists, strict=True))
        found: list[str] = []
        for span, held in zip(spans, targets, strict=True):
            names = [f"{name}{GAP}{child}" for name in held for child in children[name] or () if is_reference(child)]
            found += sorted((name for name in names if span.low <= name < span.high), reverse=reverse)
        return Page(found[:limit], [], _epoch_in(read), trips)

    def _claims(self, space: str, limit: int | None) -> Page:
        """Read the names of some claims, whichever."""
        path, found, trips = self._nodes.space(space), list[str](), 1
        read = self._link.read([self._nodes.epoch], [path])
        hashed = [f"{path}/{name}" for name in read.lists[0] or ()]
        for start in range(0, len(hashed), _HASHED):
            if limit is not None and len(found) >= limit:
                break
            read = self._link.read([self._nodes.epoch], hashed[start : start + _HASHED])
            trips += 1
            found += chain.from_iterable(names or () for names in read.lists)
        return Page(found[:limit], [], _epoch_in(read), trips)


def _steps(directory: Directory, spans: Sequence[Span], *, reverse: bool) -> Iterator[tuple[Span, int]]:
    """Give what is looked at in turn: a span, and the place of a bucket that may hold names of it."""
    for span in spans:
        if span.low < span.high:
            places = range(directory.place(span.low), directory.end(span.high))
            for place in reversed(places) if reverse else places:
                yield span, place


def _taken(
    ahead: Iterator[tuple[Span, int]], number: int, listed: Container[int]
) -> tuple[list[tuple[Span, int]], list[int]]:
    """Take the next steps, and list the buckets to read for them: so many, unless there are no more."""
    steps: list[tuple[Span, int]] = []
    places: dict[int, None] = {}
    for step in ahead:
        steps.append(step)
        if step[1] not in listed:
            places[step[1]] = None
            if len(places) == number:
                break
    return steps, list(places)


def _epoch_in(read: Found) -> str:
    node = read.nodes[-1]
    return "" if node is None else node[0].decode()
