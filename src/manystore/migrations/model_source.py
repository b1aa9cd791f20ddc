"""Model source: the text of a Python module with a model for each table that was found, and a Database of them.

Knows what was found (schema/adoption.py) and how models are declared; must not know stores. What no model can say
becomes a comment.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Sequence

import msgspec

from ..model.declaration import STORED_NAME
from ..model.types import DECIMAL_DIGITS, INDEXED_TEXT
from ..schema.adoption import FoundField, FoundKind, FoundReference, FoundTable, Surveyed

_WIDTH = 120
_GUESSED_SCALE = 6
_IMPORTS: dict[str, str] = {
    "Any": "from typing import Any, Literal",
    "Literal": "from typing import Any, Literal",
    "Decimal": "from decimal import Decimal",
    "UUID": "from uuid import UUID",
    "date": "from datetime import date, datetime",
    "datetime": "from datetime import date, datetime",
    "IPv4Address": "from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network",
    "IPv4Network": "from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network",
}
_ANNOTATIONS: dict[FoundKind, str] = {
    "decimal": "Decimal",
    "uuid": "UUID",
    "ip": "IPv4Address | IPv6Address",
    "network": "IPv4Network | IPv6Network",
    "json": "Any",
    "any": "str",
}
_TAKEN = {
    *("bool", "bytes", "date", "datetime", "dict", "float", "int", "list", "object", "property", "str", "tuple"),
    *("Any", "Database", "Decimal", "Literal", "Repository", "UUID", "field", "index", "model", "ref", "unique"),
    *("IPv4Address", "IPv4Network", "IPv6Address", "IPv6Network"),
}
_ON_DELETE = {"CASCADE": "cascade", "SET NULL": "set_null"}


class _Table(msgspec.Struct, frozen=True):
    """A table that becomes a model. cls: the class's name; names: from columns to attributes."""

    found: FoundTable
    collection: str
    cls: str
    names: dict[str, str]

    def field(self, column: str) -> FoundField:
        """Give a column that is known to be there."""
        found = self.found.field(column)
        assert found is not None
        return found


def model_source(found: Surveyed, prefix: str = "", taken: Sequence[str] = ()) -> str:
    """Write the module. prefix: what the tables' names begin with; taken: names that a Database has already."""
    notes: list[str] = []
    tables = list(_tables(found, prefix, notes))
    by_name = {table.found.name: table for table in tables}
    body: list[str] = []
    for table in tables:
        body += ["", "", *_model(table, by_name)]
    body += ["", "", "class Models(Database):", *_repositories(tables, taken)]
    text = "\n".join(body)
    words = [word for word in ("field", "index", "model", "ref", "unique") if re.search(rf"\b{word}\(|@{word}\b", text)]
    imports = {line for word, line in _IMPORTS.items() if _has(text, word)}
    lines = ['"""Models of the tables that were found in a database."""', "", "from __future__ import annotations", ""]
    lines += [*sorted(_narrowed(line, text) for line in imports), *[""] * bool(imports)]
    lines += [f"from manystore import {', '.join(['Database', 'Repository', *words])}"]
    lines += [*[""] * bool(notes), *(f"# {note}" for note in notes)]
    return "\n".join(lines) + text + "\n"


def _narrowed(line: str, text: str) -> str:
    """Leave out of an import what the text does not use."""
    source, _, names = line.partition(" import ")
    return f"{source} import {', '.join(name for name in names.split(', ') if _has(text, name))}"


def _has(text: str, word: str) -> bool:
    return re.search(rf"\b{word}\b", text) is not None


def _tables(found: Surveyed, prefix: str, notes: list[str]) -> Iterator[_Table]:
    classes: set[str] = set()
    for table in found.tables:
        name = table.name.removeprefix(prefix)
        if not table.name.startswith(prefix) or name.startswith("_manystore"):
            continue
        if reason := _unsayable(table, name):
            notes.append(f"{table.name}: no model, since {reason}")
            continue
        cls = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
        cls = cls if cls.isidentifier() else f"T{cls}"
        while cls in classes or cls in _TAKEN or keyword.iskeyword(cls) or cls == "Models":
            cls += "_"
        classes.add(cls)
        yield _Table(table, name, cls, _attributes(table))


def _unsayable(table: FoundTable, name: str) -> str | None:
    if not STORED_NAME.fullmatch(name):
        return "its name is none that a collection can have"
    if not table.key:
        return "it has no primary key"
    for column in table.key:
        field = table.field(column)
        if field is None or field.kind in ("float", "json", "other") or not STORED_NAME.fullmatch(column):
            return f"its key {column} is none that a model can have"
    return None


def _attributes(table: FoundTable) -> dict[str, str]:
    names: dict[str, str] = {}
    for field in table.fields:
        if field.kind == "other" or not STORED_NAME.fullmatch(field.name):
            continue
        name = field.name
        while name in _TAKEN or keyword.iskeyword(name) or name in names.values():
            name += "_"
        names[field.name] = name
    return names


def _model(table: _Table, tables: dict[str, _Table]) -> Iterator[str]:
    comments: list[str] = []
    references = {r.fields[0]: r for r in table.found.references if _is_sayable(table, r, tables, comments)}
    options = [f'collection="{table.collection}"', *_indexes(table, comments)]
    line = f"@model({', '.join(options)})"
    yield from [line] if len(line) <= _WIDTH else ["@model(", *(f"    {option}," for option in options), ")"]
    yield f"class {table.cls}:"
    for field in table.found.fields:
        if field.name not in table.names:
            comments.append(f"{field.name}: {field.type}, which no field holds or no name says")
            continue
        yield from _field(table, field, references.get(field.name), tables)
    yield from (f"    # {comment}" for comment in comments)


def _is_sayable(table: _Table, reference: FoundReference, tables: dict[str, _Table], comments: list[str]) -> bool:
    target = tables.get(reference.target)
    said = f"foreign key {', '.join(reference.fields)} to {reference.target}"
    if target is None or len(reference.fields) != 1 or reference.fields[0] not in table.names:
        comments.append(f"{said}: a reference is one field, to a model")
        return False
    if target.found.key != (reference.target_fields or target.found.key) or len(target.found.key) != 1:
        comments.append(f"{said} ({', '.join(reference.target_fields)}): a reference leads to the whole key")
        return False
    if table.field(reference.fields[0]).kind != target.field(target.found.key[0]).kind:
        comments.append(f"{said}: the two are of different kinds")
        return False
    return True


def _indexes(table: _Table, comments: list[str]) -> Iterator[str]:
    """Write the model's indexes and uniques."""
    made: dict[str, list[str]] = {"index": [], "unique": []}
    seen: set[tuple[bool, tuple[str, ...]]] = set()
    names: set[str] = set()
    for found in table.found.indexes:
        said = "unique" if found.unique else "index"
        unfit = [f for f in found.fields if f not in table.names or table.field(f).kind == "json"]
        if unfit or found.partial:
            comments.append(f"{said} {found.name}: {'over some records only' if found.partial else ', '.join(unfit)}")
            continue
        if (found.unique, found.fields) in seen or (not found.unique and found.fields == table.found.key):
            continue
        seen.add((found.unique, found.fields))
        fields = [table.names[column] for column in found.fields]
        name = own = ("unique_" if found.unique else "by_") + "_".join(fields)
        while name.lower() in names:
            name += "_"
        names.add(name.lower())
        given = [f'"{field}"' for field in fields] + ([f'name="{name}"'] if name != own else [])
        made[said].append(f"{said}({', '.join(given)})")
    for word, parts in (("indexes", made["index"]), ("uniques", made["unique"])):
        if parts:
            yield f"{word}=[{', '.join(parts)}]"


def _field(
    table: _Table, field: FoundField, reference: FoundReference | None, tables: dict[str, _Table]
) -> Iterator[str]:
    name, is_key = table.names[field.name], field.name in table.found.key
    is_optional = field.optional and not is_key
    options: list[str] = []
    comment = ""
    if is_key:
        options.append("key=True")
    if is_optional:
        options.append("default=None")
    if reference is not None:
        options[:0] = _reference(reference, tables, is_optional=is_optional)
    elif is_key and table.found.generated:
        options.append("generated=True")
    else:
        sizes, comment = _sizes(table, field)
        options += sizes
    if name != field.name:
        options.append(f'column="{field.name}"')
    annotation = _annotation(field) + (" | None" if is_optional else "")
    call = f" = {'field' if reference is None else 'ref'}({', '.join(options)})" if options else ""
    if options == ["default=None"]:
        call = " = None"
    yield f"    {name}: {annotation}{call}{f'  # {comment}' if comment else ''}"


def _reference(reference: FoundReference, tables: dict[str, _Table], *, is_optional: bool) -> Iterator[str]:
    target = tables[reference.target]
    yield f'to="{target.cls}.{target.names[target.found.key[0]]}"'
    rule = _ON_DELETE.get(reference.rule)
    if rule == "cascade" or (rule == "set_null" and is_optional):
        yield f'on_delete="{rule}"'


def _sizes(table: _Table, field: FoundField) -> tuple[list[str], str]:
    """Give the options that say how large a value may be, and what is to be said beside."""
    if field.kind == "decimal":
        digits, scale = field.digits, field.scale
        is_guess = digits is None or scale is None or digits > DECIMAL_DIGITS
        kept = min(_GUESSED_SCALE if scale is None else scale, DECIMAL_DIGITS)
        size = [f"digits={DECIMAL_DIGITS if is_guess else digits}", f"scale={kept}"]
        return size, f"{field.type} there: look at both numbers" if is_guess else ""
    if field.choices is not None:
        return [], ""
    if field.kind in ("str", "bytes") and field.length:
        return [f"max_length={field.length}"], ""
    if field.kind == "any":
        return [], "no type there: look at its values"
    indexed = {*table.found.key, *(column for index in table.found.indexes for column in index.fields)}
    if field.kind == "str" and field.name in indexed:
        return [], f"indexed text has at most {INDEXED_TEXT} characters where no max_length= says more"
    return [], ""


def _annotation(field: FoundField) -> str:
    if field.choices:
        return f"Literal[{', '.join(map(_quoted, field.choices))}]"
    return _ANNOTATIONS.get(field.kind, field.kind)


def _quoted(text: str) -> str:
    shown = repr(text)
    return shown if '"' in text else f'"{shown[1:-1]}"'.replace("\\'", "'")


def _repositories(tables: Sequence[_Table], taken: Sequence[str]) -> Iterator[str]:
    if not tables:
        yield "    pass"
    used = {*taken}
    for table in tables:
        name = table.collection
        while name in used or keyword.iskeyword(name):
            name += "_"
        used.add(name)
        keys = [_annotation(table.field(column)) for column in table.found.key]
        key = keys[0] if len(keys) == 1 else f"tuple[{', '.join(keys)}]"
        yield f"    {name}: Repository[{table.cls}, {key}]"
