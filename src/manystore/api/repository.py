"""Repository: the db API of one model, as in `db.book.find(...)`. Each method reads as one sentence in the manual.

Reads are here; what changes records is in writing.py, which this class inherits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from ..errors import UsageError
from ..query.order import Aggregate, Order, Projection
from ..query.planner import full_order
from ..query.predicate import Predicate
from .checking import K, M
from .cursor import cursor_text
from .explanation import Explanation, explanation
from .reading import Deleted
from .writing import Writing

R = TypeVar("R")
V = TypeVar("V")


class Repository(Writing[M, K]):
    """The records of one model: `Repository[Book, str]`. Subclass it to add operations of your own.

    Everywhere: deleted="no" sees live records, "only" the soft-deleted, "any" both (where it is left out the view says,
    and that is "no" but for db.seeing); scan=True allows a read that no key or index serves and lifts the cap on
    records examined; load= names related records to bring along.
    """

    __slots__ = ()

    def get(self, key: K, /, *, deleted: Deleted | None = None, load: Sequence[object] = ()) -> M:
        """Give the record with this key; raise NotFound."""
        record = self._reading.one(key, "get", deleted=deleted)
        if load:
            self._reading.load([record], load)
        return record  # type: ignore[no-any-return]

    def first(
        self,
        *where: Predicate,
        order_by: Order | Sequence[Order] = (),
        load: Sequence[object] = (),
        scan: bool = False,
        deleted: Deleted | None = None,
    ) -> M | None:
        """Give the first record that matches, or None."""
        found = self.find(*where, order_by=order_by, limit=1, load=load, scan=scan, deleted=deleted)
        return found[0] if found else None

    def find(
        self,
        *where: Predicate,
        order_by: Order | Sequence[Order] = (),
        limit: int | None = None,
        after: M | str | None = None,
        load: Sequence[object] = (),
        scan: bool = False,
        deleted: Deleted | None = None,
    ) -> list[M]:
        """Give the records that match, in order (of the key, unless told), at most limit, those after a cursor.

        after takes the last record of the page before, or the text that cursor() gives for it.
        Raises NoAccessPath when no key or index serves the filter, and TooManyExamined at the cap.
        """
        reading = self._reading
        order = reading.ordering(order_by) if order_by else ()
        found = reading.many(reading.where(where, deleted), "find", order=order, limit=limit, after=after, scan=scan)
        if load:
            reading.load(found, load, scan=scan)
        return found

    def iterate(
        self,
        *where: Predicate,
        order_by: Order | Sequence[Order] = (),
        page: int = 1000,
        load: Sequence[object] = (),
        scan: bool = False,
        deleted: Deleted | None = None,
    ) -> Iterator[M]:
        """Give all records that match, one by one, read a page at a time; the cap counts for each page."""
        if page.__class__ is not int or page < 1:
            raise UsageError("page= takes a whole number, 1 or more")
        last: M | None = None
        while True:
            found = self.find(*where, order_by=order_by, limit=page, after=last, load=load, scan=scan, deleted=deleted)
            yield from found
            if len(found) < page:
                return
            last = found[-1]

    def load(self, records: Sequence[M], /, *slots: object, scan: bool = False) -> None:
        """Bring related records to records that were read before, as load= does: one read a level."""
        for record in records:
            self._check_record(record)
        self._reading.load(records, slots, scan=scan)

    def count(self, *where: Predicate, scan: bool = False, deleted: Deleted | None = None) -> int:
        """Count the records that match."""
        reading = self._reading
        return int(reading.tally(reading.where(where, deleted), "count", "count", scan=scan))

    def exists(self, *where: Predicate, scan: bool = False, deleted: Deleted | None = None) -> bool:
        """Tell whether a record matches."""
        reading = self._reading
        return bool(reading.tally(reading.where(where, deleted), "exists", "exists", scan=scan))

    def select(
        self,
        shape: Projection[R],
        /,
        *where: Predicate,
        order_by: Order | Sequence[Order] = (),
        limit: int | None = None,
        scan: bool = False,
        deleted: Deleted | None = None,
    ) -> list[R]:
        """Give the matches as another dataclass; with aggregates in it, one for each group, ordered by the grouping."""
        reading = self._reading
        if not isinstance(shape, Projection):
            raise UsageError("select takes a projection, made by project(Shelf, pages=sum_(Book.pages))")
        if shape.owner not in (None, reading.mapper.cls):
            raise UsageError(
                f"the projection is of {shape.owner and shape.owner.__name__}, not of {reading.mapper.name}"
            )
        filtered = reading.where(where, deleted)
        if not shape.aggregates:
            return reading.rows(shape, filtered, reading.ordering(order_by), limit, scan=scan)
        if order_by or limit is not None:
            raise UsageError(
                "groups come in the order of the grouping, all of them: select takes neither order_by nor limit"
            )
        names, columns = tuple(n for n, _ in shape.plain), tuple(c for _, c in shape.plain)
        called, totals = tuple(n for n, _ in shape.aggregates), tuple(t for _, t in shape.aggregates)
        return [
            shape.shape(**dict(zip(names, values, strict=True)), **dict(zip(called, results, strict=True)))
            for values, results in reading.groups(columns, totals, filtered, scan=scan)
        ]

    def aggregate(self, value: V, /, *where: Predicate, scan: bool = False, deleted: Deleted | None = None) -> V:
        """Give one value over the matches: `aggregate(sum_(Book.pages), col(Book.author_id) == 3)`."""
        reading = self._reading
        if not isinstance(value, Aggregate):
            raise UsageError("aggregate takes count(), sum_(), min_(), max_() or avg() of a field")
        if value.owner not in (None, reading.mapper.cls):
            raise UsageError(
                f"{value.owner and value.owner.__name__}.{value.field} is no field of {reading.mapper.name}"
            )
        ((_, results),) = reading.groups((), (value,), reading.where(where, deleted), scan=scan)
        return results[0]  # type: ignore[no-any-return]

    def explain(
        self,
        *where: Predicate,
        order_by: Order | Sequence[Order] = (),
        limit: int | None = None,
        scan: bool = False,
        deleted: Deleted | None = None,
    ) -> Explanation:
        """Say how find would read: access, index, residual, sort, round trips. Reads nothing; raises NoAccessPath."""
        reading = self._reading
        reading.engine.check_open()
        filtered = reading.where(where, deleted)
        plan = reading.plan(filtered, reading.ordering(order_by), limited=limit is not None, scan=scan)
        return explanation(plan, reading.engine.capabilities)

    def cursor(self, record: M, /, *, order_by: Order | Sequence[Order] = ()) -> str:
        """Write the place of a record in an order as opaque text for after=, the same on every store."""
        reading = self._reading
        self._check_record(record)
        order = full_order(reading.ordering(order_by), reading.mapper.collection)
        return cursor_text(reading.mapper, order, record)
