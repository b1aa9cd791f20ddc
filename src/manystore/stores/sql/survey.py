"""Survey: the tables of a live SQL database, whoever made them, told in the words of schema/adoption.py.

Knows what each database calls its types; must not know models, nor whose the tables are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from ...schema.adoption import FoundField, FoundIndex, FoundKind, FoundTable, Surveyed
from .dialect import Dialect
from .inspection import EXPRESSION, Execute, LiveColumn, LiveTable
from .linkage import Linkage, linkage

_SCALE = re.compile(r"\((\d+)(?:, ?(\d+))?\)")
_MEMBERS = re.compile(r"'((?:[^']|'')*)'")
_KINDS: dict[str, tuple[tuple[str, FoundKind], ...]] = {
    # The first whose pattern the type's name begins with.
    "sqlite": (
        (r"BOOL|TINYINT\(1\)", "bool"),
        (r"DATETIME|TIMESTAMP", "datetime"),
        (r"DATE", "date"),
        (r"JSON", "json"),
        (r"UUID", "uuid"),
        (r".*INT", "int"),
        (r".*CHAR|.*CLOB|.*TEXT|STRING", "str"),
        (r".*BLOB|.*BINARY|BYTEA", "bytes"),
        (r"REAL|FLOAT|DOUBLE", "float"),
        (r"NUMERIC|DECIMAL", "decimal"),
        (r"", "any"),
    ),
    "postgresql": (
        (r"BOOLEAN", "bool"),
        (r"(BIGINT|INTEGER|SMALLINT)$", "int"),
        (r"(DOUBLE PRECISION|REAL)$", "float"),
        (r"NUMERIC(\(\d+,\d+\))?$", "decimal"),
        (r"(TEXT|CHARACTER|CHARACTER VARYING|CITEXT|NAME)(\(\d+\))?$", "str"),
        (r"BYTEA$", "bytes"),
        (r"TIMESTAMP[^\[]*$", "datetime"),
        (r"DATE$", "date"),
        (r"UUID$", "uuid"),
        (r"INET$", "ip"),
        (r"CIDR$", "network"),
        (r"JSONB?$", "json"),
        (r"", "other"),
    ),
    "mysql": (
        (r"TINYINT\(1\)|BIT\(1\)", "bool"),
        (r"(TINY|SMALL|MEDIUM|BIG)?INT", "int"),
        (r"FLOAT|DOUBLE", "float"),
        (r"DECIMAL", "decimal"),
        (r"(VAR)?CHAR|(TINY|MEDIUM|LONG)?TEXT|ENUM", "str"),
        (r"(VAR)?BINARY|(TINY|MEDIUM|LONG)?BLOB", "bytes"),
        (r"DATETIME|TIMESTAMP", "datetime"),
        (r"DATE", "date"),
        (r"UUID", "uuid"),
        (r"INET[46]", "ip"),
        (r"JSON", "json"),
        (r"", "other"),
    ),
}
Turn = Callable[[Any], Any]


def survey(execute: Execute, dialect: Dialect) -> Surveyed:
    """Look at all tables."""
    tables = dialect.inspected(execute)
    links = linkage(execute, dialect.sql.name)
    return Surveyed(tuple(_table(tables[name], links(name), dialect.sql.name) for name in sorted(tables)))


def _table(table: LiveTable, link: Linkage, database: str) -> FoundTable:
    indexes = [
        FoundIndex(index.name, index.columns, index.unique, index.where is not None)
        for index in table.indexes
        if EXPRESSION not in index.columns
    ]
    return FoundTable(
        table.name,
        tuple(_field(column, database) for column in table.columns if not column.computed),
        table.key,
        len(table.key) == 1 and table.key[0] in link.counted,
        tuple(indexes),
        tuple(link.references),
        tuple(link.triggers),
    )


def _field(column: LiveColumn, database: str) -> FoundField:
    text = column.type.upper()
    kind: FoundKind = next(kind for pattern, kind in _KINDS[database] if re.match(pattern, text))
    found = FoundField(column.name, kind, column.type, column.nullable)
    if kind == "decimal" and (numbers := _SCALE.search(text)):
        return msgspec.structs.replace(found, digits=int(numbers[1]), scale=int(numbers[2] or 0))
    if text.startswith("ENUM"):
        members = tuple(member.replace("''", "'") for member in _MEMBERS.findall(column.type))
        return msgspec.structs.replace(found, choices=members)
    if kind in ("str", "bytes") and "(" in text:
        return msgspec.structs.replace(found, length=column.length)
    return found


def reading(field: FoundField, quoted: str, database: str) -> tuple[str, Turn | None]:
    """Write how a column is read such that nothing of its values is lost; and what is done with what the driver gives.

    quoted: the column's name.
    """
    if database == "mysql" and field.kind == "decimal":
        return f"CAST({quoted} AS CHAR)", Decimal  # the driver is told to give ints
    if database == "postgresql" and field.kind == "json":
        return f"{quoted}::text", None  # as it was written
    if database == "postgresql" and field.type == "real":
        return f"{quoted}::text::float8", None  # the digits that it shows, not those that it rounds to
    return quoted, None
