"""The location: which file a URL means, and what is there before anything is changed.

Knows the file format's first bytes and the catalog's table; must not know plans or changes.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from ...errors import NotADatabase, Unavailable, URLError
from .tables import CATALOG
from .translate import translate

_HEADER = b"SQLite format 3\0"
_OURS = {"format", "epoch", "catalog"}


def file_of(path: str) -> str:
    """Give the file that a URL's path means; raise URLError for what is none."""
    if not path or path == ":memory:":
        raise URLError("sqlite: name a file, as in sqlite:///file.db; for a database in memory there is memory://")
    if os.path.isdir(path):
        raise URLError(f"sqlite: {path} is a directory; name a file in it")
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        raise URLError(f"sqlite: there is no directory {parent}; make it first")
    return path


def examine(path: str) -> None:
    """Look at the file without changing it; raise NotADatabase when it holds what manystore did not make."""
    try:
        with open(path, "rb") as opened:
            beginning = opened.read(len(_HEADER))
    except FileNotFoundError:
        return
    except OSError as reason:
        raise Unavailable(f"{path}: {reason.strerror}") from None
    if not beginning:
        return
    if beginning != _HEADER:
        raise NotADatabase(f"{path} is no SQLite file; it was left untouched")
    try:
        tables = _tables(path)
    except sqlite3.Error as error:
        raise translate(error) from error
    if tables and not any(columns >= _OURS for name, columns in tables.items() if name.endswith(CATALOG)):
        raise NotADatabase(f"{path} holds tables that manystore did not make; it was left untouched")


def _tables(path: str) -> dict[str, set[str]]:
    connection = sqlite3.connect(f"file:{quote(str(Path(path).absolute()))}?mode=ro", uri=True)
    try:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = "SELECT name FROM pragma_table_info(?)"
        return {name: {row[0] for row in connection.execute(found, (name,))} for name in names}
    finally:
        connection.close()
