"""Reading: one plan made ready to run; which statements, how often, and when their answer may be believed.

A row proves the epoch, since each statement asks for it; an answer without rows proves nothing. It is confirmed by a
second, short statement or, where each statement is waited for, brings a row as its proof. select.py builds the
statements, operands.py binds the values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from ...errors import TooManyExamined, ValueRefused
from ...query.plan import Access, Claimed, Lookup, Nothing, Plan, Total, Union
from ...store.protocol import Read, Values
from .condition import Cursor
from .dialect import Row, Statement
from .operands import Operands, Sizes
from .reader import Reader, changed
from .select import Form, Selects, Shape

Most: TypeAlias = tuple[int, tuple[int, ...]]
_NOTHING: dict[str, Any] = {"count": 0, "sum": 0, "min": None, "max": None, "avg": (0, 0)}
_INT_LOW, _INT_HIGH = -(2**63), 2**63 - 1


class Reading:
    """One plan, ready to run."""

    def __init__(self, plan: Plan, reader: Reader) -> None:
        self.plan = plan
        self.reader = reader
        self._selects = Selects.of(plan, reader.layout)
        self.operands = Operands(plan, self._selects)
        self._load = plan.codec.load
        self.is_marked = self._selects.marked
        self.is_remote = self._selects.dialect.remote
        self._most = _most(plan.access)
        # A read by a key or a unique skips all that prepares for many rows: it is the commonest, and the one that is
        # measured against two lines of hand-written code.
        is_point = self._most == (1, ()) and plan.output == "records" and self.operands.is_flat
        self._point = self._selects.statement(Shape("point", limited=False)) if is_point else None

    def run(self, values: Values, epoch: str, limit: int | None, after: Values | None, cap: int | None) -> Read:
        """Read, and give what the plan's output asks for."""
        if self._point is not None and after is None and limit != 0:
            return self._one(values, epoch)
        if cap is not None and self._most is not None and self._most_records(values) <= cap:
            cap = None
        output = self.plan.output
        if isinstance(self.plan.access, Nothing):
            return Read(self._of_nothing(), 0, 0)
        call = _Call(self, values, after, epoch)
        call.limit, call.cap = limit, cap
        if output == "count":
            return self._count(call)
        if output == "exists":
            return self._exists(call)
        if output == "groups":
            return self._groups(call)
        return self._records(call)

    def point(self, values: Values, epoch: str) -> tuple[str, tuple[Any, ...]]:
        """Give the text and the parameters of a read by a key or a unique."""
        assert self._point is not None
        pool = [epoch, None, None, *values[: self.operands.parameters]]
        for param, dump in self.operands.dumps:
            pool[3 + param] = dump(pool[3 + param])
        return self._point.text, self._point.bind(pool)

    def _one(self, values: Values, epoch: str) -> Read:
        row = self.reader.row(*self.point(values, epoch), epoch)
        if row is None:
            self.reader.confirm(epoch)
        elif not self.is_marked or row[-2] is not None:
            return Read([self._load(row)], 1, 1)
        return Read([], 0, 1)

    def statement(self, shape: Shape) -> Statement:
        """Give the kept statement of a shape."""
        return self._selects.statement(shape)

    def _most_records(self, values: Values) -> int:
        assert self._most is not None
        single, lists = self._most
        return single + sum(len(values[param]) for param in lists)

    def _records(self, call: _Call) -> Read:
        limit, cap = call.limit, call.cap
        if cap is None:
            rows = call.rows("plain", limit)
        elif self._selects.presorted:
            rows = self._presorted(call, cap)
        elif self.plan.residual is None and limit is None and call.is_first:
            rows = call.rows("plain", cap + 1)  # what is found is what the access yields
            if len(rows) > cap:
                raise TooManyExamined(self.plan.collection.model, cap)
        elif self.is_marked:
            rows = call.probed(limit, cap)
        else:
            call.check_cap(cap)  # before a limit can be filled, all that the access yields must be sorted
            rows = call.rows("plain", limit)
        if not rows and not self.is_marked:
            call.confirm()
        examined = max(call.examined, len(rows))
        if self.plan.output == "rows":
            return Read(rows if self.plan.columns else [() for _ in rows], examined, call.trips)
        return Read(list(map(self._load, rows)), examined, call.trips)

    def _presorted(self, call: _Call, cap: int) -> list[Row]:
        limit = call.limit
        if self.plan.residual is None:
            rows = call.rows("plain", cap + 1 if limit is None else min(limit, cap + 1))
            if len(rows) > cap:
                raise TooManyExamined(self.plan.collection.model, cap)
            return rows
        rows = call.rows("capped", limit, cap)
        if limit is None or len(rows) < limit:
            call.check_cap(cap)
        return rows

    def _count(self, call: _Call) -> Read:
        if call.cap is None:
            epoch, number = call.rows("plain", None)[0]
            examined = number
        else:
            epoch, number, examined = call.rows("capped", None, call.cap + 1)[0]
        call.prove(epoch)
        if call.cap is not None and examined > call.cap:
            raise TooManyExamined(self.plan.collection.model, call.cap)
        return Read([number], examined, call.trips)

    def _exists(self, call: _Call) -> Read:
        is_capped = call.cap is not None and self.plan.residual is not None
        epoch, found = call.rows("capped" if is_capped else "plain", None, call.cap)[0]
        call.prove(epoch)
        if is_capped and not found:
            assert call.cap is not None
            call.check_cap(call.cap)
        return Read([bool(found)], max(call.examined, found), call.trips)

    def _groups(self, call: _Call) -> Read:
        if call.cap is not None:
            call.check_cap(call.cap)
        rows = call.rows("plain", None)
        number = sum(row[0] for row in rows)
        if number == 0:
            call.confirm()
        examined = max(call.examined, number)
        return Read([self._group(row) for row in rows], examined, call.trips)

    def _of_nothing(self) -> list[Any]:
        output = self.plan.output
        if output == "count":
            return [0]
        if output == "exists":
            return [False]
        if output == "groups" and not self.plan.columns:
            return [((), tuple([_NOTHING[total.function] for total in self.plan.totals]))]
        return []

    def _group(self, row: Row) -> tuple[Row, Row]:
        width = 1 + len(self.plan.columns)
        parts = iter(row[width:])
        return row[1:width], tuple([self._total(total, parts) for total in self.plan.totals])

    def _total(self, total: Total, parts: Iterator[Any]) -> Any:
        if total.function in ("count", "min", "max"):
            return next(parts)
        kind = self.plan.collection.field(total.field).kind
        dialect = self._selects.dialect
        if kind == "float":
            found, number = next(parts), next(parts)
            summed = dialect.float_of(found, number)
            return (summed, number) if total.function == "avg" else summed
        whole, number = dialect.whole_of(parts), next(parts)
        if total.function == "avg":
            return whole, number
        if kind == "int" and not _INT_LOW <= whole <= _INT_HIGH:
            raise ValueRefused(self.plan.collection.model, total.field, "the sum is outside 64 bits")
        return whole


class _Call:
    """One read under way: its values bound, its statements counted. A row that came back proves its epoch."""

    __slots__ = (
        "_after", "_each", "_endless", "_marked", "_pool", "_reading", "_sizes", "cap", "epoch", "examined", "limit",
        "trips",
    )  # fmt: skip

    def __init__(self, reading: Reading, values: Values, after: Values | None, epoch: str) -> None:
        self._reading = reading
        self.epoch = epoch
        self.limit: int | None = None
        self.cap: int | None = None
        self.examined = 0
        self._marked = reading.is_marked
        # What runs inside this process is no trip; all of it together counts as one.
        self._each = 1 if reading.is_remote else 0
        self.trips = 1 - self._each
        operands = reading.operands
        bound = operands.bound(values)
        self._pool: list[Any] = [*bound]
        self._after: Cursor | None = None if after is None else operands.cursor(self._pool, bound, after)
        self._sizes: Sizes = operands.lists(self._pool, values)
        self._endless: frozenset[int] = operands.ends(self._pool, values)

    @property
    def is_first(self) -> bool:
        """Tell whether no cursor has been given."""
        return self._after is None

    def rows(self, form: Form, limit: int | None, cap: int | None = None) -> list[Row]:
        """Run one of the plan's statements. cap: the limit of its inner SELECT, where it has one."""
        rows = self._run(form, limit, cap)
        return unmarked(rows)[0] if self._marked and form != "probe" else rows

    def probed(self, limit: int | None, cap: int) -> list[Row]:
        """Run the plan's statement and count, in the same trip, what the access yields; raise TooManyExamined."""
        rows, mark = unmarked(self._run("probed", cap + 1 if limit is None else limit, cap + 1))
        self.examined = mark[-1]
        if self.examined > cap:
            raise TooManyExamined(self._reading.plan.collection.model, cap)
        return rows

    def _run(self, form: Form, limit: int | None, cap: int | None) -> list[Row]:
        self.trips += self._each
        reading = self._reading
        statement = reading.statement(Shape(form, limit is not None, self._sizes, self._endless, self._after))
        bound = statement.bind([self.epoch, limit, cap, *self._pool])
        return reading.reader.rows(statement.text, bound, self.epoch)

    def prove(self, epoch: str | None) -> None:
        """Compare the epoch that came with an answer."""
        if epoch != self.epoch:
            raise changed()

    def check_cap(self, cap: int) -> None:
        """Count what the access yields; raise TooManyExamined when that is more than the cap."""
        epoch, self.examined = self.rows("probe", None, cap + 1)[0]
        self.prove(epoch)
        if self.examined > cap:
            raise TooManyExamined(self._reading.plan.collection.model, cap)

    def confirm(self) -> None:
        """Ask for the epoch in force."""
        self.trips += self._each
        self._reading.reader.confirm(self.epoch)


def unmarked(rows: list[Row]) -> tuple[list[Row], Row]:
    """Take the mark of the epoch, a row without a revision, out of an answer; raise EpochChanged where it is not."""
    if rows and rows[-1][-2] is None:
        mark = rows.pop()
        return rows, mark
    marks = [row for row in rows if row[-2] is None]  # the arms of a UNION have no order among themselves
    if not marks:
        raise changed()
    return [row for row in rows if row[-2] is not None], marks[0]


def _most(access: Access) -> Most | None:
    """Say how many records an access can yield: a number, and the parameters whose lists add to it; None: any."""
    if isinstance(access, Claimed):
        return 1, ()
    if isinstance(access, Lookup):
        test = access.tests[0]
        return (0, (test.param,)) if test.op == "in" else (1, ())
    if not isinstance(access, Union):
        return None
    single, lists = 0, list[int]()
    for part in access.parts:
        most = _most(part)
        if most is None:
            return None
        single += most[0]
        lists += most[1]
    return single, tuple(lists)
