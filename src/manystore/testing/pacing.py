"""Pacing: has a store ask a scheduler before each call of its own: get, scan, commit, or a statement on a connection.

Knows the two families of stores and nothing of any one of them. What a killed actor had open is closed for it, as an
operating system does.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

from manystore.testing.scheduler import Scheduler

_INNER, _OPENER = "_kv", "_connections"  # by which a store of either family is known, and what it calls
_TRIES = 10_000  # of a statement that another writer keeps waiting; more, and nobody will ever let go
_BUSY = ("database is locked", "database table is locked")


class Pace:
    """Of the stores of one run. sleep: asked at each pause that may be a long one for how long it is to be, or None."""

    def __init__(self, scheduler: Scheduler, sleep: Callable[[], Any] = lambda: None) -> None:
        self.scheduler = scheduler
        self._sleep = sleep
        self._opened: dict[Any, list[Any]] = {}  # connections, by actor
        self._lock = threading.Lock()

    def step(self, *, sleeping: bool = True, blocked: bool = False) -> None:
        """Let others go on."""
        until = self._sleep() if sleeping and self.scheduler.actor is not None else None
        self.scheduler.pause(until=until, blocked=blocked)

    def wait(self, seconds: float) -> None:
        """Pause, in place of a wait."""
        del seconds
        self.step(blocked=True)

    def put_on(self, store: Any) -> Any:
        """Have a store that was just opened ask; give it back."""
        if hasattr(store, _INNER):
            setattr(store, _INNER, _KeyValue(getattr(store, _INNER), self))
        if hasattr(store, _OPENER):
            connections = getattr(store, _OPENER)
            connect = connections.connect

            def paced(*given: Any, **named: Any) -> Any:
                return self._connection(connect(*given, **named))

            connections.connect = paced
        return store

    def _connection(self, connection: Any) -> Any:
        _Statements(connection, self)
        with self._lock:
            self._opened.setdefault(self.scheduler.actor, []).append(connection)
        return connection

    def bury(self) -> None:
        """Close what the actor of this thread had open, and let it begin anew."""
        actor = self.scheduler.actor
        with self._lock:
            opened = self._opened.pop(actor, [])
        for connection in opened:
            connection.close()
        if actor is not None:
            actor.is_dead = False


class _KeyValue:
    """A KeyValue (stores/keyvalue/protocol.py) before another."""

    def __init__(self, kv: Any, pace: Pace) -> None:
        self._kv = kv
        self._pace = pace

    def get(self, *given: Any, **named: Any) -> Any:
        self._pace.step()
        return self._kv.get(*given, **named)

    def scan(self, *given: Any, **named: Any) -> Any:
        self._pace.step()
        return self._kv.scan(*given, **named)

    def commit(self, *given: Any, **named: Any) -> Any:
        self._pace.step()
        return self._kv.commit(*given, **named)

    def close(self) -> None:
        self._kv.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kv, name)


class _Statements:
    """The statements of one connection. While a transaction is open nobody sleeps: others would wait in vain."""

    def __init__(self, connection: Any, pace: Pace) -> None:
        self._pace = pace
        self._is_open = False
        self._execute, self._send = connection.execute, connection.send
        connection.execute, connection.send = self.execute, self.send

    def execute(self, text: str, *bound: Any) -> Any:
        if text.startswith("ROLLBACK"):
            self._is_open = False
            return self._execute(text, *bound)  # nothing that others can tell from a death
        return self._run(text, lambda: self._execute(text, *bound))

    def send(self, batch: Sequence[Any]) -> Any:
        return self._run(batch[0][0], lambda: self._send(batch))

    def _run(self, text: str, call: Callable[[], Any]) -> Any:
        self._pace.step(sleeping=not self._is_open)
        answer: Any = None
        for attempt in itertools.count():
            try:
                answer = call()
            except Exception as error:
                if str(error) not in _BUSY or attempt == _TRIES:
                    raise
                self._pace.step(sleeping=False, blocked=True)
            else:
                break
        if text.startswith("BEGIN"):
            self._is_open = True
        elif text.startswith(("COMMIT", "ROLLBACK")):
            self._is_open = False
        return answer
