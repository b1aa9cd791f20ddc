"""A transaction: what it has read, what it will write, and the one atomic write at its end.

Knows mappers and changes; must not know how a query becomes a plan. No lock is held while Python runs: the commit
checks every record that was read, and Conflict says that one of them changed.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from ..errors import AlreadyCommitted, Closed, Conflict, Duplicate, NotFound, UsageError
from ..model.slotted import REVISION
from ..model.types import text_refusal
from ..query import evaluate
from ..query.plan import Plan
from ..store.protocol import Change, Check, Delete, Insert, Replace, Values
from .engine import Engine, translate_committed
from .mapper import Mapper

V = TypeVar("V")
Identity = tuple[str, tuple[Any, ...]]  # collection, and the parts of the key as the program writes them


class View(Protocol):
    """What is needed of the reading that asks: whose records, in which scope, and whether the commit checks them."""

    mapper: Mapper
    peeking: bool

    @property
    def scope_value(self) -> Any:
        """Give the scope's value, or None."""
        ...


class Pending(msgspec.Struct, eq=False):
    """What will become of one record. expected: the revision it was read at; None for one that is new here.

    record: the object the caller holds. gone: it will be deleted. change: ready to be sent. kept: a copy of the record,
    where the change is not enough to make one.
    """

    mapper: Mapper
    record: Any
    kept: Any
    expected: int | None
    gone: bool
    change: Change

    @property
    def state(self) -> Any:
        """Give the record as it was saved: later changes to the object stay out."""
        if self.kept is None:
            assert isinstance(self.change, (Insert, Replace))
            version = self.mapper.model.version
            self.kept = self.mapper.codec.load((*self.change.values, getattr(self.record, REVISION), version))
        return self.kept


class Seen(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A record as it was read. values: of its fields, since the caller may change the object without saving it."""

    mapper: Mapper
    revision: int
    values: tuple[Any, ...]

    @property
    def state(self) -> Any:
        """Give a record with these values."""
        return self.mapper.codec.restore(self.values)


class Transaction:
    """The memory of one transaction. Belongs to one thread."""

    def __init__(self, engine: Engine, idempotency_key: str | None) -> None:
        self._engine = engine
        self._key = idempotency_key
        self._records: dict[Identity, Any] = {}
        self._seen: dict[Identity, Seen] = {}
        self._pending: dict[Identity, Pending] = {}
        self._thread = threading.get_ident()
        self._done = False
        if idempotency_key is not None:
            if not isinstance(idempotency_key, str) or not idempotency_key or text_refusal(idempotency_key, 255):
                raise UsageError("an idempotency key is a text of 1 to 255 characters that every store can hold")
            if engine.is_committed(idempotency_key):
                raise AlreadyCommitted(idempotency_key)

    def _check_open(self) -> None:
        if self._done:
            raise Closed("the transaction has ended")
        if threading.get_ident() != self._thread:
            raise UsageError("a transaction belongs to the thread that began it")

    # -- reads --

    def known(self, reading: View, parts: tuple[Any, ...], deleted: str) -> Any:
        """Give the object that this transaction already has for a key, or None; raise NotFound when it deleted it."""
        self._check_open()
        identity = (reading.mapper.collection.name, parts)
        pending = self._pending.get(identity)
        if pending is not None:
            record = pending.record
        else:
            record = None if reading.peeking else self._records.get(identity)
            if record is None:
                return None
        if (pending and pending.gone) or not _visible(reading, self.state_of(reading.mapper, record), deleted):
            raise NotFound(reading.mapper.name, reading.mapper.key_of(record))
        return record

    def remember(self, reading: View, record: Any) -> Any:
        """Take note of a record that was read; give the one object that stands for it here.

        Whoever calls has made sure that the transaction is open.
        """
        if reading.peeking:
            return record
        mapper = reading.mapper
        identity = (mapper.collection.name, mapper.key_parts(record))
        kept = self._records.setdefault(identity, record)
        if identity not in self._seen and identity not in self._pending:
            self._seen[identity] = Seen(mapper, getattr(record, REVISION), mapper.codec.values(record))
        return kept

    def remember_new(self, mapper: Mapper, parts: tuple[Any, ...], record: Any) -> Any:
        """Take note of a record that was read by its key, and of which this transaction has known() nothing."""
        identity = (mapper.collection.name, parts)
        kept = self._records.setdefault(identity, record)
        if kept is record:
            self._seen[identity] = Seen(mapper, getattr(record, REVISION), mapper.codec.values(record))
        return kept

    def state_of(self, mapper: Mapper, record: Any) -> Any:
        """Give a record as it was read or last saved here; as it is, when it came from elsewhere."""
        identity = (mapper.collection.name, mapper.key_parts(record))
        known = self._pending.get(identity) or self._seen.get(identity)
        return record if known is None else known.state

    def pending_in(self, mapper: Mapper) -> int:
        """Count the changes of one collection that are waiting."""
        self._check_open()
        return sum(1 for collection, _ in self._pending if collection == mapper.collection.name)

    def overlay(
        self,
        reading: View,
        rows: list[Any],
        plan: Plan,
        values: Values,
        *,
        after: Values | None,
        limit: int | None,
        as_saved: bool,
    ) -> list[Any]:
        """Lay this transaction's own changes over the records that the store gave for a plan.

        as_saved: as the records would be after the commit, and unremembered: what counts and totals are made of.
        """
        self._check_open()
        mapper = reading.mapper
        mine = {i: p for i, p in self._pending.items() if i[0] == mapper.collection.name}
        if not mine:
            return rows if as_saved else [self.remember(reading, row) for row in rows]
        assert plan.matches is not None
        assert plan.is_after is not None
        found = [row for row in rows if (mapper.collection.name, mapper.key_parts(row)) not in mine]
        own = {
            id(p.state): p.record
            for p in mine.values()
            if not p.gone and plan.matches(p.state, values) and (after is None or plan.is_after(p.state, after))
        }
        found += [p.state for p in mine.values() if id(p.state) in own]
        evaluate.sort(found, plan.order, plan.sort_keys)
        if as_saved:
            return found[:limit]
        return [own[id(r)] if id(r) in own else self.remember(reading, r) for r in found[:limit]]

    # -- writes --

    def create(self, mapper: Mapper, record: Any) -> None:
        """Put a new record in line; raise Duplicate when this transaction already has one with its key."""
        self._check_open()
        kept = mapper.own(record)
        source = record if kept is None else kept
        change = mapper.insert(source)
        identity = (mapper.collection.name, mapper.key_parts(record))
        there = self._pending.get(identity)
        if there is not None and there.gone and there.expected is not None:
            # Deleted and made again in one step: for the store that is one record replaced.
            replaced = mapper.replace(source, there.expected, ())
            self._pending[identity] = Pending(mapper, record, kept, there.expected, False, replaced)
        elif (there is not None and not there.gone) or identity in self._seen:
            raise Duplicate(mapper.name, mapper.key_names)
        else:
            self._pending[identity] = Pending(mapper, record, kept, None, False, change)
        self._records[identity] = record

    def save(
        self,
        mapper: Mapper,
        record: Any,
        expected: int | None,
        require: tuple[tuple[str, Any], ...],
        *,
        state: Any = None,
    ) -> None:
        """Put a changed record in line. expected: the revision named; state: what to write, if not the object."""
        self._check_open()
        identity = (mapper.collection.name, mapper.key_parts(record))
        kept = mapper.own(record) if state is None else state
        source = record if kept is None else kept
        there = self._pending.get(identity)
        if there is not None and there.gone:
            raise Conflict(mapper.name, mapper.key_of(record))
        if there is not None and there.expected is None:
            change: Change = mapper.insert(source)
        else:
            base = there.expected if there is not None else expected
            if base is None:
                raise UsageError(f"{mapper.name}: save takes a record that was read or created; use create or upsert")
            seen = self._seen.get(identity)
            if (seen is not None and seen.revision != base) or (there is not None and expected not in (None, base)):
                raise Conflict(mapper.name, mapper.key_of(record))
            change = mapper.replace(source, base, require)
        based = there.expected if there is not None else expected
        self._pending[identity] = Pending(mapper, record, kept, based, False, change)
        self._records[identity] = record

    def delete(self, mapper: Mapper, record: Any, expected: int | None, require: tuple[tuple[str, Any], ...]) -> None:
        """Put a deletion in line."""
        self._check_open()
        key = mapper.codec.key(record)
        identity = (mapper.collection.name, mapper.key_parts(record))
        there = self._pending.get(identity)
        if there is not None and there.gone:
            raise NotFound(mapper.name, mapper.key_of(record))
        based = there.expected if there is not None else expected
        change = (
            None if there is not None and there.expected is None else Delete(mapper.collection, key, based, require)
        )
        if change is None:
            del self._pending[identity]  # made in here and deleted in here: nothing happened
            self._records.pop(identity, None)
            return
        self._pending[identity] = Pending(mapper, record, mapper.codec.copy(record), based, True, change)

    # -- the end --

    def commit(self) -> None:
        """Write everything in one atomic step, with a check of each record read; raise Conflict and the like."""
        self._check_open()
        self._done = True
        changes = self._checks() + [pending.change for pending in self._pending.values()]
        if self._key is not None:
            first = next((n for n, c in enumerate(changes) if isinstance(c, Insert)), len(changes))
            changes.insert(first, self._engine.committed(self._key))
        if not changes:
            return
        self._engine.check_size(changes, self._spared)
        try:
            self._engine.write(changes, "commit")
        except Duplicate as error:
            raise translate_committed(error, self._key) from None
        for pending in self._pending.values():
            if isinstance(pending.change, (Insert, Replace)):
                object.__setattr__(pending.record, REVISION, pending.change.revision)

    def _spared(self) -> int:
        """Count the entries and references that records were counted with, and that stay where they are."""
        spared = 0
        for identity, pending in self._pending.items():
            change, mapper, seen = pending.change, pending.mapper, self._seen.get(identity)
            if isinstance(change, Replace) and seen is not None and seen.revision == change.expected:
                after = mapper.codec.values(pending.state)
                pairs = zip(mapper.model.fields, seen.values, after, strict=False)  # a revision ends the values
                spared += mapper.costs[Replace] - mapper.moving(spec.name for spec, old, new in pairs if old != new)
        return spared

    def recheck(self) -> None:
        """Raise Conflict when a record that was read has changed since: what it led to need not be believed."""
        checks = self._checks()
        if checks:
            self._engine.write(checks, "recheck")

    def _checks(self) -> list[Change]:
        return [
            Check(seen.mapper.collection, seen.mapper.codec.bind_key(identity[1]), seen.revision)
            for identity, seen in self._seen.items()
            if identity not in self._pending
        ]

    def end(self) -> None:
        """Forget everything; nothing is written."""
        self._done = True

    @property
    def is_done(self) -> bool:
        """Tell whether the transaction has ended."""
        return self._done


class Block(Generic[V]):
    """What `with` opens: gives a view on a transaction, and commits at the end unless something was raised.

    A generator with contextlib's wrapper would take a microsecond more, a hundredth of a transaction in memory.
    """

    __slots__ = ("_tx", "_view")

    def __init__(self, tx: Transaction, view: V) -> None:
        self._tx = tx
        self._view = view

    def __enter__(self) -> V:
        return self._view

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None and not self._tx.is_done:
                self._tx.commit()
        finally:
            self._tx.end()


def _visible(reading: View, state: Any, deleted: str) -> bool:
    """Tell whether a record is in scope, and live or deleted as wanted."""
    mapper = reading.mapper
    scope = mapper.scope
    if reading.scope_value is not None and scope is not None and getattr(state, scope.name) != reading.scope_value:
        return False
    if mapper.live is None or deleted == "any":
        return True
    return bool(state.deleted) == (deleted == "only")


def require_of(mapper: Mapper, pairs: Sequence[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    """Bind the (field, value) pairs that a stored record must have."""
    return tuple((name, mapper.codec.dump(name, value)) for name, value in pairs)
