"""Inspection: what tables a live database really has, whoever made them.

Knows each database's catalogs; must not know schemas, nor whose the tables are. Who carries a migration out compares
what is found here with what is wanted, and so does who takes a foreign database over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

Execute: TypeAlias = Callable[[str, Sequence[Any]], Any]
Tables: TypeAlias = "dict[str, LiveTable]"
_LENGTH = re.compile(r"\((\d+)\)")
_ENDLESS = 2**32 - 1  # bytes: what MariaDB and MySQL call the length of a LONGTEXT
EXPRESSION = "(expression)"  # stands for one whose text the database does not give


class LiveColumn(msgspec.Struct, frozen=True):
    """A column. type: as the database writes it; default: an SQL expression; length: the most characters or bytes.

    collation: of text; None where there is none, or in SQLite none but its own.
    """

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    length: int | None = None
    computed: bool = False
    comment: str = ""
    collation: str | None = None


class LiveIndex(msgspec.Struct, frozen=True):
    """An index beside the primary key. columns: names, or an expression's text. is_valid: its build came to an end.

    constraint: it belongs to a UNIQUE in the table's definition. where: of a partial one, its condition. orders: for
    each column 1 if it descends, and 2 if None comes first; empty where None has one place.
    """

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    where: str | None = None
    is_valid: bool = True
    constraint: bool = False
    orders: tuple[int, ...] = ()


class LiveTable(msgspec.Struct, frozen=True):
    """A table. columns in their order; key: the columns of the primary key, in its order."""

    name: str
    columns: tuple[LiveColumn, ...]
    key: tuple[str, ...] = ()
    indexes: tuple[LiveIndex, ...] = ()

    def column(self, name: str) -> LiveColumn | None:
        """Give a column by name; None if there is none."""
        return next((column for column in self.columns if column.name == name), None)

    def index(self, name: str) -> LiveIndex | None:
        """Give an index by name; None if there is none."""
        return next((index for index in self.indexes if index.name == name), None)


class _Found:
    """Tables as they come together, row by row."""

    def __init__(self) -> None:
        self.columns: dict[str, list[LiveColumn]] = {}
        self.keys: dict[str, list[tuple[int, str]]] = {}
        self.indexes: dict[str, list[LiveIndex]] = {}

    def tables(self) -> Tables:
        return {
            name: LiveTable(
                name,
                tuple(columns),
                tuple(column for _, column in sorted(self.keys.get(name, []))),
                tuple(sorted(self.indexes.get(name, []), key=lambda index: index.name)),
            )
            for name, columns in self.columns.items()
        }


# -- SQLite --

_SQLITE_COLUMNS = """
SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden, m.sql
FROM sqlite_master m JOIN pragma_table_xinfo(m.name) c
WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY m.name, c.cid
"""
_SQLITE_INDEXES = """
SELECT m.name, l.name, l."unique", l.origin, i.sql, c.name
FROM sqlite_master m JOIN pragma_index_list(m.name) l JOIN pragma_index_xinfo(l.name) c
LEFT JOIN sqlite_master i ON i.type = 'index' AND i.name = l.name
WHERE m.type = 'table' AND l.origin <> 'pk' AND c.key = 1 ORDER BY m.name, l.name, c.seqno
"""


def inspect_sqlite(execute: Execute, names: Iterable[str] | None = None) -> Tables:
    """Give the tables of a file, or those of some names."""
    found = _Found()
    wanted = None if names is None else set(names)
    for table, name, kind, notnull, default, place, hidden, text in execute(_SQLITE_COLUMNS, ()).fetchall():
        if wanted is None or table in wanted:
            length = _LENGTH.search(kind)
            column = LiveColumn(
                name,
                kind,
                not notnull and not place,
                default,
                int(length[1]) if length else None,
                hidden in (2, 3),
                collation=_sqlite_collation(text, name),
            )
            found.columns.setdefault(table, []).append(column)
            if place:
                found.keys.setdefault(table, []).append((place, name))
    made: dict[tuple[str, str], list[Any]] = {}
    for table, name, unique, origin, text, column in execute(_SQLITE_INDEXES, ()).fetchall():
        if table in found.columns:
            made.setdefault((table, name), [unique, origin, text]).append(column or EXPRESSION)
    for (table, name), (unique, origin, text, *columns) in made.items():
        _, _, where = (text or "").partition(" WHERE ")
        index = LiveIndex(name, tuple(columns), bool(unique), where.strip() or None, constraint=origin == "u")
        found.indexes.setdefault(table, []).append(index)
    return found.tables()


def _sqlite_collation(text: str, name: str) -> str | None:
    """Read the collation of a column where alone it is told, the text that made the table; ours never have one."""
    if "COLLATE" not in text.upper():
        return None
    found = re.search(rf"[\s(,\"`\[]{re.escape(name)}[\s\"`\]][^,]*?\bCOLLATE\s+(\w+)", text, re.IGNORECASE)
    return found[1] if found else None


# -- PostgreSQL --

_POSTGRESQL_COLUMNS = """
SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)::text, a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid)::text, a.attgenerated::text <> '',
       CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 THEN a.atttypmod - 4 END,
       (SELECT o.collname::text FROM pg_collation o WHERE o.oid = a.attcollation)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
AND (CAST($1 AS text[]) IS NULL OR c.relname::text = ANY(CAST($1 AS text[])))
ORDER BY c.relname, a.attnum
"""
_POSTGRESQL_INDEXES = """
SELECT c.relname::text, x.relname::text, i.indisunique, i.indisprimary, i.indisvalid AND i.indisready,
       pg_get_expr(i.indpred, i.indrelid, true)::text,
       EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid),
       ARRAY(SELECT coalesce(a.attname::text, pg_get_indexdef(i.indexrelid, k::int, true))
             FROM generate_series(1, i.indnkeyatts::int) k
             LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[k - 1] AND a.attnum <> 0
             ORDER BY k),
       ARRAY(SELECT i.indoption[k - 1]::int FROM generate_series(1, i.indnkeyatts::int) k ORDER BY k)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
AND (CAST($1 AS text[]) IS NULL OR c.relname::text = ANY(CAST($1 AS text[])))
"""


def inspect_postgresql(execute: Execute, names: Iterable[str] | None = None) -> Tables:
    """Give the tables of the current schema, or those of some names."""
    found = _Found()
    wanted = None if names is None else sorted(names)
    for table, name, kind, notnull, default, computed, length, collation in execute(
        _POSTGRESQL_COLUMNS, (wanted,)
    ).fetchall():
        text = None if computed else default
        column = LiveColumn(name, kind, not notnull, text, length, computed, collation=collation)
        found.columns.setdefault(table, []).append(column)
    rows = execute(_POSTGRESQL_INDEXES, (wanted,)).fetchall()
    for table, name, unique, primary, valid, where, constraint, columns, orders in rows:
        if primary:
            key: list[str] = columns
            found.keys[table] = list(enumerate(key))
        else:
            index = LiveIndex(name, tuple(columns), unique, where, valid, constraint, tuple(orders))
            found.indexes.setdefault(table, []).append(index)
    return found.tables()


# -- MariaDB and MySQL --

_MYSQL_COLUMNS = """
SELECT c.table_name, c.column_name, c.column_type, c.is_nullable, c.column_default, c.character_maximum_length,
       c.generation_expression, c.column_comment, c.collation_name
FROM information_schema.columns c JOIN information_schema.tables t
ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = DATABASE() AND t.table_type = 'BASE TABLE' {names}
ORDER BY c.table_name, c.ordinal_position
"""
_MYSQL_INDEXES = """
SELECT c.table_name, c.index_name, c.non_unique, c.seq_in_index, c.column_name
FROM information_schema.statistics c WHERE c.table_schema = DATABASE() {names}
ORDER BY c.table_name, c.index_name, c.seq_in_index
"""


def inspect_mysql(execute: Execute, names: Iterable[str] | None = None) -> Tables:
    """Give the tables of the database that the connection uses, or those of some names."""
    found = _Found()
    wanted = None if names is None else tuple(sorted(names))
    if wanted == ():
        return {}
    only, bound = ("", ()) if wanted is None else ("AND c.table_name IN %s", (wanted,))
    for table, name, kind, nullable, default, length, computed, comment, collation in execute(
        _MYSQL_COLUMNS.format(names=only), bound
    ).fetchall():
        # One server writes an absent default as NULL, the other as the text `NULL`.
        text = None if default in (None, "NULL") or computed else default
        longest = None if length is None or length >= _ENDLESS else int(length)
        column = LiveColumn(name, kind, nullable == "YES", text, longest, bool(computed), comment, collation)
        found.columns.setdefault(table, []).append(column)
    made: dict[tuple[str, str], tuple[bool, list[str]]] = {}
    for table, name, repeats, place, column in execute(_MYSQL_INDEXES.format(names=only), bound).fetchall():
        if table not in found.columns:
            continue
        if name == "PRIMARY":
            found.keys.setdefault(table, []).append((place, column))
        else:
            made.setdefault((table, name), (not repeats, []))[1].append(column or EXPRESSION)
    for (table, name), (unique, columns) in made.items():
        found.indexes.setdefault(table, []).append(LiveIndex(name, tuple(columns), unique))
    return found.tables()
