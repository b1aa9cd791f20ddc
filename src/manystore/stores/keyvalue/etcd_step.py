"""One commit as a transaction of etcd: the five checks as compares, the writes, and who failed.

Knows the messages and the inner waist; must not know members or slots' leases. etcd does not say which compare failed,
so the failure branch reads what the checks look at, and the first that does not hold is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...errors import EpochChanged
from .etcd_messages import CREATE, EQUAL, GREATER, LESS, VALUE, Compare, Delete, Message, Op, Put, Range, Txn
from .etcd_slot import Slot
from .layout import after_all, just_after
from .protocol import CATALOG, Absent, Check, Empty, Exists, Key, Same, Span, epoch_of, token_of
from .protocol import Put as Stored

EPOCH: Key = (CATALOG[0], "epoch")  # the catalog's epoch once more, since a catalog is too long to read each time
_TOKEN = b'{"_revision":"'


class Moved(Exception):
    """The slot is not as this writer left it: its lease ran out. Nothing was written."""


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
    """The compares and operations of one commit."""

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
        # etcd refuses a transaction that writes a key twice.
        written = {names.key((space, name)): value for space, name, value in puts}
        for space, name, value in puts:
            if (space, name) == CATALOG:
                written[names.epoch] = epoch_of(value).encode()
        gone = dict.fromkeys(key for key in map(names.key, deletes) if key not in written)
        self.writes = [Op(request_delete_range=Delete(key=key)) for key in gone]
        self.writes += [Op(request_put=Put(key=key, value=value)) for key, value in written.items()]
        self._compares = [] if epoch is None else [_is(names.epoch, epoch.encode())]
        for check in checks:
            self._compares += self._compared(check)
        self._reads = [names.epoch_op, *map(self._read, checks)]

    def request(self, slot: Slot | None, most: int) -> Message:
        """Make the transaction; slot: none for a commit that only checks. most: operations that the server takes."""
        if slot is None:
            return Txn(compare=self._compares, success=self.writes, failure=self._reads)
        compares = [slot.compare(), *self._compares]
        reads = [Op(request_range=Range(key=slot.key)), *self._reads]
        writes = [*self.writes, slot.write()]
        least = max(len(compares), len(reads))
        if len(writes) > most:
            writes = _grouped(writes, least, most)
        return Txn(compare=compares, success=writes, failure=reads)

    def failing(self, response: Message, slot: Slot | None) -> int:
        """Give the place of the first check that fails, by the failure branch; raise EpochChanged or Moved."""
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
        raise AssertionError("etcd refuses a commit of which every check holds")

    def _compared(self, check: Check) -> Iterator[Message]:
        names = self._names
        if isinstance(check, Same):
            # All values that begin with the token, and its closing quote: a value is compared without being sent.
            key, start = names.key(check.key), _TOKEN + check.token.encode()
            yield Compare(result=GREATER, target=VALUE, key=key, value=start)
            yield Compare(result=LESS, target=VALUE, key=key, value=start + b"#")
        elif isinstance(check, Absent):
            yield Compare(result=EQUAL, target=CREATE, key=names.key(check.key))
        elif isinstance(check, Exists):
            yield _there(names.key(check.key))
        elif isinstance(check, Empty):
            yield self._nothing(Span(check.space, check.prefix, after_all(check.prefix)))
        else:
            low = check.span.low
            for name in check.seen:
                yield from [self._nothing(Span(check.span.space, low, name))] if low < name else []
                yield _there(names.key((check.span.space, name)))
                low = just_after(name)
            yield from [self._nothing(Span(check.span.space, low, check.span.high))] if low < check.span.high else []

    def _nothing(self, span: Span) -> Message:
        low, high = self._names.bounds(span)
        return Compare(result=EQUAL, target=CREATE, key=low, range_end=high)

    def _read(self, check: Check) -> Message:
        if isinstance(check, Same):
            return Op(request_range=Range(key=self._names.key(check.key)))
        if isinstance(check, (Absent, Exists)):
            return Op(request_range=Range(key=self._names.key(check.key), count_only=True))
        if isinstance(check, Empty):
            low, high = self._names.bounds(Span(check.space, check.prefix, after_all(check.prefix)))
            return Op(request_range=Range(key=low, range_end=high, count_only=True))
        low, high = self._names.bounds(check.span)
        return Op(request_range=Range(key=low, range_end=high, keys_only=True, limit=len(check.seen) + 1))

    def _holds(self, check: Check, answer: Message) -> bool:
        if isinstance(check, Same):
            return any(token_of(kv.value) == check.token for kv in answer.kvs)
        if isinstance(check, (Absent, Empty)):
            return bool(answer.count == 0)
        if isinstance(check, Exists):
            return bool(answer.count)
        return [kv.key for kv in answer.kvs] == [self._names.key((check.span.space, name)) for name in check.seen]


def _is(key: bytes, value: bytes) -> Message:
    return Compare(result=EQUAL, target=VALUE, key=key, value=value)


def _there(key: bytes) -> Message:
    return Compare(result=GREATER, target=CREATE, key=key, create_revision=0)


def _grouped(writes: list[Message], least: int, most: int) -> list[Message]:
    """Put writes into transactions within the transaction: each level has a limit of its own, less what is above it."""
    for number in range(1, most):
        room = most - max(least, number)
        if room > 0 and room * number >= len(writes):
            groups = (writes[start : start + room] for start in range(0, len(writes), room))
            return [Op(request_txn=Txn(success=group)) for group in groups]
    return writes
