"""Carrying operations out, or saying what would be done. The way from `alter` to the files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from ....schema.catalog import Catalog
from ....schema.operation import Altered, Build, Clear, Contract, Explain, Prepare, Progress, Sweep, Words
from ....schema.schema import Schema
from ..connections import Connection
from ..inspection import LiveColumn, LiveIndex, LiveTable, Tables
from ..reader import Reader, changed
from ..tables import Layout
from .building import build, looks
from .contraction import Contraction
from .preparation import prepare
from .run import Run
from .sweeping import sweep
from .wanted import Wanted, column_names, default_of, wanted

Work: TypeAlias = Prepare | Build | Sweep | Clear | Contract
Exchange: TypeAlias = Callable[[str, Catalog], None]


def carry(connection: Connection, reader: Reader, operation: Work, exchange: Exchange) -> Altered:
    """Carry an operation out. exchange: puts a catalog in force instead of the one of an epoch."""
    run = Run(reader.dialect, connection)
    match operation:
        case Prepare():
            live = run.inspected(reader.layout.tables(*_schemas(operation)))
            prepare(run, reader.layout, operation.catalog, operation.further, live)
            return None
        case Contract():
            now = _in_force(reader, operation.expected)

            def put(epoch: str) -> None:
                exchange(epoch, operation.catalog)

            Contraction(run, reader.layout, now, operation.catalog, put).all()
            return None
        case Build():
            return build(run, reader, _in_force(reader, operation.epoch), operation)
        case Sweep():
            return sweep(run, reader, _in_force(reader, operation.epoch), operation)
        case Clear():
            return Progress(0)  # what is left over are columns and tables: Contract's


def explain(connection: Connection, reader: Reader, explained: Explain) -> Words:
    """Say what an operation would do."""
    run, operation = Run(reader.dialect, connection, only_notes=True), explained.operation
    match operation:
        case Prepare():
            live = run.inspected(reader.layout.tables(*_schemas(operation)))
            prepare(run, reader.layout, operation.catalog, operation.further, live)
        case Contract():
            now = _in_force(reader, operation.expected)
            live = run.inspected(reader.layout.tables_of(now, operation.catalog))
            Contraction(run, reader.layout, now, operation.catalog, _nothing).note(live)
        case Sweep():
            sweep(run, reader, _in_force(reader, operation.epoch), msgspec.structs.replace(operation, limit=1))
        case Build():
            run.statements += looks(_in_force(reader, operation.epoch), operation.collection)
        case Clear():
            pass
    return Words(tuple(run.statements), run.blocking)


def offline(
    layout: Layout, older: Schema, catalog: Catalog, further: Schema | None, then: Catalog | None
) -> tuple[str, ...]:  # fmt: skip
    """Give the statements from an older schema's tables to a catalog's, and then to those of the next one."""
    run = Run(layout.dialect, None)
    live = _supposed(wanted(layout, Catalog.first(older), None))
    prepare(run, layout, catalog, further, live)
    if then is not None:
        raised = msgspec.structs.replace(catalog, stored=further or catalog.kept, older=catalog.kept)
        prepared = _supposed(wanted(layout, catalog, further))
        Contraction(run, layout, raised, then, _nothing).note({**live, **_with_indexes_of(live, prepared)})
    return tuple(run.statements)


def _supposed(tables: Iterable[Wanted]) -> Tables:
    """Give tables as inspecting them would, were they there."""
    made: Tables = {}
    for table in tables:
        there = table.table()
        columns = tuple(
            LiveColumn(
                c.name,
                table.type_text(c),
                bool(c.nullable),
                default_of(c),
                getattr(c.type, "length", None),
            )
            for c in there.columns
        )
        indexes = tuple(LiveIndex(str(i.name), column_names(i), bool(i.unique)) for _, i in table.indexes())
        made[table.name] = LiveTable(table.name, columns, tuple(c.name for c in there.primary_key.columns), indexes)
    return made


def _with_indexes_of(live: Tables, prepared: Tables) -> Tables:
    """Give prepared tables with what they had of indexes before."""
    made: Tables = {}
    for name, table in prepared.items():
        before = live[name].indexes if name in live else ()
        indexes = {index.name: index for index in (*before, *table.indexes)}
        made[name] = msgspec.structs.replace(table, indexes=tuple(indexes.values()))
    return made


def _in_force(reader: Reader, epoch: str) -> Catalog:
    catalog = reader.catalog()
    if catalog is None or catalog.epoch != epoch:
        raise changed()
    return catalog


def _schemas(operation: Prepare) -> tuple[Schema | None, ...]:
    return operation.catalog.kept, operation.further


def _nothing(epoch: str) -> None:
    """Exchange no catalog: nothing is carried out."""
    del epoch
