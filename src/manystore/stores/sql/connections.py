"""Connections: a stack of open ones, each with one kept cursor; the one used last is used next.

Knows processes; must not know a driver: each database's file says how a connection is opened and what it can do. Not
SQLAlchemy's pool: its checkout costs more than the read that it serves.
"""

from __future__ import annotations

import os
import select
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from ...errors import Closed


class Rows:
    """The parameters of a statement that is run for each of many rows. They are made when asked for, and only once.

    To have them all at once takes a twentieth more of an INSERT: what was just made is at hand for the driver.
    """

    def __init__(self, number: int, rows: Iterable[Sequence[Any]]) -> None:
        self.number = number
        self._rows = rows

    def __iter__(self) -> Iterator[Sequence[Any]]:
        return iter(self._rows)


Bound: TypeAlias = tuple[str, Sequence[Any]]
Sent: TypeAlias = tuple[str, Sequence[Any] | Rows]
Answer: TypeAlias = tuple[int, Sequence[Any]]
"""How many rows a statement changed, and the rows it gave."""


class Connection(ABC):
    """One open connection, used by one caller at a time."""

    execute: Any
    """(text, parameters) -> a cursor with rowcount, fetchone() and fetchall(), which gives a list, rows or none."""
    waits: int = 0
    """How often send has waited for the server."""

    def repeat(self, text: str, bound: Any) -> Any:
        """Do what execute does, for a statement that may come again with other values: it may be prepared."""
        return self.execute(text, bound)

    @abstractmethod
    def send(self, batch: Sequence[Sent]) -> list[Answer]:
        """Run all statements, with as few waits as the driver can; raise the error of the first that fails.

        A statement whose parameters are a list, or Rows, is run for each of them.
        """

    @abstractmethod
    def close(self) -> None:
        """Close it, in whatever state it is; never raises."""

    def is_stale(self) -> bool:
        """Tell whether the other end has hung up in the meantime, so far as that is to be seen from here."""
        return False

    def hurry(self, seconds: float) -> None:
        """Wait no longer than that for each answer to come, if one is waited for at all."""
        del seconds

    def end(self) -> None:
        """Roll back what is open. Raises what the driver raises."""
        self.execute("ROLLBACK", ())


class Connections(ABC):
    """The open connections to one database. Thread-safe: one that somebody uses is out of the stack."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._idle: deque[Connection] = deque()
        self._inherited: list[Connection] = []
        self._pid = os.getpid()
        self._closed = False

    @abstractmethod
    def connect(self) -> Connection:
        """Open a connection; raise Unavailable."""

    def exists(self) -> bool:
        """Tell whether there is anything to connect to."""
        return True

    def fence(self, lost: Connection) -> Connection:
        """Give a new connection once nothing that was sent on a lost one can be carried out any more.

        Raises Unavailable when that cannot be brought about.
        """
        del lost
        return self.opened()

    can_fence = True
    """fence keeps its word."""

    def take(self) -> Connection:
        """Give a connection to use alone; hand it back with put, or drop it."""
        if self._pid != os.getpid():
            self._forked()
        try:
            connection = self._idle.pop()
        except IndexError:
            return self.opened()
        if connection.is_stale():
            connection.close()
            self.forget()
            return self.opened()
        return connection

    def spare(self) -> Connection | None:
        """Give a connection to use alone if one is open and idle; drop it afterwards."""
        try:
            connection = self._idle.pop()
        except IndexError:
            return None
        if connection.is_stale():
            connection.close()
            return None
        return connection

    def put(self, connection: Connection) -> None:
        """Take back a connection that has no statement or transaction under way."""
        if self._closed or len(self._idle) >= self._kept:
            connection.close()
        else:
            self._idle.append(connection)

    def drop(self, connection: Connection) -> None:
        """Close a connection whose state is unsure; what it had not committed is rolled back."""
        connection.close()

    def forget(self) -> None:
        """Close what is idle: one connection was found broken, and the others are likely to be."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def opened(self) -> Connection:
        """Open a connection; raise Closed or Unavailable."""
        self.check_open()
        return self.connect()

    def check_open(self) -> None:
        """Raise Closed after close."""
        if self._closed:
            raise Closed("the database is closed")

    def close(self) -> None:
        """Close all that are idle; one in use is closed when it comes back."""
        self._closed = True
        if self._pid != os.getpid():
            self._forked()
        self.forget()

    def _forked(self) -> None:
        # A child must neither use nor close what its parent opened; so it is kept, and left alone.
        self._inherited += self._idle
        self._idle = deque()
        self._pid = os.getpid()


def takes_many(sent: Sent) -> bool:
    """Tell whether a statement is run for each of many rows."""
    return sent[1].__class__ is Rows or sent[1].__class__ is list


def readable(fileno: int) -> bool:
    """Tell whether a socket has something to read, or has come to its end: on an idle connection, it is of no use."""
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return bool(poll.poll(0))


def split_host(host: str) -> tuple[str, str]:
    """Give the name and the port, "" if there is none, of one of a URL's hosts; an IPv6 address stands in brackets."""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and not host.endswith("]") else (host, "")
