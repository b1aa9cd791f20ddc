"""One server process on loopback: begun, asked whether it answers, crashed, begun again on its data, stopped.

Knows processes and ports; how a kind of server is made and called is in the file of its name.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from .run import Run, kill, note

HOST = "127.0.0.1"
_PATIENCE = 30.0  # seconds for a server to answer; on a loaded machine a Java virtual machine takes several
_LOOK = 0.01
_TRIES = 3  # a port that was free may be taken before the server has it
_SHOWN = 3_000  # characters of a log


class DidNotStart(Exception):
    """A server ended, or answered nothing, with the end of what it logged."""


class Server:
    """A server of one kind. Used with `with`: it runs from the beginning to the end."""

    kind: ClassVar[str]
    unprivileged: ClassVar[bool] = False
    """It refuses to run as root: then it runs as nobody."""

    def __init__(self, run: Run, *, durable: bool = False, options: Sequence[str] = ()) -> None:
        """durable: a confirmed write is forced to the disk; otherwise it outlives the server, not the machine."""
        self.run = run
        self.durable = durable
        self.options = list(options)
        self.port, self.second_port = free_ports(2)
        self.folder = self.new_folder()
        self._process: subprocess.Popen[Any] | None = None
        self._is_made = False

    # --- what each kind says ---

    def make(self) -> None:
        """Make the data folder, once."""

    def command(self) -> list[str]:
        """Give the command that runs it in the foreground on `port`."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Say whether it takes requests by now; may raise OSError."""
        raise NotImplementedError

    def leads(self) -> bool:
        """Say whether it leads the cluster that it is in; may raise OSError."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """The URL that a database is opened with."""
        raise NotImplementedError

    # --- what all do ---

    def new_folder(self) -> Path:
        """Make a folder of the server's user's in that of the run."""
        return self.run.new_folder(self.kind, _nobody() if self.is_nobodys else None)

    @property
    def is_nobodys(self) -> bool:
        """Whether it runs as another user than this process."""
        return self.unprivileged and os.getuid() == 0

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.folder / "log"

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def begin(self) -> None:
        """Start the process, without waiting until it answers."""
        if not self._is_made:
            self.make()
            self._is_made = True
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.as_user(),
            )
        note(self.folder, self._process.pid)

    def start(self) -> Self:
        """Start it and wait until it answers; raise DidNotStart."""
        for attempt in range(_TRIES):
            self.begin()
            try:
                self.until(self.answers)
            except DidNotStart as reason:
                if "in use" not in str(reason) or attempt == _TRIES - 1:
                    raise
                self.port, self.second_port = free_ports(2)
            else:
                break
        return self

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of the running server; raise DidNotStart when it ends or takes too long."""
        process, end = self._process, time.monotonic() + _PATIENCE
        assert process is not None
        while True:
            with contextlib.suppress(OSError):
                if holds():
                    return
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK)
                raise DidNotStart(f"{self.kind} ended with {process.returncode}:\n{self.logged()}")
            if time.monotonic() > end:
                self.crash()
                raise DidNotStart(f"{self.kind} did not answer for {_PATIENCE} s:\n{self.logged()}")

    def logged(self) -> str:
        """Give the end of the log."""
        return self.log.read_text(errors="replace")[-_SHOWN:]

    def crash(self) -> None:
        """End it by SIGKILL, its children as well."""
        if self._process is not None:
            if self._process.poll() is None:
                kill(self._process.pid)
            self._process.wait()

    def restart(self) -> None:
        """Start it again on the same data and port, after a crash or a stop."""
        assert not self.is_running
        self.begin()
        self.until(self.answers)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it in its own way; by SIGKILL when that takes too long."""
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self.crash()

    def leave(self) -> None:
        """Leave it to the run, whose last process ends it; this object is of no more use."""
        if self._process is not None:
            self._process.returncode = 0  # or it is said to be still running, as is meant, when the object goes
            self._process = None

    def freeze(self) -> None:
        """Have it do nothing, its children neither and its connections staying open, until thaw()."""
        self._signal(signal.SIGSTOP)
        self.until(self._stands_still)  # each thread stops at its own time

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, how: signal.Signals) -> None:
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)

    def _pids(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def _stands_still(self) -> bool:
        tasks = [task for pid in self._pids() for task in Path(f"/proc/{pid}/task").iterdir()]
        return all((task / "stat").read_text().rpartition(") ")[2][0] in "TZ" for task in tasks)

    def as_user(self) -> dict[str, Any]:
        """Give what Popen needs to run the server's programs as the right user."""
        if not self.is_nobodys:
            return {"cwd": "/"}
        user, group = _nobody()
        return {"cwd": "/", "user": user, "group": group, "extra_groups": []}

    def carry_out(self, command: Sequence[str]) -> str:
        """Run another program of the server's, as its user; give what it printed."""
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **self.as_user()
        )
        if ran.returncode:
            raise DidNotStart(f"{command[0]} ended with {ran.returncode}:\n{(ran.stdout + ran.stderr)[-_SHOWN:]}")
        return str(ran.stdout)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.crash()


def _nobody() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def free_ports(number: int) -> list[int]:
    """Give ports that nothing listens on, below those that the kernel hands to outgoing connections."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        while len(ports) < number:
            port = random.randrange(15_000, 32_000)
            with contextlib.suppress(OSError):
                # Held until all are found, so that they differ.
                held.enter_context(socket.create_server((HOST, port)))
                ports.append(port)
        return ports


def ask(port: int, request: bytes, answer: bytes, patience: float = 0.25) -> bool:
    """Say whether a server's first answer holds some bytes. One that starts may accept and be mute: hence short."""
    with socket.create_connection((HOST, port), patience) as connection:
        connection.settimeout(patience)
        if request:
            connection.sendall(request)
        return answer in connection.recv(4096)
