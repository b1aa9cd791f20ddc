"""Making: a new migration from what the models say, with what `migrate make` refuses and `migrate check` finds.

Knows folders, histories and models; must not know the command line's words beyond the flags that it names.
"""

from __future__ import annotations

import re

import msgspec

from ..schema.schema import Schema
from .comparison import compare
from .folder import Folder
from .history import History
from .migration import Migration
from .model_operation import ChangeModel
from .operation import Operation, refuse
from .wanted import Wanted
from .window import Window
from .writer import text_of

_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,60}")


class Made(msgspec.Struct, frozen=True):
    """A migration that was made, its text, and what its author has still to do, in sentences."""

    migration: Migration
    text: str
    notes: tuple[str, ...]


def make(folder: Folder, wanted: Wanted, *, name: str | None, drop: bool, closed: bool) -> Made | None:
    """Make the migration from a folder's history to the models; None when they agree.

    drop allows what loses values, closed what stops writes for a while. Raises MigrationRefused, which names the flag.
    """
    history = folder.history()
    if forks := history.forks():
        refuse(forks[0])
    before = history.schema()
    draft = compare(before, wanted)
    if not draft.operations:
        return None
    if draft.dropped and not drop:
        refuse(
            " ".join([f"{_listed(draft.dropped)} would be lost; give --drop to allow it;", *draft.suspects]).rstrip(";")
        )
    unfilled = any(operation.unfilled() for operation in draft.operations)
    if not unfilled and (reasons := Window.of(before, draft.operations).closed) and not closed:
        where = _listed([f"{collection} ({reason})" for collection, reason in reasons.items()])
        refuse(f"{where} would take no writes while its records are rewritten; give --closed to allow it")
    words = name or _words_for(history, draft.operations)
    if not _NAME.fullmatch(words):
        refuse("a migration's name is lower-case letters, digits and underscores")
    migration = Migration(history.next_name(words), draft.operations, history.heads)
    says = f"{migration.name[:4]}: {'; '.join(o.title() for o in draft.operations[:3])}"
    says += f"; and {len(draft.operations) - 3} more" if len(draft.operations) > 3 else ""
    return Made(
        migration, text_of(migration, _short(says)), (*_places(draft.operations), *_versions(draft.operations, wanted))
    )


def _listed(parts: tuple[str, ...] | list[str]) -> str:
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last


def _short(says: str) -> str:
    return says if len(says) <= 110 else says[:107] + "..."


def _words_for(history: History, operations: tuple[Operation, ...]) -> str:
    if not history.migrations:
        return "initial"
    first = next((o for o in operations if not isinstance(o, ChangeModel)), operations[0])
    words = re.sub(r"[^a-z0-9]+", "_", first.title().lower()).strip("_")[:40].rstrip("_")
    return words if len(operations) < 3 else f"{words}_and_more"


def _places(operations: tuple[Operation, ...]) -> list[str]:
    return [f"fill in {', '.join(places)}: {o.title()}" for o in operations if (places := o.unfilled())]


def _versions(operations: tuple[Operation, ...], wanted: Wanted) -> list[str]:
    """Name the models whose class must say the version that the migration gives them."""
    found = list[str]()
    for operation in operations:
        if isinstance(operation, ChangeModel) and operation.version is not None:
            there = wanted.schema.collection(operation.collection)
            if there.version != operation.version:
                found.append(f"write @model(version={operation.version}) for {there.model}: its records change shape")
    return found


def check(folder: Folder, wanted: Wanted) -> tuple[str, ...]:
    """Say in sentences what is not right with a folder and the models: none when all is."""
    history = folder.history()
    problems = history.problems()
    # What cannot be replayed has no shape to compare.
    return problems or (*folder.edited(history), *differences(history.schema(), wanted.schema))


def differences(history: Schema, models: Schema) -> tuple[str, ...]:
    """Say in sentences how the models differ from the history."""
    found = [
        f"{c.model} is in the history and not among the models; `manystore migrate make` writes what is missing"
        for c in history.collections
        if c.name not in models
    ]
    new = [c.name for c in models.collections if c.name not in history]
    found += [
        f"{models.collection(name).model} is no part of the history yet; `manystore migrate make`" for name in new
    ]
    return (*found, *_shared(history, models))


def _shared(history: Schema, models: Schema) -> list[str]:
    both = [c.name for c in history.collections if c.name in models]
    mine, theirs = (Schema(tuple(s.collection(name) for name in both)) for s in (history, models))
    return [f"history and models differ: {sentence}" for sentence in mine.differences(theirs)]


def merge(folder: Folder) -> tuple[Migration, str]:
    """Make the migration that joins two ends of a history, and its text."""
    migration = folder.history().merged()
    return migration, text_of(migration, f"{migration.name[:4]}: joins {' and '.join(migration.after)}.")
