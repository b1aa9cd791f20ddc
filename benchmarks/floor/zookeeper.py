"""The floor on ZooKeeper: kazoo by hand, its transactions, and MultiRead where many nodes are read.

A record is a node in one of 256 hash directories, with its token as a child; so what was deleted and made again is not
taken for what was there. An index has a node a value, and the keys below it: enough for this model, whose values are
shared by hundreds of records, not by millions. MultiRead is manystore's, since kazoo has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from kazoo.client import KazooClient, TransactionRequest
from kazoo.exceptions import BadVersionError, NodeExistsError

from manystore.nova.model.instance import Instance
from manystore.stores.keyvalue.zookeeper.multiread import Found, MultiRead

from ..workload import PAGE
from .builder import INDEXES
from .ordered import BY_PROJECT, New, changed, decode, finish, new, number_name, text_name, token_of

_AT_ONCE = 200  # records in one transaction: within ZooKeeper's megabyte of a request
_READ = 2000  # nodes in one MultiRead
_IDS = 1000
_DIRECTORIES = [f"{number:02x}" for number in range(256)]


class ZooKeeperFloor:
    """One session."""

    def __init__(self, hosts: str, prefix: str) -> None:
        self._client = KazooClient(hosts)
        self._client.start()
        self._records, self._claims = f"/{prefix}/r", f"/{prefix}/u"
        self._indexes = [f"/{prefix}/{'_'.join(fields)}" for fields in INDEXES]
        self._counter = f"/{prefix}/next"
        for path in (self._records, self._claims, *self._indexes, self._counter):
            self._client.ensure_path(path)
        hashed = [f"{top}/{name}" for top in (self._records, self._claims) for name in _DIRECTORIES]
        for result in [self._client.create_async(path) for path in hashed]:
            result.get()
        self._values: set[str] = set()
        self._next = self._last = 0

    def _read(self, nodes: Sequence[str], lists: Sequence[str] = ()) -> Found:
        result = self._client.handler.async_result()
        self._client._call(MultiRead(nodes, lists), result)
        found: Found = result.get()
        return found

    @staticmethod
    def _hashed(top: str, name: str) -> str:
        return f"{top}/{crc32(name.encode()) & 255:02x}/{name}"

    def _record(self, name: str) -> str:
        return self._hashed(self._records, name)

    def get(self, key: int) -> Instance:
        record = decode(self._client.get(self._record(number_name(key)))[0])
        if record.deleted:
            raise LookupError(key)
        return record

    def find(self, project: str) -> list[Instance]:
        names = self._client.get_children(f"{self._indexes[BY_PROJECT]}/{text_name(project)}")
        names.sort(reverse=True)
        found: list[Instance] = []
        for start in range(0, len(names), PAGE):
            nodes = self._read([self._record(name) for name in names[start : start + PAGE]]).nodes
            records = [decode(node[0]) for node in nodes if node is not None]
            found += [record for record in records if record.project_id == project and not record.deleted]
            if len(found) >= PAGE:
                break
        return found[:PAGE]

    def list(self, number: int) -> list[Instance]:
        lists = self._read((), [f"{self._records}/{name}" for name in _DIRECTORIES]).lists
        names = sorted(name for held in lists for name in held or ())
        found: list[Instance] = []
        for start in range(0, len(names), _READ):
            nodes = self._read([self._record(name) for name in names[start : start + _READ]]).nodes
            found += [record for node in nodes if node is not None and not (record := decode(node[0])).deleted]
            if len(found) >= number:
                break
        return found[:number]

    def create(self, record: Instance) -> None:
        self.create_all([record])

    def create_all(self, records: Sequence[Instance]) -> None:
        now = datetime.now(UTC)
        made = [new(record, self._key(), now) for record in records]
        self._make_values(made)
        for start in range(0, len(made), _AT_ONCE):
            self._store(made[start : start + _AT_ONCE])
        finish(records, made)

    def _key(self) -> int:
        while self._next == self._last:
            data, stat = self._client.get(self._counter)
            last = int(data or 0)
            with suppress(BadVersionError):
                self._client.set(self._counter, b"%d" % (last + _IDS), stat.version)
                self._next, self._last = last, last + _IDS
        self._next += 1
        return self._next

    def _make_values(self, made: Sequence[New]) -> None:
        """Make the nodes of the values that no entry had before."""
        wanted = {path for one in made for path, _ in self._entries(one.entries)} - self._values
        for result in [self._client.create_async(path) for path in wanted]:
            with suppress(NodeExistsError):
                result.get()
        self._values |= wanted

    def _entries(self, entries: Sequence[str]) -> list[tuple[str, str]]:
        return [self._entry(place, entry) for place, entry in enumerate(entries)]

    def _entry(self, place: int, entry: str) -> tuple[str, str]:
        value, _, name = entry.rpartition(" ")
        return f"{self._indexes[place]}/{value}", name

    def _store(self, made: Sequence[New]) -> None:
        step = self._client.transaction()
        for one in made:
            path = self._record(one.name)
            step.create(path, one.data)
            step.create(f"{path}/{one.data[14:30].decode()}")
            step.create(self._hashed(self._claims, one.claim), one.name.encode())
            for value, name in self._entries(one.entries):
                step.create(f"{value}/{name}")
        self._commit(step)

    @staticmethod
    def _commit(step: TransactionRequest) -> None:
        results: list[Any] = step.commit()
        if any(isinstance(result, Exception) for result in results):
            raise RuntimeError("taken, or changed by somebody else")

    def save(self, record: Instance) -> None:
        self._save([], [record])

    def _save(self, seen: Sequence[Instance], records: Sequence[Instance]) -> None:
        now = datetime.now(UTC)
        nodes = self._read([self._record(number_name(record.id)) for record in records]).nodes
        pairs = zip(records, nodes, strict=True)
        made = [changed(record, None if node is None else node[0], now) for record, node in pairs]
        step = self._client.transaction()
        for record in seen:
            step.check(f"{self._record(number_name(record.id))}/{token_of(record)}", -1)
        for one in made:
            path = self._record(one.name)
            step.delete(f"{path}/{one.expected}")
            step.create(f"{path}/{one.data[14:30].decode()}")
            step.set_data(path, one.data)
            for place, before, after in one.moved:
                (old, name), (value, _) = self._entry(place, before), self._entry(place, after)
                if value not in self._values:
                    self._client.ensure_path(value)
                    self._values.add(value)
                step.delete(f"{old}/{name}")
                step.create(f"{value}/{name}")
        self._commit(step)
        finish(records, made)

    def transaction(self, read: Sequence[int], records: Sequence[Instance]) -> None:
        self._save([self.get(key) for key in read], records)

    def close(self) -> None:
        self._client.stop()
        self._client.close()
