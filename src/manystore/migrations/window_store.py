"""Window store: a Store over a Store, by which programs of the head schema run while a window is open or raised.

Knows the outer waist, fittings and fitted plans; must not know what store it stands on. What a program asks of a
collection of the head is put to the collection that is kept; records are loaded through the upgrade and put by the pin.
Filters are looked at again on the records of the head's shape, so an answer is right whatever shapes are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

from ..errors import (
    Conflict,
    Duplicate,
    EpochChanged,
    MissingReference,
    NotFound,
    Restricted,
    TooManyExamined,
    Unavailable,
)
from ..model.types import Kind
from ..query import totals
from ..query.capabilities import Capabilities
from ..query.evaluate import sort
from ..query.plan import Plan
from ..schema.catalog import Catalog
from ..schema.operation import Altered, Operation
from ..store.protocol import Change, Form, Read, Store, Values, Wait, Written
from .fitted_plan import Fitted, fitted
from .fitting import Fitting
from .passage import Passage
from .window_write import WindowWrite

_KEPT = "window"  # under which a plan keeps what was fitted for it
_PAGE = 500
_TRIES = 50
_PAUSE = 0.002
Naming: TypeAlias = Conflict | NotFound | Duplicate | MissingReference | Restricted
_NAMING = (Conflict, NotFound, Duplicate, MissingReference, Restricted)
"""The errors that say which models and fields they are about."""


class WindowStore:
    """The store of a program of the head. catalog: in force; made anew whenever it changes."""

    def __init__(self, store: Store, passage: Passage, catalog: Catalog, wait: Wait) -> None:
        self._store = store
        self._wait = wait
        self._epoch = catalog.epoch
        self.capabilities: Capabilities = store.capabilities
        self.forms: Mapping[Kind, Form] = store.forms
        is_raised = catalog.phase in ("raised", "swept")
        made = {
            name: Fitting(crossing, store.forms, is_raised=is_raised)
            for name, crossing in passage.crossings.items()
            if name not in passage.closed or not is_raised
        }
        self._fittings = {name: fitting for name, fitting in made.items() if fitting.is_needed}
        self._by_model = {fitting.kept.model: fitting for fitting in made.values()}
        # What is made anew as a whole has no records for a program of the head before the raise.
        hidden = () if is_raised else (name for name in passage.closed if name not in made)
        self._hidden = frozenset[str](hidden)

    def read(
        self,
        plan: Plan,
        values: Values,
        *,
        epoch: str,
        limit: int | None = None,
        after: Values | None = None,
        cap: int | None = None,
    ) -> Read:
        """Run a plan."""
        self._believe(epoch)
        fitting = self._fittings.get(plan.collection.name)
        if fitting is None:
            self._check(plan.collection.name)
            return self._store.read(plan, values, epoch=epoch, limit=limit, after=after, cap=cap)
        kept: Fitted | None = plan.compiled.get(_KEPT)
        if kept is None:
            kept = plan.compiled[_KEPT] = fitted(plan, fitting, native=self.capabilities.native_filter)
        if kept.is_through:
            return self._store.read(kept.plan, values, epoch=epoch, limit=limit, after=after, cap=cap)
        reading = _Reading(self._store, plan, kept, values, epoch)
        if plan.output == "records":
            return Read(reading.records(limit, after, cap), reading.examined, reading.trips)
        if plan.output == "exists":
            return Read([bool(reading.records(1, after, cap))], reading.examined, reading.trips)
        records = reading.records(limit, after, cap)
        if plan.output == "count":
            return Read([len(records)], reading.examined, reading.trips)
        rows = totals.rows(plan, records) if plan.output == "rows" else totals.groups(plan, records)
        return Read(rows, reading.examined, reading.trips)

    def write(self, changes: Sequence[Change], *, epoch: str) -> Written:
        """Carry out all changes in one atomic step; read first what is to be changed through the window."""
        self._believe(epoch)
        fittings = self._fittings
        if not any(change.collection.name in fittings for change in changes):
            for change in changes:
                self._check(change.collection.name)
            try:
                return self._store.write(changes, epoch=epoch)
            except _NAMING as error:
                raise self._named(error) from None
        trips = 0
        for attempt in range(_TRIES):
            write = WindowWrite(self._store, fittings, changes, epoch)
            fit = write.fitted()
            trips += write.trips
            try:
                written = self._store.write(fit, epoch=epoch)
            except _NAMING as error:
                # Of a record that was read in here somebody else was faster: for the caller that is no conflict.
                if not write.is_own(error):
                    raise self._named(error) from None
            else:
                return Written(write.records(written.records), trips + written.trips)
            self._wait(_PAUSE * attempt)
        raise Unavailable(f"other writers were faster {_TRIES} times; nothing was written")

    def alter(self, operation: Operation) -> Altered:
        """Carry out an operation on the stored schema."""
        return self._store.alter(operation)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _believe(self, epoch: str) -> None:
        # Another thread of the program may have followed the catalog between its look at the store and at the epoch.
        if epoch != self._epoch:
            raise EpochChanged("the catalog changed since it was read")

    def _check(self, collection: str) -> None:
        if collection in self._hidden:
            raise Unavailable(f"{collection} is made anew by a migration; it can be used once that is finalized")

    def _named(self, error: Naming) -> Exception:
        """Name models and fields of an error as the head does."""
        model, _ = self._words(error.model)
        if isinstance(error, (Conflict, NotFound)):
            return type(error)(model, error.key)
        if isinstance(error, Duplicate):
            return Duplicate(model, self._words(error.model, *error.fields)[1])
        if isinstance(error, MissingReference):
            _, (field,) = self._words(error.model, error.field)
            return MissingReference(model, field, self._words(error.target)[0])
        referrer, (field,) = self._words(*error.by.split("."))
        return Restricted(model, f"{referrer}.{field}")

    def _words(self, model: str, *fields: str) -> tuple[str, tuple[str, ...]]:
        """Give what the head calls a kept model, and some of its fields."""
        found = self._by_model.get(model)
        if found is None:
            return model, fields
        return found.head.model, tuple([found.words.get(name, name) for name in fields])


class _Reading:
    """One read through a fitted plan."""

    def __init__(self, store: Store, plan: Plan, kept: Fitted, values: Values, epoch: str) -> None:
        self._store = store
        self._plan = plan
        self._kept = kept
        self._values = values
        self._epoch = epoch
        self.examined = 0
        self.trips = 0

    def records(self, limit: int | None, after: Values | None, cap: int | None) -> list[Any]:
        """Give the records that match, in order, as many as wanted."""
        if self._kept.is_ordered and self._kept.is_exact:
            return self._page(limit, after, cap)
        if self._kept.is_ordered and limit is not None:
            return self._until_filled(limit, after, cap)
        found = self._matching(self._page(None, after if self._kept.is_ordered else None, cap))
        if not self._kept.is_ordered:
            sort(found, self._plan.order, self._plan.sort_keys)
            is_after = self._plan.is_after
            if after is not None and is_after is not None:
                found = [record for record in found if is_after(record, after)]
        return found if limit is None else found[:limit]

    def _until_filled(self, limit: int, after: Values | None, cap: int | None) -> list[Any]:
        place = _values_of(self._plan)
        found = list[Any]()
        size = min(_PAGE, 2 * limit + 16)
        while len(found) < limit:
            page = self._page(size, after, None)
            left = None if cap is None else cap - self.examined + len(page)
            found += self._matching(page if left is None else page[:left])
            if len(found) < limit and left is not None and len(page) > left:
                raise TooManyExamined(self._plan.collection.model, cap or 0)
            if len(page) < size:
                break
            after = place(page[-1])
        return found[:limit]

    def _page(self, limit: int | None, after: Values | None, cap: int | None) -> list[Any]:
        got = self._store.read(self._kept.plan, self._values, epoch=self._epoch, limit=limit, after=after, cap=cap)
        self.examined += got.examined
        self.trips += got.trips
        return got.rows

    def _matching(self, records: list[Any]) -> list[Any]:
        matches = self._plan.matches
        if self._kept.is_exact or matches is None:
            return records
        return [record for record in records if matches(record, self._values)]


def _values_of(plan: Plan) -> Callable[[Any], Values]:
    """Make place(record): the values of a cursor at it."""
    gets = [attrgetter(term.field) for term in plan.order]
    return lambda record: tuple([get(record) for get in gets])
