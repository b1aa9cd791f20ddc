"""The floor on SQLite: the sqlite3 module by hand, with the tables, indexes and stamps that manystore keeps."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from manystore.nova.model.instance import Instance

from ..workload import FIELDS, PAGE
from .builder import INDEXES, NUMBERS, row_dumper, row_loader

_COLUMNS = ", ".join(FIELDS)
_SAVED = tuple(name for name in FIELDS if name != "id")


class SQLiteFloor:
    """One connection, kept SQL."""

    def __init__(self, folder: Path, name: str, durable: bool) -> None:
        self._connection = sqlite3.connect(folder / f"{name}.db", isolation_level=None, cached_statements=64)
        self._execute = self._connection.cursor().execute
        self._execute("PRAGMA journal_mode=WAL").fetchone()
        self._execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        self._make()
        self._load, self._dump, self._changes = row_loader(), row_dumper(FIELDS), row_dumper(_SAVED)
        select = f"SELECT {_COLUMNS}, _revision FROM instances WHERE"
        self.get_sql = f"{select} id = ? AND deleted = 0"
        self._find = f"{select} project_id = ? AND deleted = 0 ORDER BY id DESC LIMIT {PAGE}"
        self._list = f"{select} deleted = 0 ORDER BY id LIMIT ?"
        marks = ", ".join("?" * (len(FIELDS) + 1))
        self._insert = f"INSERT INTO instances ({_COLUMNS}, _revision, _version) VALUES ({marks}, 1)"
        pairs = ", ".join(f"{name} = ?" for name in _SAVED)
        changes = f"{pairs}, _previous = _revision, _revision = ?"
        self._update = f"UPDATE instances SET {changes} WHERE id = ? AND _revision = ?"
        self._check = "SELECT _revision FROM instances WHERE id = ?"

    def _make(self) -> None:
        def column(name: str) -> str:
            if name == "id":
                return "id INTEGER PRIMARY KEY"
            kind = "INTEGER" if name in NUMBERS else "TEXT"
            return f"{name} {kind}{' NOT NULL' if name == 'deleted' else ''}"

        own = "_revision BIGINT NOT NULL, _previous BIGINT, _version INTEGER NOT NULL, _extras TEXT"
        self._execute(f"CREATE TABLE instances ({', '.join(map(column, FIELDS))}, {own})")
        for place, columns in enumerate(INDEXES):
            self._execute(f"CREATE INDEX by_{place} ON instances ({', '.join(columns)}, id)")
        self._execute("CREATE UNIQUE INDEX unique_uuid ON instances (uuid)")

    def get(self, key: int) -> Instance:
        row = self._execute(self.get_sql, (key,)).fetchone()
        if row is None:
            raise LookupError(key)
        return self._load(row)

    def find(self, project: str) -> list[Instance]:
        return [*map(self._load, self._execute(self._find, (project,)).fetchall())]

    def list(self, number: int) -> list[Instance]:
        return [*map(self._load, self._execute(self._list, (number,)).fetchall())]

    def create(self, record: Instance) -> None:
        revision = random.getrandbits(63)
        record.created_at = datetime.now(UTC)
        record.id = None  # type: ignore[assignment]
        self._execute(self._insert, (*self._dump(record), revision))
        record.id = self._connection.execute("SELECT last_insert_rowid()").fetchone()[0]
        record._revision = revision  # type: ignore[attr-defined]

    def save(self, record: Instance) -> None:
        record._revision = self._save(record, datetime.now(UTC))  # type: ignore[attr-defined]

    def _save(self, record: Instance, now: datetime) -> int:
        revision = random.getrandbits(63)
        record.updated_at = now
        done = self._execute(self._update, (*self._changes(record), revision, record.id, record._revision))  # type: ignore[attr-defined]
        if done.rowcount != 1:
            raise RuntimeError("changed by somebody else")
        return revision

    def create_all(self, records: Sequence[Instance]) -> None:
        self._execute("BEGIN IMMEDIATE")
        first = (self._execute("SELECT max(id) FROM instances").fetchone()[0] or 0) + 1
        now, rows = datetime.now(UTC), []
        for key, record in enumerate(records, first):
            record.id, record.created_at = key, now
            record._revision = revision = random.getrandbits(63)  # type: ignore[attr-defined]
            rows.append((*self._dump(record), revision))
        self._connection.executemany(self._insert, rows)
        self._execute("COMMIT")

    def transaction(self, read: Sequence[int], records: Sequence[Instance]) -> None:
        seen = [self.get(key) for key in read]
        now = datetime.now(UTC)
        self._execute("BEGIN IMMEDIATE")
        try:
            for record in seen:
                if self._execute(self._check, (record.id,)).fetchone() != (record._revision,):  # type: ignore[attr-defined]
                    raise RuntimeError("changed by somebody else")
            revisions = [self._save(record, now) for record in records]
        except BaseException:
            self._execute("ROLLBACK")
            raise
        self._execute("COMMIT")
        for record, revision in zip(records, revisions, strict=True):
            record._revision = revision  # type: ignore[attr-defined]

    def bare_get(self, sql: str, values: tuple[object, ...]) -> Instance:
        """Run kept SQL and load its row, and do nothing else."""
        return self._load(self._execute(sql, values).fetchone())

    def close(self) -> None:
        self._connection.close()
