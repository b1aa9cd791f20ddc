"""The link to the servers: one session of kazoo's, its requests, and what becomes of them when a connection breaks.

A request is answered, or refused with one of errors.py, within the URL's timeout. A read that got lost is asked again;
a step that may have been carried out is Broken (outcome.py). kazoo itself sends nothing twice. Must not know what
nodes are for.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Event, Lock, Timer
from typing import Any
from weakref import WeakSet

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState, KeeperState
from kazoo.retry import KazooRetry

from ....errors import Closed, Unavailable
from ..outcome import Broken
from .location import Location
from .multi import Failed, Multi, acl_of
from .multiread import Found, MultiRead
from .sockets import Sockets
from .translate import LOST, NODE_EXISTS, translate, translate_code

_CONFIG = "/zookeeper/config"  # a line `server.N=...` for each member of an ensemble; empty where there is only one
_ENDED = (KeeperState.CLOSED, KeeperState.AUTH_FAILED)
_LOGGER = "manystore.zookeeper"
UNSURE = 0  # instead of a code: it may have been done
_NO_ANSWER = "no server answered within {:g} s"


class Reply:
    """What kazoo puts an answer into. Waiting on a bare lock takes a third of the time of kazoo's own."""

    __slots__ = ("_error", "_is_set", "_ready", "_value")

    def __init__(self) -> None:
        self._ready = Lock()
        self._ready.acquire()
        self._is_set = False
        self._value: Any = None
        self._error: BaseException | None = None

    def set(self, value: Any) -> None:
        """Take an answer."""
        self._value = value
        self._end()

    def set_exception(self, exception: BaseException) -> None:
        """Take an error; kazoo may do so twice."""
        self._error = exception
        self._end()

    def _end(self) -> None:
        if not self._is_set:
            self._is_set = True
            self._ready.release()

    def get(self, until: float) -> Any:
        """Give the answer, or raise the error, or KazooTimeoutError when it is not there in time."""
        if not self._ready.acquire(timeout=max(0.0, until - time.monotonic())):
            raise KazooTimeoutError
        if self._error is not None:
            raise self._error
        if isinstance(self._value, KazooException):
            raise self._value
        return self._value


class _Sync:
    """A request: what this server tells from here on is at least as new as the moment when it was sent."""

    type = 9

    def serialize(self) -> bytes:
        return b"\0\0\0\1/"

    @staticmethod
    def deserialize(_: bytes, __: int) -> bool:
        return True


class Link:
    """One session, made when it is needed. Thread-safe; a forked child makes one of its own."""

    def __init__(self, location: Location) -> None:
        self._location = location
        self._acl = acl_of(has_login=location.login is not None)
        self._session: tuple[int, bytes] | None = None
        self._is_closed = False
        self._begin()
        _LIVING.add(self)

    def _begin(self) -> None:
        self._lock = Lock()
        self._client: KazooClient | None = None
        self._live = Event()
        self._connections = 0
        self._synced = self._asked = 0  # the connections on which that was done
        self._has_several = True

    # --- requests ---

    def read(self, nodes: Sequence[str], lists: Sequence[str] = ()) -> Found:
        """Read values and lists, all as they are at one moment."""
        return self.read_all([MultiRead(nodes, lists)])[0]

    def read_all(self, requests: Sequence[MultiRead]) -> list[Found]:
        """Send several reads at once; each is as of one moment of its own, in their order."""
        until = time.monotonic() + self._location.timeout
        while True:
            client = self._connected(until)
            connection = self._connections
            sent: list[Reply] = []
            if self._must_sync(client, connection, until):
                sent.append(self._send(client, _Sync()))
            skipped = len(sent)
            sent += [self._send(client, request) for request in requests]
            try:
                found = [reply.get(until) for reply in sent]
            except KazooTimeoutError:
                self._cut(client)
                raise self._no_answer() from None
            except LOST:
                if time.monotonic() >= until:
                    raise self._no_answer() from None
                continue
            except KazooException as error:
                raise translate(error) from None
            self._synced = connection
            return found[skipped:]

    def step(self) -> Multi:
        """Begin an atomic step."""
        return Multi(self._acl)

    def write(self, multi: Multi) -> Failed | None:
        """Carry out a step; give the operation that kept it from being done. Raises Broken."""
        until = time.monotonic() + self._location.timeout
        while True:
            client = self._connected(until)
            reply = self._send(client, multi)
            try:
                failed = reply.get(until)
            except KazooTimeoutError:
                if multi.withdraw():
                    raise self._no_answer() from None
                self._cut(client)
                raise Broken from None
            except LOST:
                if not multi.withdraw():
                    raise Broken from None
                if time.monotonic() >= until:
                    raise self._no_answer() from None
                multi = multi.again()
                continue
            except KazooException as error:
                raise translate(error) from None
            return Failed(*failed) if failed else None

    def tidy(self, multi: Multi) -> Failed | None:
        """Carry out a step whose caller looks at the nodes again when it fails, also when its reply was lost.

        Its versions say what it saw, so that it may come later than that look.
        """
        try:
            return self.write(multi)
        except Broken:
            return Failed(0, UNSURE)

    def make(self, paths: Sequence[str]) -> None:
        """Make nodes without values, parents first; those that are there already stay."""
        until = time.monotonic() + self._location.timeout
        while True:
            client = self._connected(until)
            sent: list[Reply] = []
            for path in paths:
                multi = self.step()
                multi.create(path)
                sent.append(self._send(client, multi))
            try:
                codes = [failed[1] for reply in sent if (failed := reply.get(until))]
            except KazooTimeoutError:
                self._cut(client)
                raise self._no_answer() from None
            except LOST:
                if time.monotonic() >= until:
                    raise self._no_answer() from None
                continue
            for code in codes:
                if code != NODE_EXISTS:
                    raise translate_code(code)
            return

    @property
    def session(self) -> int | None:
        """Give the number of the session; None before the first."""
        return None if self._session is None else self._session[0]

    @staticmethod
    def _send(client: KazooClient, request: object) -> Reply:
        reply = Reply()
        client._call(request, reply)  # noqa: SLF001 - kazoo's only way to send what it has no method for
        return reply

    def _no_answer(self) -> Unavailable:
        return Unavailable(_NO_ANSWER.format(self._location.timeout))

    # --- the session ---

    def _connected(self, until: float) -> KazooClient:
        client = self._client
        if client is None or client.client_state in _ENDED:
            client = self._open()
        if not self._live.is_set() and not self._live.wait(max(0.0, until - time.monotonic())):
            raise self._no_answer()
        return client

    def _open(self) -> KazooClient:
        with self._lock:
            client = self._client
            if self._is_closed:
                raise Closed("the store is closed")
            if client is not None:
                if client.client_state not in _ENDED:
                    return client
                self._end(client)
            location = self._location
            logger = logging.Logger(_LOGGER, logging.INFO)  # noqa: LOG001 - one that nobody sets to DEBUG: kazoo logs values
            logger.parent = logging.getLogger(_LOGGER)
            # A line that breaks is made anew, or an error tells of it; who keeps no logs would find it printed as well.
            logger.addHandler(logging.NullHandler())
            client = KazooClient(
                location.hosts,
                location.session_timeout,
                # The old session goes on if it can, and with it the ephemeral nodes.
                client_id=self._session,
                handler=Sockets(location),
                connection_retry=KazooRetry(max_tries=-1, delay=0.02, max_delay=0.5),
                command_retry=KazooRetry(max_tries=1),
                logger=logger,
                auth_data=[("digest", location.login)] if location.login else None,
            )
            client.add_listener(self._heard)
            self._client = client
            self._live = client.start_async()
            return client

    def _heard(self, state: KazooState) -> None:
        """Take note of a new connection; kazoo's thread calls this, before it sends anything there."""
        if state == KazooState.CONNECTED and self._client is not None:
            self._session = self._client.client_id
            self._connections += 1

    def _must_sync(self, client: KazooClient, connection: int, until: float) -> bool:
        """Tell whether a read must catch up first: another server may know less than the one before."""
        if connection != self._synced:
            return True
        if not self._location.reads_latest:
            return False
        if connection != self._asked:
            try:
                config = self._send(client, MultiRead([_CONFIG])).get(until).nodes[0]
            except (KazooException, KazooTimeoutError):
                return True  # it may be hidden from us
            self._has_several = config is None or config[0].count(b"server.") > 1
            self._asked = connection
        return self._has_several

    @staticmethod
    def _cut(client: KazooClient) -> None:
        """Drop the connection; kazoo then makes another, perhaps to another server."""
        held = client._connection._socket  # noqa: SLF001 - kazoo has no way to say it
        if held is not None:
            with suppress(OSError):  # it is gone already
                held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the session and its threads."""
        with self._lock:
            self._is_closed = True
            client, self._client = self._client, None
            if client is not None:
                self._end(client)

    def _end(self, client: KazooClient) -> None:
        # A server that answers nothing would keep kazoo waiting for as long as a session lasts.
        timer = Timer(min(1.0, self._location.timeout), self._cut, (client,))
        timer.daemon = True
        timer.start()
        try:
            client.stop()
            client.close()
        finally:
            timer.cancel()
            timer.join()

    # --- forks ---

    def after_fork(self) -> None:
        """In a child: leave the parent's session alone, and begin anew."""
        client = self._client
        if client is not None:
            connection = client._connection  # noqa: SLF001 - the child's copies are closed, without a word to the server
            for held in (connection._socket, connection._read_sock, connection._write_sock):  # noqa: SLF001
                if held is not None:
                    held.close()
            atexit.unregister(client.handler.stop)  # its threads are not here
        self._session = None
        self._begin()


_LIVING: WeakSet[Link] = WeakSet()


def _after_fork() -> None:
    for link in list(_LIVING):
        link.after_fork()


os.register_at_fork(after_in_child=_after_fork)
