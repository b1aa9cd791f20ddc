"""The naive reference: tables as dicts of plain rows, and every operation written out in the most obvious way.

Knows the manual's rules and the names of the errors; must share no code with the library, or both would err together.
It is slow, holds everything in memory, and copies all of it for each write. machine.py plays histories against it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, TypeAlias

from manystore import Conflict, Duplicate, Exhausted, MissingReference, NotFound, OutOfBounds, Restricted
from manystore.testing.filters import Filter, Order, Row, compare, in_order, rank

Key: TypeAlias = tuple[Any, ...]
Tables: TypeAlias = dict[str, dict[Key, Row]]
Shown: TypeAlias = Literal["no", "any", "only"]
REVISION = "#"  # the name under which a row keeps which write it came from
_REVISIONS = itertools.count(1)


@dataclass(frozen=True)
class Unique:
    """Fields that no two rows (or no two live rows) share."""

    fields: tuple[str, ...]
    live: bool = False


@dataclass(frozen=True)
class Reference:
    """A field that holds another table's key."""

    field: str
    target: str
    on_delete: Literal["restrict", "cascade", "set_null"] = "restrict"


@dataclass(frozen=True)
class Table:
    """What the oracle must know of a model; written by hand, so that it checks what the library makes of the class."""

    name: str
    key: tuple[str, ...]
    uniques: tuple[Unique, ...] = ()
    references: tuple[Reference, ...] = ()
    soft: bool = False

    def key_of(self, row: Row) -> Key:
        """Give a row's key as a tuple."""
        return tuple(row[name] for name in self.key)


# --- changes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One thing that an atomic step does to one row. sets: the new row of insert and replace, some fields of patch."""

    verb: Literal["check", "delete", "replace", "patch", "insert"]
    table: Table
    key: Key
    sets: Row = field(default_factory=dict[str, Any])
    expected: int | None = None


class Oracle:
    """All tables of one database."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self.definitions = {table.name: table for table in tables}
        self.rows: Tables = {name: {} for name in self.definitions}

    # Reading

    def find(
        self,
        table: str,
        where: Filter | None = None,
        *,
        order: Order = (),
        limit: int | None = None,
        after: Row | None = None,
        deleted: Shown = "no",
    ) -> list[Row]:
        """Give the rows that fulfil a filter, in order, those after a row only."""
        found = self.matching(table, where, order=order, after=after, deleted=deleted)
        return self.seen(table, found if limit is None else found[:limit])

    def seen(self, table: str, rows: list[Row]) -> list[Row]:
        """Hand rows out; a transaction remembers them."""
        del table
        return rows

    def matching(
        self,
        table: str,
        where: Filter | None = None,
        *,
        order: Order = (),
        after: Row | None = None,
        deleted: Shown = "no",
    ) -> list[Row]:
        """Find rows that are not handed out."""
        definition = self.definitions[table]
        full: Order = (*order, *((name, False) for name in definition.key))
        found = [row for row in self.rows[table].values() if where is None or where.holds(row)]
        if definition.soft and deleted != "any":
            found = [row for row in found if row["deleted"] is (deleted == "only")]
        found = in_order(found, full)
        if after is not None:
            found = [row for row in found if compare(row, after, full) > 0]
        return found

    def get(self, table: str, key: Key, *, deleted: Shown = "no") -> Row:
        """Give the one row with a key, or raise NotFound."""
        for row in self.matching(table, deleted=deleted):
            if self.definitions[table].key_of(row) == key:
                return self.seen(table, [row])[0]
        raise NotFound(table, key[0] if len(key) == 1 else key)

    def aggregate(self, function: str, name: str, rows: Sequence[Row]) -> Any:
        """Count, add up, or take the smallest, largest or mean of a field."""
        values = [row[name] for row in rows if row[name] is not None]
        if function == "count":
            return len(rows)
        if function == "sum":
            return sum(values)
        if function == "avg":
            return float(sum(map(Fraction, values)) / len(values)) if values else None
        ranked = sorted(values, key=rank)
        return (ranked[0] if function == "min" else ranked[-1]) if ranked else None

    def groups(self, names: tuple[str, ...], totals: Sequence[tuple[str, str]], rows: Sequence[Row]) -> list[Row]:
        """Give one row a group, ordered by the grouping fields, with the totals as (function, field)."""
        found: dict[Key, list[Row]] = {}
        for row in in_order(rows, [(name, False) for name in names]):
            found.setdefault(tuple(row[name] for name in names), []).append(row)
        if not names:
            found.setdefault((), [])
        return [
            dict(zip(names, key, strict=True))
            | {f"{function}_{name}": self.aggregate(function, name, group) for function, name in totals}
            for key, group in found.items()
        ]

    # Writing

    def create(self, table: str, row: Row) -> Row:
        """Store a new row."""
        definition = self.definitions[table]
        return self._one(Change("insert", definition, definition.key_of(row), row))

    def save(self, table: str, row: Row, revision: int) -> Row:
        """Store a row anew, if it still is what it was."""
        definition = self.definitions[table]
        return self._one(Change("replace", definition, definition.key_of(row), row, revision))

    def update(self, table: str, key: Key, sets: Row, *, deleted: Shown = "no", revision: int | None = None) -> Row:
        """Change some fields of one row."""
        self.get(table, key, deleted=deleted)
        return self._one(Change("patch", self.definitions[table], key, sets, revision))

    def update_where(self, table: str, where: Filter, sets: Row, *, deleted: Shown = "no") -> int:
        """Change some fields of all rows that fulfil a filter, in one step."""
        definition = self.definitions[table]
        keys = [definition.key_of(row) for row in self.find(table, where, deleted=deleted)]
        self.write([Change("patch", definition, key, sets) for key in keys])
        return len(keys)

    def increment(self, table: str, key: Key, name: str, by: Any, bounds: tuple[Any, Any]) -> Row:
        """Add to a field within bounds."""
        value = (self.get(table, key)[name] or 0) + by
        low = -(2**63) if bounds[0] is None else bounds[0]
        high = 2**63 - 1 if bounds[1] is None else bounds[1]
        if not low <= value <= high:
            raise OutOfBounds(table, name, "")
        return self.update(table, key, {name: value})

    def claimable(self, table: str, where: Filter) -> list[Key]:
        """Give the keys that claim may take any of; raise Exhausted when there is none."""
        found = [self.definitions[table].key_of(row) for row in self.find(table, where)]
        if not found:
            raise Exhausted(table)
        return found

    def upsert(self, table: str, row: Row) -> Row:
        """Store a row whether its key is taken or not."""
        key = self.definitions[table].key_of(row)
        if key in self.rows[table]:
            return self._one(Change("patch", self.definitions[table], key, row))
        return self.create(table, row)

    def delete(self, table: str, key: Key, sets: Row, *, revision: int | None = None) -> None:
        """Delete one row; where deletes are soft, `sets` are what they set."""
        self.get(table, key)
        definition = self.definitions[table]
        self.write([Change("patch" if definition.soft else "delete", definition, key, sets, revision)])

    def delete_where(self, table: str, where: Filter, sets: Row) -> int:
        """Delete all rows that fulfil a filter, in one step."""
        definition = self.definitions[table]
        keys = [definition.key_of(row) for row in self.find(table, where)]
        self.write([Change("patch" if definition.soft else "delete", definition, key, sets) for key in keys])
        return len(keys)

    def purge(self, table: str, key: Key) -> None:
        """Delete one row for good, dead or alive."""
        self.get(table, key, deleted="any")
        self.write([Change("delete", self.definitions[table], key)])

    def _one(self, change: Change) -> Row:
        self.write([change])
        return self.rows[change.table.name][change.key]

    def write(self, changes: Sequence[Change]) -> None:
        """Carry out all changes, or raise what stands first and leave everything as it was."""
        step = _Step(self.definitions, self.rows)
        verbs: dict[str, int] = {"check": 0, "delete": 1, "replace": 2, "patch": 2, "insert": 3}
        ordered = sorted(changes, key=lambda change: verbs[change.verb])
        for change in ordered:
            step.carry_out(change)
        gone = step.follow_references([c for c in ordered if c.verb == "delete"])
        step.check_references(ordered)
        self._check_uniques(ordered, gone, step.rows)
        self.rows = step.rows

    def _check_uniques(self, changes: Sequence[Change], gone: set[tuple[str, Key]], after: Tables) -> None:
        held: dict[tuple[str, Unique, Key], Key] = {}
        for name, definition in self.definitions.items():
            for key, row in self.rows[name].items():
                if (name, key) not in gone:
                    held.update(dict.fromkeys(claims(definition, row), key))
        for change in changes:
            if change.verb in ("check", "delete"):
                continue
            for claim in [claim for claim, key in held.items() if claim[0] == change.table.name and key == change.key]:
                del held[claim]
            for claim in claims(change.table, after[change.table.name][change.key]):
                if held.setdefault(claim, change.key) != change.key:
                    raise Duplicate(change.table.name, claim[1].fields)


def claims(table: Table, row: Row) -> list[tuple[str, Unique, Key]]:
    """Give what a row holds of its table's uniques: no tuple with a None, and the dead hold nothing among the live."""
    return [
        (table.name, unique, values)
        for unique in table.uniques
        if None not in (values := tuple(row[name] for name in unique.fields)) and not (unique.live and row["deleted"])
    ]


class _Step:
    """The tables while one atomic step is being carried out."""

    def __init__(self, definitions: dict[str, Table], before: Tables) -> None:
        self.definitions = definitions
        self.before = before
        self.rows = {name: dict(rows) for name, rows in before.items()}

    def carry_out(self, change: Change) -> None:
        """Do one change; raise NotFound, Conflict or, for a taken key, Duplicate."""
        rows, shown = self.rows[change.table.name], change.key[0] if len(change.key) == 1 else change.key
        row = rows.get(change.key)
        if change.verb == "insert":
            if row is not None:
                raise Duplicate(change.table.name, change.table.key)
            rows[change.key] = {**change.sets, REVISION: next(_REVISIONS)}
            return
        if row is None:
            raise (NotFound if change.verb in ("delete", "patch") else Conflict)(change.table.name, shown)
        if change.expected is not None and row[REVISION] != change.expected:
            raise Conflict(change.table.name, shown)
        if change.verb == "delete":
            del rows[change.key]
        elif change.verb != "check":
            rows[change.key] = {**row, **change.sets, REVISION: next(_REVISIONS)}

    def follow_references(self, deletes: Iterable[Change]) -> set[tuple[str, Key]]:
        """Carry the deletes on to those that refer; give all that is gone."""
        todo = [(change.table.name, change.key) for change in deletes]
        gone = set(todo)
        restricted: list[Restricted] = []
        while todo:
            target, key = todo.pop(0)
            for name, reference, child in list(self._referrers(target, key)):
                if reference.on_delete == "restrict":
                    restricted.append(Restricted(target, f"{name}.{reference.field}"))
                elif reference.on_delete == "set_null":
                    row = self.rows[name][child]
                    self.rows[name][child] = {**row, reference.field: None, REVISION: next(_REVISIONS)}
                else:
                    del self.rows[name][child]
                    gone.add((name, child))
                    todo.append((name, child))
        # A child that some other delete of the step took away in the meantime restricts nothing.
        for error in restricted:
            if any(self._still_referred(error, target, key) for target, key in gone):
                raise error
        return gone

    def _referrers(self, target: str, key: Key) -> Iterable[tuple[str, Reference, Key]]:
        for name, definition in sorted(self.definitions.items()):
            for reference in definition.references:
                for child, row in self.rows[name].items():
                    was = self.before[name].get(child)
                    # What points there since this very step points at nothing: no referrer, but a missing reference.
                    stayed = was is not None and was[reference.field] == row[reference.field]
                    if stayed and reference.target == target and (row[reference.field],) == key:
                        yield name, reference, child

    def _still_referred(self, error: Restricted, target: str, key: Key) -> bool:
        return any(
            error.model == target and error.by == f"{name}.{reference.field}"
            for name, reference, _ in self._referrers(target, key)
        )

    def check_references(self, changes: Iterable[Change]) -> None:
        """See, change by change, that what was written refers to something."""
        for change in changes:
            row = self.rows[change.table.name].get(change.key, {})
            for reference in change.table.references:
                value = row.get(reference.field)
                if change.verb != "check" and value is not None and (value,) not in self.rows[reference.target]:
                    raise MissingReference(change.table.name, reference.field, reference.target)


class Transaction(Oracle):
    """An oracle's view with changes that nobody else sees until commit()."""

    def __init__(self, main: Oracle) -> None:
        super().__init__(main.definitions.values())
        self.main = main
        self.base = {name: dict(rows) for name, rows in main.rows.items()}
        self.rows = {name: dict(rows) for name, rows in main.rows.items()}
        self.read: dict[tuple[str, Key], int] = {}
        self.written: dict[tuple[str, Key], None] = {}

    def seen(self, table: str, rows: list[Row]) -> list[Row]:
        """Remember what was read, as it was in the store."""
        for row in rows:
            key = self.definitions[table].key_of(row)
            if key in self.base[table]:
                self.read[table, key] = self.base[table][key][REVISION]
        return rows

    def write(self, changes: Sequence[Change]) -> None:
        """Keep changes; references and uniques are looked at in the end."""
        step = _Step(self.definitions, self.rows)
        for change in changes:
            step.carry_out(change)
            self.written[change.table.name, change.key] = None
        self.rows = step.rows

    def commit(self) -> None:
        """Carry all out in one step, if everything read still is what it was."""
        changes: list[Change] = []
        for name, key in {**self.written, **self.read}:
            table, was, now = self.definitions[name], self.base[name].get(key), self.rows[name].get(key)
            expected = was[REVISION] if was else None
            if was is None and now is not None:
                changes.append(Change("insert", table, key, now))
            elif was is not None and now is None:
                changes.append(Change("delete", table, key, expected=expected))
            elif was is not None and now is not None:
                verb: Literal["check", "replace"] = "check" if was is now else "replace"
                changes.append(Change(verb, table, key, now, expected))
        self.main.write(changes)
