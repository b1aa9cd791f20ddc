"""A client that dies: a program that is killed by SIGKILL exactly before or after its n-th request to a server.

It needs nothing in the program and nothing in the library: the proxy that the program connects through (network.py)
counts requests and kills.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .network import Proxy

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
