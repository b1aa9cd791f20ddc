"""What a program asks of the kernel, seen by strace: calls counted, and a program killed before its n-th.

Works for every user, since strace begins the program itself.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .servers.binaries import program

SYNCS = ("fsync", "fdatasync", "msync", "sync_file_range")
"""What forces data to a disk."""
WRITES = ("pwrite64", "ftruncate", "unlink", "fsync", "fdatasync")
"""What changes a database in a file, and what forces that to the disk."""
_QUICK = "--seccomp-bpf"  # only the calls that are asked for slow the program down; but nothing can be injected then
_PATIENCE = 120.0


def traced(
    command: Sequence[str], calls: Sequence[str], output: Path, *, options: Sequence[str] = (_QUICK,)
) -> list[str]:
    """Give the command that runs a program and writes a line for each of some calls when it happens."""
    return [
        *(program("strace"), "-f", "-qq", "-o", str(output)),
        *("-e", f"trace={','.join(calls)}", "-e", "signal=none", *options, *command),
    ]


def counted(output: Path, calls: Sequence[str]) -> dict[str, int]:
    """Count the calls in what traced() wrote so far."""
    begun = re.compile(rf"^\d+ +({'|'.join(calls)})\(", re.MULTILINE)
    found = dict.fromkeys(calls, 0)
    for call in begun.findall(output.read_text(errors="replace") if output.exists() else ""):
        found[call] += 1
    return found


def run_counting(command: Sequence[str], calls: Sequence[str], output: Path) -> dict[str, int]:
    """Run a program to its end and count its calls; raise CalledProcessError."""
    output.unlink(missing_ok=True)
    subprocess.run(traced(command, calls, output), check=True, timeout=_PATIENCE)
    return counted(output, calls)


def run_killing(command: Sequence[str], call: str, at: int, output: Path) -> bool:
    """Run a program and kill it by SIGKILL before its at-th call of one kind; False when it came to its end."""
    output.unlink(missing_ok=True)
    kill = ["-e", f"inject={call}:signal=KILL:when={at}"]
    ran = subprocess.run(traced(command, [call], output, options=kill), check=False, timeout=_PATIENCE)
    if ran.returncode not in (0, -9, 137):
        raise subprocess.CalledProcessError(ran.returncode, command)
    return ran.returncode != 0
