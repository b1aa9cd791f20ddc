"""A key-value store in a tree of znodes: the four verbs of the inner waist.

nodes.py says which node holds what, names.py reads in order, commit.py composes a step, link.py carries it there.
"""

from __future__ import annotations

from collections.abc import Sequence

from ....store.protocol import Wait
from ..layout import owner_of
from ..outcome import Broken, through
from ..protocol import Check, Key, Page, Put, Span, Values
from .buckets import Buckets
from .commit import Commit
from .link import Link
from .location import Location
from .multiread import MultiRead, Node
from .names import Names
from .nodes import ENTRIES, Nodes
from .slot import Slots

_REQUEST = 500_000  # bytes of paths in one read


class Tree:
    """A KeyValue (protocol.py) below one znode."""

    def __init__(self, location: Location, *, wait: Wait) -> None:
        self.link = Link(location)
        self._nodes = Nodes(location.root)
        self._buckets = Buckets(self.link, self._nodes, wait)
        self._slots = Slots(self.link, self._nodes, location.timeout)
        self._names = Names(self._buckets)
        self._limit = location.jute_maxbuffer
        self._timeout = location.timeout

    def get(self, keys: Sequence[Key], /, *, follow: str | None = None) -> Values:
        """Read some values as they are at one moment; or then the records that they name, as these are at one."""
        if any(space[:2] == ENTRIES for space, _ in keys):
            raise ValueError("entries of an index are read in order only")
        value = self._nodes.value
        values, epoch = self._read([value(key) for key in keys])
        owners = [] if follow is None else [value((follow, each.decode())) for each in values if each is not None]
        if not owners:
            return Values(values, epoch)
        records, epoch = self._read(owners)
        found = iter(records)
        return Values([each and next(found) for each in values], epoch, 2)

    def scan(
        self, spans: Sequence[Span], /, *, limit: int | None = None, reverse: bool = False, follow: str | None = None
    ) -> Page:
        """Read names in order, then the records they lead to, as these are at one moment if they fit one request."""
        page = self._names.read(spans, limit, reverse=reverse)
        if follow is None or not page.names:
            return page
        value, names = self._nodes.value, page.names
        owners = names if follow == spans[0].space else [owner_of(name) for name in names]
        return Page(names, *self._read([value((follow, name)) for name in owners]), page.trips + 1)

    def _read(self, paths: list[str]) -> tuple[list[bytes | None], str]:
        """Read values, in several requests only when the paths alone would be too long for one; then the epoch."""
        most = len(paths) if len(paths) < 100 else max(1, _REQUEST // (3 * max(map(len, paths))))
        nodes: list[Node | None] = []
        if len(paths) <= most:
            nodes = self.link.read([*paths, self._nodes.epoch]).nodes
        else:
            parts = [paths[start : start + most] for start in range(0, len(paths), most)]
            for found in self.link.read_all([MultiRead(part) for part in (*parts, [self._nodes.epoch])]):
                nodes += found.nodes
        last = nodes.pop()
        return [None if node is None else node[0] for node in nodes], "" if last is None else last[0].decode()

    def commit(
        self, checks: Sequence[Check], puts: Sequence[Put], deletes: Sequence[Key], /, *, epoch: str | None
    ) -> int | None:
        """Delete and put, in one atomic step, if the epoch is in force and all checks hold."""

        parts = checks, puts, deletes

        def send() -> int | None:
            return Commit(self._buckets, self._slots, self._limit, parts, epoch).run()

        try:
            return send()
        except Broken as broken:
            lost = broken
        return through(lost, send, self._slots.ask, self.get, parts=parts, seconds=self._timeout)

    def close(self) -> None:
        """End the session."""
        self.link.close()
