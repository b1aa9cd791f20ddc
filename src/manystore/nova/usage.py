"""Which operations a source tree uses, by reading its syntax trees: what Nova's bug 884837 asked for.

Counts `anything.instance_get(...)`, names imported from a module, and the new interface's `anything.instance.get`. A
name in a string does not count, nor what is put together at run time.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from manystore import ManystoreError

from .interface import BY_FUNCTION, OPERATIONS

_BY_TITLE = {(operation.entity, operation.method): operation.function for operation in OPERATIONS}


class UnreadableSource(ManystoreError):
    """A file is no Python that can be read."""


def usage(folder: Path) -> Counter[str]:
    """Count the uses of each operation, by its function of 2011, in all Python files below a folder.

    Raises UnreadableSource.
    """
    found: Counter[str] = Counter()
    for path in sorted(folder.rglob("*.py")):
        try:
            tree = ast.parse(path.read_bytes(), str(path))
        except (SyntaxError, ValueError) as error:
            raise UnreadableSource(f"{path}: {error}") from None
        found.update(_uses(tree))
    return found


def _uses(tree: ast.AST) -> Iterator[str]:
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imported |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name in BY_FUNCTION}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr in BY_FUNCTION:
                yield node.attr
            elif (entity := _last_name(node.value)) is not None and (entity, node.attr) in _BY_TITLE:
                yield _BY_TITLE[entity, node.attr]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in imported:
            yield imported[node.id]


def _last_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None
