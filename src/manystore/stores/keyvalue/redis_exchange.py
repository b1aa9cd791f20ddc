"""Requests and replies: finding the node, following a cluster that moves, and what to do when a connection breaks.

Knows connections, slots and the driver's errors; must not know what a request means. A read is sent again where that
helps. A commit never is: its reply may be lost, and then Broken is raised, with the slot that tells what became of it.
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
    TimeoutError,
    TryAgainError,
)

from ...errors import OutcomeUnknown, Unavailable
from ...store.protocol import Wait
from .outcome import Broken
from .redis_connection import Connections, HashSlot, Link, OneServer
from .redis_script import COMMIT, COMMITTED, SLOT_GONE, Keyspace, Script, packed
from .redis_slot import Slot
from .redis_translate import ANSWERS, DRIVER_ERRORS, translate

_BARE = "the connection broke during a commit, and the server keeps nothing to tell by what became of it"
_TOO_FEW = "the commit is carried out, but too few replicas have it: a failover may lose it"
_TRIES = 2  # with a slot
_SHORTEST_PAUSE = 0.01


class Exchange:
    """Sends requests to where the database is. patience: seconds until a moving or vanished node is given up.

    replicas: how many must have a commit before it counts.
    """

    def __init__(
        self,
        connections: Connections,
        keyspace: Keyspace,
        way: OneServer | HashSlot,
        *,
        patience: float,
        replicas: int,
        wait: Wait,
    ) -> None:
        self._connections = connections
        self._keyspace = keyspace
        self._way = way
        self.patience = patience
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
                pauses = pauses or self._pauses()
                self._excuse(error, link, pauses)
                continue
            except BaseException:
                self._connections.drop(link)
                raise
            self._connections.put(link)
            return replies

    def _excuse(self, error: Exception, link: Link, pauses: Iterator[float]) -> None:
        """Drop a connection; raise what is wrong, unless the same commands, which change nothing, may be sent again."""
        self._connections.drop(link)
        if isinstance(error, NoScriptError):
            raise error
        if isinstance(error, ANSWERS):
            is_excused = self._is_redirected(error, link, pauses)
        else:
            is_excused = self._was_broken_before(error, link) and self._may_go_on(pauses)
        if not is_excused:
            raise translate(error) from error

    def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        """Run a script that changes nothing."""
        try:
            return self.ask(script.packed(keys, arguments), 1)[0]
        except NoScriptError:
            return self.ask(script.packed(keys, arguments, whole=True), 1)[0]

    def deliver(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> int:
        """Commit something; raise Broken when the reply was lost."""
        pauses, whole, gone = self._pauses(), False, 0
        while gone < _TRIES:
            link, slot = self._ready(pauses)
            payload = COMMIT.packed([*keys, slot.key], arguments, whole=whole)
            try:
                answer = self._sent_once(link, slot, payload + self._replicated)
            except ANSWERS as error:
                if isinstance(error, NoScriptError) and not whole:
                    whole = True
                elif not self._is_redirected(error, link, pauses):
                    raise translate(error) from error
                continue
            if answer != SLOT_GONE:
                return answer
            gone += 1
        return self._delivered_bare(keys, arguments, pauses)

    def _delivered_bare(self, keys: Sequence[bytes], arguments: Sequence[bytes], pauses: Iterator[float]) -> int:
        """Commit without a slot: a full server may throw slots away at once, and must still let go of records."""
        link, slot = self._ready(pauses)
        link.slot = None
        payload = COMMIT.packed(keys, [*arguments, b"bare"], whole=True)
        try:
            return self._sent_once(link, slot, payload + self._replicated)
        except Broken:
            raise OutcomeUnknown(_BARE) from None
        except ANSWERS as error:
            raise translate(error) from error

    def _ready(self, pauses: Iterator[float]) -> tuple[Link, Slot]:
        """Take a connection that has not broken while it was idle, and has a slot."""
        while True:
            link = self._taken()
            if not link.is_fresh and link.is_stale():
                self._connections.drop(link)
                continue
            slot = link.slot
            if slot is not None and slot.until > time.monotonic():
                return link, slot
            link.slot = slot = Slot(self._keyspace)
            try:
                link.send([slot.make()], False)
                link.read()
            except DRIVER_ERRORS as error:
                self._excuse(error, link, pauses)
            except BaseException:
                self._connections.drop(link)
                raise
            else:
                return link, slot

    def _sent_once(self, link: Link, slot: Slot, payload: bytes) -> int:
        """Send a commit; give its answer. After anything but that, the connection goes, and its slot with it."""
        try:
            link.send([payload], False)
            answer: int = link.read()
        except DRIVER_ERRORS as error:
            self._connections.drop(link)
            if isinstance(error, ANSWERS):
                raise
            self._way.lost(link.address)
            raise Broken(slot) from error
        except BaseException:
            self._connections.drop(link)
            raise
        is_replicated = not self._replicated or self._is_replicated(link)
        if answer == SLOT_GONE:
            self._connections.drop(link)
            return answer
        if answer == COMMITTED:
            slot.number += 1
        self._connections.put(link)
        if answer == COMMITTED and not is_replicated:
            raise OutcomeUnknown(_TOO_FEW)
        return answer

    def ask_slot(self, slot: Slot) -> bool | None:
        """Tell whether the last commit that used a slot was carried out; unless it was, it never will be.

        None when the slot is gone. Raises Unavailable when no server can be reached, OutcomeUnknown when the commit is
        carried out, but replicas must have it and do not.
        """
        reason = Unavailable("the server cannot be reached")
        for pause in self._pauses():
            self._wait(pause)
            try:
                answer, *replicas = self.ask(slot.ask() + self._replicated, 2 if self._replicated else 1)
            except Unavailable as error:
                reason = error
                continue
            if answer < 0:
                return None
            if answer and replicas and int(replicas[0]) < self._replicas:
                raise OutcomeUnknown(_TOO_FEW)
            return bool(answer)
        raise reason

    # --- ways ---

    def _taken(self) -> Link:
        address = self._way.address()
        try:
            return self._connections.take(address)
        except Unavailable:
            self._way.lost(address)
            raise

    def _pauses(self) -> Iterator[float]:
        """Give pauses, the first of them none, until patience is at its end by its sum or by the clock."""
        end, pause, spent = time.monotonic() + self.patience, 0.0, 0.0
        while True:
            yield pause
            spent += pause
            pause = min(2 * pause or _SHORTEST_PAUSE, 0.5)
            if spent + pause > self.patience or time.monotonic() + pause > end:
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
