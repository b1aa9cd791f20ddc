"""The checks `empty` and `range`, which ZooKeeper has no operation for: what holds them for the length of one step.

Of references to a record: the step deletes the record and makes it again as it was, which is refused while it has a
child that the check does not name. Of entries: their buckets are frozen first, as for a split, so that nothing can
change between the look at them and the step, which opens them; writers wait for some milliseconds. The commits of this
package only ask for the references of a record that goes, which needs none of this (commit.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ....errors import StoreError, Unavailable, Unsupported
from ..layout import GAP, after_all
from ..protocol import Empty, Range, Span
from .buckets import Bucket, Buckets, state, state_of
from .multi import Multi
from .nodes import IN_ORDER, RECORDS, REFERENCES, is_reference, target_of, token_in
from .split import go_on

_TRIES, _PAUSE = 50, 0.001
Mark: TypeAlias = Callable[[], None]  # called once for each operation that is added


class Hold:
    """What one commit holds still."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._link = buckets.link
        self._held: dict[str, str] = {}  # frozen buckets, each with the name of the next
        self.versions: dict[str, int] = {}

    def require(self, multi: Multi, check: Empty | Range, mark: Mark) -> bool:
        """Hold still what a check speaks of, add the operations for it; False when it does not hold now."""
        if isinstance(check, Empty):
            span: Span = Span(check.space, check.prefix, after_all(check.prefix))
            seen: tuple[str, ...] = ()
        else:
            span, seen = check.span, check.seen
        if span.space[:2] == REFERENCES:
            return self._require_references(multi, span, seen, mark)
        space = IN_ORDER + span.space[2:] if span.space[:2] == RECORDS else span.space
        buckets = self._freeze(space, span)
        lists = self._link.read((), [bucket.path for bucket in buckets]).lists
        return tuple(sorted(n for names in lists for n in names or () if span.low <= n < span.high)) == seen

    def _require_references(self, multi: Multi, span: Span, seen: tuple[str, ...], mark: Mark) -> bool:
        target, gap, rest = span.low.partition(GAP)
        if not gap or rest or span.high != after_all(target + GAP):
            raise Unsupported("ZooKeeper can hold the references of one record still, not others")
        path = self._buckets.nodes.value(target_of((span.space, span.low)))
        found = self._link.read((path,), (path,))
        (node,), (children,) = found.nodes, found.lists
        if node is None or children is None:
            return not seen  # a reference cannot be made without its record, and its maker requires that
        names = tuple(sorted(f"{target}{GAP}{child}" for child in children if is_reference(child)))
        if names != seen:
            return False
        for child in children:
            multi.delete(f"{path}/{child}")
        multi.delete(path)
        multi.create(path, node[0])
        for child in children:
            multi.create(f"{path}/{child}")
        for _ in range(2 * len(children) + 2):
            mark()
        return bool(token_in(children))

    def _freeze(self, space: str, span: Span) -> list[Bucket]:
        """Freeze the buckets of a span."""
        buckets = self._buckets
        for attempt in range(_TRIES):
            directory = buckets.made(space)
            start, end = directory.place(span.low), max(directory.end(span.high), directory.place(span.low) + 1)
            wanted = directory.buckets[start:end]
            step, is_whole = self._link.step(), True
            versions: dict[str, int] = {}
            held: dict[str, str] = {}
            for place, (bucket, node) in enumerate(zip(wanted, buckets.look(wanted), strict=True), start):
                if bucket.path in self._held:
                    continue
                is_frozen, following = (False, "") if node is None else state_of(node[0])
                is_whole = node is not None and following == directory.following(place) and not is_frozen
                if node is None or not is_whole:
                    if is_frozen and node is not None:
                        go_on(buckets, space, bucket, node)
                    break
                step.put(bucket.path, state(following, frozen=True), node[1])
                versions[bucket.path], held[bucket.path] = node[1] + 1, following
            if is_whole and self._link.tidy(step) is None:
                self.versions |= versions
                self._held |= held
                return wanted
            buckets.forget(space)
            buckets.wait(_PAUSE * attempt)
        raise Unavailable(f"other writers were faster {_TRIES} times; nothing was written")

    def release(self, multi: Multi, mark: Mark) -> None:
        """Add to a step what opens all that is held."""
        for path, following in self._held.items():
            multi.put(path, state(following), self.versions[path])
            mark()

    def forget(self) -> None:
        """Take it that the step was carried out."""
        self._held, self.versions = {}, {}

    def let_go(self) -> None:
        """Open what is still held."""
        if self._held:
            step = self._link.step()
            self.release(step, lambda: None)
            self.forget()
            try:
                self._link.tidy(step)
            except StoreError:
                return  # the next writer opens it; what the commit itself met is told
