"""What every change is checked for, and what is filled in: owner, scope, liveness, stamps, generated keys.

Knows mappers and a repository's view; must not send anything to the store itself (ids apart).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic

from typing_extensions import TypeVar

from ..errors import OutOfScope, UsageError, ValueRefused
from ..model.model import owner_of
from ..model.unset import UNSET
from ..query.column import Assignment
from ..query.predicate import Predicate
from .reading import Deleted, Reading
from .transaction import require_of
from .undo import Undo

M = TypeVar("M")
K = TypeVar("K", default=Any)


class Checking(Generic[M, K]):
    """The root of Repository: a model's records in one view of a database.

    database: that view, for operations that reach other repositories; a subclass may annotate it with its own class.
    """

    __slots__ = ("_reading", "database")

    def __init__(self, database: Any, reading: Reading) -> None:
        self.database = database
        self._reading = reading

    def _prepare_new(self, records: Sequence[Any]) -> Undo:
        """Fill generated keys, stamps and scope of new records; give what takes them back."""
        reading, mapper = self._reading, self._reading.mapper
        undo, generated = Undo(), mapper.generated
        if reading.scope is not None:
            for record in records:
                self._scope_of(record)
        now = reading.engine.clock() if mapper.created else None
        for spec in mapper.created:
            undo.fill(records, spec.name, now)
        if generated is not None:
            name, collection = generated.name, mapper.collection.name
            unset = [record for record in records if getattr(record, name) is UNSET]
            if unset:
                undo.generated = True
                undo.put_each(unset, name, reading.engine.ids.take(collection, len(unset)), before=UNSET)
            for record in records if len(unset) < len(records) else ():
                reading.engine.ids.pass_over(collection, mapper.codec.check(generated, getattr(record, name)))
        return undo

    def _prepare_one(self, record: Any) -> Undo:
        """Do as _prepare_new for a single record, in half the time."""
        reading, mapper = self._reading, self._reading.mapper
        undo, generated, engine = Undo(), mapper.generated, reading.engine
        if reading.scope is not None:
            self._scope_of(record)
        now = engine.clock() if mapper.created else None
        for spec in mapper.created:
            if getattr(record, spec.name) is None:
                undo.put(record, spec.name, now, before=None)
        if generated is not None:
            name, collection = generated.name, mapper.collection.name
            if (key := getattr(record, name)) is UNSET:
                undo.generated = True
                undo.put(record, name, engine.ids.take(collection)[0], before=UNSET)
            else:
                engine.ids.pass_over(collection, mapper.codec.check(generated, key))
        return undo

    def _sets(self, changes: Sequence[Assignment]) -> dict[str, Any]:
        """Check assignments: their type, their owner, no field twice, no key."""
        mapper, sets = self._reading.mapper, dict[str, Any]()
        if not isinstance(changes, (tuple, list)):
            raise UsageError("changes= takes a list, as in changes=[col(Book.pages).to(3)]")
        for place, change in enumerate(changes, 1):
            if not isinstance(change, Assignment):
                raise UsageError(f"change {place} is a {type(change).__name__}; write col(Book.pages).to(3)")
            if change.owner is not mapper.cls:
                raise UsageError(f"{change.owner.__name__}.{change.field} is no field of {mapper.name}")
            if change.field in sets:
                raise UsageError(f"{mapper.name}.{change.field} is assigned twice")
            if change.field in mapper.key_names:
                raise ValueRefused(mapper.name, change.field, "a key cannot be changed")
            self._check_scope(change.field, change.value)
            sets[change.field] = change.value
        if not sets:
            raise UsageError("no changes given")
        return sets

    def _filter(self, where: Sequence[Predicate], deleted: Deleted = "no") -> Predicate:
        filtered = self._reading.where(where, deleted)
        assert filtered is not None
        return filtered

    def _own(self, slot: object) -> Any:
        """Give the FieldSpec of a slot of this repository's model; raise UsageError."""
        mapper = self._reading.mapper
        try:
            owner, name = owner_of(slot)
            if owner is mapper.cls:
                return mapper.model.field(name)
        except (TypeError, KeyError):
            raise UsageError(f"a field of {mapper.name} is wanted, written on its class") from None
        raise UsageError(f"{owner.__name__}.{name} is no field of {mapper.name}")

    def _check_record(self, record: object) -> None:
        if record.__class__ is not self._reading.mapper.cls:
            raise UsageError(f"{self._reading.mapper.name} wanted, not {type(record).__name__}")

    def _check_scope(self, field: str, value: Any) -> None:
        spec = self._reading.mapper.scope
        if (
            self._reading.scope is not None
            and spec is not None
            and field == spec.name
            and value != self._reading.scope_value
        ):
            raise OutOfScope(self._reading.mapper.name, field)

    def _scope_of(self, record: Any) -> tuple[tuple[str, Any], ...]:
        """Check that a record is in scope, and give what the stored one must have."""
        spec = self._reading.mapper.scope
        if self._reading.scope is None or spec is None:
            return ()
        self._check_scope(spec.name, getattr(record, spec.name))
        return self._scope_guard()

    def _scope_guard(self) -> tuple[tuple[str, Any], ...]:
        spec = self._reading.mapper.scope
        if self._reading.scope is None or spec is None:
            return ()
        return require_of(self._reading.mapper, [(spec.name, self._reading.scope_value)])

    def _guards(self) -> tuple[tuple[str, Any], ...]:
        """Give what a stored record must have to be seen: in scope, and live."""
        mapper = self._reading.mapper
        live = require_of(mapper, [("deleted", False)]) if mapper.live is not None else ()
        return (*self._scope_guard(), *live)
