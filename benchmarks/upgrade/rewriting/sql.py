"""The sweep by hand on SQL databases: a page read, one bulk UPDATE for it, and the new index over all at the end.

The columns are there, as both ways need them; each database has its own quickest UPDATE of many rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql
from psycopg.types.numeric import Int8Dumper

from ...target import Target
from ..parcel import NEWER
from ..site import Site
from ..value import split, volume
from .document import PAGE

Row = tuple[Any, ...]
_READ = ("id", "zip", "name", "width", "height", "depth", "_revision")
_ZIP = f"zip.{NEWER}"


def _changed(row: Row) -> Row:
    """Give what an UPDATE of a record needs: the new values, the key, the revision."""
    key, code, name, width, height, depth, revision = row
    return int(code), *split(name), volume(width, height, depth), key, revision


class _SQLRewriting:
    """One connection. marks: how a parameter and a name are written."""

    mark, quote = "?", '"'

    def __init__(self, target: Target, site: Site) -> None:
        self._connection: Any = self._connected(target, site)
        self._table = self._name(f"{site.prefix}parcel")
        self._zip = self._name(_ZIP)
        mark = self.mark
        where = f"WHERE id > {mark} AND _version <> {NEWER} ORDER BY id LIMIT {PAGE}"
        self._select = f"SELECT {', '.join(_READ)} FROM {self._table} {where}"
        self._index = f"CREATE INDEX {self._name(f'{site.prefix}by_hand')} ON {self._table} ({self._zip}, id)"

    def _name(self, name: str) -> str:
        return f"{self.quote}{name}{self.quote}"

    def run(self) -> None:
        low = -1
        while rows := self._rows(low):
            if self._write([_changed(row) for row in rows]) != len(rows):
                raise RuntimeError("changed by somebody else")
            low = rows[-1][0]
        self._execute(self._index, ())

    def _rows(self, low: int) -> Sequence[Row]:
        found: Sequence[Row] = self._execute(self._select, (low,)).fetchall()
        return found

    def _execute(self, text: str, bound: Iterable[Any]) -> Any:
        raise NotImplementedError

    def _connected(self, target: Target, site: Site) -> Any:
        raise NotImplementedError

    def _write(self, rows: Sequence[Row]) -> int:
        raise NotImplementedError

    def close(self) -> None:
        self._connection.close()


class SQLiteRewriting(_SQLRewriting):
    """executemany in one transaction a page."""

    def _connected(self, target: Target, site: Site) -> Any:
        made = sqlite3.connect(urlsplit(site.url).path[1:] or site.url, isolation_level=None)
        made.execute(f"PRAGMA synchronous={'FULL' if target.is_durable else 'OFF'}")
        return made

    def _execute(self, text: str, bound: Iterable[Any]) -> Any:
        return self._connection.execute(text, bound)

    def _write(self, rows: Sequence[Row]) -> int:
        values = f"{self._zip} = ?, first = ?, last = ?, volume = ?, _version = {NEWER}, _extras = NULL"
        self._connection.execute("BEGIN IMMEDIATE")
        text = f"UPDATE {self._table} SET {values} WHERE id = ? AND _revision = ?"
        done = self._connection.executemany(text, rows)
        self._connection.execute("COMMIT")
        return int(done.rowcount)


class PostgreSQLRewriting(_SQLRewriting):
    """One UPDATE from arrays a page."""

    mark = "$1"

    def _connected(self, target: Target, site: Site) -> Any:
        made = psycopg.connect(site.url, autocommit=True, prepare_threshold=1)
        made.adapters.register_dumper(int, Int8Dumper)
        return made

    def _execute(self, text: str, bound: Iterable[Any]) -> Any:
        cursor = psycopg.RawCursor(self._connection)
        cursor.format = psycopg.pq.Format.BINARY
        return cursor.execute(text, tuple(bound))  # type: ignore[arg-type]

    def _write(self, rows: Sequence[Row]) -> int:
        kinds = ("bigint", "text", "text", "bigint", "bigint", "bigint")
        arrays = ", ".join(f"${at}::{kind}[]" for at, kind in enumerate(kinds, 1))
        values = f"{self._zip} = v.zip, first = v.first, last = v.last, volume = v.volume"
        text = (
            f"UPDATE {self._table} t SET {values}, _version = {NEWER}, _extras = NULL "
            f"FROM unnest({arrays}) AS v (zip, first, last, volume, id, revision) "
            "WHERE t.id = v.id AND t._revision = v.revision"
        )
        return int(self._execute(text, [list(column) for column in zip(*rows, strict=True)]).rowcount)


class MariaDBRewriting(_SQLRewriting):
    """One UPDATE of a join with a list of rows a page."""

    mark, quote = "%s", "`"

    def _connected(self, target: Target, site: Site) -> Any:
        place = urlsplit(site.url)
        return pymysql.connect(
            host=str(place.hostname), port=place.port or 3306, user="root", database=place.path[1:], charset="utf8mb4",
            autocommit=True, client_flag=pymysql.constants.CLIENT.FOUND_ROWS,
        )  # fmt: skip

    def _execute(self, text: str, bound: Iterable[Any]) -> Any:
        cursor = self._connection.cursor()
        cursor.execute(text, tuple(bound))
        return cursor

    def _write(self, rows: Sequence[Row]) -> int:
        marks = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(rows))
        there = f"WITH v (zip, first, last, volume, id, revision) AS (VALUES {marks}) SELECT * FROM v"
        values = f"t.{self._zip} = v.zip, t.first = v.first, t.last = v.last, t.volume = v.volume"
        text = (
            f"UPDATE {self._table} t JOIN ({there}) v ON t.id = v.id AND t._revision = v.revision "
            f"SET {values}, t._version = {NEWER}, t._extras = NULL"
        )
        return int(self._execute(text, chain(*rows)).rowcount)
