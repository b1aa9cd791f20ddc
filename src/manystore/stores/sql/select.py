"""SELECTs: the statements that a plan can need, each built and compiled once for a shape of operands.

Knows plans, tables and SQLAlchemy Core; must not know connections. reader.py runs what is made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, FromClause, Table, and_, case, exists, func, literal_column, select
from sqlalchemy.sql.base import Executable

from ...query.plan import Claimed, Condition, Ordering, Plan, Total
from .condition import (
    AS_JSON,
    Clause,
    Columns,
    Cursor,
    Sides,
    access_condition,
    access_order,
    fixed_fields,
    order_by,
    tests,
)
from .dialect import Statement, parameter
from .tables import REVISION, VERSION, Layout

Form: TypeAlias = Literal["plain", "capped", "probe"]
_ZERO: ColumnElement[Any] = literal_column("0")
_ONE: ColumnElement[Any] = literal_column("1")
HALF = 32  # bits: ints are added up in two halves, since a sum of 64-bit ints in SQL stops at 64 bits on its way


@dataclass(frozen=True, slots=True)
class Shape:
    """What of the operands changes a statement's text. sizes: of each `in`; endless: prefixes without an end.

    form: plain: all that matches; capped: only what the access yields up to the cap; probe: how much that is.
    """

    form: Form
    limited: bool
    sizes: tuple[tuple[int, int], ...] = ()
    endless: frozenset[int] = frozenset()
    after: Cursor | None = None


class Selects:
    """The SELECTs of one plan.

    Their parameters are picked from a pool: epoch, limit, cap, the operands; then the cursor's values, the values of
    each `in`, and for each prefix that has an end the text that comes after it. operands.py fills it.
    """

    def __init__(self, plan: Plan, layout: Layout) -> None:
        self.plan = plan
        self.table: Table = layout.table(plan.collection)
        self._epoch = select(layout.catalog.c.epoch).scalar_subquery()
        self.fixed = fixed_fields(plan.where)
        self._access = access_condition(plan.access)
        self.presorted = plan.presorted >= len(plan.order)
        operands = [test for test in tests(plan.where) if test.param >= 0]
        # The planner may have left tests out, as of what is always true; their operands come all the same.
        self.parameters = max((test.param for test in operands), default=-1) + 1
        self.fields = {test.param: test.field for test in operands}
        self.lists = [test.param for test in operands if test.op in ("in", "not_in")]
        self.prefixes = [test.param for test in operands if test.op in ("prefix", "not_prefix")]

    def statement(self, shape: Shape) -> Statement:
        """Build and compile the statement of a shape."""
        plan = self.plan
        if shape.form == "probe":
            built = self._probe(shape)
        elif plan.output == "count":
            built = self._count(shape)
        elif plan.output == "exists":
            built = self._exists(shape)
        elif plan.output == "groups":
            built = self._groups(shape)
        else:
            built = self._records(shape)
        names = ["epoch", "limit", "cap", *(f"v{at}" for at in range(self.parameters))]
        if shape.after is not None:
            names += [f"a{at}" for at in range(len(plan.order))]
        for param, size in shape.sizes:
            names += [f"i{param}_{at}" for at in range(1 if size == AS_JSON else size)]
        names += [f"n{param}" for param in self.prefixes if param not in shape.endless]
        return Statement(built, {name: at for at, name in enumerate(names)}, len(names))

    def _columns(self, source: FromClause) -> Columns:
        collection = self.plan.collection

        def column(field: str) -> ColumnElement[Any]:
            found: ColumnElement[Any] = source.c[collection.field(field).column]
            return found

        return column

    def _clause(self, condition: Condition, shape: Shape, source: FromClause) -> Clause:
        sides = Sides(self._columns(source), self.plan.collection, dict(shape.sizes), shape.endless)
        return sides.clause(condition)

    def _believed(self) -> Clause:
        return self._epoch == parameter("epoch")

    def _wanted(self, condition: Condition, shape: Shape) -> Clause:
        """Write a condition on the table itself, and the cursor."""
        clauses = [self._clause(condition, shape, self.table)]
        access, live = self.plan.access, self.plan.collection.live
        if isinstance(access, Claimed) and access.unique.among == "live" and live is not None:
            # Aloud and as a constant: else the database does not see that its partial index serves.
            clauses.append(self._columns(self.table)(live) == _ZERO)
        if shape.after is not None and (condition is not self._access or self.presorted):
            clauses.append(shape.after.clause(self._columns(self.table), self.plan.collection))
        return and_(*clauses)

    def _outputs(self, source: FromClause) -> list[ColumnElement[Any]]:
        column = self._columns(source)
        if self.plan.output == "rows":
            # A row of no columns is still a row.
            return [column(name) for name in self.plan.columns] or [_ONE]
        return [*(column(f.name) for f in self.plan.collection.fields), source.c[REVISION], source.c[VERSION]]

    def _records(self, shape: Shape) -> Executable:
        if shape.form == "capped":
            # What the access yields up to the cap, in order; of that, what matches. No second ORDER BY: it would make
            # the database read to the cap each time, and rows leave a limited subquery in the subquery's order.
            assert self.plan.residual is not None
            names = self.plan.columns if self.plan.output == "rows" else self.plan.collection.positions
            bounded = self._bounded(shape, self.plan.order, *names).where(self._believed())
            if self.plan.output != "rows":
                bounded = bounded.add_columns(self.table.c[REVISION], self.table.c[VERSION])
            inner = bounded.subquery("examined")
            built = (
                select(*self._outputs(inner)).select_from(inner).where(self._clause(self.plan.residual, shape, inner))
            )
        else:
            columns = self._columns(self.table)
            built = (
                select(*self._outputs(self.table))
                .select_from(self.table)
                .where(self._wanted(self.plan.where, shape), self._believed())
            )
            built = built.order_by(*order_by(self.plan.order, columns, self.fixed))
        return built.limit(parameter("limit")) if shape.limited else built

    def _bounded(self, shape: Shape, order: Sequence[Ordering], *outputs: str) -> Any:
        """Select what the access yields, up to the cap, in the order in which it does."""
        assert self.plan.residual is not None
        columns = self._columns(self.table)
        needed = dict.fromkeys((*outputs, *(test.field for test in tests(self.plan.residual))))
        found = [columns(name) for name in needed] or [_ONE.label("one")]
        built: Any = select(*found).select_from(self.table).where(self._wanted(self._access, shape))
        return built.order_by(*order_by(order, columns, self.fixed)).limit(parameter("cap"))

    def _probe(self, shape: Shape) -> Executable:
        """Select the epoch, and how many records the access yields, counted as far as the pool's cap."""
        inner: Any = (
            select(_ONE.label("one"))
            .select_from(self.table)
            .where(self._wanted(self._access, shape))
            .limit(parameter("cap"))
        )
        number = select(func.count()).select_from(inner.subquery("examined")).scalar_subquery()
        return select(self._epoch, number)

    def _count(self, shape: Shape) -> Executable:
        if shape.form == "plain":
            wanted = self._wanted(self.plan.where, shape)
            return select(self._epoch, func.count()).select_from(self.table).where(wanted)
        residual = self.plan.residual
        wanted = self._wanted(self._access, shape)
        matches: ColumnElement[Any] = _ONE
        if residual is not None:
            matches = case((self._clause(residual, shape, self.table), _ONE), else_=_ZERO)
        inner: Any = select(matches.label("matches")).select_from(self.table).where(wanted).limit(parameter("cap"))
        seen = inner.subquery("examined")
        return select(self._epoch, func.coalesce(func.sum(seen.c.matches), _ZERO), func.count())

    def _exists(self, shape: Shape) -> Executable:
        if shape.form == "plain":
            found: Any = select(_ONE).select_from(self.table).where(self._wanted(self.plan.where, shape))
        else:
            assert self.plan.residual is not None
            order = access_order(self.plan.collection, self.plan.access)
            inner = self._bounded(shape, order).subquery("examined")
            found = select(_ONE).select_from(inner).where(self._clause(self.plan.residual, shape, inner))
        return select(self._epoch, exists(found))

    def _groups(self, shape: Shape) -> Executable:
        column = self._columns(self.table)
        columns = [column(name) for name in self.plan.columns]
        totals = [part for total in self.plan.totals for part in self._total(total)]
        built: Any = select(func.count(), *columns, *totals).select_from(self.table)
        built = built.where(self._wanted(self.plan.where, shape), self._believed())
        grouped: Executable = built.group_by(*columns).order_by(*columns) if columns else built
        return grouped

    def _total(self, total: Total) -> list[ColumnElement[Any]]:
        """Give the columns of which reader.py makes a total."""
        if total.function == "count":
            return [func.count()] if not total.field else [func.count(self._columns(self.table)(total.field))]
        column = self._columns(self.table)(total.field)
        if total.function in ("min", "max"):
            return [func.min(column) if total.function == "min" else func.max(column)]
        if self.plan.collection.field(total.field).kind == "float":
            return [func.fsum(column), func.count(column)]
        low = column.bitwise_and(literal_column(str((1 << HALF) - 1)))
        return [func.sum(column.bitwise_rshift(literal_column(str(HALF)))), func.sum(low), func.count(column)]
