"""The end of records: delete, purge and their kin. writing.py adds what makes and changes records."""

from __future__ import annotations

from typing import Any

from ..errors import Conflict, NotFound, UsageError
from ..model.slotted import REVISION
from ..query.predicate import Predicate
from ..store.protocol import Change, Delete
from .bulk import Bulk
from .checking import Checking, K, M
from .reading import Deleted


class Removing(Checking[M, K]):
    """The removing part of Repository."""

    __slots__ = ()

    def delete(self, target: M | K, /) -> None:
        """Delete a record, if it is unchanged, or whatever has this key; softly where the model says so."""
        mapper = self._reading.mapper
        if mapper.live is None:
            self._remove(target, "delete", "no")
        elif self._reading.tx is not None or isinstance(target, mapper.cls):
            record = target if isinstance(target, mapper.cls) else self._reading.one(target, "delete")
            self._soft_delete(record)
        else:
            bound = mapper.codec.bind_key(mapper.key_values(target))
            self._send(mapper.patch(bound, self._burial(), require=self._guards()), "delete", target)

    def purge(self, target: M | K, /) -> None:
        """Delete a record for good, soft-deleted or not, and fire the on_delete rules of what refers to it."""
        self._remove(target, "purge", "any")

    def delete_where(self, first: Predicate, /, *more: Predicate, scan: bool = False) -> int:
        """Delete every record that matches, and tell how many; needs at least one predicate (or everything())."""
        return self._delete_all(
            self._filter((first, *more)), "delete_where", scan=scan, soft=self._reading.mapper.live is not None
        )

    def purge_where(self, first: Predicate, /, *more: Predicate, scan: bool = False, deleted: Deleted = "only") -> int:
        """Delete every match for good, among the soft-deleted unless told otherwise, and tell how many."""
        choice: Deleted = deleted if self._reading.mapper.live is not None else "no"
        return self._delete_all(self._filter((first, *more), choice), "purge_where", scan=scan, soft=False)

    def _send(self, change: Change, operation: str, key: Any) -> Any:
        """Make one change, and give the patched object if it has one; errors name the key as the caller wrote it."""
        try:
            return self._reading.engine.write([change], operation).records[0]
        except (NotFound, Conflict) as error:
            raise type(error)(self._reading.mapper.name, key) from None

    def _delete_all(self, filtered: Predicate, operation: str, *, scan: bool, soft: bool) -> int:
        if self._reading.tx is None:
            if soft:
                return Bulk(self._reading).update(filtered, self._burial(), scan=scan, operation=operation)
            return Bulk(self._reading).delete(filtered, operation, scan=scan)
        found = self._reading.many(filtered, operation, scan=scan)
        for record in found:
            if soft:
                self._soft_delete(record)
            else:
                self._reading.tx.delete(self._reading.mapper, record, getattr(record, REVISION), ())
        return len(found)

    def _remove(self, target: Any, operation: str, deleted: Deleted) -> None:
        reading, mapper = self._reading, self._reading.mapper
        is_record = isinstance(target, mapper.cls)
        if is_record and getattr(target, REVISION) is None and reading.tx is None:
            raise UsageError(f"{mapper.name}: {operation} takes a record that was read or created, or a key")
        if reading.tx is not None:
            record = target if is_record else reading.one(target, operation, deleted=deleted)
            reading.tx.delete(mapper, record, getattr(record, REVISION), self._scope_guard())
            return
        key = mapper.codec.key(target) if is_record else mapper.codec.bind_key(mapper.key_values(target))
        expected = getattr(target, REVISION) if is_record else None
        change = Delete(mapper.collection, key, expected, self._scope_guard())
        self._send(change, operation, mapper.key_of(target) if is_record else target)

    def _soft_delete(self, record: Any) -> None:
        reading, sets = self._reading, self._burial()
        mapper = reading.mapper
        if reading.tx is not None:
            self._apply(record, sets)
            return
        expected = getattr(record, REVISION)
        if expected is None:
            raise UsageError(f"{mapper.name}: delete takes a record that was read or created, or a key")
        patch = mapper.patch(mapper.codec.key(record), sets, expected=expected, require=self._scope_guard())
        self._send(patch, "delete", mapper.key_of(record))
        for name, value in (*sets.items(), (REVISION, patch.revision)):
            object.__setattr__(record, name, value)

    def _burial(self) -> dict[str, Any]:
        mapper = self._reading.mapper
        return {"deleted": True, **mapper.stamps((*mapper.deleted, *mapper.updated), self._reading.engine.clock)}

    def _save(self, record: Any, expected: int | None = None) -> None:
        """Put a changed record in the store, or in line; its stamps are set back when that fails."""
        reading = self._reading
        mapper = reading.mapper
        require = () if reading.scope is None else self._scope_of(record)
        stamped = mapper.stamp(record, reading.engine.clock)
        based = expected if expected is not None else getattr(record, REVISION)
        try:
            if reading.tx is not None:
                reading.tx.save(mapper, record, based, require)
                return
            if based is None:
                raise UsageError(f"{mapper.name}: save takes a record that was read or created; use create or upsert")
            change = mapper.replace(record, based, require)
            self._send(change, "save", mapper.key_of(record))
            object.__setattr__(record, REVISION, change.revision)
        except BaseException:
            for name, before in stamped:
                object.__setattr__(record, name, before)
            raise

    def _apply(self, record: Any, sets: dict[str, Any]) -> M:
        """Change some fields of a record that a transaction holds, and put it in line.

        Attributes that were changed but not saved stay unwritten: the record is taken as it was read or saved.
        """
        reading, mapper = self._reading, self._reading.mapper
        assert reading.tx is not None
        sets = {**mapper.stamps(mapper.updated, reading.engine.clock), **sets}
        state = mapper.codec.copy(reading.tx.state_of(mapper, record))
        for name, value in sets.items():
            object.__setattr__(state, name, value)
        reading.tx.save(mapper, record, getattr(record, REVISION), self._scope_of(state), state=state)
        for name, value in sets.items():
            object.__setattr__(record, name, value)
        return record  # type: ignore[no-any-return]
