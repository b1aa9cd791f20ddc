"""Project: what a command is told of the program whose migrations it deals with: its folder of files, and its models.

Knows pyproject.toml and Database; must not know what is done with them.
"""

from __future__ import annotations

import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from ..api.database import Database, models_of
from ..errors import UsageError
from ..migrations.folder import Folder
from ..migrations.wanted import Wanted

FOLDER = click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Where the migration files are."
)
DATABASE = click.option(
    "--database", metavar="MODULE:CLASS", help="The Database whose models count, as in shop.model:Shop."
)


def settings() -> dict[str, Any]:
    """Read [tool.manystore] of the pyproject.toml here or further up; its paths are from there."""
    for place in (Path.cwd(), *Path.cwd().parents):
        path = place / "pyproject.toml"
        if path.is_file():
            try:
                found: dict[str, Any] = tomllib.loads(path.read_text()).get("tool", {}).get("manystore", {})
            except tomllib.TOMLDecodeError as reason:
                raise UsageError(f"pyproject.toml cannot be read: {reason}") from None
            return found if "migrations" not in found else {**found, "migrations": str(place / found["migrations"])}
    return {}


def folder_of(given: Path | None) -> Folder:
    """Give the folder that was named, or the one of pyproject.toml."""
    return Folder(given or Path(settings().get("migrations", "migrations")))


def database_of(given: str | None) -> type[Database]:
    """Import the Database that was named, from the folder that the command was called in as well."""
    path = given or settings().get("database")
    if path is None:
        raise UsageError('name the models: --database shop.model:Shop, or database = "..." in [tool.manystore]')
    module_name, _, name = path.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(module_name)
    except ImportError as reason:
        raise UsageError(f"{path}: cannot be imported: {reason}") from None
    finally:
        sys.path.remove(str(Path.cwd()))
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Database)):
        raise UsageError(f"{path}: is no Database; write it as in shop.model:Shop")
    return found


def wanted_of(given: str | None) -> Wanted:
    """Read the models of the Database that was named."""
    return Wanted.of(models_of(database_of(given)))
