import logging
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol.states import KazooState, KeeperState
from kazoo.retry import KazooRetry

class _Reply(Protocol):
    def set(self, value: Any) -> None: ...
    def set_exception(self, exception: BaseException) -> None: ...

class _Connection:
    _socket: socket.socket | None
    _read_sock: socket.socket | None
    _write_sock: socket.socket | None

class KazooClient:
    handler: SequentialThreadingHandler
    _connection: _Connection
    def __init__(
        self,
        hosts: str,
        timeout: float,
        client_id: tuple[int, bytes] | None = None,
        handler: SequentialThreadingHandler | None = None,
        randomize_hosts: bool = True,
        connection_retry: KazooRetry | None = None,
        command_retry: KazooRetry | None = None,
        logger: logging.Logger | None = None,
        auth_data: Sequence[tuple[str, str]] | None = None,
        keyfile: str | None = None,
        certfile: str | None = None,
        ca: str | None = None,
        use_ssl: bool = False,
        verify_certs: bool = True,
        check_hostname: bool = False,
    ) -> None: ...
    @property
    def client_state(self) -> KeeperState: ...
    @property
    def client_id(self) -> tuple[int, bytes] | None: ...
    def add_listener(self, listener: Callable[[KazooState], object]) -> None: ...
    def start_async(self) -> threading.Event: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...
    def _call(self, request: object, async_object: _Reply) -> bool | None: ...
