"""`manystore nova ...`: runs the flagship and shows what came of it. What it shows is made in manystore.nova."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, get_args

import click

from ..nova.interface import OPERATIONS
from ..nova.listing import Walk, walks
from ..nova.operation import Operation
from ..nova.replay import Result, replay
from ..nova.usage import usage
from ..nova.wishes import Profile
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
@click.option(
    "--profile",
    type=click.Choice(get_args(Profile)),
    help="full: instances get security groups, a share of them floating ips and volumes. Without it: basic.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
@click.option("--resume", is_flag=True, help="Go on with the replay that the store holds, if it holds one.")
def replay_command(
    trace: Path | None,
    url: str,
    limit: int | None,
    hosts: int | None,
    *,
    workers: int,
    profile: Profile | None,
    as_json: bool,
    resume: bool,
) -> None:
    """Replay real arrivals of virtual machines through Nova's repositories, then audit the store.

    TRACE is a CSV file, gzipped or not, with the columns arrival_s, batch, vcpus, memory_gb and lifetime_s. Without
    it, the 2,000 arrivals that come with manystore are replayed.

    \b
    manystore nova replay --store sqlite:///nova.db
    manystore nova replay trace.csv.gz --store memory:// --limit 500 --json
    manystore nova replay --store sqlite:///full.db --profile full --workers 4

    Ends with `audit: ok`, or with what is wrong and exit code 1.
    """
    try:
        with _progress() as progress:
            result = replay(
                url,
                trace,
                limit=limit,
                hosts=hosts,
                workers=workers,
                profile=profile,
                resume=resume,
                progress=progress,
            )
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
        "profile": result.profile,
        "floating_ips": result.floating_ips,
        "refused_floating_quota": result.refused_floating_quota,
        "refused_floating_pool": result.refused_floating_pool,
        "volumes": result.volumes,
        "refused_volume_quota": result.refused_volume_quota,
        "refused_target": result.refused_target,
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
        *_extras(result),
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


def _extras(result: Result) -> list[tuple[str, int, str]]:
    """Give the rows that only the full profile has."""
    if result.profile != "full":
        return []
    refused = "  ({:,} refused by quota, {:,} for want of {})".format
    ips = refused(result.refused_floating_quota, result.refused_floating_pool, "an address")
    volumes = refused(result.refused_volume_quota, result.refused_target, "a target")
    return [("floating ips", result.floating_ips, ips), ("volumes", result.volumes, volumes)]


@nova.command("api")
@click.option("--store", "urls", multiple=True, metavar="URL", help="Where to look how each reads; may come again.")
@click.option("--entity", metavar="NAME", help="Only the operations of one entity.")
@click.option(
    "--used-by",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Count the uses of each in the Python files there, and list what is never used.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")
def api_command(urls: tuple[str, ...], entity: str | None, folder: Path | None, *, as_json: bool) -> None:
    """List the operations of Nova's data layer: who may call each, and how it reads.

    How it reads is seen by calling each on a sample cloud in an empty store, in memory unless told otherwise. The cloud
    stays there.

    \b
    manystore nova api --entity instance
    manystore nova api --store sqlite:///empty.db --store memory://
    manystore nova api --used-by ~/src/nova

    \b
    [admin]             for administrators; user: whoever has a project as well
    [own records]       others' look missing; checked: they are refused
    [own project_id]    an argument that must be the caller's
    [deleted: live]     no soft-deleted records; any: them too; switch: as the
                        context's read_deleted says; split: so for administrators
    [as zone_get]       its name of 2011, where that is another
    scan of key range   all of the collection; where no reason is told, it is
                        one of those that stay small
    """
    chosen = [operation for operation in OPERATIONS if entity in (None, operation.entity)]
    if not chosen:
        known = ", ".join(dict.fromkeys(operation.entity for operation in OPERATIONS))
        raise click.BadParameter(f"there is no such entity; there are {known}", param_hint="--entity")
    if folder is not None and urls:
        raise click.UsageError("--used-by reads source files only: leave --store away")
    if folder is not None:
        _show_usage(chosen, usage(folder), as_json=as_json)
        return
    found = {url.partition(":")[0]: walks(url, chosen) for url in urls or ("memory://",)}
    if as_json:
        click.echo(json.dumps([_operation_json(operation, found) for operation in chosen], indent=2))
        return
    for name in dict.fromkeys(operation.entity for operation in chosen):
        click.echo(name)
        for operation in chosen:
            if operation.entity == name:
                _show_operation(operation, {store: walk[operation.function] for store, walk in found.items()})
    click.echo(f"{len(chosen)} operations; entities: {len({operation.entity for operation in chosen})}")


def _show_operation(operation: Operation, found: dict[str, Walk]) -> None:
    rule = operation.rule
    limits = [f"{rule.sees.value} records"] if rule.sees.value != "all" else []
    limits += [f"own {name}" for name in (rule.project, rule.user) if name]
    notes = [", ".join([rule.who.value, *limits]), f"deleted: {rule.reads.value}"]
    if operation.function != f"{operation.entity}_{operation.method}":
        notes.append(f"as {operation.function}")
    click.echo(f"  {operation.signature}  [{'; '.join(notes)}]")
    steps = dict.fromkeys(step for walk in found.values() for step in walk.steps)
    for step in steps:
        where = [store for store, walk in found.items() if step in walk.steps]
        only = f"  ({', '.join(where)} only)" if len(where) < len(found) else ""
        click.echo(f"      {step[0]}: {step[1]}{only}")
    if operation.scan:
        click.echo(f"      scans: {operation.scan}")
    waits = ", ".join(f"{store} {walk.round_trips}" for store, walk in found.items())
    click.echo(f"      waits to read: {waits}")


def _operation_json(operation: Operation, found: dict[str, dict[str, Walk]]) -> dict[str, Any]:
    rule = operation.rule
    return {
        "function": operation.function,
        "signature": operation.signature,
        "operation": operation.title,
        "parameters": list(operation.parameters),
        "who": rule.who.value,
        "sees": rule.sees.value,
        "own_arguments": [name for name in (rule.project, rule.user) if name],
        "deleted": rule.reads.value,
        "scan": operation.scan,
        "stores": {store: asdict(walk[operation.function]) for store, walk in found.items()},
    }


def _show_usage(chosen: list[Operation], counted: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        click.echo(
            json.dumps({operation.function: counted.get(operation.function, 0) for operation in chosen}, indent=2)
        )
        return
    unused = [operation.function for operation in chosen if not counted.get(operation.function)]
    for operation in chosen:
        if number := counted.get(operation.function):
            click.echo(f"{number:>6}  {operation.function}")
    click.echo(f"\n{len(chosen) - len(unused)} of {len(chosen)} operations are used; never used:")
    for function in unused:
        click.echo(f"        {function}")
