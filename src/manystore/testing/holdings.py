"""Holdings: all that a store holds of some schemas, raw, in a form that is the same for two databases of one content.

Left out is what may differ between them: revisions, versions of records, generations, what the system's collections
hold, and defaults of columns, which no write uses and which stay where taking them away would rebuild a table. Looks
behind the public waist: knows what both families of stores stand on, and no single store.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from manystore.schema.encoding import END
from manystore.schema.schema import Schema

# By name: nobody imports a store, and this one is the waist that all stores of the family stand behind.
_KEY_VALUE = "manystore.stores.keyvalue.protocol"
_GENERATION = re.compile(r"@\d+|\.\d+$")
_GENERATIONS = 6  # as many as a test may come to
_OWN = ("_revision", "_previous", "_version")


def holdings(store: Any, prefix: str, *schemas: Schema) -> dict[str, Any]:
    """Give what a store holds: spaces with names and values, or tables with columns, indexes and rows."""
    if hasattr(store, "_kv"):
        return _spaces(store._kv, schemas)  # noqa: SLF001 - what stores keep to themselves is what is looked for
    return _tables(store, prefix)


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Say where two stores' holdings differ: [] if they do not."""
    told = [f"{name}: not there" for name in wanted.keys() - found.keys()]
    told += [f"{name}: is left" for name in found.keys() - wanted.keys()]
    for name in sorted(found.keys() & wanted.keys()):
        have, want = found[name], wanted[name]
        told += [f"{name}: {one!r} is there" for one in have if one not in want][:3]
        told += [f"{name}: {one!r} is missing" for one in want if one not in have][:3]
        if have != want and len(have) != len(want):
            told.append(f"{name}: {len(have)} there, {len(want)} wanted")
    return told


# --- key-value stores ------------------------------------------------------------------------------------------------


def _spaces(kv: Any, schemas: Iterable[Schema]) -> dict[str, Any]:
    span = import_module(_KEY_VALUE).Span
    found: dict[str, Any] = {}
    for space in sorted(_names_of_spaces(schemas)):
        names = kv.scan([span(space, "", END)]).names
        if not names:
            continue
        values: list[bytes | None] = [None] * len(names)
        if space[0] in "ru":
            values = kv.get([(space, name) for name in names]).values
        plain = _GENERATION.sub("", space)
        rows = found.setdefault(plain, [])
        rows += [[_GENERATION.sub("", name), _plain(value)] for name, value in zip(names, values, strict=True)]
        rows.sort(key=lambda row: row[0])
    return found


def _names_of_spaces(schemas: Iterable[Schema]) -> set[str]:
    found: set[str] = set()
    numbers = ["", *(f"@{number}" for number in range(2, _GENERATIONS + 1))]
    for collection in (c for schema in schemas for c in schema.collections if not c.name.startswith("_")):
        for stored in (collection.name + number for number in numbers):
            found |= {f"r:{stored}", f"b:{stored}"}
            for number in numbers:
                found |= {f"i:{stored}.{part.name}{number}" for part in collection.indexes}
                found |= {f"u:{stored}.{part.name}{number}" for part in collection.uniques}
    return found


def _plain(value: bytes | None) -> Any:
    """Read a record, without what is not there; a claim as text."""
    if value is None or not value.startswith(b"{"):
        return value and value.decode()
    record: dict[str, Any] = json.loads(value)
    return {name: held for name, held in record.items() if name not in _OWN and held is not None}


# --- SQL -------------------------------------------------------------------------------------------------------------


def _tables(store: Any, prefix: str) -> dict[str, Any]:
    connection = store._connections.opened()  # noqa: SLF001 - as above
    dialect = store._dialect  # noqa: SLF001 - as above
    try:
        inspected = dialect.inspected(connection.execute)
        found: dict[str, Any] = {}
        for name, table in inspected.items():
            if not name.startswith(prefix) or name.removeprefix(prefix).startswith("_"):
                continue
            columns = [column.name for column in table.columns if column.name not in _OWN and not column.computed]
            listed = ", ".join(map(dialect.quoted, columns))
            rows = connection.execute(f"SELECT {listed} FROM {dialect.quoted(name)}", ()).fetchall()
            made = [sorted((c, v) for c, v in zip(columns, row, strict=True) if v is not None) for row in rows]
            plain = _GENERATION.sub("", name.removeprefix(prefix))
            for part, held in (*_parts(table, prefix), ("rows", sorted(made, key=repr))):
                found.setdefault(f"{plain}, {part}", []).extend(held)
    finally:
        connection.close()
    return found


def _parts(table: Any, prefix: str) -> list[tuple[str, list[Any]]]:
    """Give what a table is; columns have no order."""
    columns = sorted(((c.name, c.type, c.nullable, c.length) for c in table.columns), key=repr)
    indexes = [(i.name.removeprefix(prefix), i.columns, i.unique, i.where) for i in table.indexes]
    plain = sorted(((_GENERATION.sub("", name), *rest) for name, *rest in indexes), key=repr)
    return [("columns", columns), ("key", [table.key]), ("indexes", plain)]
