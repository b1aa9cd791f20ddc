"""Operations that a lens cannot express: translate through another model, one record to many and many to one, seeds
and preconditions. What they do to records is a pure function here; a store calls it while the collection is closed.

Knows schemas and records by the names of fields, in primitives as JSON has them; must not know stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from ..errors import ValueRefused
from ..schema.schema import Collection, Field, Schema
from .field_operation import DropField
from .lens import Record
from .operation import STOP, Manner, Operation, absent, changed, find, find_field, held, refuse, replaced
from .primitive import refusal

LookUp: TypeAlias = Callable[[Any], Record | None]  # the record of the other model whose `match` field has a value


class Translate(Operation, frozen=True):
    """Replace a field by another whose value stands in a record of another model: a name by an id, say.

    The record is the one of the collection `through` whose field `match` equals the old value; its field `take` is the
    new one. Of several, the lowest key counts. otherwise: the value when there is none, or STOP. keeps: the old field
    stays as well, and the new one comes at the end.
    """

    collection: str
    field: str
    into: Field
    through: str
    match: str
    take: str
    otherwise: Any = STOP
    keeps: bool = False

    def apply(self, before: Schema) -> Schema:
        """Replace it, in its place."""
        there, old = find(before, self.collection), find_field(before, self.collection, self.field)
        match, take = (find_field(before, self.through, name) for name in (self.match, self.take))
        where, into = f"{self.collection}.{self.field}", self.into
        if match.kind != old.kind:
            refuse(f"{where}: is {old.kind}, but {self.through}.{self.match} is {match.kind}")
        if take.kind != self.into.kind:
            refuse(f"{self.collection}.{into.name}: is {into.kind}, but {self.through}.{self.take} is {take.kind}")
        if not self.keeps and _is_used(there, self.field):
            refuse(f"{where}: is used by a key, index, unique, reference, scope or soft deletion")
        if self.otherwise is not STOP and (reason := refusal(self.into, self.otherwise)):
            refuse(f"{where}: otherwise= is refused: {reason}")
        rest = there.fields if self.keeps else tuple(f for f in there.fields if f is not old)
        absent(rest, into.name, self.collection)
        if any(f.column.lower() == into.column.lower() for f in rest):
            refuse(f"{self.collection}.{into.name}: there is a column {into.column} already")
        fields = (*rest, into) if self.keeps else tuple(into if f is old else f for f in there.fields)
        return replaced(before, changed(there, fields=fields))

    def manner(self, before: Schema) -> Manner:
        """The answer changes when the other record does."""
        return Manner.CLOSED

    def inverse(self, before: Schema) -> tuple[Operation, ...] | None:
        """Translate back; of a field that was kept, drop the new one, if None can stand for it."""
        if self.keeps:
            return (DropField(self.collection, self.into.name),) if self.into.optional else None
        old = find_field(before, self.collection, self.field)
        otherwise = None if old.optional else STOP
        return (Translate(self.collection, self.into.name, old, self.through, self.take, self.match, otherwise),)

    def lost(self, before: Schema) -> str:
        """Say which values are."""
        if self.otherwise is STOP or self.keeps:
            return ""
        return f"values of {find(before, self.collection).model}.{self.field} that no {self.through}.{self.match} has"

    def translated(self, before: Schema, record: Record, look_up: LookUp) -> Record:
        """Give the record after it. look_up is called only for a value that is not None."""
        there, value = find(before, self.collection), record[self.field]
        found = None if value is None else look_up(value)
        if value is None and self.into.optional:
            new = None
        elif found is not None:
            new = held(there.model, self.into, found[self.take])
        elif self.otherwise is STOP:
            raise ValueRefused(there.model, self.field, f"no {self.through}.{self.match} has its value")
        else:
            new = self.otherwise
        rest = dict(record) if self.keeps else {name: given for name, given in record.items() if name != self.field}
        return {**rest, self.into.name: new}

    def title(self) -> str:
        """Say what it does."""
        return f"translate {self.collection}.{self.field} to {self.into.name} through {self.through}"


class Spread(Operation, frozen=True):
    """Turn each record into none, one or many of another shape. into replaces the collection; it may have its name.

    up takes a record and gives a list of records, without the key if into counts its keys up. down is what Gather
    takes as its up, by: the fields of into whose records belong together then. keeps: the old collection stays as well.
    """

    collection: str
    into: Collection
    up: Callable[[Record], list[Record]]
    down: Callable[[list[Record]], Record | None] | None = None
    by: tuple[str, ...] = ()
    keeps: bool = False

    def apply(self, before: Schema) -> Schema:
        """Put the new collection in the place of the old."""
        return _reshaped(before, self.collection, self.into, keeps=self.keeps)

    def manner(self, before: Schema) -> Manner:
        """Keys change."""
        return Manner.CLOSED

    def inverse(self, before: Schema) -> tuple[Operation, ...] | None:
        """Gather them, if down was given; of a collection that was kept, drop what was made of it."""
        if self.keeps:
            return (Discard(self.into.name),)
        if self.down is None:
            return None
        return (Gather(self.into.name, find(before, self.collection), self.by, self.down, self.up),)

    def lost(self, before: Schema) -> str:
        """Say what is, when it can't go back."""
        there = find(before, self.collection)
        return f"what up leaves out of {there.model}, and the keys that it had" if not self.keeps else ""

    def spread(self, before: Schema, record: Record) -> list[Record]:
        """Give the records that one becomes, checked."""
        del before
        return [_checked(self.into, made) for made in self.up(dict(record))]

    def title(self) -> str:
        """Say what it does."""
        return f"spread each record of {self.collection} over {self.into.name}"


class Gather(Operation, frozen=True):
    """Turn all records that share the values of some fields into one of another shape. The opposite of Spread.

    up takes the list of records of a group, in key order, and gives one record, or None to leave the group out.
    """

    collection: str
    into: Collection
    by: tuple[str, ...]
    up: Callable[[list[Record]], Record | None]
    down: Callable[[Record], list[Record]] | None = None

    def apply(self, before: Schema) -> Schema:
        """Put the new collection in the place of the old."""
        if not self.by:
            refuse(f"{self.collection}: by= names the fields whose records belong together")
        for name in self.by:
            find_field(before, self.collection, name)
        return _reshaped(before, self.collection, self.into, keeps=False)

    def manner(self, before: Schema) -> Manner:
        """Keys change."""
        return Manner.CLOSED

    def inverse(self, before: Schema) -> tuple[Operation, ...] | None:
        """Spread them, if down was given."""
        if self.down is None:
            return None
        up: Any = self.up
        return (Spread(self.into.name, find(before, self.collection), self.down, up, self.by),)

    def lost(self, before: Schema) -> str:
        """Say what is."""
        return f"what up leaves out of {find(before, self.collection).model}, and the keys that they had"

    def gathered(self, before: Schema, records: Iterable[Record]) -> list[Record]:
        """Give the records that a group becomes, one or none, checked."""
        del before
        made = self.up([dict(record) for record in records])
        return [] if made is None else [_checked(self.into, made)]

    def title(self) -> str:
        """Say what it does."""
        return f"gather records of {self.collection} by {', '.join(self.by)} into {self.into.name}"


class Discard(Operation, frozen=True):
    """Drop a collection that was made of another one's records, which are still there. Nothing is lost by it."""

    collection: str

    def apply(self, before: Schema) -> Schema:
        """Leave it out."""
        find(before, self.collection)
        return replaced(before, without=[self.collection])


class Seed(Operation, frozen=True):
    """Put records into a collection, once: those that somebody removes later do not come back.

    Records are by the names of fields. A record whose key is taken is left as it is.
    """

    collection: str
    records: tuple[Record, ...]

    def apply(self, before: Schema) -> Schema:
        """Look that they fit; the schema stays."""
        there = find(before, self.collection)
        for record in self.records:
            for name, value in record.items():
                if reason := refusal(find_field(before, self.collection, name), value):
                    refuse(f"{self.collection}.{name}: a record to be put there is refused: {reason}")
            missing = [f.name for f in there.fields if f.name not in record and not f.optional]
            if there.generated:
                missing = [name for name in missing if name not in there.key]
            if missing:
                refuse(f"{self.collection}: a record to be put there lacks {', '.join(missing)}")
        return before

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Leave them."""
        return ()

    def title(self) -> str:
        """Say what it does."""
        return f"seed {len(self.records)} records of {self.collection}"


class Precondition(Operation, frozen=True):
    """Refuse to begin when the records of a collection do not allow it. says: the sentence of the refusal.

    holds takes the records in key order, each once, and tells whether all is well. It is asked before any change.
    back: it is asked on the way back instead.
    """

    collection: str
    says: str
    holds: Callable[[Iterable[Record]], bool]
    back: bool = False

    def apply(self, before: Schema) -> Schema:
        """Look that the collection is there; the schema stays."""
        find(before, self.collection)
        return before

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Ask, if that is its place; nothing was done."""
        return (Precondition(self.collection, self.says, self.holds),) if self.back else ()

    def check(self, records: Iterable[Record]) -> None:
        """Refuse with its sentence unless it holds."""
        if not self.back and not self.holds(records):
            refuse(f"{self.collection}: {self.says}")

    def title(self) -> str:
        """Say what it asks."""
        return f"make sure of {self.collection}: {self.says}"


def _is_used(there: Collection, field: str) -> bool:
    used = [*there.key, *(n for i in there.indexes for n in i.fields), *(n for u in there.uniques for n in u.fields)]
    return field in (*used, there.live, there.scope, *(r.field for r in there.references))


def _reshaped(before: Schema, collection: str, into: Collection, *, keeps: bool) -> Schema:
    there = find(before, collection)
    if (into.name != collection or keeps) and into.name in before:
        refuse(f"there is a collection {into.name} already")
    if not keeps and (referrers := [f"{c.name}.{r.field}" for c, r in before.referrers(there.name) if c is not there]):
        refuse(f"{collection} is still referred to by {', '.join(referrers)}")
    for reference in into.references:
        if reference.target not in (into.name, *(c.name for c in before.collections)):
            refuse(f"{into.name}.{reference.field}: there is no collection {reference.target}")
    return replaced(before, into, without=[] if keeps else [collection])


def _checked(into: Collection, record: Record) -> Record:
    names = [f.name for f in into.fields if not (into.generated and f.name in into.key)]
    if unknown := sorted(set(record) - {f.name for f in into.fields}):
        raise ValueRefused(into.model, unknown[0], "what its migration makes has no such field")
    return {**record, **{name: held(into.model, into.field(name), record.get(name)) for name in names}}


def rewritten(operation: Operation) -> bool:
    """Tell whether an operation rewrites records as a whole, without a lens."""
    return isinstance(operation, (Translate, Gather)) or (isinstance(operation, Spread) and not operation.keeps)
