"""Writes a migration as the text of a Python file that a person can read, and formats it as ruff would.

Knows values and their fields; must not know what an operation does.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from .migration import Migration
from .operation import Mark

_WIDTH = 120
_PLACES = {
    "default": "what do records made before hold?",
    "stand_in": "what do programs of the older schema see in new records?",
    "otherwise": "what does a value become that does not fit: a value, None if it may be, or STOP?",
    "back": "what do older programs see where it is None: a value, or STOP to refuse None while they run?",
    "mapping": "what do the members that are gone become? {old: new}",
    "up": "a function from the old value to the new",
    "down": "a function from the new value to the old",
}


def text_of(migration: Migration, says: str, *, above: str = "") -> str:
    """Give the text of a file. says: its docstring; above: what stands before the migration, such as functions."""
    body = ["migration = Migration(", f"    {_quoted(migration.name)},"]
    if migration.after:
        body.append(f"    after={_quoted_names(migration.after)},")
    if migration.replaces:
        body += _assigned("replaces", migration.replaces, 4)
    if migration.operations:
        body += ["    operations=(", *(line for o in migration.operations for line in _lines(o, 8)), "    ),"]
    body.append(")")
    names = sorted({"Migration", *_names(migration.operations)}, key=lambda name: (not name.isupper(), name))
    head = f'"""{says}"""\n\n{_import(names)}\n'
    return "\n".join([head, *([above.strip(), "", ""] if above else []), *body, ""])


def _import(names: list[str]) -> str:
    line = f"from manystore.migrations import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join(["from manystore.migrations import (", *(f"    {name}," for name in names), ")"])


def _names(value: Any) -> Iterable[str]:
    """Name what the text of a value needs from manystore.migrations."""
    if isinstance(value, Mark):
        yield value.name
    elif isinstance(value, msgspec.Struct):
        yield type(value).__name__
        for name, part in _given(value):
            del name
            yield from _names(part)
    elif isinstance(value, (Mapping, list, tuple)):
        for part in _parts(value):
            yield from _names(part)


def _parts(value: Any) -> list[Any]:
    """Give the parts of a list or tuple, or the values of a mapping."""
    return [part for _, part in _items(value)] if isinstance(value, Mapping) else list(value)


def _items(value: Any) -> list[tuple[str, Any]]:
    """Give the rows of a mapping, each key as text."""
    return [(_shown(key), part) for key, part in value.items()]


def _given(value: msgspec.Struct) -> list[tuple[str, Any]]:
    """Give the parts of a struct that are not at their defaults; the name is empty for those given by place."""
    found = list[tuple[str, Any]]()
    for field in msgspec.structs.fields(type(value)):
        part = getattr(value, field.name)
        if field.required:
            found.append(("" if len(found) < 2 and all(not name for name, _ in found) else field.name, part))
        elif part is Mark.FILL_IN or part != (field.default if field.default_factory is msgspec.NODEFAULT else {}):
            found.append((field.name, part))
    return found


def _shown(value: Any) -> str:
    """Write a value on one line."""
    if isinstance(value, Mark):
        return value.name
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, types.FunctionType):
        return value.__name__
    if isinstance(value, msgspec.Struct):
        parts = (f"{name}={_shown(part)}" if name else _shown(part) for name, part in _given(value))
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(part)}" for key, part in _items(value)) + "}"
    if isinstance(value, tuple):
        shown = list(map(_shown, _parts(value)))
        return f"({', '.join(shown)}{',' * (len(shown) == 1)})"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, _parts(value)))}]"
    return repr(value)


def _quoted(text: str) -> str:
    shown = repr(text)
    return shown if '"' in text or "\\" in shown else f'"{shown[1:-1]}"'


def _quoted_names(names: tuple[str, ...]) -> str:
    return _shown(names)


def _lines(value: Any, indent: int, before: str = "") -> list[str]:
    """Write a value over as many lines as it needs; before: what stands in front of it, as `name=`."""
    line, pad = f"{' ' * indent}{before}{_shown(value)},", " " * indent
    is_open = isinstance(value, msgspec.Struct) and any(part is Mark.FILL_IN for _, part in _given(value))
    if len(line) <= _WIDTH and not is_open:
        return [line]
    if isinstance(value, msgspec.Struct):
        inside = [part for name, given in _given(value) for part in _assigned(name, given, indent + 4)]
        return [f"{pad}{before}{type(value).__name__}(", *inside, f"{pad}),"]
    if isinstance(value, Mapping):
        inside = [line for key, part in _items(value) for line in _lines(part, indent + 4, f"{key}: ")]
        return [f"{pad}{before}{{", *inside, f"{pad}}},"]
    if isinstance(value, (list, tuple)):
        first, last = ("[", "]") if isinstance(value, list) else ("(", ")")
        inside = [line for part in _parts(value) for line in _lines(part, indent + 4)]
        return [f"{pad}{before}{first}", *inside, f"{pad}{last},"]
    return [line]


def _assigned(name: str, value: Any, indent: int) -> list[str]:
    if value is Mark.FILL_IN:
        return [f"{' ' * indent}{name + '=' if name else ''}FILL_IN,  # {_PLACES.get(name, 'to be written')}"]
    return _lines(value, indent, f"{name}=" if name else "")
