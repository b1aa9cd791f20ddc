"""The floor on etcd: transactions over grpcio by hand, one channel and a callable for each verb.

The messages are manystore's table of them, in the place of what protoc would make: those are the client library.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import grpc

from manystore.nova.model.instance import Instance
from manystore.stores.keyvalue.etcd_messages import CREATE, DESCEND, GREATER, MESSAGES, VALUE, Op, Range, Txn

from ..workload import PAGE
from .builder import INDEXES
from .ordered import BY_PROJECT, TAIL, New, changed, decode, finish, new, number_name, text_name, token_of

_AT_ONCE = 500  # records in one transaction: within etcd's 1.5 MB of a request
_IDS = 1000
_LESS = 2
_SIZES = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class EtcdFloor:
    """Records, claims and entries as keys below a prefix; entries lead to records in the same snapshot."""

    def __init__(self, host: str, port: int, prefix: str) -> None:
        self._channel = grpc.insecure_channel(f"{host}:{port}", _SIZES)

        def verb(name: str, request: str, response: str) -> Any:
            path, ask, answer = f"/etcdserverpb.KV/{name}", MESSAGES[request], MESSAGES[response]
            return self._channel.unary_unary(path, ask.SerializeToString, answer.FromString)

        self._range = verb("Range", "RangeRequest", "RangeResponse")
        self._txn = verb("Txn", "TxnRequest", "TxnResponse")
        self._records, self._claims = f"/{prefix}/r/", f"/{prefix}/u/"
        self._indexes = [f"/{prefix}/{'_'.join(fields)}/" for fields in INDEXES]
        self._counter = f"/{prefix}/next".encode()
        self._next = self._last = 0

    def _key(self, name: str) -> bytes:
        return (self._records + name).encode()

    def get(self, key: int) -> Instance:
        kvs = self._range(Range(key=self._key(number_name(key)))).kvs
        record = decode(kvs[0].value) if kvs else None
        if record is None or record.deleted:
            raise LookupError(key)
        return record

    def find(self, project: str) -> list[Instance]:
        start, found = self._indexes[BY_PROJECT] + text_name(project), list[Instance]()
        low, high = start.encode(), (start + TAIL).encode()
        while len(found) < PAGE:
            entries = self._range(Range(key=low, range_end=high, limit=PAGE, sort_order=DESCEND, keys_only=True))
            kvs, revision = entries.kvs, entries.header.revision
            records = [decode(data) for data in self._past([kv.key for kv in kvs], revision)]
            found += [record for record in records if record.project_id == project and not record.deleted]
            if len(kvs) < PAGE:
                break
            high = kvs[-1].key
        return found[:PAGE]

    def _past(self, entries: Sequence[bytes], revision: int) -> list[bytes]:
        """Read the records of some entries as they were at a revision, which any member knows."""
        request, head = Txn(), self._records.encode()
        for entry in entries:
            asked = request.success.add().request_range
            asked.key, asked.revision, asked.serializable = head + entry[entry.rfind(b" ") + 1 :], revision, True
        return [answer.response_range.kvs[0].value for answer in self._txn(request).responses]

    def list(self, number: int) -> list[Instance]:
        found, low, high = list[Instance](), self._records.encode(), (self._records + TAIL).encode()
        while len(found) < number:
            kvs = self._range(Range(key=low, range_end=high, limit=number)).kvs
            found += [record for kv in kvs if not (record := decode(kv.value)).deleted]
            if len(kvs) < number:
                break
            low = kvs[-1].key + b"\0"
        return found[:number]

    def create(self, record: Instance) -> None:
        self.create_all([record])

    def create_all(self, records: Sequence[Instance]) -> None:
        now = datetime.now(UTC)
        made = [new(record, self._id(), now) for record in records]
        for start in range(0, len(made), _AT_ONCE):
            self._store(made[start : start + _AT_ONCE])
        finish(records, made)

    def _id(self) -> int:
        while self._next == self._last:
            kvs = self._range(Range(key=self._counter)).kvs
            request, last = Txn(), int(kvs[0].value) if kvs else 0
            compare = request.compare.add()
            compare.key = self._counter
            if kvs:
                compare.target, compare.value = VALUE, kvs[0].value
            else:
                compare.target = CREATE
            put = request.success.add().request_put
            put.key, put.value = self._counter, b"%d" % (last + _IDS)
            if self._txn(request).succeeded:
                self._next, self._last = last, last + _IDS
        self._next += 1
        return self._next

    def _store(self, made: Sequence[New]) -> None:
        request = Txn()
        compare, add = request.compare.add, request.success.add
        for one in made:
            name = one.name.encode()
            for key, value in ((self._key(one.name), one.data), ((self._claims + one.claim).encode(), name)):
                absent = compare()
                absent.target, absent.key = CREATE, key
                put = add().request_put
                put.key, put.value = key, value
            for index, entry in zip(self._indexes, one.entries, strict=True):
                add().request_put.key = (index + entry).encode()
        if not self._txn(request).succeeded:
            raise RuntimeError("taken")

    def save(self, record: Instance) -> None:
        self._save([], [record])

    def _save(self, seen: Sequence[Instance], records: Sequence[Instance]) -> None:
        now = datetime.now(UTC)
        look = Txn(success=[Op(request_range=Range(key=self._key(number_name(record.id)))) for record in records])
        kvs = [answer.response_range.kvs for answer in self._txn(look).responses]
        pairs = zip(records, kvs, strict=True)
        made = [changed(record, found[0].value if found else None, now) for record, found in pairs]
        request = Txn()
        for record in seen:
            self._expect(request, self._key(number_name(record.id)), token_of(record))
        for one in made:
            key = self._key(one.name)
            self._expect(request, key, one.expected)
            put = request.success.add().request_put
            put.key, put.value = key, one.data
            for place, before, after in one.moved:
                request.success.add().request_delete_range.key = (self._indexes[place] + before).encode()
                request.success.add().request_put.key = (self._indexes[place] + after).encode()
        if not self._txn(request).succeeded:
            raise RuntimeError("changed by somebody else")
        finish(records, made)

    @staticmethod
    def _expect(request: Any, key: bytes, token: str) -> None:
        """Compare with all values that begin with a token."""
        head = f'{{"_revision":"{token}'.encode()
        above, below = request.compare.add(), request.compare.add()
        above.result, above.target, above.key, above.value = GREATER, VALUE, key, head
        below.result, below.target, below.key, below.value = _LESS, VALUE, key, head + b"#"

    def transaction(self, read: Sequence[int], records: Sequence[Instance]) -> None:
        self._save([self.get(key) for key in read], records)

    def close(self) -> None:
        self._channel.close()
