"""The verbs of `manystore migrate` that carry migrations out on a store: up, plan, finalize, sweep and so on.

Knows what the user sees of them; what they do is in manystore.migrations.deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError
from ..migrations.deployment import Deployment, Status
from ..migrations.forecast import Offline, script
from ..migrations.judge import PATIENCE
from ..migrations.route import route
from ..schema.schema import Schema
from ..store.registry import store_class
from ..store.url import parse_url
from .opening import WAIT, opened
from .project import FOLDER, folder_of

_PREFIX = click.option("--prefix", default="", metavar="NAME", help="The prefix that the programs connect with.")
_PATIENCE = click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=PATIENCE,
    show_default=True,
    metavar="SECONDS",
    help="A program that has not written for so long is taken for gone.",
)


@contextmanager
def _deployment(url: str, folder: Path | None, prefix: str, patience: float = PATIENCE) -> Generator[Deployment]:
    history = folder_of(folder).history()
    with opened(url, prefix) as store:
        yield Deployment(store, history, wait=WAIT, patience=patience, told=click.echo)


def _on_store(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb what all of them take: the URL, the folder and the prefix."""

    @click.argument("url")
    @FOLDER
    @_PREFIX
    @wraps(verb)
    def taken(*arguments: Any, **options: Any) -> None:
        verb(*arguments, **options)

    return taken


@click.command()
@_on_store
@click.option("--to", metavar="NAME", help="The migration to stop after, by name or number; the last if not given.")
@_PATIENCE
def up(url: str, folder: Path | None, prefix: str, to: str | None, patience: float) -> None:
    """Carry out the migrations that the store of URL does not have yet.

    While no program of the older schema runs, all of it is done. While one does, the window is opened: programs of both
    can run then, and `finalize` goes on when the older ones have ended. A cut-off run is resumed by the same command.

    \b
    manystore migrate up sqlite:///shop.db
    manystore migrate up redis://localhost --to 0007
    """
    with _deployment(url, folder, prefix, patience) as deployment:
        deployment.up(to)


@click.command()
@click.argument("url", required=False)
@FOLDER
@_PREFIX
@click.option("--to", metavar="NAME", help="The migration to stop after, by name or number; the last if not given.")
@click.option("--sql", "dialect", metavar="DIALECT", help="Print the DDL for such a database; no store is asked.")
@click.option("--from", "base", metavar="NAME", help="With --sql: the migration to begin after; nothing if not given.")
def plan(
    url: str | None, folder: Path | None, prefix: str, *, to: str | None, dialect: str | None, base: str | None
) -> None:  # fmt: skip
    """Print what `up` would do on the store of URL: statements, builds, records to touch. Changes nothing.

    \b
    manystore migrate plan postgresql://localhost/shop
    manystore migrate plan --sql postgresql --from 0006
    """
    if (url is None) == (dialect is None) or (base is not None and dialect is None):
        raise UsageError("plan takes the URL of a store, or --sql and perhaps --from")
    if url is not None:
        with _deployment(url, folder, prefix) as deployment:
            for line in deployment.plan(to, _offline(parse_url(url).scheme, prefix)):
                click.echo(line)
    elif dialect is not None:
        history = folder_of(folder).history()
        end = history.migration(to or next(iter(history.heads), "")).name
        begin = "" if base is None else history.migration(base).name
        schema = history.schema(begin) if begin else Schema(())
        offline = _offline(dialect, prefix)
        if offline is None:
            raise UsageError(f"{dialect}: has no DDL; `manystore migrate plan URL` says what is done there")
        for line in script(route(history, begin, end), schema, offline):
            click.echo(line)


def _offline(scheme: str, prefix: str) -> Offline | None:
    """Give what writes the statements of a store of that scheme; None where it has none."""
    write = getattr(store_class(scheme), "offline", None)
    if write is None:
        return None
    return lambda older, catalog, further, then: write(scheme, older, catalog, further, then, prefix=prefix)


@click.command()
@_on_store
@_PATIENCE
def finalize(url: str, folder: Path | None, prefix: str, patience: float) -> None:
    """Let programs of the newer schema alone write; refused while older ones work. There is no way back without `down`.

    \b
    manystore migrate finalize postgresql://localhost/shop
    """
    with _deployment(url, folder, prefix, patience) as deployment:
        deployment.finalize()


@click.command()
@_on_store
def sweep(url: str, folder: Path | None, prefix: str) -> None:
    """Bring all records into the newer shape, while programs go on; to be called after `finalize`.

    \b
    manystore migrate sweep postgresql://localhost/shop
    """
    with _deployment(url, folder, prefix) as deployment:
        deployment.sweep()


@click.command()
@_on_store
def contract(url: str, folder: Path | None, prefix: str) -> None:
    """Take away what only the older schema had: columns, indexes, collections. The last step, after `sweep`.

    \b
    manystore migrate contract postgresql://localhost/shop
    """
    with _deployment(url, folder, prefix) as deployment:
        deployment.contract()


@click.command()
@_on_store
@click.option("--to", required=True, metavar="NAME", help="The migration to go back to, by name or number.")
@_PATIENCE
def down(url: str, folder: Path | None, prefix: str, to: str, patience: float) -> None:
    """Lead the store of URL back to an earlier migration.

    Before `finalize` the window is dropped, and what only newer programs stored goes. After it, a window the other way
    is opened: it goes as `up` does.

    \b
    manystore migrate down sqlite:///shop.db --to 0006
    """
    with _deployment(url, folder, prefix, patience) as deployment:
        deployment.down(to)


@click.command()
@_on_store
def status(url: str, folder: Path | None, prefix: str) -> None:
    """Say where the store of URL stands, who writes there, and what to call next. Changes nothing.

    Programs that once wrote there are watched for four seconds at most: one that is not heard of in that time rests, or
    is gone.

    \b
    manystore migrate status redis://localhost
    """
    with _deployment(url, folder, prefix) as deployment:
        for line in _words(deployment.status()):
            click.echo(line)


def _words(status: Status) -> Iterator[str]:
    if status.phase == "stable":
        yield f"at {status.at or 'nothing'}, no window open"
    else:
        yield f"window {status.phase}: from {status.at or 'nothing'} to {status.target or 'nothing'}"
    ahead = f"{status.ahead} migration{'' if status.ahead == 1 else 's'}"
    yield f"to come: {ahead}" if status.ahead else "this history has no more"
    for name, state in sorted(status.states.items()):
        yield f"  {name}: {state}"
    older = "" if status.phase == "stable" else " with the older schema"
    for programs, which in ((status.older, older), (status.newer, " with the newer schema")):
        for program in programs:
            is_silent = program.name in status.silent
            does = f"not heard of for {status.watched:.0f} s{which and ','}" if is_silent else "writes"
            yield f"  {does}{which}: {program.label}"
    yield f"next: manystore migrate {status.due}" if status.due else "nothing to do"


VERBS = (up, plan, finalize, sweep, contract, down, status)
