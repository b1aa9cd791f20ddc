"""Refusals: which records stand in the way of a unique, a reference or a column that is to be without None.

Knows tables and how to ask; must not know what goes on then. store/refusal.py has the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Index as TableIndex
from sqlalchemy import Table, and_, exists, func, literal_column, select

from ....errors import MigrationRefused
from ....schema.schema import Collection, Field, Reference
from ....store import refusal
from ....store.binding import loader
from ..dialect import Row
from ..tables import Layout, column_of, index_name
from .run import Run

_MOST = refusal.SHOWN + 1


def duplicates(run: Run, layout: Layout, collection: Collection, index: TableIndex) -> MigrationRefused | None:
    """Say which records break a unique; None when none does, or it is no unique."""
    table, longest = layout.table(collection), layout.dialect.longest_name
    names = {index_name(table.name, unique.name, unique.generation, longest): unique for unique in collection.uniques}
    unique = names.get(str(index.name))
    if unique is None:
        return None
    columns = [column_of(table, collection, name) for name in unique.fields]
    counts: list[Any] = [column.is_not(None) for column in columns]
    if unique.among == "live" and collection.live is not None:
        counts.append(column_of(table, collection, collection.live) == layout.dialect.false)
    twice = select(*columns).where(*counts).group_by(*columns).having(func.count() > 1).subquery()
    same = [column == twice.c[column.name] for column in columns]
    keys = [column_of(table, collection, name) for name in collection.key]
    found = run.found(select(*keys).join(twice, and_(*same)).where(*counts).order_by(*keys).limit(_MOST))
    return refusal.duplicates(collection, unique, _primitives(run, collection, found)) if found else None


def dangling(run: Run, layout: Layout, collection: Collection, reference: Reference, target: Collection) -> None:
    """Raise MigrationRefused for values of a reference that lead nowhere."""
    table, there = layout.table(collection), layout.table(target).alias("target")
    column, key = column_of(table, collection, reference.field), there.c[target.field(target.key[0]).column]
    found = _keys(run, collection, table, [column.is_not(None), ~exists(select(key).where(key == column))])
    if found:
        raise refusal.dangling(collection, reference, target.model, found)


def empties(run: Run, collection: Collection, field: Field, table: Table, column: str) -> None:
    """Raise MigrationRefused for records with None in a column that is to hold none."""
    _refuse(run, collection, table, [table.c[column].is_(None)], f"{field.name} may not be None any more, but is")


def too_long(run: Run, collection: Collection, table: Table, column: str, length: int) -> None:
    """Raise MigrationRefused for texts that are longer than a unique's may be."""
    field = next((field for field in collection.fields if field.column == column), None)
    if field is not None:
        size = func.length if field.kind == "bytes" else func.char_length
        reason = f"{field.name} is longer than the {length} that a unique takes"
        _refuse(run, collection, table, [size(table.c[column]) > literal_column(str(length))], reason)


def _refuse(run: Run, collection: Collection, table: Table, where: Sequence[Any], reason: str) -> None:
    if found := _keys(run, collection, table, where):
        raise refusal.refused(collection, reason, found)


def _keys(run: Run, collection: Collection, table: Table, where: Sequence[Any]) -> list[Row]:
    """Give the keys of the first records of which something holds."""
    keys = [column_of(table, collection, name) for name in collection.key]
    return _primitives(run, collection, run.found(select(*keys).where(*where).order_by(*keys).limit(_MOST)))


def _primitives(run: Run, collection: Collection, rows: Sequence[Row]) -> list[Row]:
    """Turn keys into what JSON has."""
    turns = [loader(collection.field(name), run.dialect.forms) for name in collection.key]
    return [tuple(part if turn is None else turn(part) for part, turn in zip(r, turns, strict=True)) for r in rows]
