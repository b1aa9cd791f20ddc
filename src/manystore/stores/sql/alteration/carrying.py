"""Carrying operations out, or saying what would be done. The way from `alter` to the files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import msgspec

from ....schema.catalog import Catalog
from ....schema.operation import Altered, Build, Clear, Contract, Explain, Prepare, Progress, Sweep, Words
from ....schema.schema import Schema
from ..connections import Connection
from ..inspection import Tables
from ..reader import Reader, changed
from ..tables import Layout
from .agreement import agree
from .building import build, looks
from .contraction import Contraction
from .ddl import ddl_of
from .preparation import prepare
from .run import Run
from .sweeping import Sweeping
from .wanted import Wanted, wanted

Work: TypeAlias = Prepare | Build | Sweep | Clear | Contract
Exchange: TypeAlias = Callable[[str, Catalog], None]


class Carrier:
    """Carries operations out on one database. exchange: puts a catalog in force instead of the one of an epoch."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._layout = reader.layout
        self._sweeping: Sweeping | None = None

    def carry(self, connection: Connection, operation: Work, exchange: Exchange) -> Altered:
        """Carry an operation out."""
        run = Run(self._reader.dialect, connection)
        match operation:
            case Prepare():
                self._prepare(run, operation)
                return None
            case Contract():
                now = self._in_force(operation.expected)

                def put(epoch: str) -> None:
                    exchange(epoch, operation.catalog)

                Contraction(run, self._layout, now, operation.catalog, put).all()
                return None
            case Build():
                return build(run, self._reader, self._in_force(operation.epoch), operation)
            case Sweep():
                return self._sweep(run, operation)
            case Clear():
                return Progress(0)  # what is left over are columns and tables: Contract's

    def explain(self, connection: Connection, explained: Explain) -> Words:
        """Say what an operation would do."""
        run, operation = Run(self._reader.dialect, connection, only_notes=True), explained.operation
        match operation:
            case Prepare():
                self._prepare(run, operation)
            case Contract():
                now = self._in_force(operation.expected)
                live = run.inspected(self._layout.tables_of(now, operation.catalog))
                Contraction(run, self._layout, now, operation.catalog, _nothing).note(live)
            case Sweep():
                self._sweep(run, operation)
            case Build():
                run.statements += looks(self._in_force(operation.epoch), operation.collection)
            case Clear():
                pass
        return Words(tuple(run.statements), run.blocking)

    def _prepare(self, run: Run, operation: Prepare) -> None:
        # From here on nobody else alters tables; where this is no transaction, the caller has seen to that.
        ddl = ddl_of(run.dialect)
        run.set(ddl.begin)
        now = self._reader.catalog() if operation.expected is None else self._in_force(operation.expected)
        tables = list(wanted(self._layout, operation.catalog, operation.further))
        live = run.inspected(self._layout.tables(operation.catalog.kept, operation.further))
        agree(self._layout, now, tables, live)
        prepare(run, self._layout, operation.catalog, tables, live)
        run.set(ddl.commit)

    def _sweep(self, run: Run, operation: Sweep) -> Progress:
        kept = self._sweeping
        if kept is None or (kept.epoch, kept.name) != (operation.epoch, operation.collection):
            catalog = self._in_force(operation.epoch)
            kept = self._sweeping = Sweeping(self._reader, catalog, operation.collection)
        return kept.page(run, operation)

    def _in_force(self, epoch: str) -> Catalog:
        catalog = self._reader.catalog()
        if catalog is None or catalog.epoch != epoch:
            raise changed()
        return catalog


def offline(
    layout: Layout, older: Schema, catalog: Catalog, further: Schema | None, then: Catalog | None
) -> tuple[str, ...]:  # fmt: skip
    """Give the statements from an older schema's tables to a catalog's, and then to those of the next one."""
    run = Run(layout.dialect, None)
    live = _supposed(wanted(layout, Catalog.first(older), None))
    prepare(run, layout, catalog, list(wanted(layout, catalog, further)), live)
    if then is not None:
        raised = msgspec.structs.replace(catalog, stored=further or catalog.kept, older=catalog.kept)
        prepared = _supposed(wanted(layout, catalog, further))
        Contraction(run, layout, raised, then, _nothing).note({**live, **_with_indexes_of(live, prepared)})
    return tuple(run.statements)


def _supposed(tables: Iterable[Wanted]) -> Tables:
    """Give tables as inspecting them would, were they there."""
    return {table.name: table.supposed() for table in tables}


def _with_indexes_of(live: Tables, prepared: Tables) -> Tables:
    """Give prepared tables with what they had of indexes before."""
    made: Tables = {}
    for name, table in prepared.items():
        before = live[name].indexes if name in live else ()
        indexes = {index.name: index for index in (*before, *table.indexes)}
        made[name] = msgspec.structs.replace(table, indexes=tuple(indexes.values()))
    return made


def _nothing(epoch: str) -> None:
    """Exchange no catalog: nothing is carried out."""
    del epoch
