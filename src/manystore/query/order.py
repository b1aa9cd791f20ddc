"""Orders, aggregates and projections: what find, select and aggregate are told beside the filter.

The functions are typed as the value they stand for, so that checkers follow them; at run time they give descriptions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, Generic, Literal, ParamSpec, TypeAlias, TypeVar, cast

import msgspec

from ..errors import DeclarationError, UsageError
from ..model.model import model_of, owner_of

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")
N = TypeVar("N", int, float, Decimal)
Function: TypeAlias = Literal["count", "sum", "min", "max", "avg"]


class Order(msgspec.Struct, frozen=True):
    """One term of an order; None sorts first, and last when descending."""

    owner: type[Any]
    field: str
    descending: bool


class Aggregate(msgspec.Struct, frozen=True):
    """A value over many records. field is empty for count()."""

    function: Function
    owner: type[Any] | None
    field: str


class Projection(msgspec.Struct, Generic[R], frozen=True):
    """A dataclass to fill instead of the model. columns: (parameter, field name or Aggregate) pairs."""

    shape: Callable[..., R]
    columns: tuple[tuple[str, str | Aggregate], ...]
    owner: type[Any] | None

    @property
    def aggregates(self) -> tuple[tuple[str, Aggregate], ...]:
        """Give the columns that are aggregates."""
        return tuple((name, column) for name, column in self.columns if isinstance(column, Aggregate))

    @property
    def plain(self) -> tuple[tuple[str, str], ...]:
        """Give the columns that are no aggregates: the grouping, when there are aggregates."""
        return tuple((name, column) for name, column in self.columns if isinstance(column, str))


def asc(field: object, /) -> Order:
    """Order by a field, smallest first, None before everything."""
    return _order(field, descending=False)


def desc(field: object, /) -> Order:
    """Order by a field, largest first, None after everything."""
    return _order(field, descending=True)


def count() -> int:
    """Count the records of the group."""
    return cast("int", Aggregate("count", None, ""))


def sum_(field: N | None, /) -> N:
    """Add up a field, None left out; 0 of nothing."""
    return cast("N", _aggregate("sum", field, ("int", "float", "decimal")))


def min_(field: V | None, /) -> V | None:
    """Give the smallest value of a field, None left out; None of nothing."""
    return cast("V | None", _aggregate("min", field, ()))


def max_(field: V | None, /) -> V | None:
    """Give the largest value of a field, None left out; None of nothing."""
    return cast("V | None", _aggregate("max", field, ()))


def avg(field: float | Decimal | None, /) -> float | None:
    """Give the mean of a field as a float, None left out; None of nothing."""
    return cast("float | None", _aggregate("avg", field, ("int", "float", "decimal")))


def project(shape: Callable[P, R], /, *args: P.args, **columns: P.kwargs) -> Projection[R]:
    """Describe rows of another shape: `project(Shelf, author_id=Book.author_id, books=count())`.

    Each keyword is a parameter of shape: a field, or an aggregate. What is no aggregate is the grouping. A constant of
    the module, so that it compiles once. Raises DeclarationError.
    """
    name = getattr(shape, "__name__", "the shape")
    if args:
        raise DeclarationError(f"project({name}): columns are given by keyword")
    if not columns:
        raise DeclarationError(f"project({name}): no columns")
    found: list[tuple[str, str | Aggregate]] = []
    owners: set[type[Any]] = set()
    for parameter, column in columns.items():
        if isinstance(column, Aggregate):
            found.append((parameter, column))
            owners |= {column.owner} if column.owner else set()
        else:
            try:
                owner, field = _stored(column)
            except UsageError as reason:
                raise DeclarationError(f"project({name}), {parameter}: {reason}") from None
            found.append((parameter, field))
            owners.add(owner)
    projection = Projection(shape, tuple(found), next(iter(owners), None))
    _check_projection(projection, name)
    if len(owners) > 1:
        raise DeclarationError(
            f"project({name}): fields of two models, {' and '.join(sorted(o.__name__ for o in owners))}"
        )
    return projection


def _check_projection(projection: Projection[Any], name: str) -> None:
    """Refuse columns that the shape does not take, and a grouping by values that are not compared."""
    import inspect  # noqa: PLC0415 - for declarations only

    with suppress(ValueError):  # a shape without a signature, as some classes written in C are, takes what it takes
        try:
            inspect.signature(projection.shape).bind(**dict(projection.columns))
        except TypeError as reason:
            raise DeclarationError(f"project({name}): {reason}") from None
    if projection.owner is not None and projection.aggregates:
        for parameter, column in projection.plain:
            if model_of(projection.owner).field(column).type.kind == "json":
                raise DeclarationError(f"project({name}), {parameter}: JSON values cannot be grouped by")


def orders(given: Order | Sequence[Order]) -> tuple[Order, ...]:
    """Give the terms of order_by=; raise UsageError for anything that asc() and desc() do not give."""
    if not isinstance(given, (Order, list, tuple)):
        raise UsageError(f"order_by takes asc(Book.title) or desc(Book.title), not a {type(given).__name__}")
    terms = (given,) if isinstance(given, Order) else tuple(given)
    for term in terms:
        if not isinstance(term, Order):
            raise UsageError(f"order_by takes asc(Book.title) or desc(Book.title), not a {type(term).__name__}")
    return terms


def _order(field: object, *, descending: bool) -> Order:
    owner, name = _stored(field)
    if model_of(owner).field(name).type.kind == "json":
        raise UsageError(f"{owner.__name__}.{name}: JSON values have no order")
    return Order(owner, name, descending)


def _aggregate(function: Function, field: object, kinds: tuple[str, ...]) -> Aggregate:
    owner, name = _stored(field)
    kind = model_of(owner).field(name).type
    if kind.kind == "json" or (kinds and (kind.kind not in kinds or kind.enum is not None)):
        what = "enum" if kind.enum is not None else kind.kind
        raise UsageError(f"{owner.__name__}.{name}: no {function} of {what} values")
    return Aggregate(function, owner, name)


def _stored(slot: object) -> tuple[type[Any], str]:
    try:
        owner, name = owner_of(slot)
        model_of(owner).field(name)
    except TypeError:
        raise UsageError(
            f"a field written on its class is wanted, as in Book.title; not a {type(slot).__name__}"
        ) from None
    except (KeyError, DeclarationError):
        owner, name = owner_of(slot)
        raise UsageError(f"{owner.__name__}.{name} is no stored field") from None
    return owner, name
