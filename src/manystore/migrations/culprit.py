"""Culprit: names the record at which a migration's function failed, or made what is refused.

Knows reads of records; must not know what is made of them. Keys are shown, no other value: what a function's own error
says may hold one, so of such an error only the kind is told, and where it was raised.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb

from ..errors import ManystoreError, MigrationRefused, ValueRefused
from ..schema.schema import Schema
from .lens import Record
from .trace import Read

_HERE = Path(__file__).parent


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
            raise type(refused)(refused.model, refused.field, f"{refused.reason} (key {self._key()})") from None
        except ManystoreError:
            raise
        except Exception as failed:
            if self._at is None:
                raise
            model = self._schema.collection(self._at[0]).model
            what = f"{type(failed).__name__}{_place(failed)}"
            raise MigrationRefused(
                f"{model}: a function of the migration fails: {what} (key {self._key()})"
            ) from failed

    def _key(self) -> str:
        if self._at is None:
            return ""
        name, record = self._at
        return "/".join(str(record[field]) for field in self._schema.collection(name).key)


def _place(failed: Exception) -> str:
    """Say where a function that is not ours raised, or why it could not be called: that holds no value."""
    for frame, line in walk_tb(failed.__traceback__):
        file = Path(frame.f_code.co_filename)
        if file.parent != _HERE and file.is_file():
            return f" in {file.name}, line {line}"
    return f": {failed}" if isinstance(failed, TypeError) else ""
