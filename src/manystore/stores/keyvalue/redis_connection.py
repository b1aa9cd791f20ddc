"""Connections to a Redis server: a stack of open ones, the one used last is used next.

Knows redis-py's Connection and processes; must not know what is sent. Not redis-py's client and pool: those cost as
much as a read takes, and try again by themselves, which no commit may be.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.retry import Retry

from ...errors import Closed, StoreError, Unavailable, URLError
from .redis_script import packed
from .redis_slot import Slot
from .redis_translate import ANSWERS, DRIVER_ERRORS, translate

Address: TypeAlias = tuple[str, int]

_SETTINGS = (b"maxmemory-policy", b"appendonly", b"appendfsync")
_ASK_SETTINGS = b"".join([packed(b"CONFIG", b"GET", name) for name in _SETTINGS])


class Login(msgspec.Struct, frozen=True):
    """How a connection is opened. tls: the driver's options for it; None: without TLS."""

    number: int
    user: str | None
    password: str | None
    timeout: float
    connect_timeout: float
    tls: dict[str, Any] | None
    is_durable: bool

    def __repr__(self) -> str:
        return "Login()"  # never the password


class Link:
    """One open connection. slot: what its commits write to, once it has one.

    send takes a list of bytes and False (no health check); read gives one reply. Both raise DRIVER_ERRORS.
    """

    __slots__ = ("address", "is_fresh", "is_open", "raw", "read", "send", "slot")

    def __init__(self, raw: Any, address: Address) -> None:
        self.raw = raw
        self.address = address
        self.send: Callable[[list[bytes], bool], None] = raw.send_packed_command
        self.read: Callable[[], Any] = raw.read_response
        self.is_fresh = True  # not used before
        self.is_open = True
        self.slot: Slot | None = None

    def settings(self) -> dict[bytes, bytes]:
        """Give the settings that matter here; nothing where the server does not tell."""
        self.send([_ASK_SETTINGS], False)
        found: dict[bytes, bytes] = {}
        for _ in _SETTINGS:
            try:
                reply = self.read()
            except ANSWERS as error:
                if not isinstance(error, ANSWERS[0]):  # it will not talk to us at all
                    raise
            else:
                found.update([reply] if reply else [])
        return found

    def close(self) -> None:
        """Hang up; closing twice is fine."""
        self.is_open = False
        self.raw.disconnect()

    def is_stale(self) -> bool:
        """Tell whether the server has hung up, or has said something unasked."""
        try:
            return bool(self.raw.can_read(0))
        except DRIVER_ERRORS:
            return True


class Connections:
    """The open connections of one database. Thread-safe: a connection is out of the stack while somebody uses it."""

    def __init__(self, login: Login, *, kept: int) -> None:
        self._login = login
        self._kept = kept
        self._idle: deque[Link] = deque()
        self._inherited: list[Link] = []
        self._pid = os.getpid()
        self._closed = False
        self._class = Connection if login.tls is None else SSLConnection

    def take(self, address: Address) -> Link:
        """Give a connection to use alone; hand it back with put, or drop it."""
        if self._pid != os.getpid():
            self._forked()
        while True:
            try:
                link = self._idle.pop()
            except IndexError:
                return self.opened(address)
            if link.address == address:
                return link
            self.drop(link)

    def put(self, link: Link) -> None:
        """Take back a connection that has no reply outstanding."""
        link.is_fresh = False
        if self._closed or not link.is_open or len(self._idle) >= self._kept:
            self.drop(link)
        else:
            self._idle.append(link)

    def drop(self, link: Link) -> None:
        """Close a connection whose state is unsure."""
        link.close()

    def drop_idle(self) -> None:
        """Close all that are idle: one of them was found broken."""
        while True:
            try:
                self.drop(self._idle.pop())
            except IndexError:
                return

    def opened(self, address: Address) -> Link:
        """Open a connection; raise Closed, Unavailable, or what is wrong with the server's settings."""
        if self._closed:
            raise Closed("the database is closed")
        login = self._login
        raw: Any = self._class(
            host=address[0],
            port=address[1],
            db=login.number,
            username=login.user,
            password=login.password,
            socket_timeout=login.timeout,
            socket_connect_timeout=login.connect_timeout,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            **login.tls or {},
        )
        try:
            raw.connect()
            link = Link(raw, address)
            self._examine(link)
        except DRIVER_ERRORS as error:
            raw.disconnect()
            raise translate(error) from error
        except BaseException:
            raw.disconnect()
            raise
        return link

    def close(self) -> None:
        """Close all that are idle; one in use is closed when it comes back."""
        self._closed = True
        if self._pid != os.getpid():
            self._forked()
        self.drop_idle()

    def _examine(self, link: Link) -> None:
        """Refuse a server that would lose index entries, or does not keep its word as durability=full wants it."""
        found = link.settings()
        policy = found.get(b"maxmemory-policy", b"")
        if policy.startswith(b"allkeys"):
            raise StoreError(
                "the server throws keys away when its memory is full, and records with them; "
                "set its maxmemory-policy to noeviction"
            )
        if self._login.is_durable:
            if b"appendonly" not in found:
                raise URLError("durability=full: this user may not read the server's settings (CONFIG GET)")
            if (found[b"appendonly"], found.get(b"appendfsync")) != (b"yes", b"always"):
                raise URLError("durability=full needs a server with appendonly yes and appendfsync always")

    def _forked(self) -> None:
        # The sockets are the parent's: they are kept, and left alone.
        self._inherited += self._idle
        self._idle = deque()
        self._pid = os.getpid()


class OneServer:
    """The way to a server that stands alone."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def address(self) -> Address:
        """Give where the database is."""
        return self._address

    def moved(self, address: Address) -> None:
        """Hear that the database is elsewhere."""
        del address
        raise StoreError("the server belongs to a cluster: open it as redis+cluster://")

    def lost(self, address: Address) -> None:
        """Hear that there was no answer from there."""


class HashSlot:
    """The way to the node of a cluster that holds the hash slot which all keys of one database are in."""

    def __init__(self, seeds: list[Address], slot: int, connections: Connections) -> None:
        self._nodes = list(seeds)  # whom to ask, the most hopeful first
        self._slot = slot
        self._connections = connections
        self._master: Address | None = None

    def address(self) -> Address:
        """Give where the database is; raise Unavailable when no node knows."""
        master = self._master
        if master is None:
            master = self._master = self._found()
        return master

    def moved(self, address: Address) -> None:
        """Hear that the database is elsewhere."""
        self._master = address

    def lost(self, address: Address) -> None:
        """Hear that there was no answer from there."""
        if self._master == address:
            self._master = None
            self._nodes = [*(node for node in self._nodes if node != address), address]

    def _found(self) -> Address:
        reason = Unavailable("no node of the cluster knows who holds this database's slot")
        for node in list(self._nodes):
            try:
                link = self._connections.opened(node)
            except Unavailable as error:
                reason = error
                continue
            try:
                link.send([packed(b"CLUSTER", b"SLOTS")], False)
                master = self._learn(link.read(), node)
            except DRIVER_ERRORS as error:
                if "cluster support disabled" in str(error):
                    raise StoreError("the server belongs to no cluster: open it as redis://") from error
                if isinstance(error, ANSWERS):
                    raise translate(error) from error
                continue
            finally:
                self._connections.drop(link)
            if master is not None:
                return master
        raise reason

    def _learn(self, slots: list[Any], node: Address) -> Address | None:
        """Remember the nodes; give the master of our slot as this node sees it."""
        master = None
        seen: list[Address] = []
        for first, last, *nodes in slots:
            at = [((where[0] or b"").decode() or node[0], int(where[1])) for where in nodes]
            seen += at
            if first <= self._slot <= last:
                master = at[0]
        self._nodes = list(dict.fromkeys([*self._nodes, *seen]))
        return master
