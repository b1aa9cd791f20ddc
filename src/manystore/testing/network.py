"""A faulty network: a TCP proxy on loopback that does to the n-th request what a test asks of it.

    with Proxy("127.0.0.1", 6379) as proxy:
        fault = proxy.cut_after()          # the next request is carried out; its answer is swallowed, and the line cut
        ...                                # whatever talks to proxy.port
        fault.wait()                       # until it has happened

A fault is armed once and strikes once: at the `at`-th request from now on, of all connections together, that has
`containing` among the bytes it came with. What a request is, a Speech says (speech.py). Only `delay` waits for time to
pass; tests wait for what the proxy saw.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from .fault import PATIENCE, Fault, Stage
from .servers.run import kill
from .speech import Mark, Place, Speech, Turns

HOST = "127.0.0.1"
_CHUNK = 1 << 16


class Proxy:
    """A proxy before one server. Used with `with`; port is where clients connect to."""

    def __init__(self, host: str, port: int, speech: Callable[[], Speech] = Turns) -> None:
        self.target = (host, port)
        self.speech = speech
        self.requests = 0
        self.answers = 0
        self.changed = threading.Condition()
        self._armed: list[Fault] = []
        self._lines: list[Line] = []
        self._is_down = False
        self._is_closed = False
        self._listening = socket.create_server((HOST, 0))
        self.port: int = self._listening.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    # --- faults ---

    def delay(self, seconds: float, at: int = 1, containing: bytes = b"") -> Fault:
        """Keep a request for some seconds, then go on."""
        return self._arm(Fault("delay", at, containing, seconds=seconds))

    def cut_before(self, at: int = 1, containing: bytes = b"") -> Fault:
        """Cut the connection before a request reaches the server."""
        return self._arm(Fault("cut before", at, containing))

    def cut_after(self, at: int = 1, containing: bytes = b"") -> Fault:
        """Cut the connection when the server has carried a request out; its answer is swallowed."""
        return self._arm(Fault("cut after", at, containing))

    def hold(self, at: int = 1, containing: bytes = b"", *, stays: bool = False) -> Fault:
        """Keep a request back and cut the client off; the server gets the bytes at release(), when nobody listens.

        stays: the client is not cut off; it waits until it gives up by itself.
        """
        return self._arm(Fault("hold", at, containing, stays=stays))

    def blackhole(self, at: int = 1, containing: bytes = b"") -> Fault:
        """From a request on, let nothing through on its connection, and say nothing to either side."""
        return self._arm(Fault("blackhole", at, containing))

    def kill_before(self, at: int = 1, containing: bytes = b"") -> Fault:
        """Kill a process (Fault.choose) by SIGKILL before a request of its reaches the server."""
        return self._arm(Fault("kill before", at, containing))

    def kill_after(self, at: int = 1, containing: bytes = b"") -> Fault:
        """Kill a process (Fault.choose) by SIGKILL when the server has carried a request out, before it knows."""
        return self._arm(Fault("kill after", at, containing))

    def disarm(self) -> None:
        """Forget the faults that have not struck."""
        with self.changed:
            self._armed.clear()

    def _arm(self, fault: Fault) -> Fault:
        with self.changed:
            self._armed.append(fault)
        return fault

    # --- the whole line ---

    def down(self) -> None:
        """Cut every connection, and each new one at once, until up()."""
        with self.changed:
            self._is_down = True
            lines = list(self._lines)
        for line in lines:
            line.cut()

    def up(self) -> None:
        """Let connections through again."""
        with self.changed:
            self._is_down = False

    def wait_for(self, holds: Callable[[Self], object], patience: float = PATIENCE) -> None:
        """Wait until something holds of what was seen, as in `lambda p: p.requests > 2`; TimeoutError."""
        with self.changed:
            if not self.changed.wait_for(lambda: holds(self), patience):
                raise TimeoutError(f"{self.requests} requests, {self.answers} answers")

    def close(self) -> None:
        """End every connection and thread."""
        with self.changed:
            self._is_closed = True
        # Closing alone would not wake the thread that waits for a connection.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listening.close()
        with self.changed:
            lines = list(self._lines)
        for line in lines:
            line.cut()
        for line in lines:
            line.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- what lines ask and tell ---

    def see(self, line: Line, place: Place, data: bytes) -> Fault | None:
        """Count a mark; give the fault that strikes at it."""
        with self.changed:
            self.changed.notify_all()
            if place.mark is Mark.ANSWER:
                self.answers += 1
                line.open = max(line.open - 1, 0)  # a server that speaks first has answered nothing
            elif place.mark is Mark.REQUEST:
                self.requests += 1
                line.open += 1
                line.fault = self._due(data[max(place.offset, 0) :])
                return line.fault
            return None

    def _due(self, data: bytes) -> Fault | None:
        struck = None
        for fault in list(self._armed):
            if fault.containing in data:
                fault.left -= 1
                if fault.left == 0 and struck is None:
                    struck = fault
                    self._armed.remove(fault)
        return struck

    def forget(self, line: Line) -> None:
        """Take a line off the list: it has ended."""
        with self.changed:
            if line in self._lines:
                self._lines.remove(line)
            self.changed.notify_all()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                if self._is_down or self._is_closed:
                    raise ConnectionRefusedError
                server = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            line = Line(self, client, server)
            with self.changed:
                self._lines.append(line)
                self.changed.notify_all()
            line.start()


class Line:
    """One connection through the proxy, each direction in a thread of its own."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.client, self.server = client, server
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.speech = proxy.speech()
        self.fault: Fault | None = None
        self.open = 0  # requests without an answer
        self._is_cut = threading.Event()
        self._is_heard = threading.Event()  # nothing more comes from the server
        self._left = 2
        self._ending = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(way,), daemon=True) for way in (self._up, self._down)]

    def start(self) -> None:
        """Let bytes through."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for both threads."""
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """End it on both sides."""
        self._is_cut.set()
        if self.fault is not None:
            with self.fault.changed:
                self.fault.changed.notify_all()
        for end in (self.client, self.server):
            _shut(end, socket.SHUT_RDWR)

    def _run(self, way: Callable[[], None]) -> None:
        try:
            with contextlib.suppress(OSError):  # the other side is gone: so is this one
                way()
        finally:
            if way == self._down:
                self._is_heard.set()
            with self._ending:
                self._left -= 1
                if self._left == 0:
                    self.client.close()
                    self.server.close()
                    self.proxy.forget(self)

    # --- from the client ---

    def _up(self) -> None:
        while data := self.client.recv(_CHUNK):
            passed = 0
            for place in self.speech.sent(data):
                fault = self.proxy.see(self, place, data)
                if fault is None:
                    continue
                at = max(place.offset, 0)
                self.server.sendall(data[passed:at])
                passed = at
                fault.reach(Stage.STRUCK)
                if fault.kind == "delay":
                    self._is_cut.wait(fault.seconds)
                    self.fault = None
                    fault.reach(Stage.DONE)
                    continue
                self._strike(fault, data[at:])
                return
            self.server.sendall(data[passed:])
        _shut(self.server, socket.SHUT_WR)

    def _strike(self, fault: Fault, rest: bytes) -> None:
        """Do what the fault says, from its request to the end of the connection."""
        match fault.kind:
            case "cut before":
                self._end(fault)
            case "kill before":
                self._kill(fault)
                self._end(fault)
            case "hold":
                self._hold(fault, rest)
            case "blackhole":
                fault.reach(Stage.DONE)
                while self.client.recv(_CHUNK):
                    pass
                self.cut()
            case _:  # after the answer: _down ends it
                self.server.sendall(rest)
                while data := self.client.recv(_CHUNK):
                    self.server.sendall(data)

    def _hold(self, fault: Fault, rest: bytes) -> None:
        kept = [rest]
        fault.give_way()
        if not fault.stays:
            _shut(self.client, socket.SHUT_WR)  # it may send the rest of its request
        is_whole = False
        while data := self.client.recv(_CHUNK):
            # What was taken back later never came: the connection broke before.
            taken_back = [place.offset for place in self.speech.sent(data) if place.mark is Mark.WITHDRAWAL]
            if not is_whole:
                kept.append(data[: max(taken_back[0], 0)] if taken_back else data)
            is_whole = is_whole or bool(taken_back)
        with fault.changed:
            fault.changed.wait_for(lambda: fault.is_released or self._is_cut.is_set())
        if fault.is_released:
            self.server.sendall(b"".join(kept))
            self._is_heard.wait(PATIENCE)  # until the answer, or at once when the server has hung up before
        self._end(fault)

    # --- from the server ---

    def _down(self) -> None:
        while data := self.server.recv(_CHUNK):
            earlier = self.open
            for place in self.speech.received(data):
                self.proxy.see(self, place, data)
            fault = self.fault
            if fault is None or fault.kind == "delay" or (earlier > 1 and fault.kind != "blackhole"):
                self.client.sendall(data)  # what struck came after the request that this answers
            elif self.open == 0 and fault.kind in ("cut after", "kill after", "hold"):
                if fault.kind == "kill after":
                    self._kill(fault)
                self._end(fault)
                return
        if self.fault is not None and self.fault.kind not in ("blackhole", "delay"):
            self._end(self.fault)
        _shut(self.client, socket.SHUT_WR)

    def _kill(self, fault: Fault) -> None:
        with fault.changed:
            fault.changed.wait_for(lambda: fault.victim is not None or self._is_cut.is_set())
        if fault.victim is not None:
            kill(fault.victim)

    def _end(self, fault: Fault) -> None:
        _shut(self.server, socket.SHUT_RDWR)  # it lets go of what it keeps for the client
        try:
            fault.give_way()
        finally:
            self.cut()
            fault.reach(Stage.DONE)


def _shut(end: socket.socket, how: Any) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(how)
