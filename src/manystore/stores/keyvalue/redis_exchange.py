"""Requests and replies: finding the node, following a cluster that moves, and what to do when a connection breaks.

Knows connections and the driver's errors; must not know what a request means. A read is sent again where that helps. A
commit never is: its reply may be lost, and then Lost is raised, with the connection that must be fenced off.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from ...errors import Closed, OutcomeUnknown, StoreError, Unavailable, URLError
from ...store.protocol import Wait
from .outcome import Broken
from .redis_connection import Connections, Link, OneServer, Slot
from .redis_script import COMMITTED, Script, packed
from .redis_translate import ANSWERS, DRIVER_ERRORS, translate

_UNREACHED = "the connection broke during a commit, and the server cannot be asked what became of it"
_TOO_FEW = "the commit is carried out, but too few replicas have it: a failover may lose it"
_SHORTEST_PAUSE = 0.01


class Lost(Broken):
    """The reply to a commit was lost on this connection."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self.link = link


class Exchange:
    """Sends requests to where the database is. patience: seconds until a moving or vanished node is given up.

    replicas: how many must have a commit before it counts.
    """

    def __init__(
        self, connections: Connections, way: OneServer | Slot, *, patience: float, replicas: int, wait: Wait
    ) -> None:
        self._connections = connections
        self._way = way
        self._patience = patience
        self._wait = wait
        self._replicas = replicas
        # Half the time of an answer, so that the answer still comes in time.
        self._replicated = packed(b"WAIT", b"%d" % replicas, b"%d" % max(1, patience * 500)) if replicas else b""

    def ask(self, payload: bytes, count: int) -> list[Any]:
        """Send commands that change nothing; give their replies.

        Once more when a connection turns out to have broken while it was idle. NoScriptError goes through.
        """
        pauses = None
        while True:
            link = self._taken()
            try:
                link.send([payload], False)
                replies = [link.read() for _ in range(count)]
            except DRIVER_ERRORS as error:
                self._connections.drop(link)
                if isinstance(error, NoScriptError):
                    raise
                pauses = pauses or self._pauses()
                if isinstance(error, ANSWERS):
                    if self._is_redirected(error, link, pauses):
                        continue
                elif self._was_broken_before(error, link) and self._may_go_on(pauses):
                    continue
                raise translate(error) from error
            except BaseException:
                self._connections.drop(link)
                raise
            self._connections.put(link)
            return replies

    def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        """Run a script that changes nothing."""
        try:
            return self.ask(script.packed(keys, arguments), 1)[0]
        except NoScriptError:
            return self.ask(script.packed(keys, arguments, whole=True), 1)[0]

    def deliver(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        """Run a script that may change something; raise Lost when its reply was lost."""
        pauses, whole = self._pauses(), False
        while True:
            link = self._taken()
            if not link.is_fresh and link.is_stale():
                self._connections.drop(link)
                continue
            try:
                link.send([script.packed(keys, arguments, whole=whole) + self._replicated], False)
                answer = link.read()
            except DRIVER_ERRORS as error:
                self._connections.drop(link)
                if not isinstance(error, ANSWERS):
                    self._way.lost(link.address)
                    raise Lost(link) from error
                if isinstance(error, NoScriptError) and not whole:
                    whole = True
                elif not self._is_redirected(error, link, pauses):
                    raise translate(error) from error
            except BaseException:
                self._connections.drop(link)
                raise
            else:
                is_replicated = not self._replicated or self._is_replicated(link)
                self._connections.put(link)
                if answer == COMMITTED and not is_replicated:
                    raise OutcomeUnknown(_TOO_FEW)
                return answer

    def see_replicas(self) -> None:
        """Raise OutcomeUnknown if replicas must have a commit whose connection, which knew of them, is lost."""
        if self._replicas:
            raise OutcomeUnknown(_TOO_FEW)

    def fence(self, link: Link) -> bool:
        """Make sure that nothing sent on a lost connection is carried out any more; tell whether that is sure.

        Raises OutcomeUnknown when no server can be reached.
        """
        for pause in self._pauses():
            self._wait(pause)
            try:
                other = self._opened()
            except Unavailable:
                continue
            except (StoreError, URLError, Closed) as error:
                raise OutcomeUnknown(_UNREACHED) from error
            try:
                if None in (link.number, link.run) or link.run != other.run:
                    return False  # it cannot be named, or it was another server's
                other.send([packed(b"CLIENT", b"KILL", b"ID", b"%d" % (link.number or 0))], False)
                other.read()
            except ResponseError:
                return False
            except DRIVER_ERRORS:
                continue
            else:
                return True
            finally:
                self._connections.drop(other)
        raise OutcomeUnknown(_UNREACHED)

    # --- ways ---

    def _taken(self) -> Link:
        return self._at(self._connections.take)

    def _opened(self) -> Link:
        return self._at(self._connections.opened)

    def _at(self, connect: Any) -> Link:
        address = self._way.address()
        try:
            link: Link = connect(address)
        except Unavailable:
            self._way.lost(address)
            raise
        return link

    def _pauses(self) -> Iterator[float]:
        """Give pauses, the first of them none, until patience is at its end by its sum or by the clock."""
        end, pause, spent = time.monotonic() + self._patience, 0.0, 0.0
        while True:
            yield pause
            spent += pause
            pause = min(2 * pause or _SHORTEST_PAUSE, 0.5)
            if spent + pause > self._patience or time.monotonic() + pause > end:
                return

    def _is_redirected(self, error: Exception, link: Link, pauses: Iterator[float]) -> bool:
        """Do what a cluster's answer says; tell whether the same request may be sent again."""
        if isinstance(error, (ReadOnlyError, ClusterDownError)):
            self._way.lost(link.address)
            self._connections.drop_idle()
            return False
        if not isinstance(error, (AskError, TryAgainError)):
            return False
        if isinstance(error, MovedError):
            node: Any = error  # its attributes have no types
            self._way.moved((node.host or link.address[0], node.port))
        return self._may_go_on(pauses)  # a slot on its way is nowhere as a whole until it has arrived

    def _may_go_on(self, pauses: Iterator[float]) -> bool:
        pause = next(pauses, None)
        if pause is None:
            return False
        if pause:
            self._wait(pause)
        return True

    def _was_broken_before(self, error: Exception, link: Link) -> bool:
        self._way.lost(link.address)
        self._connections.drop_idle()
        return not link.is_fresh and not isinstance(error, TimeoutError)

    def _is_replicated(self, link: Link) -> bool:
        """Tell whether the replicas have what this connection wrote; there is always a reply to wait for."""
        try:
            return int(link.read()) >= self._replicas
        except DRIVER_ERRORS:
            link.close()
            return False
