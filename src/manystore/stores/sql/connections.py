"""Connections: a stack of open ones, each with one kept cursor; the one used last is used next.

Knows sqlite3 and processes; must not know statements beyond PRAGMAs. Not SQLAlchemy's pool: its checkout costs more
than the read that it serves.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections import deque
from typing import Any, cast
from urllib.parse import quote

from ...errors import Closed
from .translate import translate

_KEPT_STATEMENTS = 1000  # prepared ones, a connection


class Connection:
    """One open connection and its cursor. execute: of the cursor, which every statement goes through."""

    __slots__ = ("cursor", "execute", "raw")

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        self.cursor = raw.cursor()
        self.execute = self.cursor.execute


class Connections:
    """The open connections to one file. Thread-safe: a connection is out of the stack while somebody uses it."""

    def __init__(self, path: str, *, timeout: float, durable: bool, kept: int) -> None:
        self.path = path
        self._timeout = timeout
        self._durable = durable
        self._kept = kept
        self._idle: deque[Connection] = deque()
        self._inherited: list[Connection] = []
        self._pid = os.getpid()
        self._closed = False

    def take(self) -> Connection:
        """Give a connection to use alone; hand it back with put, or drop it."""
        if self._pid != os.getpid():
            self._forked()
        try:
            return self._idle.pop()
        except IndexError:
            return self.opened()

    def put(self, connection: Connection) -> None:
        """Take back a connection that has no statement or transaction under way."""
        if self._closed or len(self._idle) >= self._kept:
            connection.raw.close()
        else:
            self._idle.append(connection)

    def drop(self, connection: Connection) -> None:
        """Close a connection whose state is unsure; what it had not committed is rolled back."""
        connection.raw.close()

    def opened(self, *, create: bool = False) -> Connection:
        """Open a connection; raise Closed or Unavailable."""
        self.check_open()
        # Without `rwc` a file that vanished is an error, rather than an empty database made in its place.
        uri = f"file:{quote(os.path.abspath(self.path))}?mode={'rwc' if create else 'rw'}"
        try:
            raw = sqlite3.connect(
                uri,
                uri=True,
                timeout=self._timeout,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=_KEPT_STATEMENTS,
            )
        except sqlite3.Error as error:
            raise translate(error) from error
        try:
            raw.execute(f"PRAGMA synchronous={'FULL' if self._durable else 'OFF'}")
            raw.create_aggregate("fsum", 1, cast("Any", ExactSum))
        except sqlite3.Error as error:
            raw.close()
            raise translate(error) from error
        return Connection(raw)

    def check_open(self) -> None:
        """Raise Closed after close."""
        if self._closed:
            raise Closed("the database is closed")

    def close(self) -> None:
        """Close all that are idle; one in use is closed when it comes back."""
        self._closed = True
        if self._pid != os.getpid():
            self._forked()
        while True:
            try:
                self._idle.pop().raw.close()
            except IndexError:
                return

    def _forked(self) -> None:
        # SQLite forbids to use or to close in a child what its parent opened; so it is kept, and left alone.
        self._inherited += self._idle
        self._idle = deque()
        self._pid = os.getpid()


class ExactSum:
    """The aggregate fsum(x): the sum of floats, rounded once, whatever their order."""

    def __init__(self) -> None:
        self._values: list[float] = []

    def step(self, value: Any) -> None:
        """Take one value of the group."""
        if value is not None:
            self._values.append(value)

    def finalize(self) -> float:
        """Give the sum."""
        return math.fsum(self._values)
