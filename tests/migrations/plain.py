"""A database of plain lists: what carries windows out without a store, and refuses what a store would."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from manystore import MigrationRefused
from manystore.migrations import Migration, Window
from manystore.migrations.lens import Record
from manystore.migrations.primitive import refusal
from manystore.migrations.rewriting import Rewriting
from manystore.schema.schema import Collection, Schema

SECRET = b"a secret of the database"
NOTHING: dict[str, Any] = {"bool": False, "int": 0, "str": ""}  # by kind, for fields that may not be None


class Walked(Protocol):
    """What a walk through a history is made on. Records are by the names of fields, in primitives as JSON has them."""

    schema: Schema

    def apply(self, migration: Migration) -> None:
        """Carry a migration out."""

    def revert(self, migration: Migration) -> None:
        """Go back before the last migration that was carried out, which is given."""

    def records(self, collection: str) -> list[Record]:
        """Give all records of a collection, in the order of their keys."""

    def insert(self, collection: str, *records: Record) -> None:
        """Put new records there, with their keys; a field that one lacks is None, or nothing of its kind."""


class PlainStore:
    """Records in lists by collection. Refuses what a store would, and then changes nothing."""

    def __init__(self, schema: Schema | None = None) -> None:
        self.schema = schema or Schema(())
        self.held: dict[str, list[Record]] = {c.name: [] for c in self.schema.collections}
        self._before: list[tuple[str, Schema]] = []

    def apply(self, migration: Migration) -> None:
        before = self.schema
        self.carry(migration.window(before, SECRET))
        self._before.append((migration.name, before))

    def revert(self, migration: Migration) -> None:
        name, before = self._before[-1]
        assert name == migration.name
        operations = migration.window(before, SECRET).inverse()
        if operations is None:
            raise MigrationRefused(f"{name}: nothing leads back")
        back = Window.of(self.schema, operations, SECRET)
        assert unnumbered(back.head) == unnumbered(before)
        self.carry(back)
        self.schema = before
        self._before.pop()

    def records(self, collection: str) -> list[Record]:
        key = self.schema.collection(collection).key
        return [dict(r) for r in sorted(self.held[collection], key=lambda r: tuple(r[name] for name in key))]

    def insert(self, collection: str, *records: Record) -> None:
        there = self.schema.collection(collection)
        for record in records:
            assert set(record) <= set(there.positions)
            whole = {f.name: record.get(f.name, None if f.optional else NOTHING.get(f.kind)) for f in there.fields}
            self.held[collection].append(whole)
        self._check(there)

    def carry(self, window: Window) -> None:
        """Carry a window out at once: what is rewritten, then what lenses lead over, then what is seeded."""
        rewriting = Rewriting(window)
        rewriting.preconditions(self.records)
        rewriting.rehearse(self.records)
        made: dict[str, list[Record]] = {c.name: [] for c in window.head.collections}
        for name, record in rewriting.records(self.records):
            made[name].append(record)
        for name, pin in window.pins.items():
            if name not in rewriting.copied:
                made[name] = [renamed(pin.base, pin.head, pin.lift, record) for record in self.records(pin.base.name)]
        for name, record in rewriting.seeds():
            _seed(made[name], window.head.collection(name), record)
        after = PlainStore(window.head)
        after.held = made
        after.check()
        self.schema, self.held = after.schema, after.held

    def check(self) -> None:
        """Look that each record is what the schema says, and that keys, uniques and references hold."""
        for there in self.schema.collections:
            self._check(there)

    def _check(self, there: Collection) -> None:
        rows = self.held[there.name]
        for row in rows:
            assert list(row) == [f.name for f in there.fields], (there.name, row)
            assert not [why for f in there.fields if (why := refusal(f, row[f.name]))], (there.name, row)
        _once(there.name, "key", [tuple(row[name] for name in there.key) for row in rows])
        for unique in there.uniques:
            claims = [row for row in rows if unique.among == "all" or there.live is None or not row[there.live]]
            values = [tuple(row[name] for name in unique.fields) for row in claims]
            _once(there.name, unique.name, [value for value in values if None not in value])
        for reference in there.references:
            target = self.schema.collection(reference.target)
            keys = {row[target.key[0]] for row in self.held[target.name]}
            led = {row[reference.field] for row in rows} - {None}
            if not led <= keys:
                raise MigrationRefused(f"{there.name}.{reference.field} leads nowhere: {led - keys}")


def unnumbered(schema: Schema) -> dict[str, Any]:
    """Give what a schema says but for versions, which do not fall on the way back."""
    return {name: {**parts, "version": None} for name, parts in schema.declared.to_primitive().items()}


def renamed(base: Collection, head: Collection, way: Any, record: Record) -> Record:
    """Lead a record by the names of fields through a way between columns."""
    made = way({f.column: record[f.name] for f in base.fields})
    return {f.name: made[f.column] for f in head.fields}


def _seed(rows: list[Record], there: Collection, record: Record) -> None:
    if not all(name in record for name in there.key):
        assert there.generated
        record = {**record, there.key[0]: max((row[there.key[0]] for row in rows), default=0) + 1}
    if not any(all(row[name] == record[name] for name in there.key) for row in rows):
        rows.append({f.name: record[f.name] for f in there.fields})


def _once(collection: str, what: str, values: Iterable[Any]) -> None:
    there = list(values)
    if len(set(there)) < len(there):
        raise MigrationRefused(f"{collection}: {what} is held twice")
