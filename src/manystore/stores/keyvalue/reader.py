"""Running a plan over any key-value store: what is read, in which pages, and when reading stops.

Every record that an index, claim or union led to is looked at again, and reading goes on until the limit is filled.
What is compiled for a plan is kept with it. access.py makes the names, totals.py the projections and aggregates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from ...errors import EpochChanged, TooManyExamined
from ...query import totals
from ...query.evaluate import sort
from ...query.plan import Access, Claimed, Lookup, Nothing, Plan, Union
from ...query.plan import Range as Stretch
from ...store.protocol import Read
from .access import Walk, claim_of, name_of, names_of
from .layout import owner_of, records_space
from .protocol import KeyValue, Page, Span
from .reach import CHANGED, PAGE, Bounds, Reach, beyond

Values: TypeAlias = tuple[Any, ...]
Owners: TypeAlias = Callable[["Reach", Values], list[str]]
KEPT = "keyvalue"  # under which a plan keeps what was compiled for it
_MORE = 16  # names beyond the limit, at least, when a residual may refuse some


class Reading(ABC):
    """One plan, compiled."""

    rechecks = True  # whether a record may turn out not to match what led to it

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.model = plan.collection.model
        self.space = records_space(plan.collection.stored)
        self.decode = plan.codec.decode
        self.gives_records = plan.output == "records"
        self.is_presorted = plan.presorted >= len(plan.order)
        self.is_ordered = self.is_presorted or plan.output in ("count", "exists", "groups")
        self.checks = plan.residual is not None or self.rechecks
        # Without a residual, what is counted need not be loaded.
        self.counts_names = plan.output in ("count", "exists") and plan.residual is None

    def run(self, kv: KeyValue, epoch: str, values: Values, bounds: Bounds) -> Read:
        """Read, and give what the plan's output asks for."""
        reach = Reach(kv, epoch, bounds)
        if self.gives_records:
            return Read(self.records(reach, values), reach.examined, reach.trips)
        return Read(self._other(reach, values), reach.examined, reach.trips)

    def _other(self, reach: Reach, values: Values) -> list[Any]:
        plan, is_exists = self.plan, self.plan.output == "exists"
        if self.counts_names and reach.after is None:
            number = self.count(reach, values)
            return [number > 0 if is_exists else number]
        if is_exists:
            reach.limit = 1
            return [bool(self.records(reach, values))]
        records = self.records(reach, values)
        if plan.output == "count":
            return [len(records)]
        return totals.rows(plan, records) if plan.output == "rows" else totals.groups(plan, records)

    @abstractmethod
    def records(self, reach: Reach, values: Values) -> list[Any]:
        """Load the records that match, in order, as many as wanted."""

    def count(self, reach: Reach, values: Values) -> int:
        """Count the records of the access, all of which match; of an exists, one will do."""
        return len(self.records(reach, values))

    def accept(self, stored: Sequence[bytes | None], values: Values, after: Values | None) -> list[Any]:
        """Load the records that match and come after the cursor."""
        decode, matches = self.decode, self.plan.matches
        if self.checks and matches is not None:
            loaded = [r for data in stored if data is not None and matches(r := decode(data), values)]
        else:
            loaded = [decode(data) for data in stored if data is not None]
        is_after = self.plan.is_after
        if after is not None and is_after is not None:
            return [record for record in loaded if is_after(record, after)]
        return loaded

    def arranged(self, records: list[Any], limit: int | None) -> list[Any]:
        """Sort by the plan's order and cut to the limit."""
        if not self.is_ordered and len(records) > 1:
            sort(records, self.plan.order, self.plan.sort_keys)
        return records if limit is None else records[:limit]


class Lookups(Reading):
    """Records by their keys."""

    rechecks = False

    def __init__(self, plan: Plan, access: Lookup) -> None:
        super().__init__(plan)
        self._names = names_of(plan, access)
        self._name = name_of(plan, access) if self.gives_records else None

    def run(self, kv: KeyValue, epoch: str, values: Values, bounds: Bounds) -> Read:
        """Read; the commonest read of all, a record by its key, by a way of its own."""
        if self._name is None or bounds[1] is not None:
            return super().run(kv, epoch, values, bounds)
        got = kv.get(((self.space, self._name(values)),))
        if got.epoch != epoch:
            raise EpochChanged(CHANGED)
        data = got.values[0]
        if data is None:
            return Read([], 0, 1)
        record, matches = self.decode(data), self.plan.matches
        if self.checks and matches is not None and not matches(record, values):
            return Read([], 1, 1)
        return Read([record], 1, 1)

    def records(self, reach: Reach, values: Values) -> list[Any]:
        """Get them, match and sort."""
        return self.arranged(self.accept(self._stored(reach, values), values, reach.after), reach.limit)

    def count(self, reach: Reach, values: Values) -> int:
        """Count those that are there."""
        return len(self._stored(reach, values))

    def _stored(self, reach: Reach, values: Values) -> list[bytes]:
        space = self.space
        stored = reach.present([(space, name) for name in self._names(values)])
        reach.weigh(len(stored), self.model)
        return stored


class ByClaim(Reading):
    """The record that holds a unique."""

    def __init__(self, plan: Plan, access: Claimed) -> None:
        super().__init__(plan)
        self.counts_names = False  # the claim may be newer than its record
        self._claim = claim_of(plan, access)

    def records(self, reach: Reach, values: Values) -> list[Any]:
        """Get the claim's owner."""
        stored = reach.owned(self._claim(values), self.space)
        reach.weigh(len(stored), self.model)
        return self.accept(stored, values, reach.after)[: reach.limit]


class Walking(Reading):
    """Records along a stretch of an index, or of the key's order."""

    def __init__(self, plan: Plan, access: Stretch) -> None:
        self.rechecks = access.index is not None
        super().__init__(plan)
        self._walk = Walk(plan, access)

    def records(self, reach: Reach, values: Values) -> list[Any]:
        """Walk until the limit is filled; sort what does not come in order."""
        spans, after, limit = self._walk.spans(values), reach.after, reach.limit
        if self.is_ordered:
            if after is not None and self.is_presorted and len(spans) == 1:
                spans, after = [self._walk.cut(spans[0], values, after)], None
            return self._until_filled(reach, spans, values, after)
        if limit is None or self.plan.presorted == 0:
            pages = self._pages(reach, spans, PAGE, reach.cap)
            found = [record for page in pages for record in self.accept(page.values, values, after)]
            return self.arranged(found, limit)
        return self._by_groups(reach, spans, values, limit)

    def _until_filled(self, reach: Reach, spans: list[Span], values: Values, after: Values | None) -> list[Any]:
        limit = reach.limit
        found: list[Any] = []
        if limit is not None and limit < 1:
            return found
        for page in self._pages(reach, spans, self._size(limit), reach.cap):
            if limit is None:
                found += self.accept(page.values, values, after)
                continue
            start, stored = 0, page.values
            while start < len(stored):
                # Loading is what costs: never more than are still wanted.
                end = start + limit - len(found)
                found += self.accept(stored[start:end], values, after)
                if len(found) == limit:
                    return found
                start = end
        return found

    def _by_groups(self, reach: Reach, spans: list[Span], values: Values, limit: int) -> list[Any]:
        """Sort records that share the presorted terms, one such group after the other, until the limit is filled."""
        plan, known = self.plan, self.plan.presorted
        leading = plan.sort_keys[:known]
        found: list[Any] = []
        group: list[Any] = []
        shared: list[Any] = []
        for stored in self._stored(reach, spans, self._size(limit), reach.cap):
            for record in self.accept(stored, values, reach.after):
                here = [key(record) for key in leading]
                if group and here != shared:
                    sort(group, plan.order, plan.sort_keys, known)
                    found += group
                    group = []
                    if len(found) >= limit:
                        return found[:limit]
                shared = here
                group.append(record)
        sort(group, plan.order, plan.sort_keys, known)
        return (found + group)[:limit]

    def _stored(self, reach: Reach, spans: list[Span], size: int, cap: int | None) -> Iterator[Sequence[bytes | None]]:
        """Read records page by page; raise before the first when the access yields more than the cap.

        So all that it yields must stay below the cap, though not all of it may have to be loaded.
        """
        if cap is None:
            for page in self._pages(reach, spans, size, None):
                yield page.values
            return
        # Together with the first page it often turns out that there is no more.
        size = min(size, cap + 1)
        page = reach.scan(spans, size, reverse=self._walk.reverse, follow=self.space)
        rest = beyond(spans, page, size, reverse=self._walk.reverse)
        number = len(page.names)
        if number > cap:
            raise TooManyExamined(self.model, cap)
        for _ in self._pages(reach, rest, PAGE, cap - number, follow=False):
            pass
        reach.examined = number
        yield page.values
        for page in self._pages(reach, rest, 2 * size, None):
            yield page.values

    def count(self, reach: Reach, values: Values) -> int:
        """Count names, without their records."""
        number, one = 0, self.plan.output == "exists"
        for page in self._pages(reach, self._walk.spans(values), 1 if one else PAGE, reach.cap, follow=False):
            number += len(page.names)
            if one and number:
                break
        return number

    def owners(self, reach: Reach, values: Values) -> list[str]:
        """Give the names of the records, unloaded."""
        pages = self._pages(reach, self._walk.spans(values), PAGE, reach.cap, follow=False)
        return [owner_of(name) for page in pages for name in page.names]

    def _size(self, limit: int | None) -> int:
        if limit is None or limit > PAGE:
            return PAGE
        is_exact = self.plan.residual is None and self.is_ordered
        return max(1, limit) if is_exact else min(PAGE, limit + max(_MORE, limit // 4))

    def _pages(
        self, reach: Reach, spans: Sequence[Span], size: int, cap: int | None, *, follow: bool = True
    ) -> Iterator[Page]:
        """Read pages of growing size; past the cap, raise when another page is asked for."""
        reverse, followed, number = self._walk.reverse, self.space if follow else None, 0
        while spans:
            wanted = size if cap is None else min(size, cap - number + 1)
            page = reach.scan(spans, wanted, reverse=reverse, follow=followed)
            got = len(page.names)
            number += got
            if cap is not None and number > cap:
                reach.examined += got - 1
                yield Page(page.names[:-1], page.values[: got - 1], page.epoch)
                raise TooManyExamined(self.model, cap)
            reach.examined += got
            yield page
            spans = beyond(spans, page, wanted, reverse=reverse)
            size = min(PAGE, 2 * size)


class Unions(Reading):
    """Records that any part leads to, each once."""

    def __init__(self, plan: Plan, access: Union) -> None:
        super().__init__(plan)
        self.counts_names = False
        self._owners = [_owners(plan, part) for part in _parts(access)]

    def records(self, reach: Reach, values: Values) -> list[Any]:
        """Gather the names of all parts, then get, match and sort."""
        names = dict.fromkeys(name for owners in self._owners for name in owners(reach, values))
        stored = reach.present([(self.space, name) for name in names])
        reach.weigh(len(stored), self.model)
        return self.arranged(self.accept(stored, values, reach.after), reach.limit)


class Nowhere(Reading):
    """Nothing can match; nothing is read."""

    def records(self, reach: Reach, values: Values) -> list[Any]:
        """Give nothing."""
        return []


def _parts(access: Access) -> Iterator[Access]:
    if isinstance(access, Union):
        for part in access.parts:
            yield from _parts(part)
    elif not isinstance(access, Nothing):
        yield access


def _owners(plan: Plan, part: Access) -> Owners:
    """Make owners(reach, values): the names of the records that a part of a union leads to."""
    if isinstance(part, Stretch):
        return Walking(plan, part).owners
    if isinstance(part, Lookup):
        names = names_of(plan, part)
        return lambda _, values: names(values)
    assert isinstance(part, Claimed)
    claim = claim_of(plan, part)
    return lambda reach, values: [owner.decode() for owner in reach.get([claim(values)]) if owner is not None]


def compiled(plan: Plan) -> Reading:
    """Compile a plan; the plan keeps it under KEPT."""
    access = plan.access
    if isinstance(access, Lookup):
        made: Reading = Lookups(plan, access)
    elif isinstance(access, Claimed):
        made = ByClaim(plan, access)
    elif isinstance(access, Stretch):
        made = Walking(plan, access)
    elif isinstance(access, Union):
        made = Unions(plan, access)
    else:
        made = Nowhere(plan)
    plan.compiled[KEPT] = made
    return made
