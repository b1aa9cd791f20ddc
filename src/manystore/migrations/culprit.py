"""Culprit: names the record at which a migration's function failed, or made what is refused.

Knows reads of records; must not know what is made of them. failure.py has the words.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import ManystoreError, ValueRefused
from ..schema.schema import Schema
from .failure import failure, keyed
from .lens import Record
from .trace import Read


class Culprit:
    """Watches what is read of a schema's collections."""

    def __init__(self, read: Read, schema: Schema) -> None:
        self._read = read
        self._schema = schema
        self._at: tuple[str, Record] | None = None

    def read(self, name: str) -> Iterator[Record]:
        """Give the records of a collection, each known until the next is asked for."""
        for record in self._read(name):
            self._at = name, record
            yield record
            self._at = None

    @contextmanager
    def named(self) -> Generator[None]:
        """Say of which record it is what is refused, or fails, in the block; nothing where all were read before."""
        try:
            yield
        except ValueRefused as refused:
            if self._at is None:
                raise
            raise keyed(refused, self._key(*self._at)) from refused.__cause__
        except ManystoreError:
            raise
        except Exception as failed:
            if self._at is None:
                raise
            model = self._schema.collection(self._at[0]).model
            raise failure(model, (), self._key(*self._at), failed) from failed

    def _key(self, name: str, record: Record) -> Any:
        parts = tuple(record[field] for field in self._schema.collection(name).key)
        return parts[0] if len(parts) == 1 else parts
