"""Contraction: the last step of a window. Columns get their lasting names, what only older shapes had goes.

Knows what changes in each table (shrinking.py) and how each database can do it at once with the catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ....schema.catalog import Catalog
from ..inspection import Tables
from ..reader import changed
from ..sign import Signs
from ..tables import VERSION, Layout, halted, short
from .ddl import DDL, MySQLDDL, PostgreSQLDDL, SQLiteDDL, ddl_of
from .preparation import indexes_of, live_column
from .refusal import empties
from .run import Run
from .shrinking import Change, change_of

_LOCK_TIMEOUT = 2_000  # ms


class Contraction:
    """One contraction. now: the catalog in force; then: the next one; exchange(epoch) puts it in force, in the same
    step, instead of what has that epoch.
    """

    def __init__(self, run: Run, layout: Layout, now: Catalog, then: Catalog, exchange: Callable[[str], None]) -> None:
        self._run = run
        self._layout = layout
        self._now = now
        self._then = then
        self._exchange = exchange
        self._ddl: DDL = ddl_of(layout.dialect)

    def all(self) -> None:
        """Carry it out."""
        match self._ddl:
            case SQLiteDDL():
                self._on_sqlite(self._ddl)
            case PostgreSQLDDL():
                self._on_postgresql(self._ddl)
            case MySQLDDL():
                self._on_mysql(self._ddl)
            case _:
                raise NotImplementedError(type(self._ddl).__name__)

    def note(self, live: Tables) -> None:
        """Only note down what would be done to some tables."""
        changes, gone = self._changes(live), self._gone(live)
        match self._ddl:
            case SQLiteDDL():
                self._rebuild_all(self._ddl, changes, gone)
            case PostgreSQLDDL():
                self._alter_all(self._ddl, changes, gone)
            case MySQLDDL():
                self._alter_each(self._ddl, changes, gone)
            case _:
                raise NotImplementedError(type(self._ddl).__name__)
        self._run.blocking = bool(self._run.statements)

    def check(self) -> None:
        """Raise MigrationRefused for None where there may be none: before anybody has to wait."""
        live = self._run.inspected(self._layout.tables_of(self._now, self._then))
        for change in self._changes(self._left(live)):
            for field, column in change.strict:
                kept = self._now.kept.collection(change.collection.name)
                empties(self._run, kept, field, self._layout.table(kept), column)

    def _changes(self, live: Tables) -> list[Change]:
        found = [(c, live.get(self._layout.table_name(c))) for c in self._then.kept.collections]
        return [change_of(self._layout, self._now, self._then, c, table) for c, table in found if table is not None]

    def _gone(self, live: Tables) -> list[str]:
        stays = set(self._layout.tables_of(self._then))
        return [name for name in self._layout.tables_of(self._now) if name in live and name not in stays]

    # -- SQLite: one transaction, in which nobody else writes --

    def _on_sqlite(self, ddl: SQLiteDDL) -> None:
        self._begin("BEGIN")
        self.check()
        self._run.set("COMMIT")
        self._begin("BEGIN IMMEDIATE")
        live = self._run.inspected(self._layout.tables_of(self._now, self._then))
        self._rebuild_all(ddl, self._changes(live), self._gone(live))
        self._exchange(self._now.epoch)
        self._run.set("COMMIT")

    def _begin(self, text: str) -> None:
        """Begin a transaction, in which the tables are those of one catalog; EpochChanged when it is another one."""
        self._run.set(text)
        if self._run.ask(self._layout.epoch_text) != [(self._now.epoch,)]:
            raise changed()

    def _rebuild_all(self, ddl: SQLiteDDL, changes: Sequence[Change], gone: Sequence[str]) -> None:
        for change in changes:
            if change.is_shaped:
                self._rebuild(ddl, change)
            else:
                for name in change.drop_indexes:
                    self._run.do(ddl.drop_index(change.table.name, name))
                for index in change.make:
                    self._run.do(ddl.make_index(index, beside=False))
        for name in gone:
            self._run.do(ddl.drop_table(name))

    def _rebuild(self, ddl: SQLiteDDL, change: Change) -> None:
        live, table = change.live, change.table.name
        stay = [column for column in live.columns if column.name not in change.drop]
        wanted = [change.columns.get(column.name) for column in stay]
        columns = [
            live_column(live, there, nullable=there.nullable)
            if column is None
            else live_column(live, there, name=column.name, nullable=bool(column.nullable), has_default=False)
            for there, column in zip(stay, wanted, strict=True)
        ]
        indexes = self._layout.indexes(change.collection, self._then)
        ours = {str(index.name) for index in indexes} | set(change.drop_indexes)
        gone = set(change.drop) | set(change.renamed)
        ours |= {index.name for index in live.indexes if gone & set(index.columns)}
        theirs = indexes_of(self._run, table, frozenset(ours))
        made = [ddl.make_index(index, beside=False) for index in indexes]
        for text in [*ddl.rebuild(table, columns, [column.name for column in stay]), *made, *theirs]:
            self._run.do(text)

    # -- PostgreSQL: one transaction, in which all tables are locked --

    def _on_postgresql(self, ddl: PostgreSQLDDL) -> None:
        run, quoted = self._run, self._layout.dialect.quoted
        self.check()
        run.set(ddl.hasty)
        names = self._layout.tables_of(self._now, self._then)
        live = run.inspected(names)
        checks = self._checked(self._changes(live))
        run.set(self._layout.dialect.begin)
        run.set(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT}")
        run.set(f"LOCK TABLE {', '.join(quoted(name) for name in names if name in live)} IN ACCESS EXCLUSIVE MODE")
        live = run.inspected(names)
        self._alter_all(ddl, self._changes(live), self._gone(live))
        for table, check in checks:
            run.do(f"ALTER TABLE {quoted(table)} DROP CONSTRAINT {quoted(check)}")
        self._exchange(self._now.epoch)
        run.set("COMMIT")

    def _checked(self, changes: Sequence[Change]) -> list[tuple[str, str]]:
        """Have each column that may hold None no more looked through beforehand, so that nobody waits for that."""
        made: list[tuple[str, str]] = []
        look = "SELECT convalidated FROM pg_constraint WHERE conrelid = CAST($1 AS text)::regclass AND conname = $2"
        for change in changes:
            for _, column in change.strict:
                quoted, longest = self._layout.dialect.quoted, self._layout.dialect.longest_name
                table, name = quoted(change.table.name), short(f"{change.table.name}.{column}.filled", longest)
                found = self._run.ask(look, (table, name))
                if not found:
                    check = f"CHECK ({quoted(column)} IS NOT NULL) NOT VALID"
                    self._run.do(f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} {check}")
                if not found or not found[0][0]:
                    self._run.do(f"ALTER TABLE {table} VALIDATE CONSTRAINT {quoted(name)}")
                made.append((change.table.name, name))
        return made

    def _alter_all(self, ddl: PostgreSQLDDL, changes: Sequence[Change], gone: Sequence[str]) -> None:
        for change in changes:
            table = change.table.name
            texts = [ddl.drop_index(table, name) for name in change.drop_indexes]
            texts += ddl.together(table, [ddl.drop(table, name) for name in change.drop])
            texts += [ddl.rename(table, old, new) for old, new in in_turn(change.renamed)]
            parts = [ddl.tighten(table, field.column) for field, _ in change.strict]
            parts += [ddl.loosen(table, change.table.c[name]) for name in change.loosened]
            parts += [ddl.forget_default(table, name) for name in change.defaults]
            texts += ddl.together(table, parts)
            texts += [ddl.make_index(index, beside=False) for index in change.make]
            for text in texts:
                self._run.do(text)
        for name in gone:
            self._run.do(ddl.drop_table(name))

    # -- MariaDB and MySQL: a statement for each table, under locks, and the catalog last --

    def _on_mysql(self, ddl: MySQLDDL) -> None:
        # Each ALTER commits. Until the locks are given back, everybody waits; should this program die, the locks end
        # with it, and some tables have their lasting names while the catalog says the old ones. So the epoch is put out
        # of force first (`halted`): whoever reads or writes then gets Unavailable, until the contraction is run again.
        run, quoted = self._run, self._layout.dialect.quoted
        self.check()
        run.set(ddl.hasty)
        live = run.inspected(self._layout.tables_of(self._now, self._then))
        signs, connection, epoch = Signs(self._layout), run.connection, self._now.epoch
        signs.lock(connection, list(live), self._then.epoch)
        signs.drop(connection, epoch, self._then.epoch)
        live = run.inspected(list(live))
        catalog = quoted(self._layout.catalog.name)
        run.do(f"UPDATE {catalog} SET epoch = %s WHERE epoch = %s", (halted(epoch), epoch))
        if run.ask(self._layout.epoch_text) != [(halted(epoch),)]:
            raise changed()
        self._alter_each(ddl, self._changes(self._left(live)), self._gone(live))
        self._exchange(halted(epoch))
        run.set("UNLOCK TABLES")

    def _left(self, live: Tables) -> Tables:
        """Leave out tables that an earlier run, which was cut off, is done with."""
        # Names alone do not tell: of two columns that change theirs with each other, both are there before and after.
        versions = {name: table.column(VERSION) for name, table in live.items()}
        return {
            name: live[name] for name, column in versions.items() if column is None or column.comment != self._now.epoch
        }

    def _alter_each(self, ddl: MySQLDDL, changes: Sequence[Change], gone: Sequence[str]) -> None:
        for change in changes:
            if texts := self._parts(ddl, change):
                for text in ddl.together(change.table.name, texts):
                    self._run.do(text)
        for name in gone:
            self._run.do(ddl.drop_table(name))

    def _parts(self, ddl: MySQLDDL, change: Change) -> list[str]:
        table, retyped = change.table.name, set(change.retyped(self._layout))
        anew = {i.name for i in change.live.indexes if retyped & set(i.columns)} - set(change.drop_indexes)
        dropped = [f"DROP INDEX {self._layout.dialect.quoted(name)}" for name in [*change.drop_indexes, *sorted(anew)]]
        parts = [*dropped, *(ddl.drop(table, name) for name in change.drop)]
        touched = {field.column for field, _ in change.strict} | set(change.loosened) | set(change.defaults)
        for old, column in change.columns.items():
            nullable = bool(column.nullable)
            if old != column.name:
                parts.append(ddl.change(table, old, column, nullable=nullable))
            elif old in retyped or column.name in touched:
                parts.append(ddl.modify(table, column, nullable=nullable))
        parts += ddl.added(table, change.add)
        wanted = {str(index.name): index for index in self._layout.indexes(change.collection, self._then)}
        made = [*change.make, *(wanted[name] for name in sorted(anew) if name in wanted)]
        parts += [ddl.index_part(index) for index in made]
        if parts:
            parts.append(ddl.modify(table, change.table.c[VERSION], nullable=False, comment=self._now.epoch))
        return parts


def in_turn(renames: dict[str, str]) -> list[tuple[str, str]]:
    """Put renames in an order in which no name is taken; where they go round in a ring, one steps aside."""
    left, made = dict(renames), list[tuple[str, str]]()
    while left:
        free = next((old for old, new in left.items() if new not in left), None)
        if free is None:
            free = next(iter(left))
            aside = f"{free}.aside"
            made.append((free, aside))
            left[aside] = left.pop(free)
        else:
            made.append((free, left.pop(free)))
    return made
