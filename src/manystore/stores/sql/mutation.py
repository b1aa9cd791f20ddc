"""Mutations: the INSERT, UPDATE and DELETE statements of one collection, and the SELECTs that explain a refusal.

Knows changes, tables and SQLAlchemy Core; must not know connections. writer.py runs them.

Guarded statements stand alone: the epoch, the references and the referrers are conditions of theirs, so that one
statement outside a transaction is the whole atomic step. The others run inside one, where all this is looked at aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, delete, exists, func, insert, literal_column, or_, select, update
from sqlalchemy.sql.base import Executable

from ...schema.schema import Collection, Field, Reference, Schema, Unique
from ...store.protocol import Delete, Insert, Patch, Replace, Step, Values
from .dialect import Statement, parameter
from .tables import PREVIOUS, REVISION, VERSION, Layout, column_of

Clause: TypeAlias = ColumnElement[bool]
Bound: TypeAlias = tuple[str, tuple[Any, ...]]
_LOW, _HIGH = -(2**63), 2**63 - 1
_ONE: ColumnElement[Any] = literal_column("1")


class Mutation:
    """The statements that change one collection."""

    def __init__(self, collection: Collection, schema: Schema, layout: Layout) -> None:
        self.collection = collection
        self.schema = schema
        self.table = layout.table(collection)
        self.referrers = schema.referrers(collection.name) if collection.name in schema else ()
        self._layout = layout
        self._epoch = select(layout.catalog.c.epoch).scalar_subquery() == _bind("epoch")
        self._kept: dict[Any, Statement] = {}

    def key_of(self, change: Insert | Replace | Patch | Delete) -> Values:
        """Give the key of the record that a change names."""
        if isinstance(change, (Insert, Replace)):
            return tuple([change.values[at] for at in self.collection.key_positions])
        return change.key

    def insert(self, change: Insert, epoch: str | None = None) -> Bound:
        """Write an INSERT, guarded when there is an epoch."""
        kind = "insert" if epoch is None else "guarded insert"
        statement = self._kept.get(kind) or self._keep(kind, self._insert(guarded=epoch is not None), self._values())
        return statement.text, statement.bind([*change.values, change.revision, None, epoch])

    def insert_many(self, changes: Sequence[Insert]) -> tuple[str, list[tuple[Any, ...]]]:
        """Write one INSERT and the parameters of each change: bare of conditions, they stand as the values do."""
        return self.insert(changes[0])[0], [(*change.values, change.revision) for change in changes]

    def replace(self, change: Replace, epoch: str | None = None) -> Bound:
        """Write an UPDATE of all fields."""
        required = _names(change.require)
        kind = ("replace", required, epoch is None)
        statement = self._kept.get(kind)
        if statement is None:
            built = self._replace(required, guarded=epoch is not None)
            statement = self._keep(kind, built, [*self._values(), *_required(required)])
        pool = [*change.values, change.revision, change.expected, epoch, *[value for _, value in change.require]]
        return statement.text, statement.bind(pool)

    def patch(self, change: Patch, epoch: str | None = None) -> Bound:
        """Write an UPDATE of some fields; RETURNING the record when the change has a codec."""
        required, sets = _names(change.require), _names(change.sets)
        steps = tuple([step.field for step in change.steps]) if change.steps else ()
        flags = (change.expected is not None, change.codec is not None, epoch is not None)
        kind = ("patch", sets, steps, required, flags)
        statement = self._kept.get(kind)
        if statement is None:
            names = [f"set{at}" for at in range(len(sets))]
            names += [f"{part}{at}" for at in range(len(steps)) for part in ("by", "low", "high")]
            names += ["revision", "expected", "epoch", *self._key_names(), *_required(required)]
            statement = self._keep(kind, self._patch(sets, steps, required, flags), names)
        pool = [value for _, value in change.sets]
        for step in change.steps:
            pool += (step.by, *bounds(self.collection.field(step.field), step))
        pool += (change.revision, change.expected, epoch, *change.key)
        pool += [value for _, value in change.require]
        return statement.text, statement.bind(pool)

    def delete(self, change: Delete, epoch: str | None = None) -> Bound:
        """Write a DELETE."""
        required = _names(change.require)
        kind = ("delete", required, change.expected is not None, epoch is not None)
        statement = self._kept.get(kind)
        if statement is None:
            where = [*self._is_it(), *self._are(required)]
            where += [self.table.c[REVISION] == _bind("expected")] if change.expected is not None else []
            if epoch is not None:
                where += [self._epoch, *self._nobody_refers()]
            names = ["expected", "epoch", *self._key_names(), *_required(required)]
            statement = self._keep(kind, delete(self.table).where(*where), names)
        pool = [change.expected, epoch, *change.key, *[value for _, value in change.require]]
        return statement.text, statement.bind(pool)

    def clear(self, reference: Reference, key: Values, revision: int | None) -> Bound:
        """Write the UPDATE of on_delete="set_null" for one record; revision: None keeps the one it has."""
        kind = ("clear", reference.field, revision is None)
        statement = self._kept.get(kind)
        if statement is None:
            values: dict[Any, Any] = {self._column(reference.field): literal_column("NULL")}
            if revision is not None:
                values |= {self.table.c[PREVIOUS]: self.table.c[REVISION], self.table.c[REVISION]: _bind("revision")}
            built = update(self.table).where(*self._is_it()).values(values)
            statement = self._keep(kind, built, ["revision", *self._key_names()])
        return statement.text, statement.bind([revision, *key])

    def fields_of(self, key: Values, fields: Sequence[str]) -> Bound:
        """Write the SELECT of a record's revision and some of its fields."""
        kind = ("fields", tuple(fields))
        statement = self._kept.get(kind)
        if statement is None:
            columns = [self._column(name) for name in fields]
            built = select(self.table.c[REVISION], *columns).where(*self._is_it())
            statement = self._keep(kind, built, self._key_names())
        return statement.text, statement.bind([*key])

    def referring(self, reference: Reference, target: Any, limit: int) -> Bound:
        """Write the SELECT of the keys of records that refer to a key; limit: -1 for all."""
        kind = ("referring", reference.field)
        statement = self._kept.get(kind)
        if statement is None:
            keys = [self._column(name) for name in self.collection.key]
            built = select(*keys).where(self._column(reference.field) == _bind("target")).order_by(*keys)
            statement = self._keep(kind, built.limit(_bind("limit")), ["target", "limit"])
        return statement.text, statement.bind([target, limit])

    def holder(self, unique: Unique, claimed: Values, key: Values) -> Bound:
        """Write the SELECT that finds another record with the tuple of a unique."""
        kind = ("holder", unique.name)
        statement = self._kept.get(kind)
        if statement is None:
            names = [f"field{at}" for at in range(len(unique.fields))]
            where = [self._column(name) == _bind(at) for name, at in zip(unique.fields, names, strict=True)]
            where.append(or_(*(self._column(name) != _bind(f"key.{name}") for name in self.collection.key)))
            if unique.among == "live" and self.collection.live is not None:
                where.append(self._column(self.collection.live) == literal_column("0"))
            built = select(_ONE).select_from(self.table).where(*where)
            statement = self._keep(kind, built, [*names, *self._key_names()])
        return statement.text, statement.bind([*claimed, *key])

    def _keep(self, kind: Any, built: Executable, names: Sequence[str]) -> Statement:
        statement = self._kept[kind] = Statement(built, {_word(name): at for at, name in enumerate(names)}, len(names))
        return statement

    def _column(self, field: str) -> ColumnElement[Any]:
        return column_of(self.table, self.collection, field)

    def _values(self) -> list[str]:
        keys = self.collection.key
        named = [f"key.{f.name}" if f.name in keys else f"new.{f.name}" for f in self.collection.fields]
        return [*named, "revision", "expected", "epoch"]

    def _key_names(self) -> list[str]:
        return [f"key.{name}" for name in self.collection.key]

    def _is_it(self) -> list[Clause]:
        return [self._column(name) == _bind(f"key.{name}") for name in self.collection.key]

    def _are(self, required: Sequence[str]) -> list[Clause]:
        return [self._column(n).is_not_distinct_from(_bind(f"required{at}")) for at, n in enumerate(required)]

    def _insert(self, *, guarded: bool) -> Executable:
        names = self._values()
        columns = [field.column for field in self.collection.fields] + [REVISION, VERSION]
        values: list[Any] = [_bind(name) for name in names[: len(self.collection.fields) + 1]]
        values.append(literal_column(str(self.collection.version)))
        if not guarded:
            return insert(self.table).values(dict(zip(columns, values, strict=True)))
        where = [self._epoch, *(self._found(r, name) for r, name in self._checked_values())]
        return insert(self.table).from_select(columns, select(*values).where(*where))

    def _replace(self, required: Sequence[str], *, guarded: bool) -> Executable:
        values = {f.name: _bind(f"new.{f.name}") for f in self.collection.fields if f.name not in self.collection.key}
        where = [*self._is_it(), self.table.c[REVISION] == _bind("expected"), *self._are(required)]
        if guarded:
            where += [self._epoch, *(self._found(r, name) for r, name in self._checked_values())]
        return update(self.table).where(*where).values(self._stamped(values))

    def _patch(
        self, sets: Sequence[str], steps: Sequence[str], required: Sequence[str], flags: tuple[bool, bool, bool]
    ) -> Executable:
        expected, returning, guarded = flags
        values: dict[str, Any] = {name: _bind(f"set{at}") for at, name in enumerate(sets)}
        where = [*self._is_it(), *self._are(required)]
        for at, name in enumerate(steps):
            now = func.coalesce(self._column(name), literal_column("0"))
            values[name] = now + _bind(f"by{at}")
            where += [now >= _bind(f"low{at}"), now <= _bind(f"high{at}")]
        where += [self.table.c[REVISION] == _bind("expected")] if expected else []
        if guarded:
            referring = [r for r in self._checked() if r.field in sets]
            where += [self._epoch, *(self._found(r, f"set{sets.index(r.field)}") for r in referring)]
        built = update(self.table).where(*where).values(self._stamped(values))
        if not returning:
            return built
        fields = [self._column(field.name) for field in self.collection.fields]
        return built.returning(*fields, self.table.c[REVISION], self.table.c[VERSION])

    def _stamped(self, values: dict[str, Any]) -> dict[Any, Any]:
        stamped: dict[Any, Any] = {self._column(name): value for name, value in values.items()}
        stamped[self.table.c[PREVIOUS]] = self.table.c[REVISION]
        stamped[self.table.c[REVISION]] = _bind("revision")
        stamped[self.table.c[VERSION]] = literal_column(str(self.collection.version))
        return stamped

    def _checked(self) -> list[Reference]:
        return [reference for reference in self.collection.references if reference.target in self.schema]

    def _checked_values(self) -> list[tuple[Reference, str]]:
        names = self._values()
        return [(reference, names[self.collection.positions[reference.field]]) for reference in self._checked()]

    def _found(self, reference: Reference, name: str) -> Clause:
        target = self.schema.collection(reference.target)
        table = self._layout.table(target).alias("target")
        key: ColumnElement[Any] = table.c[target.field(target.key[0]).column]
        found = exists(select(_ONE).select_from(table).where(key == _bind(name)))
        return or_(_bind(name).is_(None), found) if self.collection.field(reference.field).optional else found

    def _nobody_refers(self) -> list[Clause]:
        clauses: list[Clause] = []
        for child, reference in self.referrers:
            table = self._layout.table(child).alias("referrer")
            column: ColumnElement[Any] = table.c[child.field(reference.field).column]
            key = _bind(f"key.{self.collection.key[0]}")
            clauses.append(~exists(select(_ONE).select_from(table).where(column == key)))
        return clauses


def _word(name: str) -> str:
    # SQLAlchemy takes parameters named like a column for its own; no column of a field begins like this.
    return "__" + name.replace(".", "__")


def _bind(name: str) -> Any:
    return parameter(_word(name))


def _names(pairs: tuple[tuple[str, Any], ...]) -> tuple[str, ...]:
    return tuple([name for name, _ in pairs]) if pairs else ()


def _required(required: Sequence[str]) -> list[str]:
    return [f"required{at}" for at in range(len(required))]


def bounds(field: Field, step: Step) -> tuple[int, int]:
    """Say what a field may hold now for the sum to stay in bounds, 64 bits and a decimal's digits; (1, 0): nothing."""
    low, high = _LOW, _HIGH
    if field.kind == "decimal" and field.digits is not None:
        low, high = 1 - 10**field.digits, 10**field.digits - 1
    lowest = max(_LOW, max(low, low if step.low is None else step.low) - step.by)
    highest = min(_HIGH, min(high, high if step.high is None else step.high) - step.by)
    return (lowest, highest) if lowest <= highest else (1, 0)
