"""The floor in memory: sorted dicts of JSON by hand, with the records and the entries that manystore keeps."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from sortedcontainers import SortedDict

from manystore.nova.model.instance import Instance

from ..workload import PAGE
from .builder import INDEXES
from .ordered import BY_PROJECT, TAIL, changed, decode, finish, new, number_name, text_name, token_of


class MemoryFloor:
    """One lock, a sorted dict of records, one of entries an index, a dict of claims."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: SortedDict[str, bytes] = SortedDict()
        self._entries: list[SortedDict[str, None]] = [SortedDict() for _ in INDEXES]
        self._claims: dict[str, bytes] = {}
        self._by_project = self._entries[BY_PROJECT]
        self._next = 1

    def get(self, key: int) -> Instance:
        with self._lock:
            record = decode(self._records[number_name(key)])
        if record.deleted:
            raise LookupError(key)
        return record

    def find(self, project: str) -> list[Instance]:
        start, found = text_name(project), list[Instance]()
        with self._lock:
            for entry in self._by_project.irange(start, start + TAIL, reverse=True):
                record = decode(self._records[entry[entry.rfind(" ") + 1 :]])
                if record.project_id == project and not record.deleted:
                    found.append(record)
                    if len(found) == PAGE:
                        break
        return found

    def list(self, number: int) -> list[Instance]:
        found: list[Instance] = []
        with self._lock:
            for data in self._records.values():
                record = decode(data)
                if not record.deleted:
                    found.append(record)
                    if len(found) == number:
                        break
        return found

    def create(self, record: Instance) -> None:
        with self._lock:
            self._create(record, datetime.now(UTC))

    def _create(self, record: Instance, now: datetime) -> None:
        made = new(record, self._next, now)
        if made.name in self._records or made.claim in self._claims:
            raise RuntimeError("taken")
        self._records[made.name] = made.data
        self._claims[made.claim] = made.name.encode()
        for entries, name in zip(self._entries, made.entries, strict=True):
            entries[name] = None
        record._revision = made.revision  # type: ignore[attr-defined]
        self._next += 1

    def save(self, record: Instance) -> None:
        with self._lock:
            self._save([record])

    def _save(self, records: Sequence[Instance]) -> None:
        now, records_get = datetime.now(UTC), self._records.get
        # All are looked at before the first is written: one that was changed by somebody else leaves none of them.
        saves = [changed(record, records_get(number_name(record.id)), now) for record in records]
        for made in saves:
            for place, gone, entry in made.moved:
                del self._entries[place][gone]
                self._entries[place][entry] = None
            self._records[made.name] = made.data
        finish(records, saves)

    def create_all(self, records: Sequence[Instance]) -> None:
        now = datetime.now(UTC)
        with self._lock:
            for record in records:
                self._create(record, now)

    def transaction(self, read: Sequence[int], records: Sequence[Instance]) -> None:
        seen = [self.get(key) for key in read]
        with self._lock:
            for record in seen:
                if self._records[number_name(record.id)][14:30] != token_of(record).encode():
                    raise RuntimeError("changed by somebody else")
            self._save(records)

    def close(self) -> None:
        self._records.clear()
