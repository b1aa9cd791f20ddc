"""One commit as a transaction of etcd: the five checks as compares, the writes, and who failed.

Knows the messages and the inner waist; must not know members or slots' leases. etcd does not say which compare failed,
so the failure branch reads what the checks look at, and the first that does not hold is found here. Of many checks that
would be carried through the server's log with every commit: these are read in a request of their own, after a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import EpochChanged
from .etcd_messages import CREATE, GREATER, LESS, VALUE, Message, Op, Range, Txn
from .etcd_slot import Slot
from .layout import after_all, just_after
from .protocol import CATALOG, Absent, Check, Empty, Exists, Key, Same, Span, epoch_of, token_of
from .protocol import Put as Stored
from .protocol import Range as Exactly

EPOCH: Key = (CATALOG[0], "epoch")  # the catalog's epoch once more, since a catalog is too long to read each time
_TOKEN = b'{"_revision":"'
_FEW = 16  # checks that are read in the failure branch: a create, a save or a small transaction is told at once


class Moved(Exception):
    """The slot is not as this writer left it: its lease ran out. Nothing was written."""


class Passed(Exception):
    """When the checks of a refused commit were read, each of them held again. Nothing was written."""


class Names:
    """The keys of one database."""

    def __init__(self, name: str) -> None:
        self.root = f"/{name}/"
        self.epoch = self.key(EPOCH)
        self.epoch_op = Op(request_range=Range(key=self.epoch))

    def key(self, key: Key) -> bytes:
        """Give the key of a space and a name."""
        return f"{self.root}{key[0]}/{key[1]}".encode()

    def bounds(self, span: Span) -> tuple[bytes, bytes]:
        """Give the key and range_end of a span; they bound nothing when the span is empty."""
        start = f"{self.root}{span.space}/"
        return (start + span.low).encode(), (start + max(span.low, span.high)).encode()


class Step:
    """One commit, built into a transaction field by field: a message that is put into another one is copied.

    The first compare, the first read and the last write are the slot's; a commit that only checks has none.
    """

    def __init__(
        self,
        names: Names,
        checks: Sequence[Check],
        puts: Sequence[Stored],
        deletes: Sequence[Key],
        epoch: str | None,
    ) -> None:
        self._names = names
        self._checks = checks
        self._epoch = epoch
        self.is_reading = not puts and not deletes
        self.tells = len(checks) <= _FEW
        """Whether the answer to a refused commit holds what the checks look at."""
        self._request = request = Txn()
        if not self.is_reading:
            self._slot_compare = request.compare.add()
            self._slot_read = request.failure.add().request_range
        if epoch is not None:
            compare = request.compare.add()
            compare.target, compare.key, compare.value = VALUE, names.epoch, epoch.encode()
        request.failure.append(names.epoch_op)
        for check in checks:
            low, high = self._bounds(check)
            self._compare(check, low, high)
            if self.tells:
                _fill(request.failure.add().request_range, check, low, high)
        self._write(puts, deletes)

    def request(self, slot: Slot | None, most: int) -> Message:
        """Give the transaction; slot: none for a commit that only checks. most: operations that the server takes."""
        request = self._request
        if slot is None:
            return request
        slot.compare(self._slot_compare)
        slot.write(self._slot_write)
        self._slot_read.key = slot.key
        if len(request.success) <= most:
            return request
        least = max(len(request.compare), len(request.failure))
        return Txn(compare=request.compare, failure=request.failure, success=_grouped(request.success, least, most))

    def question(self, slot: Slot | None) -> Message:
        """Give the request that reads what the failure branch would, had it been sent along."""
        request = Txn()
        add = request.success.add
        if slot is not None:
            add().request_range.key = slot.key
        request.success.append(self._names.epoch_op)
        for check in self._checks:
            _fill(add().request_range, check, *self._bounds(check))
        return request

    def _write(self, puts: Sequence[Stored], deletes: Sequence[Key]) -> None:
        names, add = self._names, self._request.success.add
        # etcd refuses a transaction that writes a key twice.
        written = {f"{names.root}{space}/{name}".encode(): value for space, name, value in puts}
        for space, name, value in puts:
            if space == CATALOG[0] and (space, name) == CATALOG:
                written[names.epoch] = epoch_of(value).encode()
        for key in dict.fromkeys(map(names.key, deletes)):
            if key not in written:
                add().request_delete_range.key = key
        for key, value in written.items():
            put = add().request_put
            put.key = key
            if value:
                put.value = value
        if not self.is_reading:
            self._slot_write = add().request_put

    def failing(self, response: Message, slot: Slot | None) -> int:
        """Give the place of the first check that fails, by what was read; raise EpochChanged, Moved or Passed."""
        found = [answer.response_range for answer in response.responses]
        if slot is not None:
            stored = [kv.value for kv in found.pop(0).kvs]
            if stored != ([b"%d" % slot.stored] if slot.stored else []):
                raise Moved
        epoch = [kv.value for kv in found.pop(0).kvs]
        if self._epoch is not None and epoch != [self._epoch.encode()]:
            raise EpochChanged("the catalog changed since the write was made")
        for place, (check, answer) in enumerate(zip(self._checks, found, strict=True)):
            if not self._holds(check, answer):
                return place
        if self.tells:
            raise AssertionError("etcd refuses a commit of which every check holds")
        raise Passed

    def _bounds(self, check: Check) -> tuple[bytes, bytes]:
        """Give the key that a check looks at, or the bounds of its span."""
        if isinstance(check, Empty):
            return self._names.bounds(Span(check.space, check.prefix, after_all(check.prefix)))
        if isinstance(check, Exactly):
            return self._names.bounds(check.span)
        return self._names.key(check.key), b""

    def _compare(self, check: Check, low: bytes, high: bytes) -> None:
        """Add the compares of a check."""
        compare = self._request.compare.add
        if isinstance(check, Absent):
            there = compare()
            there.key, there.target = low, CREATE
        elif isinstance(check, Same):
            # All values that begin with the token, and its closing quote: a value is compared without being sent.
            above, below = compare(), compare()
            above.key = below.key = low
            above.result, below.result = GREATER, LESS
            above.target = below.target = VALUE
            above.value = check.head or _TOKEN + check.token.encode()
            below.value = above.value + (b"\xff" if check.head else b"#")
        elif isinstance(check, Exists):
            self._there(low)
        elif isinstance(check, Empty):
            self._nothing(low, high)
        else:
            names, space, start = self._names, check.span.space, check.span.low
            for name in check.seen:
                if start < name:
                    self._nothing(*names.bounds(Span(space, start, name)))
                self._there(names.key((space, name)))
                start = just_after(name)
            if start < check.span.high:
                self._nothing(*names.bounds(Span(space, start, check.span.high)))

    def _there(self, key: bytes) -> None:
        compare = self._request.compare.add()
        compare.result, compare.target, compare.key = GREATER, CREATE, key

    def _nothing(self, low: bytes, high: bytes) -> None:
        compare = self._request.compare.add()
        compare.target, compare.key, compare.range_end = CREATE, low, high

    def _holds(self, check: Check, answer: Message) -> bool:
        if isinstance(check, Same):
            return any(token_of(kv.value) == check.token and kv.value.startswith(check.head) for kv in answer.kvs)
        if isinstance(check, (Absent, Empty)):
            return bool(answer.count == 0)
        if isinstance(check, Exists):
            return bool(answer.count)
        return [kv.key for kv in answer.kvs] == [self._names.key((check.span.space, name)) for name in check.seen]


def _fill(read: Message, check: Check, low: bytes, high: bytes) -> None:
    """Fill the read that tells whether a check failed."""
    read.key = low
    if high:
        read.range_end = high
    if isinstance(check, Exactly):
        read.keys_only, read.limit = True, len(check.seen) + 1
    elif not isinstance(check, Same):
        read.count_only = True


def _grouped(writes: Sequence[Message], least: int, most: int) -> Sequence[Message]:
    """Put writes into transactions within the transaction: each level has a limit of its own, less what is above it."""
    for number in range(1, most):
        room = most - max(least, number)
        if room > 0 and room * number >= len(writes):
            groups = (writes[start : start + room] for start in range(0, len(writes), room))
            return [Op(request_txn=Txn(success=group)) for group in groups]
    return writes
