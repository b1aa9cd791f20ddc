"""Squash: several migrations of a history, one after the other, become one.

Knows migrations, their operations and the text of their files; must not know models or stores. What happens to a model
that the range itself makes is folded into its creation; all other operations are kept as they are.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from ..schema.schema import Schema
from .change_operation import ChangeChoices, ChangeLength, ChangeNullability, ChangeType
from .field_operation import AddField, DropField, RenameField
from .history import History
from .index_operation import AddIndex, AddReference, AddUnique, DropIndex, DropReference, DropUnique
from .migration import Migration
from .model_operation import Arrange, ChangeKey, ChangeModel, CreateModel, DropModel, RenameModel
from .operation import Operation, refuse
from .rewrite_operation import Gather, Seed, Spread

_FOLDED = (
    AddField, DropField, RenameField, ChangeType, ChangeNullability, ChangeLength, ChangeChoices, AddIndex, DropIndex,
    AddUnique, DropUnique, AddReference, DropReference, Arrange, ChangeKey, ChangeModel,
)  # fmt: skip


def stretch(history: History, first: str, last: str) -> tuple[Migration, ...]:
    """Give the migrations from one to another; refuse them when they do not simply follow each other."""
    begin, end = history.migration(first), history.migration(last)
    line = history.line(end.name)
    if begin not in line or begin is end:
        refuse(f"{end.name} does not come after {begin.name}")
    found = line[line.index(begin) :]
    for before, after in pairwise(found):
        followers = [m.name for m in history.migrations if before.name in history.parents(m)]
        if history.parents(after) != (before.name,) or followers != [after.name]:
            refuse(f"{before.name}: other migrations follow it or {after.name} follows others; squash up to there")
    return found


def squashed(history: History, first: str, last: str, name: str | None = None) -> Migration:
    """Give the one migration that replaces a stretch; raise MigrationRefused when there is none."""
    found = stretch(history, first, last)
    before = history.before(found[0])
    replaces = tuple(old for m in found for old in (*m.replaces, m.name))
    operations = folded(before, [o for m in found for o in m.operations])
    made = Migration(name or f"{found[0].name}_to_{found[-1].name[:4]}", operations, found[0].after, replaces)
    if made.apply(before) != history.schema(found[-1].name):
        refuse(f"{found[0].name} to {found[-1].name}: cannot be told as one migration; squash a shorter stretch")
    return made


def folded(before: Schema, operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Fold what changes a model that these operations make into its creation, as long as it has no records."""
    state, out = before, list[Operation | None]()
    created = dict[str, int]()  # the collections made here and still empty, and the place of their creation
    for operation in operations:
        state = operation.apply(state)
        name = getattr(operation, "collection", "")
        if isinstance(operation, CreateModel):
            created[operation.collection.name] = len(out)
        elif isinstance(operation, DropModel) and name in created:
            out[created.pop(name)] = None
            continue
        elif isinstance(operation, _FOLDED) and name in created and _leads_back(operation, before, created):
            out[created[name]] = CreateModel(state.collection(name))
            continue
        elif isinstance(operation, (RenameModel, Seed, Spread, Gather)):
            created.clear()  # it has records now, or is called otherwise
        out.append(operation)
    return tuple(operation for operation in out if operation is not None)


def _leads_back(operation: Operation, before: Schema, created: dict[str, int]) -> bool:
    """Tell whether a reference leads to what is there when the referring model is made."""
    if not isinstance(operation, AddReference):
        return True
    target = operation.reference.target
    return target in before or (target in created and created[target] <= created[operation.collection])


def functions_of(texts: Iterable[tuple[Migration, str]], squash: Migration) -> str:
    """Give the statements of some files that a squash of them needs: their functions, and what those need.

    Refuses names that two files use for different things.
    """
    if not any(_functions(operation) for operation in squash.operations):
        return ""
    there, kept = dict[str, str](), list[str]()
    for migration, text in texts:
        for statement in ast.parse(text).body:
            if _is_left_out(statement):
                continue
            source = ast.get_source_segment(text, statement) or ""
            for name in _bound(statement):
                if there.setdefault(name, source) != source:
                    refuse(f"{migration.name}: {name} is another one than that of an earlier file; rename it first")
            if source not in kept:
                kept.append(source)
    return "\n\n\n".join(sorted(kept, key=lambda source: not source.startswith(("import ", "from "))))


def _functions(operation: Operation) -> list[Any]:
    found = [value for name in operation.__struct_fields__ if callable(value := getattr(operation, name))]
    functions = [value for value in found if not isinstance(value, msgspec.Struct)]
    for function in functions:
        if not isinstance(function, types.FunctionType) or not function.__name__.isidentifier():
            refuse(f"{operation.title()}: give its function a name, by def, before it is squashed")
    return functions


def _is_left_out(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.ImportFrom(module="manystore.migrations") | ast.ImportFrom(module="__future__"):
            return True
        case ast.Assign(targets=[ast.Name(id="migration")]):
            return True
        case _:
            return False


def _bound(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name for alias in names]
        case _:
            return []
