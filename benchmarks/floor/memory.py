"""The floor in memory: sorted dicts of JSON by hand, with the records and the entries that manystore keeps."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sortedcontainers import SortedDict

from manystore.nova.model.instance import Instance

from ..workload import PAGE
from .builder import INDEXES, TIMES, entry_namer, json_decoder, json_encoder, text_of

_SPECIAL = re.compile("[\x00-\x22./\x7e-\x9f\ud7ff-\U0010ffff]")
_TAIL = "\ue000"
_DIGITS = "`abcdefghijklmnopqrs"


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code >= 0xD7FF:
        return f"\ud7ff{code:06x}"
    if code >= 0x7E:
        return "~" + chr(code - 0x3E)
    return '"' + chr(64 + code) if code <= 0x22 else ".1" if character == "." else ".2"


def _text(value: str | None) -> str:
    return "!" if value is None else f"${_SPECIAL.sub(_escape, value)}!"


def _time(value: str | None) -> str:
    return value or "!"


def _number(value: int | None) -> str:
    if value is None:
        return "!"
    digits = str(value)
    return _DIGITS[len(digits)] + digits


class MemoryFloor:
    """One lock, a sorted dict of records, one of entries an index, a dict of claims."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: SortedDict[str, bytes] = SortedDict()
        self._entries: list[SortedDict[str, None]] = [SortedDict() for _ in INDEXES]
        self._claims: dict[str, bytes] = {}
        self._decode = json_decoder()
        self._encode = json_encoder()
        self._read = msgspec.json.Decoder(dict[str, Any]).decode
        self._names = entry_namer({"text": _text, "number": _number, "time": _time})
        self._indexed = tuple(dict.fromkeys(name for fields in INDEXES for name in fields))
        self._indexed_times = tuple(name for name in self._indexed if name in TIMES)
        self._by_project = self._entries[INDEXES.index(("project_id",))]
        self._next = 1

    def get(self, key: int) -> Instance:
        with self._lock:
            record = self._decode(self._records[_number(key)])
        if record.deleted:
            raise LookupError(key)
        return record

    def find(self, project: str) -> list[Instance]:
        start, found = _text(project), list[Instance]()
        with self._lock:
            for entry in self._by_project.irange(start, start + _TAIL, reverse=True):
                record = self._decode(self._records[entry[entry.rfind(" ") + 1 :]])
                if record.project_id == project and not record.deleted:
                    found.append(record)
                    if len(found) == PAGE:
                        break
        return found

    def list(self, number: int) -> list[Instance]:
        found: list[Instance] = []
        with self._lock:
            for data in self._records.values():
                record = self._decode(data)
                if not record.deleted:
                    found.append(record)
                    if len(found) == number:
                        break
        return found

    def create(self, record: Instance) -> None:
        with self._lock:
            self._create(record, datetime.now(UTC))

    def _create(self, record: Instance, now: datetime) -> None:
        record.id, record.created_at = self._next, now
        revision, key, claim = random.getrandbits(63), _number(self._next), _text(record.uuid)
        if key in self._records or claim in self._claims:
            raise RuntimeError("taken")
        self._records[key] = self._encode(record, f"{revision:016x}", None)
        self._claims[claim] = key.encode()
        shown = {name: getattr(record, name) for name in self._indexed}
        for name in self._indexed_times:
            shown[name] = shown[name] and text_of(shown[name])
        for entries, name in zip(self._entries, self._names(shown, key), strict=True):
            entries[name] = None
        record._revision = revision  # type: ignore[attr-defined]
        self._next += 1

    def save(self, record: Instance) -> None:
        with self._lock:
            self._save(record, datetime.now(UTC))

    def _save(self, record: Instance, now: datetime) -> None:
        key, revision = _number(record.id), random.getrandbits(63)
        before = self._records.get(key)
        expected = f"{record._revision:016x}"  # type: ignore[attr-defined]
        if before is None or before[14:30] != expected.encode():
            raise RuntimeError("changed by somebody else")
        record.updated_at = now
        after = self._encode(record, f"{revision:016x}", expected)
        old, new = self._read(before), self._read(after)
        for entries, gone, made in zip(self._entries, self._names(old, key), self._names(new, key), strict=True):
            if gone != made:
                del entries[gone]
                entries[made] = None
        if old["uuid"] != new["uuid"]:
            raise NotImplementedError("no benchmark moves a claim")
        self._records[key] = after
        record._revision = revision  # type: ignore[attr-defined]

    def create_all(self, records: Sequence[Instance]) -> None:
        now = datetime.now(UTC)
        with self._lock:
            for record in records:
                self._create(record, now)

    def transaction(self, read: Sequence[int], records: Sequence[Instance]) -> None:
        seen = [self.get(key) for key in read]
        now = datetime.now(UTC)
        with self._lock:
            for record in seen:
                if self._records[_number(record.id)][14:30] != f"{record._revision:016x}".encode():  # type: ignore[attr-defined]
                    raise RuntimeError("changed by somebody else")
            for record in records:
                # A floor that failed here would have to take back what it wrote; this one's records are its own.
                self._save(record, now)

    def close(self) -> None:
        self._records.clear()
