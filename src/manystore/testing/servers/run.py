"""The folder of one test run: all that its servers leave, and how nothing of it outlives the run.

Every process of the run holds a shared lock on the folder's file `alive`; the kernel lets go of it when the process
ends, also by SIGKILL. The reaper, this file run as a program, waits for the exclusive lock, kills what the pid files
name and removes the folder. A folder whose reaper was killed as well is cleared when the next run begins.

Knows pids and folders; must not know which servers there are. Standard library only: the reaper starts without site.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

_ALIVE = "alive"
_PID = "pid"
_GONE = ".gone-"
_DEATH = 5.0  # seconds that a killed process may take to be gone: it is the kernel's turn


class Run:
    """This process's part in a test run. Processes that give the same name share the folder."""

    def __init__(self, name: str = "", directory: str | None = None) -> None:
        directory = directory or tempfile.gettempdir()
        sweep(directory)
        # Short: the path of a unix socket ends at 107 bytes.
        self.folder = Path(directory) / (_beginning() + (name or uuid.uuid4().hex)[:12])
        self._descriptor = -1
        self._reaper: subprocess.Popen[bytes] | None = None
        while self._descriptor < 0:
            with contextlib.suppress(FileNotFoundError):  # it was cleared meanwhile
                self._join()

    def _join(self) -> None:
        is_new = False
        with contextlib.suppress(FileExistsError):
            self.folder.mkdir(0o700)
            is_new = True
        if self.folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{self.folder} is somebody else's")
        # Servers that refuse root run as nobody, who has to get through to their own folders.
        self.folder.chmod(0o711)
        descriptor = os.open(self.folder / _ALIVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not _is_at(descriptor, self.folder / _ALIVE):
            os.close(descriptor)
            return
        self._descriptor = descriptor
        if is_new:
            self._reaper = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, str(self.folder)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # what is sent to the run's process group is not meant for it
            )

    def new_folder(self, name: str, owner: tuple[int, int] | None = None) -> Path:
        """Make a folder for one server, owned by that user and group if any."""
        made = Path(tempfile.mkdtemp(prefix=name + "-", dir=self.folder))
        if owner:
            os.chown(made, *owner)
        return made

    def close(self) -> None:
        """Leave the run. When all have left, the folder is cleared; who made the folder waits for that."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._reaper is not None:
            self._reaper.wait()


def _beginning() -> str:
    return f"manystore-{os.getuid()}-"


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


# --- processes -------------------------------------------------------------------------------------------------------


def note(folder: Path, pid: int) -> None:
    """Write down a server's pid, with the time it began: a number alone may come to be another process's."""
    (folder / _PID).write_text(f"{pid} {began(pid)}")


def began(pid: int) -> str | None:
    """Give when a process began, in the kernel's ticks; None if there is none that runs, a zombie being none."""
    try:
        # The name, in parentheses, may hold anything; the state is the first field behind it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def kill(pid: int, beginning: str | None = None) -> None:
    """Kill a process and its children, which may be in sessions of their own, with SIGKILL; return when all are dead.

    beginning: what began() said; a process that began at another time is left alone.
    """
    children: list[str] = []
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    killed: list[int] = []
    for each in (pid, *map(int, children)):
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(each)
            killed.append(descriptor)
            if each == pid and beginning not in (None, began(pid)):
                break
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    else:
        for descriptor in killed:
            select.select([descriptor], [], [], _DEATH)
    for descriptor in killed:
        os.close(descriptor)


# --- clearing --------------------------------------------------------------------------------------------------------


def clear(folder: Path, *, wait: bool) -> bool:
    """Kill what a run left and remove its folder, once nobody holds it; without wait, only if nobody does now."""
    try:
        descriptor = os.open(folder / _ALIVE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if not _is_at(descriptor, folder / _ALIVE):
            return False
        for noted in folder.glob(f"*/{_PID}"):
            pid, _, beginning = noted.read_text().partition(" ")
            if beginning:
                kill(int(pid), beginning)
        # Under another name first: who comes now makes a new folder, and keeps it.
        gone = folder.with_name(folder.name + _GONE + uuid.uuid4().hex[:8])
        folder.rename(gone)
        shutil.rmtree(gone)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def sweep(directory: str) -> None:
    """Clear what runs of this user left that ended without their reaper."""
    for folder in Path(directory).glob(_beginning() + "*"):
        with contextlib.suppress(OSError):
            if _GONE in folder.name:
                shutil.rmtree(folder)
            elif not clear(folder, wait=False):
                folder.rmdir()  # works only on an empty one: its maker died before anything else


def _main(arguments: list[str]) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # its work begins when the others are gone
    clear(Path(arguments[0]), wait=True)


if __name__ == "__main__":
    _main(sys.argv[1:])
