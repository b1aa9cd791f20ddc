"""col(): a field of a model, written on its class, ready to be compared: `col(Book.pages) > 300`.

Checks each operand against the field at once, so that a wrong value never reaches a store.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from typing import Any, Generic, LiteralString, NoReturn, TypeVar, overload

import msgspec

from ..errors import DeclarationError, UsageError, ValueRefused
from ..model.field import FieldSpec
from ..model.model import model_of, owner_of
from ..model.unset import UNSET
from .predicate import NO_TRUTH, And, Compare, Op, Or, Predicate

T = TypeVar("T")
V = TypeVar("V")
S = TypeVar("S", bound=LiteralString)
_KEPT: dict[object, Col[Any]] = {}  # a Col holds nothing of a call, so one a slot serves all


class Assignment(msgspec.Struct, frozen=True):
    """A new value for a field: `col(Book.pages).to(3)`."""

    owner: type[Any]
    field: str
    value: Any


class Col(Generic[T]):
    """A field in a filter. Comparisons give predicates; `.to()` gives an assignment."""

    __slots__ = ("owner", "spec")

    def __init__(self, owner: type[Any], spec: FieldSpec) -> None:
        self.owner = owner
        self.spec = spec

    def __repr__(self) -> str:
        return f"col({self.owner.__name__}.{self.spec.name})"

    def __eq__(self, other: T | None) -> Predicate:  # type: ignore[override]
        return self.is_(other)

    def __ne__(self, other: T | None) -> Predicate:  # type: ignore[override]
        return self.is_not(other)

    __hash__ = object.__hash__

    def __lt__(self, other: T) -> Predicate:
        return self._ordered("lt", other)

    def __le__(self, other: T) -> Predicate:
        return self._ordered("le", other)

    def __gt__(self, other: T) -> Predicate:
        return self._ordered("gt", other)

    def __ge__(self, other: T) -> Predicate:
        return self._ordered("ge", other)

    def is_(self, value: T | None) -> Predicate:
        """Match records whose field equals value; is_(None) matches None."""
        if value is None:
            self._check_none()
            return self._compare("null", None)
        return self._compare("eq", self._checked(value, equality=True))

    def is_not(self, value: T | None) -> Predicate:
        """Match records whose field differs from value; None differs from every other value."""
        return ~self.is_(value)

    def in_(self, values: Iterable[T | None]) -> Predicate:
        """Match records whose field equals one of the values; of none, nothing is matched and nothing read."""
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise UsageError(f"{self!r}.in_() takes several values, not one {type(values).__name__}")
        taken = list(values)
        plain = tuple(self._checked(v, equality=True) for v in taken if v is not None)
        if len(plain) < len(taken):
            self._check_none()
            null = self._compare("null", None)
            return Or((self._compare("in", plain), null)) if plain else null
        return self._compare("in", plain) if plain else Or(())

    def between(self, low: T, high: T) -> Predicate:
        """Match low <= field <= high; never None."""
        return And((self._ordered("ge", low), self._ordered("le", high)))

    def prefix(self: Col[str], text: str) -> Predicate:
        """Match text that begins with these code points; never None."""
        if self.spec.type.kind != "str" or self.spec.type.enum is not None:
            raise UsageError(f"{self!r}.prefix() goes with str fields")
        checked = self._checked(text, equality=False, free=True)
        # All text begins with nothing: no bound that an index could serve, and said so.
        return self._compare("prefix", checked) if checked else self._compare("not_null", None)

    def to(self, value: T | None) -> Assignment:
        """Assign a value, for update, update_where and claim."""
        if value is None:
            self._check_none()
            return Assignment(self.owner, self.spec.name, None)
        return Assignment(self.owner, self.spec.name, self._checked(value, equality=True, assigned=True))

    def _ordered(self, op: Op, value: Any) -> Predicate:
        if self.spec.type.kind == "json":
            raise UsageError(f"{self!r}: JSON values have no order")
        return self._compare(op, self._checked(value, equality=False, free=True))

    def _compare(self, op: Op, value: Any) -> Predicate:
        return Compare(self.owner, self.spec.name, op, value, self.spec.optional)

    def _check_none(self) -> None:
        if not self.spec.optional:
            raise ValueRefused(self.owner.__name__, self.spec.name, "None, but the field is not optional")

    def _checked(self, value: Any, *, equality: bool, free: bool = False, assigned: bool = False) -> Any:
        kind = self.spec.type
        if value is UNSET:
            raise ValueRefused(self.owner.__name__, self.spec.name, "UNSET; create the record first")
        if kind.kind == "json" and not assigned and equality:
            raise UsageError(f"{self!r}: JSON values can be compared with None only")
        reason = kind.refusal(value)
        # A bound may be longer than the field, or no member of its Literal: it is compared, not stored.
        if reason and free and value.__class__ in kind.classes and kind.enum is None:
            reason = msgspec.structs.replace(kind, length=None, choices=None).refusal(value)
        if reason:
            raise ValueRefused(self.owner.__name__, self.spec.name, reason)
        if kind.kind == "datetime" and not assigned:
            # Python finds a datetime in a zone's repeated hour unequal to any other, even to its own instant.
            return value.astimezone(UTC)
        return value

    def _refuse_arithmetic(self, *_: object) -> NoReturn:
        raise UsageError(f"{self!r} is a field, not its value; compute in Python, or use increment()")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __mod__ = _refuse_arithmetic
    __neg__ = _refuse_arithmetic

    def _refuse_logic(self, *_: object) -> NoReturn:
        raise UsageError("put parentheses around each comparison: (col(a) == 1) & (col(b) == 2)")

    __and__ = __rand__ = __or__ = __ror__ = __invert__ = _refuse_logic

    def _refuse_truth(self, *_: object) -> NoReturn:
        raise UsageError(NO_TRUTH)

    def __bool__(self) -> NoReturn:
        self._refuse_truth()

    def __contains__(self, _: object) -> NoReturn:
        self._refuse_truth()

    def __iter__(self) -> NoReturn:
        self._refuse_truth()


@overload
def col(field: S, /) -> Col[S]: ...
@overload
def col(field: S | None, /) -> Col[S]: ...
@overload
def col(field: V | None, /) -> Col[V]: ...
def col(field: Any, /) -> Col[Any]:
    """Refer to a model's field in a filter or an assignment: `col(Book.title) == "Emma"`."""
    try:
        return _KEPT[field]
    except (KeyError, TypeError):
        return _made(field)


def _made(slot: object) -> Col[Any]:
    try:
        owner, name = owner_of(slot)
    except TypeError:
        raise UsageError(
            f"col() takes a field written on its class, as in col(Book.title); not a {type(slot).__name__}"
        ) from None
    try:
        spec = model_of(owner).field(name)
    except (KeyError, DeclarationError):
        raise UsageError(f"{owner.__name__}.{name} is no stored field") from None
    kept: Col[Any] = Col(owner, spec)
    _KEPT[slot] = kept
    return kept
