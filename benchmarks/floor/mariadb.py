"""The floor on MariaDB: PyMySQL by hand, its converters of times replaced, several statements in one text.

With the tables, indexes and stamps that manystore keeps. PyMySQL has no prepared statements.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions

from manystore.nova.model.instance import Instance

from ..workload import FIELDS, PAGE
from .builder import INDEXES, NUMBERS, TIMES, row_dumper, row_loader, text_of

_SAVED = tuple(name for name in FIELDS if name != "id")
_AT_ONCE = 500  # records in one INSERT: within a megabyte
_INDEXED = {"uuid", *(name for fields in INDEXES for name in fields)}
_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"


def _dumped(value: datetime) -> str:
    text = text_of(value)
    return f"{text[:10]} {text[11:26]}"


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text + "Z")


class MariaDBFloor:
    """One connection, kept SQL."""

    def __init__(self, host: str, port: int, database: str, prefix: str) -> None:
        forms: dict[Any, Any] = {**conversions, FIELD_TYPE.DATETIME: None}
        self._connection: Any = pymysql.connect(
            host=host, port=port, user="root", database=database, charset="utf8mb4", autocommit=True, conv=forms,
            client_flag=CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS,
        )  # fmt: skip
        self._cursor = self._connection.cursor()
        self._load, self._dump = row_loader(_parsed), row_dumper(_SAVED, _dumped)
        table = self._table = f"`{prefix}instances`"
        self._make()
        select = f"SELECT {', '.join(FIELDS)}, _revision FROM {table} WHERE"
        self._get = f"{select} id = %s AND deleted = false"
        self._find = f"{select} project_id = %s AND deleted = false ORDER BY id DESC LIMIT {PAGE}"
        self._list = f"{select} deleted = false ORDER BY id LIMIT %s"
        self._row = f"({', '.join(['%s'] * (len(_SAVED) + 1))}, 1)"
        self._insert = f"INSERT INTO {table} ({', '.join(_SAVED)}, _revision, _version) VALUES "
        pairs = ", ".join(f"{name} = %s" for name in _SAVED)
        changes = f"_previous = _revision, {pairs}, _revision = %s"
        self._update = f"UPDATE {table} SET {changes} WHERE id = %s AND _revision = %s"
        self._check = f"SELECT _revision FROM {table} WHERE id = %s LOCK IN SHARE MODE"

    def _make(self) -> None:
        def column(name: str) -> str:
            if name == "id":
                return "id BIGINT AUTO_INCREMENT PRIMARY KEY"
            if name in TIMES:
                return f"{name} DATETIME(6)"
            if name in NUMBERS:
                kind = "TINYINT" if name in ("deleted", "locked", "managed_disk") else "BIGINT"
                return f"{name} {kind}{' NOT NULL' if name == 'deleted' else ''}"
            return f"{name} {'VARCHAR(255)' if name in _INDEXED else 'LONGTEXT'} {_TEXT}"

        own = f"_revision BIGINT NOT NULL, _previous BIGINT, _version BIGINT NOT NULL, _extras LONGTEXT {_TEXT}"
        indexes = [f"KEY by_{place} ({', '.join(columns)}, id)" for place, columns in enumerate(INDEXES)]
        parts = (*map(column, FIELDS), own, *indexes, "UNIQUE KEY unique_uuid (uuid)")
        self._cursor.execute(f"CREATE TABLE {self._table} ({', '.join(parts)}) ROW_FORMAT=DYNAMIC")

    def _rows(self, text: str, value: Any) -> list[Instance]:
        self._cursor.execute(text, (value,))
        return [*map(self._load, self._cursor.fetchall())]

    def get(self, key: int) -> Instance:
        self._cursor.execute(self._get, (key,))
        row = self._cursor.fetchone()
        if row is None:
            raise LookupError(key)
        return self._load(row)

    def find(self, project: str) -> list[Instance]:
        return self._rows(self._find, project)

    def list(self, number: int) -> list[Instance]:
        return self._rows(self._list, number)

    def create(self, record: Instance) -> None:
        revision = random.getrandbits(63)
        record.created_at = datetime.now(UTC)
        self._cursor.execute(self._insert + self._row, (*self._dump(record), revision))
        record.id = self._cursor.lastrowid
        record._revision = revision  # type: ignore[attr-defined]

    def create_all(self, records: Sequence[Instance]) -> None:
        now, escape = datetime.now(UTC), self._connection.escape
        self._connection.begin()
        for start in range(0, len(records), _AT_ONCE):
            batch, rows = records[start : start + _AT_ONCE], list[str]()
            for record in batch:
                record.created_at = now
                record._revision = revision = random.getrandbits(63)  # type: ignore[attr-defined]
                rows.append(self._row % tuple(map(escape, (*self._dump(record), revision))))
            self._cursor.execute(self._insert + ", ".join(rows))
            for key, record in enumerate(batch, self._cursor.lastrowid):  # one INSERT's are without a gap
                record.id = key
        self._connection.commit()

    def save(self, record: Instance) -> None:
        bound = self._changes(record, datetime.now(UTC))
        if self._cursor.execute(self._update, bound) != 1:
            raise RuntimeError("changed by somebody else")
        record._revision = bound[-3]  # type: ignore[attr-defined]

    def _changes(self, record: Instance, now: datetime) -> tuple[Any, ...]:
        record.updated_at = now
        return (*self._dump(record), random.getrandbits(63), record.id, record._revision)  # type: ignore[attr-defined]

    def transaction(self, read: Sequence[int], records: Sequence[Instance]) -> None:
        seen = [self.get(key) for key in read]
        now, cursor, escape = datetime.now(UTC), self._cursor, self._connection.escape
        saves = [self._changes(record, now) for record in records]
        texts = [self._check % record.id for record in seen]
        texts += [self._update % tuple(map(escape, bound)) for bound in saves]
        try:
            cursor.execute("; ".join(["START TRANSACTION", *texts]))
            for record in seen:
                cursor.nextset()
                if cursor.fetchone() != (record._revision,):  # type: ignore[attr-defined]
                    raise RuntimeError("changed by somebody else")
            for _ in saves:
                cursor.nextset()
                if cursor.rowcount != 1:
                    raise RuntimeError("changed by somebody else")
        except BaseException:
            while cursor.nextset():
                pass
            self._connection.rollback()
            raise
        self._connection.commit()
        for record, bound in zip(records, saves, strict=True):
            record._revision = bound[-3]  # type: ignore[attr-defined]

    def close(self) -> None:
        self._connection.close()
