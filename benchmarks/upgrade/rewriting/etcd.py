"""The sweep by hand on etcd: ranges and transactions over grpcio, as the floor sends them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import grpc

from manystore.stores.keyvalue.etcd_messages import GREATER, LESS, MESSAGES, VALUE, Range, Txn

from ...target import Target
from ..site import Site
from .document import AFTER, BEFORE, PAGE, RECORDS, Rewritten, parts, rewritten

_AT_ONCE = 500  # records in one transaction: within etcd's 1.5 MB of a request
_SIZES = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class EtcdRewriting:
    """One channel."""

    def __init__(self, target: Target, site: Site) -> None:
        del target
        place, root = urlsplit(site.url), site.store._kv._names.root
        self._channel = grpc.insecure_channel(f"{place.hostname}:{place.port}", _SIZES)
        self._range, self._txn = self._verb("Range"), self._verb("Txn")
        self._records, self._before, self._after = (f"{root}{space}/".encode() for space in (RECORDS, BEFORE, AFTER))

    def _verb(self, name: str) -> Any:
        ask, answer = MESSAGES[f"{name}Request"], MESSAGES[f"{name}Response"]
        return self._channel.unary_unary(f"/etcdserverpb.KV/{name}", ask.SerializeToString, answer.FromString)

    def run(self) -> None:
        low, high, start = self._records, self._records[:-1] + b"0", len(self._records)
        while kvs := self._range(Range(key=low, range_end=high, limit=PAGE)).kvs:
            made = [rewritten(kv.key[start:].decode(), kv.value) for kv in kvs]
            for part in parts(made, _AT_ONCE):
                self._write(part)
            low = kvs[-1].key + b"\0"

    def _write(self, part: list[Rewritten]) -> None:
        request = Txn()
        compare, add = request.compare.add, request.success.add
        for one in part:
            key, head = self._records + one.name.encode(), b'{"_revision":"' + one.token
            above, below = compare(), compare()
            above.result, above.target, above.key, above.value = GREATER, VALUE, key, head
            below.result, below.target, below.key, below.value = LESS, VALUE, key, head + b"#"
            put = add().request_put
            put.key, put.value = key, one.data
            add().request_delete_range.key = self._before + one.before.encode()
            add().request_put.key = self._after + one.after.encode()
        if not self._txn(request).succeeded:
            raise RuntimeError("changed by somebody else")

    def close(self) -> None:
        self._channel.close()
