"""Linkage: what binds the tables of a live SQL database to each other and to itself: foreign keys, triggers, counters.

Knows each database's catalogs; must not know schemas. inspection.py looks at the tables themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from ...schema.adoption import FoundReference
from .inspection import Execute

Linked: TypeAlias = "dict[str, Linkage]"


class Linkage(msgspec.Struct):
    """Of one table. counted: the columns that the database fills by counting up."""

    references: list[FoundReference] = []
    triggers: list[str] = []
    counted: set[str] = set()


# -- SQLite --

_SQLITE_KEYS = """
SELECT m.name, k.id, k."table", k."from", k."to", k.on_delete
FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) k WHERE m.type = 'table' ORDER BY m.name, k.id, k.seq
"""
_SQLITE_TRIGGERS = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
_SQLITE_COUNTED = """
SELECT m.name, min(c.name) FROM sqlite_master m JOIN pragma_table_info(m.name) c
WHERE m.type = 'table' AND c.pk > 0 GROUP BY m.name HAVING count(*) = 1 AND upper(min(c.type)) = 'INTEGER'
"""

# -- PostgreSQL --

_POSTGRESQL_KEYS = """
SELECT c.relname::text, k.conname::text, t.relname::text, a.attname::text, b.attname::text,
       CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS u(mine, theirs, place)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.mine
JOIN pg_attribute b ON b.attrelid = t.oid AND b.attnum = u.theirs
WHERE k.contype = 'f' AND n.nspname = current_schema() ORDER BY c.relname, k.conname, u.place
"""
_POSTGRESQL_TRIGGERS = """
SELECT c.relname::text, g.tgname::text FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT g.tgisinternal AND n.nspname = current_schema()
ORDER BY g.tgname
"""
_POSTGRESQL_COUNTED = """
SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
AND (a.attidentity::text <> '' OR pg_get_expr(d.adbin, d.adrelid)::text LIKE 'nextval(%')
"""

# -- MariaDB and MySQL --

_MYSQL_KEYS = """
SELECT k.table_name, k.constraint_name, k.referenced_table_name, k.column_name, k.referenced_column_name, r.delete_rule
FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name
WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL
ORDER BY k.table_name, k.constraint_name, k.ordinal_position
"""
_MYSQL_TRIGGERS = """
SELECT event_object_table, trigger_name FROM information_schema.triggers
WHERE event_object_schema = DATABASE() ORDER BY trigger_name
"""
_MYSQL_COUNTED = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = DATABASE() AND INSTR(extra, 'auto_increment') > 0
"""

_QUERIES = {
    "sqlite": (_SQLITE_KEYS, _SQLITE_TRIGGERS, _SQLITE_COUNTED),
    "postgresql": (_POSTGRESQL_KEYS, _POSTGRESQL_TRIGGERS, _POSTGRESQL_COUNTED),
    "mysql": (_MYSQL_KEYS, _MYSQL_TRIGGERS, _MYSQL_COUNTED),
}


def linkage(execute: Execute, name: str) -> Callable[[str], Linkage]:
    """Look at all tables of a database, by SQLAlchemy's name for its kind; give what each is bound by."""
    keys, triggers, counted = _QUERIES[name]
    found: Linked = {}

    def of(table: str) -> Linkage:
        return found.setdefault(table, Linkage([], [], set()))

    # SQLite numbers its keys, and gives their columns under the target's name.
    rows = [(t, str(k), to, a, b, r) for t, k, to, a, b, r in execute(keys, ()).fetchall()]
    for table, key in dict.fromkeys((row[0], row[1]) for row in rows):
        of(table).references.append(_reference([row for row in rows if row[:2] == (table, key)]))
    for table, trigger in execute(triggers, ()).fetchall():
        of(table).triggers.append(trigger)
    for table, column in execute(counted, ()).fetchall():
        of(table).counted.add(column)
    return of


def _reference(rows: Sequence[Sequence[Any]]) -> FoundReference:
    _, name, target, _, _, rule = rows[0]
    # SQLite has no name for the target's column where it is just the key.
    theirs = tuple(row[4] for row in rows if row[4] is not None)
    return FoundReference(name, tuple(row[3] for row in rows), target, theirs, rule)
