"""How many virtual machines a second the flagship replays on each store: the whole of `manystore nova replay`.

Runs the command as a user does, in a process of its own; must not know Nova's repositories.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .target import Target

_WIDTHS = (18, 10, 12, 14, 10)


def table(targets: Sequence[Target], limit: int, folder: Path) -> None:
    """Print one line a store."""
    print(f"The first {limit:,} arrivals of the trace that comes with manystore, one worker.\n")
    print(_line("store", "VMs/s", "calls/s", "trips a VM", "seconds"))
    for target in targets:
        with target.opened(folder) as makers:
            print(_row(target.name, makers.url(0), limit), flush=True)


def _row(name: str, url: str, limit: int) -> str:
    command = [sys.executable, "-m", "manystore", "nova", "replay", "--store", url, "--limit", str(limit), "--json"]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=True
    )  # a wrong audit is an error of the command
    found = json.loads(ran.stdout)
    machines, seconds = found["booted"], found["seconds"]
    trips = sum(figure["count"] * figure["round_trips"] for figure in found["figures"])
    calls, figures = found["operations_per_second"], (machines / seconds, trips / machines, seconds)
    return _line(name, f"{figures[0]:.1f}", f"{calls:,.0f}", f"{figures[1]:.0f}", f"{figures[2]:.1f}")


def _line(first: str, *rest: str) -> str:
    return first.ljust(_WIDTHS[0]) + "".join(cell.rjust(width) for cell, width in zip(rest, _WIDTHS[1:], strict=True))
