"""The sockets under kazoo: how they wait, and how TLS is spoken on them.

kazoo makes an epoll set for every look at a socket, leaves a socket open whose TLS handshake fails, and asks for
protocol flags that Python warns of. Its handler is the place where it lets others do that.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Sequence
from typing import Any

from kazoo.handlers.threading import SequentialThreadingHandler

from ....errors import URLError
from .location import Location

_IN, _OUT = select.POLLIN, select.POLLOUT


class Sockets(SequentialThreadingHandler):
    """kazoo's handler with threads, on sockets of ours."""

    def __init__(self, location: Location) -> None:
        super().__init__()
        self._tls = tls_of(location) if location.use_tls else None

    def select(
        self, reading: Sequence[Any], writing: Sequence[Any], _: Sequence[Any], timeout: float | None = None
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Wait until one of some sockets can be read from or written to."""
        poll = select.poll()
        for one in reading:
            poll.register(one, _IN)
        for one in writing:
            poll.register(one, _OUT)
        ready = {number for number, _ in poll.poll(None if timeout is None else timeout * 1000)}
        return [r for r in reading if r.fileno() in ready], [w for w in writing if w.fileno() in ready], []

    def create_connection(
        self, address: tuple[str, int], hostname: str | None = None, timeout: float | None = None, **_: Any
    ) -> socket.socket:
        """Connect to a server."""
        made = socket.create_connection(address, timeout)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made if self._tls is None else self._tls.wrap_socket(made, server_hostname=hostname or address[0])
        except BaseException:
            made.close()
            raise


def tls_of(location: Location) -> ssl.SSLContext:
    """Make the TLS settings of a location; raise URLError for files that cannot be read."""
    try:
        context = ssl.create_default_context(cafile=location.ca)
        if location.certfile:
            context.load_cert_chain(location.certfile, location.keyfile)
    except OSError:  # ssl.SSLError is one
        raise URLError("zookeeper: ca, certfile or keyfile cannot be read") from None
    if not location.verify_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
