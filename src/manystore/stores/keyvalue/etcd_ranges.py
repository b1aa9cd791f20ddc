"""Which ranges a scan of several spans reads, round by round.

Knows etcd's messages and the inner waist; must not know members. etcd counts in one range only, so each span is asked
for a share of the limit; what a share cut off is asked for again, all of it in one further round.
"""

from __future__ import annotations

from collections.abc import Sequence

from .etcd_messages import DESCEND, Message, Op, Range, Txn
from .etcd_step import Names
from .protocol import Span

_NAMES, _RECORDS = 4, 2  # times the limit: so much may one round read of several spans


class _Stretch:
    """A span under way. is_open: there may be more between low and high."""

    __slots__ = ("high", "is_open", "kvs", "low")

    def __init__(self, low: bytes, high: bytes) -> None:
        self.low = low
        self.high = high
        self.kvs: list[Message] = []
        self.is_open = low < high


class Ranges:
    """The reads of one scan: `first` and `again` make those of a round, `take` takes their answers."""

    def __init__(
        self, names: Names, spans: Sequence[Span], limit: int | None, *, reverse: bool, with_values: bool
    ) -> None:
        self._stretches = [_Stretch(*names.bounds(span)) for span in spans]
        self._limit = limit
        self._reverse = reverse
        self._with_values = with_values
        self._asked: list[_Stretch] = []
        self._share = 0  # 0: no limit

    def first(self, head: Message, most: int) -> Message | None:
        """Make a transaction of head and as many reads as there is room for; None when there can be nothing."""
        self._asked = asked = self._wanting()[: most - 1]
        if not asked:
            return None
        request = Txn(success=[head])
        self._add(request, asked, self._read(0))
        return request

    def again(self, revision: int, most: int) -> list[Message]:
        """Make the next round, at the revision of the first; none when all that is wanted is there."""
        self._asked = asked = self._wanting()
        read = self._read(revision)
        requests: list[Message] = []
        for start in range(0, len(asked), most):
            request = Txn()
            self._add(request, asked[start : start + most], read)
            requests.append(request)
        return requests

    def _read(self, revision: int) -> Message:
        """Make the read of this round, but for its bounds."""
        if self._limit is not None and self._asked:
            times = 1 if len(self._stretches) == 1 else _RECORDS if self._with_values else _NAMES
            self._share = max(1, times * self._limit // len(self._asked))
        # The past is the same on every member that has come so far: no need to ask the leader.
        read = Range(limit=self._share, revision=revision, serializable=revision > 0)
        read.keys_only = not self._with_values
        if self._reverse:
            read.sort_order = DESCEND
        return Op(request_range=read)

    @staticmethod
    def _add(request: Message, stretches: Sequence[_Stretch], read: Message) -> None:
        bounds = read.request_range
        for stretch in stretches:
            bounds.key, bounds.range_end = stretch.low, stretch.high
            request.success.append(read)  # a copy

    def _wanting(self) -> list[_Stretch]:
        """Give the open ones, but none that lies behind as many names as are wanted."""
        found: list[_Stretch] = []
        left = self._limit
        for stretch in self._stretches:
            if left is not None:
                left -= len(stretch.kvs)
                if left <= 0:
                    break
            if stretch.is_open:
                found.append(stretch)
        return found

    def take(self, answers: Sequence[Message]) -> None:
        """Take the answers of a round, in its order."""
        for stretch, answer in zip(self._asked, answers, strict=True):
            kvs = answer.response_range.kvs
            stretch.kvs += kvs
            stretch.is_open = 0 < self._share == len(kvs)
            if stretch.is_open and self._reverse:
                stretch.high = kvs[-1].key
            elif stretch.is_open:
                stretch.low = kvs[-1].key + b"\0"

    def found(self) -> list[Message]:
        """Give all that was found, in order, cut to the limit."""
        if len(self._stretches) == 1:
            return self._stretches[0].kvs
        return [kv for stretch in self._stretches for kv in stretch.kvs][: self._limit]
