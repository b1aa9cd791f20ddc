"""A step: some changes carried out in one transaction, in the order and with the refusals of store/protocol.py.

The thorough way, statement by statement, for when the hopeful one (hope.py) met a surprise. Each change is made at
once, and looked into only when it found nothing to change. A unique that refuses one is remembered while the rest goes
on, because what references refuse comes before it. References are looked at in the end state, each target under a lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, TypeAlias

from ...errors import Conflict, ManystoreError, MissingReference, Restricted
from ...schema.schema import Collection, Reference, Schema
from ...store.change import shown_key
from ...store.protocol import Change, Check, Delete, Insert, Patch, Replace, Values
from ...store.revision import new_revision
from .connections import Connection, takes_many
from .diagnosis import refusal, taken
from .dialect import Dialect, Row
from .mutation import Bound, Mutation
from .schemas import Known

Place: TypeAlias = tuple[str, Values]  # a record: its collection's name and its key
Pair: TypeAlias = tuple[Collection, Values]


class Retry(Exception):
    """Some insert of many was refused, or some update leads to nothing: the step is to be run again, one by one.

    Then it is found out which insert it is and why, and what led to nothing before the step. A savepoint around the
    inserts would do as well; but the database copies each page that is changed under one.
    """


class Again(Exception):
    """The step was rolled back because of what others did at the same time; nothing tells it from a first try."""


class Step:
    """One transaction's changes, on a connection that has begun it. trips: statements run so far."""

    def __init__(
        self, connection: Connection, known: Known, changes: Sequence[Change], *, one_by_one: bool = False
    ) -> None:
        self._one_by_one = one_by_one
        self._execute = connection.execute
        self._send = connection.send
        self._known = known
        self._dialect: Dialect = known.dialect
        self._schema: Schema = known.schema
        self._changes = changes
        self._named: set[Place] = set()
        # Named records with what they referred to before: with one that goes and, one by one, with what stays the same.
        self._pointing: set[tuple[str, Values, str, Any]] = set()
        # What a unique refused: as good as made when references are looked at.
        self._unmade: dict[Place, Insert | Replace | Patch] = {}
        self._gone: set[Place] = set()  # by a Delete or by on_delete
        self._refused: ManystoreError | None = None
        self.trips = 0
        self.records: list[Any] = [None] * len(changes)

    def run(self) -> list[Any]:
        """Carry out all changes; raise what stands first."""
        numbered = list(enumerate(self._changes))
        for check in in_key_order(self._changes):
            self._check(check)
        self._named.update(self._place(change) for _, change in numbered if not isinstance(change, Check))
        gone = [change for _, change in numbered if isinstance(change, Delete)]
        for deletion in gone:
            self._change(deletion, self._of(deletion).delete(deletion))
            self._gone.add(self._place(deletion))
        deleted = [(c.collection, c.key) for c in gone if self._of(c).referrers]
        if deleted and len(self._named) > len(gone):
            self._look(deleted)
        deleted = self._follow(deleted)
        for at, change in numbered:
            if isinstance(change, (Replace, Patch)):
                self._update(at, change)
        self._insert([change for _, change in numbered if isinstance(change, Insert)])
        if deleted:
            self._restrict(deleted)
        self._check_references()
        if self._refused is not None:
            raise self._refused
        return self.records

    def ask(self, bound: Bound) -> Row | None:
        """Run a SELECT for its first row."""
        rows = self._rows(bound)
        return rows[0] if rows else None

    def _rows(self, bound: Bound) -> list[Row]:
        self.trips += 1
        rows: list[Row] = self._execute(*bound).fetchall()
        return rows

    def _of(self, change: Change) -> Mutation:
        return self._known.mutation(change.collection)

    def _place(self, change: Insert | Replace | Patch | Delete) -> Place:
        return change.collection.name, self._of(change).key_of(change)

    def _check(self, change: Check) -> None:
        found = self.ask(self._of(change).fields_of(change.key, (), "shared"))
        if found is None or found[0] != change.expected:
            raise Conflict(change.collection.model, shown_key(change.key))

    def _update(self, at: int, change: Replace | Patch) -> None:
        mutation = self._of(change)
        if self._one_by_one:
            self._note(change)
        if isinstance(change, Replace):
            self._change(change, mutation.replace(change))
        else:
            row = self._change(change, mutation.patch(change))
            if row is not None:
                self.records[at] = change.codec.load(row)

    def _note(self, change: Replace | Patch) -> None:
        """Note which references of a record an update leaves what they are; none becomes another one before it."""
        place, pointers = self._place(change), self._of(change).pointers(change)
        if pointers:
            fields = [reference.field for reference, _ in pointers]
            row = self.ask(self._of(change).fields_of(place[1], fields, "shared"))
            now = dict(zip(fields, row[1:], strict=True)) if row else {}
            self._pointing.update((*place, r.field, value) for r, value in pointers if now.get(r.field) == value)

    def _change(self, change: Insert | Replace | Patch | Delete, bound: Bound) -> Row | None:
        """Make one change; give the row that it returns, if it does."""
        self.trips += 1
        row: Row | None = None
        made = broken = False
        guarded = self._dialect.savepoints
        if guarded:
            self._execute("SAVEPOINT change", ())
        try:
            cursor = self._execute(*bound)
            made = cursor.rowcount == 1
            if isinstance(change, Patch) and change.codec is not None and self._dialect.returning:
                row = next(iter(cursor.fetchall()), None)
                made = row is not None
        except self._dialect.errors as error:
            if self._dialect.verdict(error) != "taken":
                raise
            broken = True
            if guarded:
                self._execute("ROLLBACK TO SAVEPOINT change", ())
        if not made:
            self._refuse(change, broken=broken)
        elif isinstance(change, Patch) and change.codec is not None and row is None:
            row = self.ask(self._of(change).record(change.key))
            row = row and row[: len(change.collection.fields) + 2]
        return row

    def _refuse(self, change: Insert | Replace | Patch | Delete, *, broken: bool) -> None:
        mutation = self._of(change)
        if reason := refusal(change, mutation, self.ask):
            raise reason
        duplicate = taken(change, mutation, self.ask) if broken else None
        if duplicate is None:
            raise Again  # what stood in the way is there no longer
        if not isinstance(change, Delete):
            self._unmade[self._place(change)] = change
        self._refused = self._refused or duplicate

    def _insert(self, inserts: list[Insert]) -> None:
        for _, run in groupby(inserts, key=lambda change: id(change.collection)):
            batch = list(run)
            if len(batch) > 1 and not self._one_by_one:
                self._insert_all(batch)
                continue
            size = self._dialect.rows_a_statement[0] or 1
            for at in range(0, len(batch), size):
                part = batch[at : at + size]
                if len(part) == 1 or len(part) < size or not self._is_inserted(part):
                    for change in part:
                        self._change(change, self._of(change).insert(change))

    def _is_inserted(self, part: Sequence[Insert]) -> bool:
        """Insert as many as one statement takes; False when some of them are refused, and so none is made."""
        guarded = self._dialect.savepoints
        if guarded:
            self._execute("SAVEPOINT change", ())
        self.trips += 1
        try:
            self._execute(*self._of(part[0]).many.rows(part))
        except self._dialect.errors as error:
            if self._dialect.verdict(error) != "taken":
                raise
            if guarded:
                self._execute("ROLLBACK TO SAVEPOINT change", ())
            return False
        return True

    def _insert_all(self, batch: Sequence[Insert]) -> None:
        made = self._of(batch[0]).many.parts(batch)
        self.trips += 2 if takes_many(made[0]) else 1
        try:
            self._send(made)
        except self._dialect.errors as error:
            if self._dialect.verdict(error) != "taken":
                raise
            raise Retry from error

    def _look(self, deleted: Sequence[Pair]) -> None:
        """Note which of the records that this step names refer, before its changes, to what goes or may go.

        What is not noted and refers to such a record in the end has been pointed at it by this step.
        """
        below, seen = list(deleted), set[Place]()
        for target, key in below:  # grows on the way
            for child, reference in self._schema.referrers(target.name):
                for found in self._rows(self._known.mutation(child).referring(reference, key[0], 0)):
                    place = (child.name, found)
                    if place in self._named:
                        self._pointing.add((*place, reference.field, key[0]))
                    if reference.on_delete == "cascade" and place not in seen:
                        seen.add(place)
                        below.append((child, found))

    def _follow(self, deleted: Sequence[Pair], *, late: bool = False) -> list[Pair]:
        """Carry out on_delete for the referrers of deleted records, and of those that go with them; give them all.

        The records that this step names are spared until their own changes are made (late).
        """
        gone = list(deleted)
        for target, key in gone:  # grows on the way
            for child, reference in self._schema.referrers(target.name):
                if reference.on_delete == "restrict":
                    continue
                mutation = self._known.mutation(child)
                for found in self._rows(mutation.referring(reference, key[0], 0)):
                    place = (child.name, found)
                    if place in self._named and not (late and self._pointed(place, reference, key)):
                        continue
                    if reference.on_delete == "cascade":
                        # With what it refers to: others may have pointed it elsewhere since the look.
                        refers = ((reference.field, key[0]),)
                        self._execute(*mutation.delete(Delete(child, found, require=refers)))
                        gone.append((child, found))
                        self._gone.add(place)
                    else:
                        # What a change of this step made keeps that change's revision.
                        anew = None if place in self._named else new_revision()
                        self._execute(*mutation.clear(reference, found, key[0], anew))
        return gone

    def _pointed(self, place: Place, reference: Reference, key: Values) -> bool:
        """Tell whether a record that this step names referred to another before, and still does in the end.

        A record that a unique refused to change stands there as it was; what counts is what it would have become.
        """
        change = self._unmade.get(place)
        is_moved = change is not None and not (isinstance(change, Patch) and reference.field not in dict(change.sets))
        if change is not None and is_moved and (reference, key[0]) not in self._of(change).pointers(change):
            return False
        return (*place, reference.field, key[0]) in self._pointing

    def _restrict(self, deleted: Sequence[Pair]) -> None:
        """Raise Restricted for a referrer that is left, once on_delete has reached those that this step changed."""
        for target, key in self._follow(deleted, late=True):
            for child, reference in self._schema.referrers(target.name):
                if reference.on_delete != "restrict":
                    continue
                for found in self._rows(self._known.mutation(child).referring(reference, key[0], 1 + len(self._named))):
                    place = (child.name, found)
                    if place not in self._named or self._pointed(place, reference, key):
                        raise Restricted(target.model, f"{child.model}.{reference.field}")

    def _check_references(self) -> None:
        seen: set[Place] = set()
        for change in sorted(self._changes, key=lambda change: isinstance(change, Insert)):
            if isinstance(change, (Delete, Check)):
                continue
            for reference, value in self._of(change).pointers(change):
                pointed = (reference.target, (value,))
                if pointed in seen:
                    continue
                target = self._schema.collection(reference.target)
                look = self._known.mutation(target).fields_of((value,), (), "pointed")
                if pointed in self._unmade or self.ask(look):
                    seen.add(pointed)
                elif not self._is_settled(change, reference, pointed):
                    if not isinstance(change, Insert) and not self._one_by_one:
                        raise Retry  # it may have led there before
                    raise MissingReference(change.collection.model, reference.field, target.model)

    def _is_settled(self, change: Insert | Replace | Patch, reference: Reference, pointed: Place) -> bool:
        """Tell whether a reference needs no target: its record is gone, or pointed there before."""
        place = self._place(change)
        return place in self._gone or (*place, reference.field, pointed[1][0]) in self._pointing


def in_key_order(changes: Sequence[Change]) -> list[Check]:
    """Give the checks in the order in which every writer takes its locks, so that none waits for another in a ring."""
    checks = [change for change in changes if type(change) is Check]
    return sorted(checks, key=lambda check: (check.collection.name, check.key)) if len(checks) > 1 else checks
