"""Insertion: the texts that insert many records of one collection at once: COPY, rows of one INSERT, or row by row.

Knows changes and the dialect; must not know conditions. A record that stands alone is mutation.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain, islice
from typing import Any

from ...schema.schema import Collection
from ...store.protocol import Insert
from .connections import Rows
from .dialect import Dialect
from .tables import REVISION, VERSION


class Insertion:
    """The INSERTs of many records of a collection. table: the name of its table."""

    def __init__(self, collection: Collection, table: str, dialect: Dialect) -> None:
        self._collection = collection
        self._table = table
        self._dialect = dialect
        self._texts: dict[int, str] = {}  # by the number of rows

    def parts(self, changes: Sequence[Insert]) -> list[tuple[str, Any]]:
        """Write INSERTs of many: each with the parameters of its rows or, where one takes all, with Rows."""
        number = len(changes)
        if number >= self._dialect.copied_from:
            version = self._collection.version
            return [(self._copy, Rows(number, ((*change.values, change.revision, version) for change in changes)))]
        rows = ((*change.values, change.revision) for change in changes)
        sizes = self._dialect.rows_a_statement
        if sizes == (0,):
            return [(self._texts.get(1) or self._written(1), Rows(number, rows))]
        made: list[tuple[str, Any]] = []
        for size in sizes:
            while number >= size:
                made.append((self._texts.get(size) or self._written(size), tuple(chain(*islice(rows, size)))))
                number -= size
        return made

    def rows(self, changes: Sequence[Insert]) -> tuple[str, tuple[Any, ...]]:
        """Write one INSERT of some."""
        text = self._texts.get(len(changes)) or self._written(len(changes))
        return text, tuple(chain(*[(*change.values, change.revision) for change in changes]))

    @cached_property
    def _copy(self) -> str:
        write = self._dialect.quoted
        names = ", ".join(map(write, [*self._collection.columns, REVISION, VERSION]))
        return f"COPY {write(self._table)} ({names}) FROM STDIN (FORMAT BINARY)"

    def _written(self, size: int) -> str:
        write, place = self._dialect.quoted, self._dialect.placeholder
        columns = [*self._collection.columns, REVISION]
        width = len(columns)
        version = str(self._collection.version)
        rows = [
            ", ".join([*(place(row * width + at + 1) for at in range(width)), version]).join("()")
            for row in range(size)
        ]
        names = ", ".join(map(write, [*columns, VERSION]))
        made = self._texts[size] = f"INSERT INTO {write(self._table)} ({names}) VALUES {', '.join(rows)}"
        return made
