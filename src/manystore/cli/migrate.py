"""`manystore migrate ...`: makes, checks, lists, merges and squashes migrations, without a store.

The verbs that carry them out on a store are in deploy.py, the one that takes a foreign database over is in adopt.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..migrations.history import History
from ..migrations.making import check, make, merge
from ..migrations.migration import Migration
from ..migrations.squash import functions_of, squashed, stretch
from ..migrations.window import Window
from ..migrations.writer import text_of
from .adopt import adopt
from .deploy import VERBS
from .project import DATABASE, FOLDER, folder_of, wanted_of


@click.group()
def migrate() -> None:
    """Make, check and carry out migrations: one history for every store.

    The models and the folder are named in pyproject.toml, or by --database and --folder:

    \b
    [tool.manystore]
    database = "shop.model:Shop"
    migrations = "src/shop/migrations"

    On a store, `up URL` does all that is needed while no older program runs there. With a fleet it goes in steps: `up`,
    new programs in the place of the old, `finalize`, `sweep`, `contract`. `status URL` says what is next.
    """


for _verb in (*VERBS, adopt):
    migrate.add_command(_verb)


@migrate.command("make")
@DATABASE
@FOLDER
@click.option("--name", metavar="WORDS", help="What the file is called behind its number, as in add_colour.")
@click.option("--drop", is_flag=True, help="Allow what loses values: fields and models that are gone.")
@click.option("--closed", is_flag=True, help="Allow what stops writes while records are rewritten.")
@click.option("--dry-run", is_flag=True, help="Print the file, and write nothing.")
def make_command(
    database: str | None, folder: Path | None, name: str | None, *, drop: bool, closed: bool, dry_run: bool
) -> None:
    """Compare the models with the history and write a migration file for what differs.

    Renames are declared, by field(was="old") and @model(was="Old"); several fields with one old name are a split, one
    field with several old names is a merge. What can't be derived is marked FILL_IN in the file, with a question.

    \b
    manystore migrate make
    manystore migrate make --database shop.model:Shop --folder migrations --name add_colour
    """
    place = folder_of(folder)
    made = make(place, wanted_of(database), name=name, drop=drop, closed=closed)
    if made is None:
        click.echo("nothing to do: the history leads to the models")
        return
    if dry_run:
        click.echo(made.text, nl=False)
    else:
        click.echo(f"wrote {place.write(made.migration, made.text)}")
    for note in made.notes:
        click.echo(f"  {note}", err=dry_run)


@migrate.command("check")
@DATABASE
@FOLDER
@click.option("--pin", is_flag=True, help="If all is well, remember the files as released: they may not change again.")
def check_command(database: str | None, folder: Path | None, *, pin: bool) -> None:
    """Look that history and models agree; for CI.

    Ends with exit code 1 when they differ, when two migrations follow the same one and are not merged, when a place is
    still to be filled in, or when a released file was edited.

    \b
    manystore migrate check
    manystore migrate check --pin
    """
    place = folder_of(folder)
    problems = check(place, wanted_of(database))
    for problem in problems:
        click.echo(problem)
    if problems:
        sys.exit(1)
    number = len(place.history().migrations)
    if pin:
        click.echo(f"released: {len(place.pin(place.history()))} more")
    click.echo(f"ok: {number} migrations lead to the models")


@migrate.command("history")
@FOLDER
@click.option("--long", "-l", "is_long", is_flag=True, help="List the operations, and what each costs.")
def history_command(folder: Path | None, *, is_long: bool) -> None:
    """List the migrations in order, with how each goes beside running programs.

    \b
    manystore migrate history
    manystore migrate history --long --folder migrations
    """
    place = folder_of(folder)
    history, pins = place.history(), place.pins()
    for migration in history.migrations:
        window = _window(history, migration)
        marks = ["to be filled in" if window is None else window.manner.text]
        marks += ["released"] * (migration.name in pins)
        marks += ["one way"] * (window is not None and window.inverse() is None)
        click.echo(f"{migration.name}  [{'; '.join(marks)}]")
        if not is_long:
            continue
        for number, operation in enumerate(migration.operations):
            how = "to be filled in" if window is None else window.manners[number].text
            click.echo(f"    {operation.title()}  [{how}]")
        for lost in () if window is None else window.lost:
            click.echo(f"    loses {lost}")


def _window(history: History, migration: Migration) -> Window | None:
    """Give the way that a migration leads; None when a place in it is still to be filled in."""
    if any(operation.unfilled() for operation in migration.operations):
        return None
    return migration.window(history.before(migration))


@migrate.command("merge")
@FOLDER
def merge_command(folder: Path | None) -> None:
    """Join two migrations that follow the same one, when their order does not matter.

    \b
    manystore migrate merge
    """
    place = folder_of(folder)
    migration, text = merge(place)
    click.echo(f"wrote {place.write(migration, text)}")


@migrate.command("squash")
@click.argument("first")
@click.argument("last")
@FOLDER
@click.option("--name", metavar="NAME", help="What the new file is called; FIRST_to_LAST if not given.")
def squash_command(first: str, last: str, folder: Path | None, name: str | None) -> None:
    """Replace the migrations from FIRST to LAST by one. A name may be given by its number.

    The new file names those that it replaces, so that a store that had them will be known to have it.

    \b
    manystore migrate squash 0001 0007
    """
    place = folder_of(folder)
    history = place.history()
    found = stretch(history, first, last)
    migration = squashed(history, first, last, name)
    above = functions_of([(m, place.text(m)) for m in found], migration)
    text = text_of(migration, f"{found[0].name} to {found[-1].name}, in one.", above=above)
    path = place.write(migration, text)
    for old in found:
        if old.name != migration.name:
            place.remove(old)
    click.echo(f"wrote {path}, which replaces {len(found)} files")
