"""`manystore migrate adopt URL`: takes over the tables of a database that manystore did not make.

Knows what the user sees of it; what fits is judged in manystore.migrations.adoption and by the store.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import click
import msgspec

from ..api.database import Database, history_of, models_of
from ..errors import UsageError
from ..migrations.adoption import Guess, adoption, chosen, guess, states
from ..migrations.history import History
from ..schema.adoption import Adopted, Survey, Surveyed
from ..schema.schema import Schema
from ..store.protocol import Store
from .opening import opened
from .project import DATABASE, FOLDER, database_of, folder_of, settings


@click.command()
@click.argument("url")
@DATABASE
@FOLDER
@click.option("--at", metavar="NAME", help="The migration after which the tables are; found out if not given.")
@click.option("--prefix", default="", metavar="NAME", help="What the names of all tables begin with.")
@click.option("--fill", multiple=True, metavar="COLLECTION.FIELD=VALUE", help="What stands in for a missing value.")
@click.option("--new", multiple=True, metavar="COLLECTION", help="A model without a table, which is made, empty.")
@click.option("--yes", is_flag=True, help="Do it. Without this, only what would be done is printed.")
def adopt(  # noqa: PLR0917 - click gives them by name
    url: str,
    database: str | None,
    folder: Path | None,
    at: str | None,
    prefix: str,
    fill: tuple[str, ...],
    new: tuple[str, ...],
    *,
    yes: bool,
) -> None:
    """Take over the tables that another program made in the SQL database of URL, when they match the models.

    Prints what would be done; with --yes it is done, all of it or nothing. Where the tables do not match, or hold what
    the models refuse, all differences are listed and nothing is changed. Make a copy first, and stop what writes there.

    \b
    manystore migrate adopt sqlite:///old.db
    manystore migrate adopt mysql://nova@localhost/nova --database manystore.nova.database:Nova
    manystore migrate adopt sqlite:///old.db --fill rider.city=Oslo --yes

    Ends with exit code 1 when there are differences.
    """
    cls = database_of(database)
    history = _history(cls, folder)
    possible = states(Schema.of(models_of(cls)), history)
    with opened(url, prefix, foreign=True) as store:
        found = cast("Surveyed", store.alter(Survey()))
        taken = guess(found, possible, new, prefix) if at is None else chosen(at, found, possible, history, prefix)
        result = _adopted(store, taken, fill, new, yes=yes)
    _show(result, taken, yes=yes)
    if result.differences:
        sys.exit(1)


def _history(database: type[Database], folder: Path | None) -> History | None:
    """Read the migrations that were named, or that the Database names."""
    if folder is not None or (database.migrations is None and "migrations" in settings()):
        return folder_of(folder).history()
    return history_of(database)


def _adopted(store: Store, taken: Guess, fill: tuple[str, ...], new: tuple[str, ...], *, yes: bool) -> Adopted:
    pairs = dict[str, str]()
    for given in fill:
        place, equals, text = given.partition("=")
        if not equals or "." not in place:
            raise UsageError("write --fill as in --fill rider.city=Oslo")
        pairs[place] = text
    looked = cast("Adopted", store.alter(adoption(taken.state, pairs, new, is_dry=not yes or bool(taken.clashes))))
    if taken.clashes and not looked.is_ours:
        return msgspec.structs.replace(looked, differences=(*taken.clashes, *looked.differences))
    if taken.clashes and yes:  # adopted before, and what a death left may have to be cleared away
        return cast("Adopted", store.alter(adoption(taken.state, pairs, new, is_dry=False)))
    return looked


def _show(result: Adopted, taken: Guess, *, yes: bool) -> None:
    if result.differences:
        count = "1 difference" if len(result.differences) == 1 else f"{len(result.differences)} differences"
        after = f" after {taken.state.name}" if taken.state.name else ""
        click.echo(f"the tables are not those of the models{after}; {count}, nothing was changed:")
        for line in result.differences:
            click.echo(f"  {line}")
        if taken.near is not None:
            click.echo(
                f"they are nearer to those after {taken.near.name}: --at {taken.near.name} lists what is in the way"
            )
        return
    if result.is_ours:
        click.echo("; ".join(("the database is manystore's already", *result.steps)))
        return
    click.echo(f"{'taken' if yes else 'to be taken'} over: {result.records:,} records")
    for line in result.steps:
        click.echo(f"  {line}")
    for line in result.notes:
        click.echo(f"note: {line}")
    if taken.state.name:
        click.echo(f"the tables are those after {taken.state.name}")
    if not yes:
        click.echo("nothing was changed; --yes does it")
    elif not taken.is_last:
        click.echo("next: manystore migrate up")
