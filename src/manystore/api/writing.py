"""What makes and changes records: create, save, upsert, update, increment, claim, update_where.

Knows mappers, changes and the transaction; must not know how a query becomes a plan. repository.py adds the reads.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from ..errors import Conflict, Duplicate, Exhausted, NotFound, OutOfBounds, UsageError
from ..model.field import FieldSpec
from ..model.slotted import REVISION
from ..model.unset import UNSET
from ..query.column import Assignment
from ..query.predicate import Compare, Predicate
from ..store.protocol import Step
from .bulk import Bulk
from .checking import K, M
from .removing import Removing

_KEY_TRIES = 100  # generated keys that others' imports may have taken before one is free
_CLAIM_AMONG = 32  # candidates read at once: with 16 workers 1.2 tries a claim are needed on the mean
_CLAIM_ROUNDS = 100


def _no_increment(spec: FieldSpec) -> str | None:
    """Say why a field cannot be incremented; None when it can."""
    if spec.type.kind not in ("int", "decimal") or spec.type.enum is not None or spec.type.choices is not None:
        return "increment goes with int and Decimal fields"
    if spec.key or spec.declared.reference is not None or spec.declared.scope:
        return "increment changes neither keys nor references nor the scope"
    return None


class Writing(Removing[M, K]):
    """The writing part of Repository."""

    __slots__ = ()

    def create(self, record: M, /) -> M:
        """Store a new record and give it back, its generated key and stamps filled; raise Duplicate."""
        self._check_record(record)
        restore = self._prepare_one(record)
        mapper, tx = self._reading.mapper, self._reading.tx
        try:
            if tx is not None:
                tx.create(mapper, record)
            else:
                self._insert(record, generated=restore.generated)
        except BaseException:
            restore.undo()
            raise
        return record

    def create_all(self, records: Sequence[M], /) -> list[M]:
        """Store new records, in as few atomic steps as the limit allows, and give them back.

        When a step fails, those before it stay: the error's `done` says how many records were stored.
        """
        if not isinstance(records, Iterable) or isinstance(records, self._reading.mapper.cls):
            raise UsageError(f"create_all takes several records, not one {type(records).__name__}")
        self._reading.engine.check_open()
        taken = list(records)
        for record in taken:
            self._check_record(record)
        restore = self._prepare_new(taken)
        mapper, tx = self._reading.mapper, self._reading.tx
        if tx is None:
            Bulk(self._reading).create(taken, restore)
            return taken
        try:
            for record in taken:
                tx.create(mapper, record)
        except BaseException:
            restore.undo()
            raise
        return taken

    def save(self, record: M, /, *, revision: int | None = None) -> M:
        """Store a changed record if nobody else changed it since it was read; raise Conflict.

        revision: the one it must have, where the object came another way, as from an ETag.
        """
        self._check_record(record)
        self._save(record, revision)
        return record

    def upsert(self, record: M, /, *, by: Sequence[object] = ()) -> M:
        """Store a record whether or not its key, or its values of a unique (by=(Book.title,)), are there already."""
        self._check_record(record)
        for _ in range(_CLAIM_ROUNDS):
            there = self._twin(record, by)
            if there is None:
                try:
                    return self.create(record)
                except Duplicate:
                    if self._reading.tx is not None or self._twin(record, by) is None:
                        raise
                    continue
            for spec in self._reading.mapper.model.fields:
                if spec.key or (spec.declared.stamp == "created" and getattr(record, spec.name) is None):
                    object.__setattr__(record, spec.name, getattr(there, spec.name))
            try:
                return self.save(record, revision=getattr(there, REVISION))
            except Conflict:
                if self._reading.tx is not None:
                    raise
        raise Conflict(self._reading.mapper.name, self._reading.mapper.key_of(record))

    def _twin(self, record: M, by: Sequence[object]) -> Any:
        reading, mapper = self._reading, self._reading.mapper
        specs = mapper.model.key if not by else tuple(self._own(slot) for slot in by)
        uniques = mapper.collection.uniques
        if by and not any({spec.name for spec in specs} == set(unique.fields) for unique in uniques):
            known = "; ".join(", ".join(unique.fields) for unique in uniques) or "there are none"
            raise UsageError(
                f"{mapper.name}: upsert by= takes the fields of one of its uniques: {known}; without it, the key counts"
            )
        values = [getattr(record, spec.name) for spec in specs]
        if any(v is UNSET or v is None for v in values):
            return None
        for spec, value in zip(specs, values, strict=True):
            mapper.codec.check(spec, value)
        where = [Compare(mapper.cls, s.name, "eq", v, s.optional) for s, v in zip(specs, values, strict=True)]
        among_live = any(u.among == "live" and set(u.fields) == {s.name for s in specs} for u in uniques)
        found = reading.many(
            reading.where(where, "no" if mapper.live is None or (by and among_live) else "any"), "upsert", limit=1
        )
        return found[0] if found else None

    def update(self, key: K, first: Assignment, /, *more: Assignment, revision: int | None = None) -> M:
        """Change some fields of the record with this key, at any revision unless one is named; give it back."""
        sets = self._sets((first, *more))
        reading = self._reading
        mapper = reading.mapper
        if reading.tx is not None:
            record = reading.one(key, "update")
            if revision is not None and getattr(record, REVISION) != revision:
                raise Conflict(mapper.name, key)
            return self._apply(record, sets)
        bound = mapper.codec.bind_key(mapper.key_values(key))
        sets = {**mapper.stamps(mapper.updated, reading.engine.clock), **sets}
        if mapper.weighs(sets):
            return self._update_weighed(key, sets, revision)
        patch = mapper.patch(bound, sets, expected=revision, require=self._guards())
        return self._send(patch, "update", key)  # type: ignore[no-any-return]

    def _update_weighed(self, key: K, sets: dict[str, Any], revision: int | None) -> M:
        """Update a record that must be read first, since its other fields count for the length of its entries."""
        reading, mapper = self._reading, self._reading.mapper
        for _ in range(_CLAIM_ROUNDS):
            record = reading.one(key, "update")
            mapper.weigh(record, sets)
            expected = getattr(record, REVISION) if revision is None else revision
            patch = mapper.patch(mapper.codec.key(record), sets, expected=expected, require=self._guards())
            try:
                return self._send(patch, "update", key)  # type: ignore[no-any-return]
            except Conflict:
                if revision is not None:
                    raise
        raise Conflict(mapper.name, key)

    @contextmanager
    def edit(self, key: K, /) -> Generator[M]:
        """Get a record, let the block change its attributes, and save it at the block's end; raise Conflict."""
        record: M = self._reading.one(key, "edit")
        yield record
        self.save(record)

    def increment(
        self, key: K, field: float | Decimal | None, /, by: Any = 1, *, low: Any = None, high: Any = None
    ) -> M:
        """Add to an int or Decimal field (None counts as 0) and give the record back; OutOfBounds past low or high."""
        reading, spec = self._reading, self._own(field)
        mapper, codec = reading.mapper, reading.mapper.codec
        if reason := _no_increment(spec):
            raise UsageError(f"{mapper.name}.{spec.name}: {reason}")
        for value in (by, low, high):
            if value is not None:
                codec.check(spec, value)
        if reading.tx is not None:
            record = reading.one(key, "increment")
            there = getattr(reading.tx.state_of(mapper, record), spec.name)
            return self._apply(record, {spec.name: self._stepped(spec, there, by, low, high)})
        step = Step(spec.name, *(codec.dump(spec.name, value) for value in (by, low, high)))
        sets = mapper.stamps(mapper.updated, reading.engine.clock)
        bound = codec.bind_key(mapper.key_values(key))
        patch = mapper.patch(bound, sets, steps=(step,), require=self._guards())
        return self._send(patch, "increment", key)  # type: ignore[no-any-return]

    def _stepped(self, spec: Any, there: Any, by: Any, low: Any, high: Any) -> Any:
        result = by if there is None else there + by
        outside = (low is not None and result < low) or (high is not None and result > high)
        if outside or spec.type.refusal(result):
            raise OutOfBounds(self._reading.mapper.name, spec.name, "the sum is outside its bounds")
        return result

    def claim(self, *where: Predicate, changes: Sequence[Assignment], scan: bool = False) -> M:
        """Take any one record that matches, change it, and give it back; raise Exhausted when none is left."""
        reading, sets = self._reading, self._sets(changes)
        mapper = reading.mapper
        filtered = reading.where(where, "no")
        if filtered is None:
            raise UsageError("claim needs a filter")
        # Those that are passed by are no part of a transaction's read set: others may take them meanwhile.
        looking = reading.peek()
        for _ in range(_CLAIM_ROUNDS):
            found = looking.many(filtered, "claim", limit=_CLAIM_AMONG, scan=scan)
            if not found:
                raise Exhausted(mapper.name)
            # Everyone would go for the first free one, and all but one would lose.
            random.shuffle(found)
            if reading.tx is not None:
                return self._apply(reading.tx.remember(reading, found[0]), sets)
            for record in found:
                taken = self._take(record, sets)
                if taken is not None:
                    return taken
        raise Conflict(mapper.name, None)

    def _take(self, record: Any, sets: dict[str, Any]) -> M | None:
        """Change a record if it still is as it was read; None when somebody was faster."""
        reading, mapper = self._reading, self._reading.mapper
        stamped = {**mapper.stamps(mapper.updated, reading.engine.clock), **sets}
        mapper.weigh(record, sets)
        patch = mapper.patch(mapper.codec.key(record), stamped, expected=getattr(record, REVISION))
        try:
            return reading.engine.write([patch], "claim").records[0]  # type: ignore[no-any-return]
        except (Conflict, NotFound):
            return None

    def update_where(
        self, first: Predicate, /, *more: Predicate, changes: Sequence[Assignment], scan: bool = False
    ) -> int:
        """Change some fields of every record that matches, and tell how many; needs at least one predicate.

        Outside a transaction a series of atomic steps: when one fails, the error's `done` says how far it got.
        """
        sets, filtered = self._sets(changes), self._filter((first, *more))
        if self._reading.tx is None:
            return Bulk(self._reading).update(filtered, sets, scan=scan)
        found = self._reading.many(filtered, "update_where", scan=scan)
        for record in found:
            self._apply(record, sets)
        return len(found)

    def _insert(self, record: Any, *, generated: bool) -> None:
        reading, mapper = self._reading, self._reading.mapper
        for _ in range(_KEY_TRIES):
            change = mapper.insert(record)
            try:
                reading.engine.write([change], "create")
            except Duplicate as error:
                if not generated or error.fields != mapper.key_names or error.model != mapper.name:
                    raise
                object.__setattr__(record, mapper.key_names[0], reading.engine.ids.take(mapper.collection.name)[0])
                continue
            object.__setattr__(record, REVISION, change.revision)
            return
        raise Duplicate(mapper.name, mapper.key_names)
