"""Copying: the collections that a window makes anew, record by record, put into a store while nobody may change theirs.

Knows rewriting, passages and records; must not know phases' order (transit.py). What is made anew is kept beside what
is there under a name of its own, `Collection.stored`: programs of the base read theirs until the raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import groupby
from operator import itemgetter

import msgspec

from ..errors import Duplicate, MissingReference
from ..schema.catalog import Catalog, IndexState, state_key
from ..schema.schema import Collection, Reference, Schema
from ..store.protocol import Store
from .lens import Record
from .operation import refuse
from .passage import Passage
from .records import Records
from .rewriting import Rewriting

Told = Callable[[str], None]


class Copies(msgspec.Struct, frozen=True, dict=True):
    """What a passage makes anew, whatever the store."""

    passage: Passage

    @cached_property
    def rewriting(self) -> Rewriting:
        """Give what makes the records."""
        return Rewriting(self.passage.window)

    @cached_property
    def made(self) -> dict[str, Collection]:
        """Give what is made anew, by its name in the head, as it is kept beside what is there."""
        head = self.passage.head
        names = {name: head.collection(name).stored for name in self.rewriting.copied}

        def led(reference: Reference) -> Reference:
            return msgspec.structs.replace(reference, target=names.get(reference.target, reference.target))

        return {
            name: msgspec.structs.replace(
                head.collection(name),
                name=stored,
                generation=1,
                references=tuple(map(led, head.collection(name).references)),
            )
            for name, stored in names.items()
        }

    @cached_property
    def round(self) -> tuple[str, ...]:
        """Name the references of copies that may lead to a record which comes later: looked at when all are there."""
        order = list(self.made)
        names = {copy.name: name for name, copy in self.made.items()}
        return tuple(
            state_key(copy.name, f"{reference.field}.reference")
            for place, copy in enumerate(self.made.values())
            for reference in copy.references
            if reference.target in names and order.index(names[reference.target]) >= place
        )

    def closed(self, open_: Catalog) -> Catalog:
        """Give the catalog under which the copies are made."""
        states: dict[str, IndexState] = dict.fromkeys(self.round, "absent")
        return open_.changed(
            phase="closed",
            # By the names that programs of either version have for them.
            closed=tuple(sorted({*self.rewriting.closed, *self.rewriting.copied})),
            stored=Schema.made_of((*self.passage.between.collections, *self.made.values())),
            indexes={**open_.indexes, **states},
        )

    def looking(self, closed: Catalog) -> Catalog:
        """Give the catalog under which the references that go round are looked at: all records are there."""
        return closed.changed(indexes=closed.indexes | dict.fromkeys(self.round, "building"))


class Copying:
    """The copies of one passage on one store."""

    def __init__(self, store: Store, copies: Copies, told: Told) -> None:
        self._store = store
        self._told = told
        self._copies = copies.made
        self._rewriting = copies.rewriting

    def look(self, catalog: Catalog) -> None:
        """Refuse, before anything is changed, what the records do not allow: while everybody goes on.

        The copies are made and not kept.
        """
        read = Records(self._store, catalog).read
        self._rewriting.preconditions(read)
        if self._copies:
            self._told(f"look whether {', '.join(self._copies)} can be made anew")
            self._rewriting.rehearse(read)

    def look_over(self, open_: Catalog) -> None:
        """Refuse, while everybody goes on, what the sweep could not lead over: after the raise it would stand still."""
        if led := self._rewriting.led:
            self._told(f"look whether all of {', '.join(led)} can be led over")
            self._rewriting.rehearse_led(Records(self._store, open_).read)

    def clear(self, catalog: Catalog) -> None:
        """Take away what an earlier try has copied. catalog: keeps the copies."""
        for copy in reversed(self._copies.values()):
            Records(self._store, catalog).clear(copy.name)

    def copy(self, closed: Catalog) -> None:
        """Make all copies. closed: in force; what it says of references that go round is for the caller to change."""
        records = Records(self._store, closed)
        made = self._rewriting.records(records.read)
        counts = dict.fromkeys(self._copies, 0)
        for name, group in groupby(made, key=itemgetter(0)):
            counts[name] = self._put(records, name, (record for _, record in group))
        for name, count in counts.items():
            self._told(f"  {name}: {count:,} records made anew")

    def _put(self, records: Records, name: str, made: Iterator[Record]) -> int:
        copy, highest, count = self._copies[name], 0, 0

        def watched() -> Iterator[Record]:
            nonlocal highest
            for record in made:
                if copy.generated:
                    highest = max(highest, record[copy.key[0]])
                yield record

        try:
            for number in records.put(copy, watched()):
                count += number
        except (Duplicate, MissingReference) as reason:
            refuse(f"{name}: cannot be made anew: {reason}")
        if highest:
            records.pass_over(name, highest)
        return count
