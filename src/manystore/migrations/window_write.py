"""Window write: the changes of one step, made for the head's collections, turned into changes of those that are kept.

Knows changes, fittings and stored records; must not know stores. A record that is changed through the window is read
first and expected to be as it was read; where the caller expects less, another writer is no conflict of his.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ..errors import Conflict, NotFound, OutOfBounds
from ..store.change import RANKS, added, key_of, shown_key
from ..store.protocol import Change, Check, Delete, Insert, Patch, Replace, Store, Values
from .fitted_plan import lookup
from .fitting import Fitting, Stored
from .lens import Record, same

_NEVER = -1  # a revision that no record has
Place: TypeAlias = tuple[str, Values]  # a record: the head's name of its collection, and its key


class WindowWrite:
    """One try at a step."""

    def __init__(self, store: Store, fittings: Mapping[str, Fitting], changes: Sequence[Change], epoch: str) -> None:
        self._store = store
        self._fittings = fittings
        self._changes = changes
        self._epoch = epoch
        self._stored: dict[Place, Stored | None] = {}
        self._lenient: set[tuple[str, Any]] = set()  # changes of any revision, by the words of an error
        self._appearing: set[tuple[str, Any]] = set()  # those of records that were not there
        self._made: dict[int, Any] = {}
        self._is_refused = False  # a change seen so far is one that the store will refuse
        self.trips = 0

    def fitted(self) -> list[Change]:
        """Give the changes to send; raise Pinned, or OutOfBounds of a step."""
        self._fetch()
        made: dict[int, Change] = {}
        # In the order in which refusals count: what stands first is raised.
        for place, change in sorted(enumerate(self._changes), key=lambda pair: RANKS[type(pair[1])]):
            made[place] = self._fit(place, change)
        return [made[place] for place in range(len(self._changes))]

    def records(self, given: Sequence[Any]) -> list[Any]:
        """Give what a write gives: the objects of patches that somebody wants."""
        return [self._made.get(place, record) for place, record in enumerate(given)]

    def is_own(self, error: Exception) -> bool:
        """Tell whether a refusal may come of what was read in here, rather than of what the caller expects."""
        if isinstance(error, Conflict) and (error.model, error.key) in self._appearing:
            return True
        return isinstance(error, (Conflict, NotFound)) and (error.model, error.key) in self._lenient

    # -- reading --

    def _fetch(self) -> None:
        wanted: dict[str, list[Values]] = {}
        for change in self._changes:
            fitting = self._fittings.get(change.collection.name)
            if fitting is not None and self._is_read(change, fitting):
                wanted.setdefault(change.collection.name, []).append(key_of(change))
        for name, keys in wanted.items():
            fitting = self._fittings[name]
            several = len(fitting.kept.key) == 1 and len(keys) > 1
            plan = lookup(fitting, several=several)
            operands = [(tuple(key[0] for key in keys),)] if several else keys
            self._stored.update(dict.fromkeys(((name, key) for key in keys), None))
            for values in operands:
                got = self._store.read(plan, values, epoch=self._epoch)
                self.trips += got.trips
                for stored in got.rows:
                    self._stored[name, self._bound_key(fitting, stored)] = stored

    @staticmethod
    def _is_read(change: Change, fitting: Fitting) -> bool:
        if isinstance(change, (Insert, Check)):
            return False
        if isinstance(change, Patch):
            return True
        if change.require and not all(fitting.keeps(name) for name, _ in change.require):
            return True
        return isinstance(change, Replace) and not fitting.is_raised

    @staticmethod
    def _bound_key(fitting: Fitting, stored: Stored) -> Values:
        values = fitting.kept_form.values(stored.columns)
        return tuple(values[place] for place in fitting.kept.key_positions)

    # -- changes --

    def _fit(self, place: int, change: Change) -> Change:
        fitting = self._fittings.get(change.collection.name)
        if fitting is None:
            return change
        if isinstance(change, Insert):
            values = fitting.put(fitting.head_form.record(change.values), None)
            return Insert(fitting.kept, values, change.revision, change.size)
        if isinstance(change, Check):
            return Check(fitting.kept, change.key, change.expected)
        key = key_of(change)
        stored = self._stored.get((change.collection.name, key))
        if self._is_read(change, fitting):
            self._judge(change, fitting, key, stored)
        require = self._require(change, fitting)
        if isinstance(change, Delete):
            expected = self._expected(change, fitting, stored) if self._is_read(change, fitting) else change.expected
            return Delete(fitting.kept, key, expected, require)
        if isinstance(change, Replace):
            values = fitting.put(fitting.head_form.record(change.values), stored)
            return Replace(fitting.kept, values, change.revision, change.expected, require, change.size)
        return self._patch(place, change, fitting, stored)

    def _judge(self, change: Delete | Replace | Patch, fitting: Fitting, key: Values, stored: Stored | None) -> None:
        """Raise NotFound for a record that lacks what is required, unless the store will refuse something before."""
        if stored is None or (change.expected is not None and change.expected != stored.revision):
            self._is_refused = True
        elif not self._is_refused and not self._fulfils(change, fitting, stored):
            raise NotFound(fitting.head.model, shown_key(key))

    def _patch(self, place: int, change: Patch, fitting: Fitting, stored: Stored | None) -> Change:
        expected = self._expected(change, fitting, stored)
        if stored is None:
            return Patch(fitting.kept, change.key, change.revision, expected=expected)
        try:
            record = self._patched(change, fitting, dict(fitting.lifted(stored)))
        except OutOfBounds:
            if not self._is_refused:
                raise
            # What comes first is refused, or else has changed by now: then the step is tried again.
            self._appearing.add((fitting.kept.model, shown_key(change.key)))
            return Patch(fitting.kept, change.key, change.revision, expected=_NEVER)
        if change.codec is not None:
            self._made[place] = fitting.made(change.codec, record, change.revision)
        return Replace(fitting.kept, fitting.put(record, stored), change.revision, expected)

    def _expected(self, change: Delete | Patch, fitting: Fitting, stored: Stored | None) -> int:
        if change.expected is not None:
            return change.expected
        if stored is None:
            # If it has come since, that is a Conflict, and the step is tried again. If not, NotFound is the caller's.
            self._appearing.add((fitting.kept.model, shown_key(change.key)))
            return _NEVER
        self._lenient.add((fitting.kept.model, shown_key(change.key)))
        return stored.revision

    @staticmethod
    def _patched(change: Patch, fitting: Fitting, record: Record) -> Record:
        form = fitting.head_form
        for name, value in change.sets:
            record[form.column(name)] = form.primitive(name, value)
        for step in change.steps:
            field, column = fitting.head.field(step.field), form.column(step.field)
            record[column] = added(step, field, record[column], fitting.head.model)
        return record

    @staticmethod
    def _fulfils(change: Delete | Replace | Patch, fitting: Fitting, stored: Stored) -> bool:
        if not change.require:
            return True
        form, record = fitting.head_form, fitting.lifted(stored)
        return all(same(record.get(form.column(name)), form.primitive(name, value)) for name, value in change.require)

    @staticmethod
    def _require(change: Delete | Replace | Patch, fitting: Fitting) -> tuple[tuple[str, Any], ...]:
        """Give those requirements that the store itself can look at."""
        return tuple((fitting.names[name], value) for name, value in change.require if fitting.keeps(name))
