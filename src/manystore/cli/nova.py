"""`manystore nova ...`: runs the flagship and shows what came of it. What it shows is made in manystore.nova."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import click

from ..nova.replay import Result, replay
from ..nova.workers import Progress, Stopped

_INTERRUPTED = 130  # what shells report for a program that ended by Ctrl-C
_REDRAWS = 400  # of the progress bar, in all


@click.group()
def nova() -> None:
    """The flagship: the data layer of a compute cloud's control plane, as OpenStack Nova had it in November 2011."""


@nova.command("replay")
@click.argument("trace", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--store", "url", required=True, metavar="URL", help="Where the cloud's data goes.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Replay the first N rows only.")
@click.option("--hosts", type=click.IntRange(1, 10_000), metavar="N", help="How many compute hosts there are.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, metavar="N", help="How many processes play at once.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
@click.option("--resume", is_flag=True, help="Go on with the replay that the store holds, if it holds one.")
def replay_command(
    trace: Path | None,
    url: str,
    limit: int | None,
    hosts: int | None,
    *,
    workers: int,
    as_json: bool,
    resume: bool,
) -> None:
    """Replay real arrivals of virtual machines through Nova's repositories, then audit the store.

    TRACE is a CSV file, gzipped or not, with the columns arrival_s, batch, vcpus, memory_gb and lifetime_s. Without
    it, the 2,000 arrivals that come with manystore are replayed.

    \b
    manystore nova replay --store sqlite:///nova.db
    manystore nova replay trace.csv.gz --store memory:// --limit 500 --json

    Ends with `audit: ok`, or with what is wrong and exit code 1.
    """
    try:
        with _progress() as progress:
            result = replay(url, trace, limit=limit, hosts=hosts, workers=workers, resume=resume, progress=progress)
    except Stopped:
        click.echo("stopped; to go on, give the same command with --resume", err=True)
        sys.exit(_INTERRUPTED)
    if as_json:
        click.echo(json.dumps(_json(result), indent=2))
    else:
        _show(result)
    if not result.audit.ok:
        sys.exit(1)


@contextmanager
def _progress() -> Generator[Progress]:
    """Show a bar on a terminal, and let Ctrl-C end the replay between two events; a second one ends it at once."""
    stopping = False

    def stop(_: int, __: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        if sys.stderr.isatty():
            with click.progressbar(length=1, label="replaying", file=sys.stderr) as bar:
                yield lambda done, total: _advance(bar, done, total) or stopping
        else:
            yield lambda _, __: stopping
    finally:
        signal.signal(signal.SIGINT, before)


def _advance(bar: Any, done: int, total: int) -> bool:
    if bar.length != total:
        bar.length = total
    if done == total or done - bar.pos >= max(1, total // _REDRAWS):
        bar.update(done - bar.pos)
    return False


def _json(result: Result) -> dict[str, Any]:
    return {
        "booted": result.booted,
        "running": result.running,
        "deleted": result.deleted,
        "refused_quota": result.refused_quota,
        "refused_room": result.refused_room,
        "refused_pool": result.refused_pool,
        "operations": result.operations,
        "seconds": result.seconds,
        "operations_per_second": result.operations_per_second,
        "figures": [asdict(figures) for figures in result.figures],
        "audit": {"ok": result.audit.ok, "problems": list(result.audit.problems)},
    }


def _show(result: Result) -> None:
    pool = f"  ({result.refused_pool:,} of them for want of an address)" if result.refused_pool else ""
    rate = f"  ({result.operations_per_second:,.0f} a second, {result.seconds:,.1f} s)"
    for label, value, note in (
        ("booted", result.booted, ""),
        ("running", result.running, ""),
        ("deleted", result.deleted, ""),
        ("refused by quota", result.refused_quota, ""),
        ("refused for room", result.refused_room, pool),
        ("operations", result.operations, rate),
    ):
        click.echo(f"{label:<18}{value:>10,}{note}")
    if result.figures:
        width = max(len(figures.operation) for figures in result.figures)
        click.echo(f"\n{'operation':<{width}}{'count':>9}{'p50 ms':>9}{'p99 ms':>9}{'trips':>7}")
        for f in result.figures:
            times = f"{f.p50_ms:>9.2f}{f.p99_ms:>9.2f}"
            click.echo(f"{f.operation:<{width}}{f.count:>9,}{times}{f.round_trips:>7.2f}")
    click.echo()
    if result.audit.ok:
        click.echo("audit: ok")
        return
    click.echo(f"audit: {len(result.audit.problems):,} problems")
    for problem in result.audit.problems:
        click.echo(f"  {problem}")
