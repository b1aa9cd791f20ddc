"""How a repository reads: from its arguments to a plan, from the plan to records, in a transaction or outside.

Knows mappers, the engine and the transaction's view of records; must not know how anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import EpochChanged, NotFound, UsageError
from ..query import evaluate
from ..query.order import Aggregate, Order, Projection, orders
from ..query.plan import Ordering, Output, Plan, Total
from ..query.planner import Query
from ..query.predicate import And, Compare, Predicate, conjunction
from .cursor import cursor_values
from .loading import load_related
from .mapper import Mapper

if TYPE_CHECKING:
    from .engine import Engine
    from .transaction import Transaction

Deleted: TypeAlias = Literal["no", "any", "only"]
_TRIES = 5
_CHOICES = ("no", "any", "only")
_LIVE = (False,)  # the operand of a filter for live records


class Reading:
    """Reads the records of one model for one view of a database."""

    __slots__ = ("deleted", "engine", "mapper", "peeking", "scope", "tx")

    def __init__(
        self,
        engine: Engine,
        mapper: Mapper,
        tx: Transaction | None,
        scope: Any,
        *,
        peeking: bool,
        deleted: Deleted = "no",
    ) -> None:
        self.deleted: Deleted = deleted if mapper.live is not None else "no"  # where a read does not say
        self.engine = engine
        self.mapper = mapper
        self.tx = tx
        self.peeking = peeking
        spec = mapper.scope
        self.scope: Predicate | None = None
        if scope is not None and spec is not None:
            mapper.codec.check(spec, scope)
            self.scope = Compare(mapper.cls, spec.name, "eq", scope, spec.optional)

    @property
    def scope_value(self) -> Any:
        """Give the value that this view is scoped to, or None."""
        return self.scope.value if isinstance(self.scope, Compare) else None

    def where(self, given: Sequence[Predicate], deleted: Deleted | None = None) -> Predicate | None:
        """Join a caller's predicates with the scope and the wish for live or deleted records; check their owner."""
        if deleted is None:
            deleted = self.deleted
        elif deleted not in _CHOICES:
            check_deleted(deleted)
        joined = conjunction(given)
        if joined is not None:
            self._check_owner(joined)
        mapper = self.mapper
        wanted = mapper.live if deleted == "no" else mapper.dead if deleted == "only" else None
        extra = [p for p in (self.scope, wanted) if p is not None]
        if deleted == "only" and mapper.dead is None:
            raise UsageError(f'{mapper.name}: deleted="only" goes with soft_delete=True')
        if not extra:
            return joined
        return And((joined, *extra)) if joined is not None else (extra[0] if len(extra) == 1 else And(tuple(extra)))

    def _check_owner(self, predicate: Predicate) -> None:
        for owner, field in predicate.owners():
            if owner is not self.mapper.cls:
                raise UsageError(f"{owner.__name__}.{field} is no field of {self.mapper.name}")

    def ordering(self, given: Order | Sequence[Order]) -> tuple[Ordering, ...]:
        """Turn order_by= into plan terms; check their owner."""
        terms = orders(given)
        for term in terms:
            if term.owner is not self.mapper.cls:
                raise UsageError(f"{term.owner.__name__}.{term.field} is no field of {self.mapper.name}")
        return tuple(Ordering(term.field, term.descending) for term in terms)

    def plan(
        self,
        where: Predicate | None,
        order: tuple[Ordering, ...] = (),
        output: Output = "records",
        *,
        limited: bool = False,
        scan: bool = False,
        columns: tuple[str, ...] = (),
        totals: tuple[Total, ...] = (),
    ) -> Plan:
        """Give the kept plan of a query; raise NoAccessPath."""
        shape = None if where is None else where.shape
        key = (shape, order, output, limited, scan, columns, totals)
        collection = self.mapper.collection
        return self.engine.plan(
            self.mapper, key, lambda: Query(collection, shape, order, output, limited, scan, columns, totals)
        )

    def read_rows(
        self, where: Predicate | None, operation: str, *, limit: int | None = None, after: Any = None, **query: Any
    ) -> tuple[list[Any], Plan, tuple[Any, ...]]:
        """Plan and run a query outside the transaction's memory; plan again when the catalog changed on the way."""
        values = () if where is None else tuple(where.values())
        cap = None if query.get("scan") else self.engine.limits.examined
        for _ in range(_TRIES):
            made = self.plan(where, limited=limit is not None, **query)
            bound = None if after is None else cursor_values(self.mapper, made.order, after)
            try:
                return self.engine.read(made, values, operation, limit=limit, after=bound, cap=cap).rows, made, values
            except EpochChanged:
                continue
        raise EpochChanged("the catalog keeps changing; try again later")

    def one(self, key: Any, operation: str, *, deleted: Deleted | None = "no") -> Any:
        """Read the record with a key; raise NotFound."""
        if deleted is None:
            deleted = self.deleted
        parts = self.mapper.key_values(key)
        tx = self.tx
        if tx is not None:
            found = tx.known(self, parts, deleted)
            if found is not None:
                return found
        rows = self._by_key(parts, operation, deleted)
        if not rows:
            raise NotFound(self.mapper.name, key)
        return rows[0] if tx is None or self.peeking else tx.remember_new(self.mapper, parts, rows[0])

    def _by_key(self, parts: tuple[Any, ...], operation: str, deleted: Deleted) -> list[Any]:
        mapper = self.mapper
        plan_key = deleted if self.scope is None else ("scoped", deleted)
        kept = mapper.plans.get(plan_key)
        if kept is None or deleted == "only":
            where = [
                Compare(mapper.cls, n, "eq", v, optional=False) for n, v in zip(mapper.key_names, parts, strict=True)
            ]
            rows, made, _ = self.read_rows(self.where(where, deleted), operation)
            if deleted != "only":
                mapper.plans[plan_key] = made
            return rows
        # In the order in which where() joins them: key, scope, live.
        values = parts if self.scope is None else (*parts, self.scope_value)
        if mapper.live is not None and deleted == "no":
            values += _LIVE
        try:
            return self.engine.read(kept, values, operation).rows
        except EpochChanged:  # the plans were dropped: this goes the way round once more
            return self._by_key(parts, operation, deleted)

    def many(
        self,
        where: Predicate | None,
        operation: str,
        *,
        order: tuple[Ordering, ...] = (),
        limit: int | None = None,
        after: Any = None,
        scan: bool = False,
        as_saved: bool = False,
    ) -> list[Any]:
        """Read the records that match, in order, a transaction's own changes among them (as_saved: see overlay)."""
        check_limit(limit)
        if limit == 0:
            self.engine.check_open()
            return []
        tx, mine = self.tx, 0
        if tx is not None and limit is not None:
            mine = tx.pending_in(self.mapper)
        wanted = None if limit is None else limit + mine
        rows, made, values = self.read_rows(where, operation, order=order, limit=wanted, after=after, scan=scan)
        if tx is None:
            return rows
        bound = None if after is None else cursor_values(self.mapper, made.order, after)
        return tx.overlay(self, rows, made, values, after=bound, limit=limit, as_saved=as_saved)

    def load(self, records: Sequence[Any], slots: Sequence[object], *, scan: bool = False) -> None:
        """Fill related slots: one read a level."""
        if not isinstance(slots, (tuple, list)):
            raise UsageError("load= takes related fields written on their class, as in load=(Book.author,)")

        def read(cls: type[Any], where: Compare, by_key: bool) -> list[Any]:  # noqa: FBT001 - loading.py calls it
            other = self.sibling(cls)
            # A reference may point at a soft-deleted record; and its keys, one a record, bound the read themselves.
            choice: Deleted = "any" if by_key and other.mapper.live is not None else "no"
            return other.many(other.where([where], choice), "load", scan=by_key or scan)

        load_related(records, slots, self.mapper.cls, read)

    def sibling(self, cls: type[Any]) -> Reading:
        """Read another model in the same view."""
        scope = self.scope_value
        try:
            mapper = self.engine.mapper(cls)
        except KeyError:
            raise UsageError(f"{cls.__name__} has no repository in this database") from None
        return Reading(self.engine, mapper, self.tx, scope, peeking=self.peeking)

    def peek(self) -> Reading:
        """Give the same reads, of which a transaction takes no note."""
        return Reading(self.engine, self.mapper, self.tx, self.scope_value, peeking=True, deleted=self.deleted)

    def tally(self, where: Predicate | None, output: Output, operation: str, *, scan: bool) -> Any:
        """Count the matches, or tell whether there is one."""
        limit = 1 if output == "exists" else None
        if self.tx is not None and self.tx.pending_in(self.mapper):
            found = self.many(where, operation, limit=limit, scan=scan, as_saved=True)
            return len(found) if output == "count" else bool(found)
        return self.read_rows(where, operation, output=output, scan=scan, limit=limit)[0][0]

    def rows(
        self,
        shape: Projection[Any],
        where: Predicate | None,
        order: tuple[Ordering, ...],
        limit: int | None,
        *,
        scan: bool,
    ) -> list[Any]:
        """Read a projection without aggregates."""
        check_limit(limit)
        columns = tuple(dict.fromkeys(column for _, column in shape.plain))
        if self.tx is not None and self.tx.pending_in(self.mapper):
            found = self.many(where, "select", order=order, limit=limit, scan=scan, as_saved=True)
            return [shape.shape(**{name: getattr(record, column) for name, column in shape.plain}) for record in found]
        if limit == 0:
            return []
        got = self.read_rows(where, "select", output="rows", order=order, limit=limit, scan=scan, columns=columns)[0]
        load, places = self.mapper.codec.load_one, [(n, c, columns.index(c)) for n, c in shape.plain]
        return [shape.shape(**{name: load(column, row[place]) for name, column, place in places}) for row in got]

    def groups(
        self, columns: tuple[str, ...], totals: tuple[Aggregate, ...], where: Predicate | None, *, scan: bool
    ) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        """Read totals by group: pairs of the columns' values and the totals."""
        asked = tuple(Total(t.function, t.field) for t in totals)
        if self.tx is not None and self.tx.pending_in(self.mapper):
            yield from self._groups_here(columns, asked, self.many(where, "aggregate", scan=scan, as_saved=True))
            return
        got = self.read_rows(where, "aggregate", output="groups", scan=scan, columns=columns, totals=asked)[0]
        load = self.mapper.codec.load_one
        for values, results in got:
            plain = tuple(load(column, value) for column, value in zip(columns, values, strict=True))
            yield plain, tuple(self._total(t, result) for t, result in zip(asked, results, strict=True))

    def _total(self, total: Total, stored: Any) -> Any:
        if total.function == "count":
            return stored
        load = self.mapper.codec.load_one
        if total.function == "avg":
            summed, number = stored
            return evaluate.mean(load(total.field, summed), number) if number else None
        if total.function == "sum" and self.mapper.collection.field(total.field).kind == "float":
            return float(stored)
        return load(total.field, stored)

    def _groups_here(
        self, columns: tuple[str, ...], totals: tuple[Total, ...], records: list[Any]
    ) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
        order = tuple(Ordering(column) for column in columns)
        evaluate.sort(records, order, evaluate.sort_keys(order, self.mapper.comparables))
        found: dict[tuple[Any, ...], list[Any]] = {} if columns else {(): []}
        for record in records:
            found.setdefault(tuple(getattr(record, column) for column in columns), []).append(record)
        for values, members in found.items():
            yield values, tuple(self._total_here(t, members) for t in totals)

    def _total_here(self, total: Total, records: list[Any]) -> Any:
        taken = records if not total.field else [getattr(record, total.field) for record in records]
        result = evaluate.total(total, taken, self.mapper.name, self.mapper.comparables.get(total.field))
        if total.function != "sum":
            return result
        return type_of_sum(self.mapper.collection.field(total.field).kind, self.mapper, total.field, result)


def type_of_sum(kind: str, mapper: Mapper, field: str, result: Any) -> Any:
    """Give a sum the type of its field: the sum of nothing is an int 0."""
    if kind == "decimal" and result == 0:
        return mapper.codec.load_one(field, 0)
    return float(result) if kind == "float" else result


def check_deleted(deleted: Any) -> None:
    """Refuse what is no choice between live and deleted records; raise UsageError."""
    if deleted not in _CHOICES:
        raise UsageError('deleted= takes "no", "any" or "only"')


def check_limit(limit: Any) -> None:
    """Refuse a limit that is no whole number from 0; raise UsageError."""
    if limit is not None and (limit.__class__ is not int or limit < 0):
        raise UsageError("limit= takes a whole number, 0 or more")
