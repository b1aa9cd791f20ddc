"""Databases that manystore did not make, fresh for a test, and filled by raw SQL through their own drivers."""

from __future__ import annotations

import itertools
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import psycopg
import pymysql
import pytest

from manystore.testing import servers

_NUMBERS = itertools.count(1)
DATABASES = ("sqlite", *(pytest.param(name, marks=pytest.mark.server) for name in ("postgresql", "mariadb")))


class Foreign:
    """One database. execute: runs a statement and gives the rows that it gave."""

    def __init__(self, database: str, url: str, execute: Callable[[str], list[Any]]) -> None:
        self.database = database
        self.url = url
        self.execute = execute

    errors = (sqlite3.Error, psycopg.Error, pymysql.Error)

    @contextmanager
    def connected(self) -> Iterator[Callable[[str], object]]:
        """Give a connection of its own to a further program."""
        if self.database == "sqlite":
            path = self.url.partition("///")[2].partition("?")[0]
            with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)) as file:
                yield file.execute
            return
        with closing(_connected(self.url)) as connection:
            yield lambda text: _run(connection, text)

    def wait_for_quiet(self) -> None:
        """Wait until the server has ended what programs that were killed had asked for."""
        look = {
            "postgresql": (
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND backend_type = 'client backend'"
            ),
            "mariadb": "SELECT 1 FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
        }.get(self.database)
        while look is not None and self.execute(look):
            time.sleep(0.01)

    def dump(self) -> dict[str, tuple[str, list[str]]]:
        """Give all that is there: the definition and the rows of each table."""
        if self.database == "sqlite":
            found = self.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        elif self.database == "mariadb":
            names = [row[0] for row in self.execute("SHOW TABLES")]
            found = [self.execute(f"SHOW CREATE TABLE `{name}`")[0] for name in names]
        else:
            columns = "string_agg(column_name || ' ' || data_type || is_nullable, ',' ORDER BY column_name)"
            found = self.execute(
                f"SELECT table_name, {columns} FROM information_schema.columns "
                "WHERE table_schema = 'public' GROUP BY table_name"
            )
        quote = "`" if self.database == "mariadb" else '"'
        return {
            name: (text, sorted(map(repr, self.execute(f"SELECT * FROM {quote}{name}{quote}")))) for name, text in found
        }


@contextmanager
def foreign(database: str, folder: Path) -> Iterator[Foreign]:
    """Give an empty database."""
    name = f"foreign_{os.getpid()}_{next(_NUMBERS)}"
    if database == "sqlite":
        path = folder / f"{name}.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("PRAGMA synchronous = OFF")
            yield Foreign(database, f"sqlite:///{path}?durability=off", lambda text: file.execute(text).fetchall())
        return
    url = servers.url(database)
    with closing(_connected(url)) as admin:
        _run(admin, f"CREATE DATABASE {name}")
        own = url[: url.rindex("/") + 1] + name
        try:
            with closing(_connected(own)) as connection:
                yield Foreign(database, own, lambda text: _run(connection, text))
        finally:
            _run(admin, f"DROP DATABASE {name}{' WITH (FORCE)' if database == 'postgresql' else ''}")


def _connected(url: str) -> Any:
    if url.startswith("postgresql"):
        return psycopg.connect(url, autocommit=True, prepare_threshold=None)
    host, _, name = url.partition("@")[2].partition("/")
    port = int(host.partition(":")[2])
    # As drivers of 2011 did not say otherwise: text in the old three-byte utf8.
    return pymysql.connect(host=servers.HOST, port=port, user="root", database=name, autocommit=True, charset="utf8")


def _run(connection: Any, text: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(text)
        return list(cast("Any", cursor).fetchall()) if cursor.description else []
