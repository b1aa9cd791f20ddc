"""Mutations: the INSERT, UPDATE and DELETE statements of one collection, and the SELECTs that explain a refusal.

Knows changes, tables and SQLAlchemy Core; must not know connections. writer.py runs them.

Guarded statements stand alone: the epoch, the references and the referrers are conditions of theirs, so that one
statement outside a transaction is the whole atomic step. The others run inside one, where all this is looked at aside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, Table, delete, exists, func, insert, literal_column, or_, select, update
from sqlalchemy.sql.base import Executable

from ...schema.schema import Collection, Field, Reference, Schema, Unique
from ...store.protocol import Delete, Insert, Patch, Replace, Step, Values
from .dialect import Clause, Statement, parameter
from .insertion import Insertion
from .tables import PREVIOUS, REVISION, VERSION, Layout, column_of

Bound: TypeAlias = tuple[str, tuple[Any, ...]]
Hold: TypeAlias = Literal["", "shared", "pointed"]
_LOW, _HIGH = -(2**63), 2**63 - 1
_ONE: ColumnElement[Any] = literal_column("1")


class Mutation:
    """The statements that change one collection."""

    def __init__(self, collection: Collection, schema: Schema, layout: Layout) -> None:
        self.collection = collection
        self.schema = schema
        # What stands there is the catalog's word, not the program's: a newer schema may have added to it.
        kept = schema.collection(collection.name) if collection.name in schema else collection
        self._stored = kept.stored
        self.uniques, self.unseen = _seen_uniques(collection, kept)
        self.referrers = schema.referrers(collection.name) if collection.name in schema else ()
        self._layout = layout
        self._dialect = layout.dialect
        self._epoch = select(layout.catalog.c.epoch).scalar_subquery() == _bind("epoch")
        if signed := layout.signed(1):
            self._epoch = literal_column(signed) == _ONE
        self._kept: dict[Any, Statement] = {}
        self.many = Insertion(collection, layout.table_name(kept), layout.dialect)
        # References to collections that the schema has, with their fields' places among the values.
        self._checked = [
            (r, collection.positions[r.field]) for r in _seen_references(collection, kept) if r.target in schema
        ]
        self.refers = bool(self._checked)
        self._looks_at_itself = any(r.target == collection.name for r, _ in self._checked)

    @cached_property
    def table(self) -> Table:
        """Give the table; an INSERT of many does without."""
        return self._layout.table(self.collection, self._stored)

    def key_of(self, change: Insert | Replace | Patch | Delete) -> Values:
        """Give the key of the record that a change names."""
        if isinstance(change, (Insert, Replace)):
            return tuple([change.values[at] for at in self.collection.key_positions])
        return change.key

    def alone(self, change: Insert | Replace | Patch | Delete, epoch: str) -> Bound | None:
        """Write a change as one guarded statement; None where one statement cannot be the whole step."""
        if isinstance(change, Insert):
            return self.insert(change, epoch)
        dialect = self._dialect
        if isinstance(change, Delete):
            # What refers is looked for under a lock on what goes, so after it: a statement sees only what was there
            # when it began.
            return None if dialect.remote and self.referrers else self.delete(change, epoch)
        if self._looks_at_itself and not dialect.own_guards:
            return None
        if isinstance(change, Replace):
            return self.replace(change, epoch)
        return None if change.codec is not None and not dialect.returning else self.patch(change, epoch)

    def pointers(self, change: Insert | Replace | Patch) -> list[tuple[Reference, Any]]:
        """Give the references that a change sets, with the key that each will hold."""
        if not self._checked:
            return []
        if isinstance(change, Patch):
            sets = dict(change.sets)
            return [(r, sets[r.field]) for r, _ in self._checked if sets.get(r.field) is not None]
        return [(r, change.values[at]) for r, at in self._checked if change.values[at] is not None]

    def insert(self, change: Insert, epoch: str | None = None) -> Bound:
        """Write an INSERT, guarded when there is an epoch."""
        checked = self._pointing(change.values) if epoch is not None else ()
        kind = ("insert", epoch is None, checked)
        statement = self._kept.get(kind)
        if statement is None:
            statement = self._keep(kind, self._insert(checked, guarded=epoch is not None), self._values())
        return statement.text, statement.bind([*change.values, change.revision, None, epoch])

    def _pointing(self, values: Values) -> tuple[str, ...]:
        if not self._checked:
            return ()
        return tuple([reference.field for reference, at in self._checked if values[at] is not None])

    def replace(self, change: Replace, epoch: str | None = None) -> Bound:
        """Write an UPDATE of all fields."""
        required = _names(change.require)
        checked = self._pointing(change.values) if epoch is not None else ()
        kind = ("replace", required, epoch is None, checked)
        statement = self._kept.get(kind)
        if statement is None:
            built = self._replace(required, checked, guarded=epoch is not None)
            statement = self._keep(kind, built, [*self._values(), *_required(required)])
        pool = [*change.values, change.revision, change.expected, epoch, *[value for _, value in change.require]]
        return statement.text, statement.bind(pool)

    def patch(self, change: Patch, epoch: str | None = None) -> Bound:
        """Write an UPDATE of some fields; it gives the record when the change has a codec and the database can."""
        required, sets = _names(change.require), _names(change.sets)
        steps = tuple([step.field for step in change.steps]) if change.steps else ()
        returning = change.codec is not None and self._dialect.returning
        checked = tuple([r.field for r, _ in self.pointers(change)]) if epoch is not None else ()
        flags = (change.expected is not None, returning, epoch is not None)
        kind = ("patch", sets, steps, required, flags, checked)
        statement = self._kept.get(kind)
        if statement is None:
            names = [f"set{at}" for at in range(len(sets))]
            names += [f"{part}{at}" for at in range(len(steps)) for part in ("by", "low", "high")]
            names += ["revision", "expected", "epoch", *self._key_names(), *_required(required)]
            statement = self._keep(kind, self._patch(kind), names)
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
                where.append(self._epoch)
                where += [] if self._dialect.remote else self._nobody_refers()
            names = ["expected", "epoch", *self._key_names(), *_required(required)]
            statement = self._keep(kind, delete(self.table).where(*where), names)
        pool = [change.expected, epoch, *change.key, *[value for _, value in change.require]]
        return statement.text, statement.bind(pool)

    def clear(self, reference: Reference, key: Values, target: Any, revision: int | None) -> Bound:
        """Write the UPDATE of on_delete="set_null" for one record that still refers; revision: None keeps what it has.

        What others have pointed elsewhere in the meantime stays as it is.
        """
        kind = ("clear", reference.field, revision is None)
        statement = self._kept.get(kind)
        if statement is None:
            values: dict[Any, Any] = {self._column(reference.field): literal_column("NULL")}
            if revision is not None:
                values |= {self.table.c[PREVIOUS]: self.table.c[REVISION], self.table.c[REVISION]: _bind("revision")}
            points = self._column(reference.field) == _bind("target")
            built = update(self.table).where(*self._is_it(), points).ordered_values(*values.items())
            statement = self._keep(kind, built, ["revision", "target", *self._key_names()])
        return statement.text, statement.bind([revision, target, *key])

    def fields_of(self, key: Values, fields: Sequence[str], hold: Hold = "") -> Bound:
        """Write the SELECT of a record's revision and some of its fields. hold: what is kept of it until the end."""
        kind = ("fields", tuple(fields), hold)
        statement = self._kept.get(kind)
        if statement is None:
            columns = [self._column(name) for name in fields]
            built = self._held(select(self.table.c[REVISION], *columns).where(*self._is_it()), hold)
            statement = self._keep(kind, built, self._key_names())
        return statement.text, statement.bind([*key])

    def record(self, key: Values) -> Bound:
        """Write the SELECT of a record as a codec loads it, with the revision before its own at the end."""
        statement = self._kept.get("record")
        if statement is None:
            fields = [self._column(field.name) for field in self.collection.fields]
            ours = [self.table.c[name] for name in (REVISION, VERSION, PREVIOUS)]
            statement = self._keep("record", select(*fields, *ours).where(*self._is_it()), self._key_names())
        return statement.text, statement.bind([*key])

    def _held(self, built: Any, hold: Hold) -> Any:
        return built if not hold else self._dialect.shared(built) if hold == "shared" else self._dialect.pointed(built)

    def referring(self, reference: Reference, target: Any, limit: int) -> Bound:
        """Write the SELECT of the keys of records that refer to a key; limit: 0 for all."""
        kind = ("referring", reference.field, limit > 0)
        statement = self._kept.get(kind)
        if statement is None:
            keys = [self._column(name) for name in self.collection.key]
            built = select(*keys).where(self._column(reference.field) == _bind("target")).order_by(*keys)
            built = built.limit(_bind("limit")) if limit else built
            statement = self._keep(kind, built, ["target", "limit"])
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
                where.append(self._dialect.live_only(self.table, self._column(self.collection.live)))
            built = select(_ONE).select_from(self.table).where(*where)
            statement = self._keep(kind, built, [*names, *self._key_names()])
        return statement.text, statement.bind([*claimed, *key])

    def _keep(self, kind: Any, built: Executable, names: Sequence[str]) -> Statement:
        places = {_word(name): at for at, name in enumerate(names)}
        statement = self._kept[kind] = self._dialect.statement(built, places, len(names))
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

    def _insert(self, checked: Sequence[str], *, guarded: bool) -> Executable:
        names = self._values()
        columns = [field.column for field in self.collection.fields] + [REVISION, VERSION]
        values: list[Any] = [_bind(name) for name in names[: len(self.collection.fields) + 1]]
        values.append(literal_column(str(self.collection.version)))
        signed = "" if checked else self._layout.signed(self.collection.version)
        if guarded and signed:
            values[-1], guarded = literal_column(signed), False
        if not guarded:
            return insert(self.table).values(dict(zip(columns, values, strict=True)))
        where = [self._epoch, *self._found(checked)]
        return insert(self.table).from_select(columns, select(*values).where(*where))

    def _replace(self, required: Sequence[str], checked: Sequence[str], *, guarded: bool) -> Executable:
        values = {f.name: _bind(f"new.{f.name}") for f in self.collection.fields if f.name not in self.collection.key}
        where = [*self._is_it(), self.table.c[REVISION] == _bind("expected"), *self._are(required)]
        if guarded:
            where += [self._epoch, *self._found(checked, is_update=True)]
        return update(self.table).where(*where).ordered_values(*self._stamped(values))

    def _patch(self, kind: tuple[Any, ...]) -> Executable:
        _, sets, steps, required, (expected, returning, guarded), checked = kind
        values: dict[str, Any] = {name: _bind(f"set{at}") for at, name in enumerate(sets)}
        where = [*self._is_it(), *self._are(required)]
        for at, name in enumerate(steps):
            now = func.coalesce(self._column(name), literal_column("0"))
            values[name] = now + _bind(f"by{at}")
            where += [now >= _bind(f"low{at}"), now <= _bind(f"high{at}")]
        where += [self.table.c[REVISION] == _bind("expected")] if expected else []
        if guarded:
            names = {name: f"set{at}" for at, name in enumerate(sets)}
            where += [self._epoch, *self._found(checked, names, is_update=True)]
        built = update(self.table).where(*where).ordered_values(*self._stamped(values))
        if not returning:
            return built
        fields = [self._column(field.name) for field in self.collection.fields]
        return built.returning(*fields, self.table.c[REVISION], self.table.c[VERSION])

    def _stamped(self, values: dict[str, Any]) -> list[tuple[Any, Any]]:
        # In this order: there are databases where a column that was set before shows its new value.
        return [
            *((self._column(name), value) for name, value in values.items()),
            (self.table.c[PREVIOUS], self.table.c[REVISION]),
            (self.table.c[REVISION], _bind("revision")),
            (self.table.c[VERSION], literal_column(str(self.collection.version))),
        ]

    def _found(
        self, checked: Sequence[str], names: Mapping[str, str] | None = None, *, is_update: bool = False
    ) -> list[Clause]:
        """Ask for the target of each of these fields. names: of the parameters; if not given, those of the values.

        One that an update leaves as it is may lead to nothing since before it was a reference; else, whoever deletes
        its target meets it. So there is no need to look.
        """
        clauses: list[Clause] = []
        for reference, at in self._checked:
            if reference.field not in checked:
                continue
            target = self.schema.collection(reference.target)
            table = self._layout.table(target).alias("target")
            key: ColumnElement[Any] = table.c[target.field(target.key[0]).column]
            value = _bind(self._values()[at] if names is None else names[reference.field])
            found = exists(self._held(select(_ONE).select_from(table).where(key == value), "pointed"))
            clauses.append(or_(self._column(reference.field) == value, found) if is_update else found)
        return clauses

    def _nobody_refers(self) -> list[Clause]:
        clauses: list[Clause] = []
        for child, reference in self.referrers:
            table = self._layout.table(child).alias("referrer")
            column: ColumnElement[Any] = table.c[child.field(reference.field).column]
            key = _bind(f"key.{self.collection.key[0]}")
            clauses.append(~exists(select(_ONE).select_from(table).where(column == key)))
        return clauses


def _names_here(collection: Collection, kept: Collection) -> dict[str, str]:
    """Give what a program calls the fields of the stored collection that it knows."""
    if collection is kept:
        return {field.name: field.name for field in kept.fields}
    names = {field.column: field.name for field in collection.fields}
    return {field.name: names[field.column] for field in kept.fields if field.column in names}


def _seen_uniques(collection: Collection, kept: Collection) -> tuple[list[Unique], list[Unique]]:
    """Give the stored uniques in the program's words, and those over columns that it does not know."""
    names = _names_here(collection, kept)
    seen = [unique for unique in kept.uniques if all(name in names for name in unique.fields)]
    fitted = [msgspec.structs.replace(unique, fields=tuple([names[n] for n in unique.fields])) for unique in seen]
    return fitted, [unique for unique in kept.uniques if unique not in seen]


def _seen_references(collection: Collection, kept: Collection) -> list[Reference]:
    names = _names_here(collection, kept)
    return [msgspec.structs.replace(r, field=names[r.field]) for r in kept.references if r.field in names]


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
