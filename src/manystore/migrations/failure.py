"""Failure: what is said when a migration's function fails at a record: what it makes, at which key, and in which line.

Knows lenses and tracebacks; must not know stores. Keys are shown, no other value: what a function's own error says may
hold one, so of such an error only the kind is told, and where it was raised. The error itself is the cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from traceback import walk_tb
from typing import Any

from ..errors import FunctionFailed, ManystoreError, ValueRefused, of_key
from ..schema.schema import Collection
from .lens import Lens

_HERE = Path(__file__).parent


def failure(model: str, fields: tuple[str, ...], key: Any, error: Exception) -> FunctionFailed:
    """Make the error that says it."""
    return FunctionFailed(model, fields, key, said(error))


def failure_of(base: Collection, head: Collection, lens: Lens, key: Any, error: Exception) -> FunctionFailed:
    """Make the error of a function of a lens, either way. Its fields are those that the lens makes."""
    fields = _fields(head, lens.head, {column for _, column in lens.same})
    if not fields:  # it leads back to what the head has no more
        fields = _fields(base, lens.base, {column for column, _ in lens.same})
    return failure(head.model, fields, key, error)


def _fields(collection: Collection, columns: tuple[str, ...], stays: set[str]) -> tuple[str, ...]:
    made = set(columns) - stays
    return tuple(field.name for field in collection.fields if field.column in made)


def keyed(ours: ManystoreError, key: Any) -> ManystoreError:
    """Say of a value that is refused at which key it stands, once; other errors are given as they are."""
    if not isinstance(ours, ValueRefused) or key is None:
        return ours
    shown = of_key(key)
    if ours.reason.endswith(shown):
        return ours
    return type(ours)(ours.model, ours.field, f"{ours.reason} {shown}")


def key_of(collection: Collection, record: Mapping[str, Any]) -> Any:
    """Give the key of a record by columns, as NotFound has it; None if it is not there."""
    parts = tuple([record.get(collection.field(name).column) for name in collection.key])
    if None in parts:
        return None
    return parts[0] if len(parts) == 1 else parts


def said(error: Exception) -> str:
    """Say what a function that is not ours raised, and where, or why it could not be called: that holds no value."""
    return f"{type(error).__name__}{_place(error)}"


def _place(error: Exception) -> str:
    for frame, line in walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        if file.parent != _HERE and file.is_file():
            return f" in {file.name}, line {line}"
    return f": {error}" if isinstance(error, TypeError) else ""
