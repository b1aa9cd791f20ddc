"""A client that dies: a program that is killed by SIGKILL exactly before or after its n-th request to a server.

It needs nothing in the program and nothing in the library: the proxy that the program connects through (network.py)
counts requests and kills. A program is a command, or a generator of an importable module: that one is forked off a
process that has imported all stores already, is not counted until its first `yield`, and takes a tenth of the time.
"""

from __future__ import annotations

import multiprocessing
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any, NamedTuple, TypeAlias

from manystore.store.registry import known

from .network import Proxy

Work: TypeAlias = Callable[..., Iterator[None]]

_PATIENCE = 60.0


class Death(NamedTuple):
    """How a program ended."""

    at: int
    after: bool
    killed: bool
    """False: it made fewer requests, and ended by itself."""
    output: str


def run(command: Sequence[str], proxy: Proxy, *, at: int, after: bool, containing: bytes = b"") -> Death:
    """Run a program that connects to proxy.port, and kill it at its at-th request that contains something.

    after: when the server has carried the request out, and before the program knows; otherwise before the server gets
    it. Raise CalledProcessError when the program fails by itself.
    """
    fault = (proxy.kill_after if after else proxy.kill_before)(at, containing)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as program:
        fault.choose(program.pid)
        try:
            output, _ = program.communicate(timeout=_PATIENCE)
        finally:
            program.kill()
            proxy.disarm()
    killed = fault.has_struck
    if program.returncode != 0 and not killed:
        raise subprocess.CalledProcessError(program.returncode, command, output)
    return Death(at, after, killed, output)


def everywhere(command: Sequence[str], proxy: Proxy, containing: bytes = b"") -> Iterator[Death]:
    """Run a program again and again, killed before and after each of its requests, at last to its end.

    The caller looks at what each death left, and makes ready for the next, between two steps of the iteration.
    """
    at = 1
    while True:
        for after in (False, True):
            death = run(command, proxy, at=at, after=after, containing=containing)
            yield death
            if not death.killed:
                return
        at += 1


# --- programs that are forked ----------------------------------------------------------------------------------------


@cache
def _forks() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "manystore", *sorted({point.module for point in known().values()})])
    return context


def _work(work: Work, arguments: Sequence[Any], parent: Connection) -> None:
    running = work(*arguments)
    next(running)
    parent.send(None)
    parent.recv()
    for _ in running:
        pass


class Program:
    """A process of its own that has come to the first `yield` of some work, and waits there for go()."""

    def __init__(self, work: Work, *arguments: Any) -> None:
        self._work = work
        self._word, others = _forks().Pipe()
        self._process = _forks().Process(target=_work, args=(work, arguments, others), daemon=True)
        self._process.start()
        others.close()
        try:
            self._word.recv()
        except EOFError:
            self.wait()
            raise self._failed() from None

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    def go(self) -> None:
        """Let it go on."""
        self._word.send(None)

    def wait(self, patience: float = _PATIENCE) -> int:
        """Wait until it has ended; give how, as subprocess does. One that takes too long is killed: TimeoutError."""
        self._process.join(patience)
        code = self._process.exitcode
        if code is None:
            self.kill()
            raise TimeoutError(f"{self._work.__name__} did not end in {patience} s")
        self._word.close()
        return code

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()
        self._process.join()

    def finish(self) -> None:
        """Wait until it has ended; raise CalledProcessError when it failed."""
        if self.wait():
            raise self._failed()

    def _failed(self) -> subprocess.CalledProcessError:
        return subprocess.CalledProcessError(self._process.exitcode or 0, self._work.__name__)


def interrupt(work: Work, arguments: Sequence[Any], proxy: Proxy, *, at: int, after: bool) -> Death:
    """Do some work in a process of its own, and kill that at its at-th request behind the first `yield` (as run())."""
    program = Program(work, *arguments)
    fault = (proxy.kill_after if after else proxy.kill_before)(at)
    fault.choose(program.pid)
    program.go()
    try:
        code = program.wait()
    finally:
        program.kill()
        proxy.disarm()
    killed = fault.has_struck
    if code != 0 and not killed:
        raise subprocess.CalledProcessError(code, work.__name__)
    return Death(at, after, killed, "")
