"""SELECTs: the statements that a plan can need, each built and compiled once for a shape of operands.

Knows plans, tables and SQLAlchemy Core; must not know connections. reader.py runs what is made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import msgspec
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Table,
    and_,
    case,
    exists,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.sql.base import Executable

from ...query.plan import Claimed, Condition, Ordering, Plan, Total
from .condition import (
    Columns,
    Cursor,
    Sides,
    access_condition,
    access_order,
    fixed_fields,
    order_by,
    tests,
)
from .dialect import Clause, Statement, parameter
from .keeping import kept
from .tables import REVISION, VERSION, Layout

Form: TypeAlias = Literal["plain", "capped", "probe", "probed", "point"]
_ZERO: ColumnElement[Any] = literal_column("0")
_ONE: ColumnElement[Any] = literal_column("1")
_NULL: ColumnElement[Any] = literal_column("NULL")
_ENDLESS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Shape:
    """What of the operands changes a statement's text. sizes: of each `in`; endless: prefixes without an end.

    form: plain: all that matches; capped: only what the access yields up to the cap; probe: how much that is; probed:
    both, all that matches and in the mark how much that is; point: one row at most, and where answers are marked, one
    in any case, of nothing if there is no record.
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
        self._kept: dict[Shape, Statement] = {}
        self.dialect = layout.dialect
        # Where each statement is waited for, an answer brings the proof of its epoch along: one row of nothing at its
        # end, so that an answer without records needs no second question.
        self.marked = self.dialect.remote and plan.output == "records"
        self._catalog = layout.catalog
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

    @classmethod
    def of(cls, plan: Plan, layout: Layout) -> Selects:
        """Give those of a plan, or of one that is alike."""
        parts = (plan.collection, plan.access, plan.where, plan.residual, plan.order, plan.presorted, plan.output)
        # Of the plan only what says which statements it needs; all else belongs to one program.
        bare = msgspec.structs.replace(plan, codec=None, matches=None, sort_keys=(), is_after=None, compiled={})
        return kept((layout.key, *parts, plan.columns, plan.totals), lambda: cls(bare, layout))

    def statement(self, shape: Shape) -> Statement:
        """Give the statement of a shape."""
        found = self._kept.get(shape)
        if found is None:
            found = self._kept[shape] = self._made(shape)
        return found

    def _made(self, shape: Shape) -> Statement:
        """Build and compile a statement."""
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
            names += [f"i{param}_{at}" for at in range(abs(size))]
        names += [f"n{param}" for param in self.prefixes if param not in shape.endless]
        made = self.dialect.statement(built, {name: at for at, name in enumerate(names)}, len(names))
        sorted_by = (
            plan.columns if plan.output == "groups" else [t.field for t in plan.order if t.field not in self.fixed]
        )
        made.text = self.dialect.sorting(list(map(self._columns(self.table), sorted_by))) + made.text
        return made

    def _columns(self, source: FromClause) -> Columns:
        collection = self.plan.collection

        def column(field: str) -> ColumnElement[Any]:
            found: ColumnElement[Any] = source.c[collection.field(field).column]
            return found

        return column

    def _clause(self, condition: Condition, shape: Shape, source: FromClause) -> Clause:
        sides = Sides(self._columns(source), self.plan.collection, dict(shape.sizes), shape.endless, self.dialect)
        return sides.clause(condition)

    def _believed(self) -> Clause:
        return self._epoch == parameter("epoch")

    def _wanted(self, condition: Condition, shape: Shape) -> Clause:
        """Write a condition on the table itself, and the cursor."""
        clauses = [self._clause(condition, shape, self.table)]
        access, live = self.plan.access, self.plan.collection.live
        if isinstance(access, Claimed) and access.unique.among == "live" and live is not None:
            # Aloud and as a constant: else the database does not see that its partial index serves.
            clauses.append(self.dialect.live_only(self.table, self._columns(self.table)(live)))
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
        columns = self._columns(self.table)
        if shape.form == "point" and self.marked:
            there = self._catalog.outerjoin(self.table, self._wanted(self.plan.where, shape))
            return select(*self._outputs(self.table)).select_from(there).where(self._believed_of(self._catalog))
        if shape.form == "capped":
            built, columns = self._capped(shape)
        else:
            built = (
                select(*self._outputs(self.table))
                .select_from(self.table)
                .where(self._wanted(self.plan.where, shape), *(() if self.marked else (self._believed(),)))
            )
        if shape.form != "capped" or not self.dialect.ordered_subqueries:
            built = built.order_by(*self._order_by(self.plan.order, columns))
        if shape.limited:
            built = built.limit(parameter("limit"))
        return self._with_mark(built, shape) if self.marked else built

    def _capped(self, shape: Shape) -> tuple[Any, Columns]:
        """Select what the access yields up to the cap, in order; of that, what matches. Give the columns of the order.

        No second ORDER BY where it can be helped: it would make the database read to the cap each time. One that keeps
        no order of a subquery writes it out first: then whole records are read only of what matches.
        """
        assert self.plan.residual is not None
        is_wide = self.dialect.ordered_subqueries
        collection, table = self.plan.collection, self.table
        names = self.plan.columns if self.plan.output == "rows" else collection.positions
        further = [*collection.key, *(term.field for term in self.plan.order)]
        bounded = self._bounded(shape, self.plan.order, *(names if is_wide else further))
        bounded = bounded if self.marked else bounded.where(self._believed())
        if is_wide and self.plan.output != "rows":
            bounded = bounded.add_columns(table.c[REVISION], table.c[VERSION])
        inner = bounded.subquery("examined")
        columns, source = self._columns(inner), inner
        if not is_wide:
            whole = self._columns(table)
            source = inner.join(table, and_(*(columns(name) == whole(name) for name in collection.key)))
        built = select(*self._outputs(inner if is_wide else table)).select_from(source)
        return built.where(self._clause(self.plan.residual, shape, inner)), columns

    def _with_mark(self, built: Any, shape: Shape) -> Executable:
        if not shape.limited and not self._is_point and not self.dialect.ordered_subqueries:
            # In an arm of a UNION the order counts only under a limit.
            built = built.limit(literal_column(str(_ENDLESS)))
        last: ColumnElement[Any] = self._yielded(shape) if shape.form == "probed" else _NULL
        nothing = [_NULL for _ in self._outputs(self.table)][1:]
        mark: Any = select(*nothing, last).select_from(self._catalog)
        marked: Executable = union_all(built, mark.where(self._believed_of(self._catalog)))
        return marked

    def _believed_of(self, catalog: Table) -> Clause:
        return catalog.c.epoch == parameter("epoch")

    @property
    def _is_point(self) -> bool:
        return isinstance(self.plan.access, Claimed) or all(t.field in self.fixed for t in self.plan.order)

    def _order_by(self, order: Sequence[Ordering], columns: Columns) -> list[ColumnElement[Any]]:
        return order_by(order, columns, self.fixed, self.plan.collection, self.dialect)

    def _bounded(self, shape: Shape, order: Sequence[Ordering], *outputs: str) -> Any:
        """Select what the access yields, up to the cap, in the order in which it does."""
        assert self.plan.residual is not None
        columns = self._columns(self.table)
        needed = dict.fromkeys((*outputs, *(test.field for test in tests(self.plan.residual))))
        found = [columns(name) for name in needed] or [_ONE.label("one")]
        built: Any = select(*found).select_from(self.table).where(self._wanted(self._access, shape))
        return built.order_by(*self._order_by(order, columns)).limit(parameter("cap"))

    def _probe(self, shape: Shape) -> Executable:
        """Select the epoch, and how many records the access yields, counted as far as the pool's cap."""
        return select(self._epoch, self._yielded(shape))

    def _yielded(self, shape: Shape) -> ColumnElement[Any]:
        inner: Any = (
            select(_ONE.label("one"))
            .select_from(self.table)
            .where(self._wanted(self._access, shape))
            .limit(parameter("cap"))
        )
        counted: ColumnElement[Any] = select(func.count()).select_from(inner.subquery("examined")).scalar_subquery()
        return counted

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
        if not columns:
            return cast("Executable", built)
        order = order_by(list(map(Ordering, self.plan.columns)), column, {}, self.plan.collection, self.dialect)
        return cast("Executable", built.group_by(*columns).order_by(*order))

    def _total(self, total: Total) -> list[ColumnElement[Any]]:
        """Give the columns of which reading.py makes a total."""
        if total.function == "count":
            return [func.count()] if not total.field else [func.count(self._columns(self.table)(total.field))]
        column, kind = self._columns(self.table)(total.field), self.plan.collection.field(total.field).kind
        if total.function == "min":
            return [self.dialect.least(column, kind)]
        if total.function == "max":
            return [self.dialect.greatest(column, kind)]
        if kind == "float":
            return [self.dialect.float_sum(column), func.count(column)]
        return [*self.dialect.whole_sum(column), func.count(column)]
