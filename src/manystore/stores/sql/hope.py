"""The hope: a whole step written out beforehand, with what each statement is to answer if nothing stands in its way.

Knows changes and statements; must not know connections. All is sent at once, and committed when every answer is as
hoped; any other sends the step the thorough way (step.py), which says what stood in the way. So this need not know why.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal, TypeAlias

from ...store.protocol import Change, Check, Delete, Insert, Patch, Replace
from .connections import Answer, Rows, Sent
from .schemas import Known
from .step import in_key_order

Wanted: TypeAlias = Literal["changed", "row", "one", "none"]
"""changed: so many rows; row: one whose first value is this; one: any row; none: no row."""


class Hope:
    """The statements of one step. texts: to be sent in this order; fits: tells whether the answers are as hoped."""

    def __init__(self, known: Known, changes: Sequence[Change], epoch_text: str) -> None:
        self.texts: list[Sent] = []
        self._wanted: list[tuple[Wanted, Any]] = []
        self._loads: list[tuple[int, int, Any]] = []  # of patches: place among the changes, among the texts, codec
        self._known = known
        for check in in_key_order(changes):
            look = known.mutation(check.collection).fields_of(check.key, (), "shared")
            self._add(look, "row", check.expected)
        self._write(changes)
        self._look(changes)
        self._add((epoch_text, ()), "row", known.epoch)

    def _add(self, bound: Sent, wanted: Wanted, value: Any = None) -> None:
        self.texts.append(bound)
        self._wanted.append((wanted, value))

    def _write(self, changes: Sequence[Change]) -> None:
        of = self._known.mutation
        for change in changes:
            # By exact type: isinstance of a Struct's class takes five times as long to say no.
            if type(change) is Delete:
                self._add(of(change.collection).delete(change), "changed", 1)
        for at, change in self._updates(changes):
            if type(change) is Replace:
                self._add(of(change.collection).replace(change), "changed", 1)
            elif type(change) is Patch:
                self._patch(at, change)
        inserts = [change for change in changes if type(change) is Insert]
        for _, run in groupby(inserts, key=lambda change: id(change.collection)):
            self._insert(list(run))

    def _updates(self, changes: Sequence[Change]) -> list[tuple[int, Replace | Patch]]:
        """Give the updates in key order, as the checks: two writers that lock records in a ring wait a second for it.

        In the order given where a unique may pass from one record to another; then only that order tells a taken one.
        """
        found = [(at, change) for at, change in enumerate(changes) if type(change) is Replace or type(change) is Patch]
        if len(found) > 1 and not any(self._known.mutation(change.collection).uniques for _, change in found):
            of = self._known.mutation
            found.sort(key=lambda pair: (pair[1].collection.name, of(pair[1].collection).key_of(pair[1])))
        return found

    def _patch(self, at: int, change: Patch) -> None:
        mutation, returning = self._known.mutation(change.collection), self._known.dialect.returning
        self._add(mutation.patch(change), "one" if change.codec and returning else "changed", 1)
        if change.codec is not None:
            if not returning:
                self._add(mutation.record(change.key), "one")
            self._loads.append((at, len(self.texts) - 1, change.codec))

    def _insert(self, batch: Sequence[Insert]) -> None:
        mutation = self._known.mutation(batch[0].collection)
        if len(batch) == 1:
            self._add(mutation.insert(batch[0]), "changed", 1)
            return
        width = len(batch[0].values) + 1
        for text, bound in mutation.many.parts(batch):
            number = bound.number if isinstance(bound, Rows) else len(bound) // width
            self._add((text, bound), "changed", number)

    def _look(self, changes: Sequence[Change]) -> None:
        """Look, after all changes, at what they refer to, and that nobody refers to what is gone."""
        known = self._known
        seen: set[Any] = set()
        for change in changes:
            mutation = known.mutation(change.collection)
            if type(change) is Delete:
                for child, reference in mutation.referrers:
                    self._add(known.mutation(child).referring(reference, change.key[0], 1), "none")
            if not mutation.refers or isinstance(change, (Check, Delete)):
                continue
            seen = seen or self._made(changes)
            for reference, value in mutation.pointers(change):
                pointed = (reference.target, (value,))
                if pointed not in seen:
                    seen.add(pointed)
                    target = known.mutation(known.schema.collection(reference.target))
                    self._add(target.fields_of((value,), (), "pointed"), "one")

    def _made(self, changes: Sequence[Change]) -> set[Any]:
        """Give the records that the step itself makes; they need no look."""
        of = self._known.mutation
        return {(c.collection.name, of(c.collection).key_of(c)) for c in changes if isinstance(c, Insert)}

    def fits(self, answers: Sequence[Answer]) -> bool:
        """Tell whether all came as hoped."""
        for (wanted, value), (changed, rows) in zip(self._wanted, answers, strict=True):
            if wanted == "changed":
                if changed != value:
                    return False
            elif wanted == "row":
                if not rows or rows[0][0] != value:
                    return False
            elif bool(rows) != (wanted == "one"):
                return False
        return True

    def records(self, changes: Sequence[Change], answers: Sequence[Answer]) -> list[Any]:
        """Give what write gives: of each patch with a codec, the record."""
        found: list[Any] = [None] * len(changes)
        for at, place, codec in self._loads:
            width = len(changes[at].collection.fields) + 2
            found[at] = codec.load(answers[place][1][0][:width])
        return found
