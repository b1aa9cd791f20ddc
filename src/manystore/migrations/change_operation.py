"""Operations that change a field's definition: its type, whether it may be None, its length, its choices.

Knows schemas and lenses; must not know stores. What a value becomes that the new definition cannot hold is said in
`otherwise`: a value, or STOP, which closes the collection and refuses to begin while there is such a value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import Pinned, ValueRefused
from ..schema.schema import Collection, Field, Schema
from .failure import said
from .lens import Columns, Lens, Through, ThroughMany, Values, unchanged
from .operation import CUT, FILL_IN, STOP, Manner, Operation, find, find_field, lowered, refuse, with_field
from .primitive import CastMany, cast, cast_many, quick, quick_many, refusal

_WIDTHS = {"int": 20, "uuid": 36, "datetime": 27, "date": 10, "ip": 39}  # of the text that any value of a kind becomes
_TOTAL = {("bool", "int"), ("datetime", "date"), ("date", "datetime")}  # casts that fail for no value


class ChangeType(Operation, frozen=True):
    """Make a field another type; its name and column stay. otherwise: what becomes of a value that can't be cast.

    up, down: functions of one value, None among them, where the types have no cast of their own or another is wanted.
    back: what older programs see, and what is there after `down`, of a value that can't be cast back or is None where
    it could not be; without it they are refused what they could not read, and such a value stops `down`.
    """

    collection: str
    field: Field
    otherwise: Any = STOP
    up: Any = None
    down: Any = None
    back: Any = None

    def apply(self, before: Schema) -> Schema:
        """Change it."""
        old, new = find_field(before, self.collection, self.field.name), self.field
        where = f"{self.collection}.{new.name}"
        if old == new:
            refuse(f"{where}: is of that type already")
        if old.column != new.column:
            refuse(f"{where}: its column is {old.column}; rename it by an operation of its own")
        if old.optional and not new.optional:
            refuse(f"{where}: forbid None by an operation of its own")
        if self.up is None and cast(old, new) is None:
            refuse(f"{where}: from {old.kind} to {new.kind} there is no cast; give up and down")
        if self.down is None and cast(new, old) is None:
            refuse(f"{where}: from {new.kind} back to {old.kind} there is no cast; give down")
        _check_otherwise(where, new, self.otherwise)
        if self.back is not None:
            _check_otherwise(where, old, self.back, "back")
        return with_field(before, self.collection, new.name, new)

    def manner(self, before: Schema) -> Manner:
        """Closed when a value may stop it."""
        old = find_field(before, self.collection, self.field.name)
        stops = self.otherwise is STOP and self.up is None and not is_total(old, self.field)
        return Manner.CLOSED if stops else Manner.UP_AND_DOWN

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Change it back."""
        old = find_field(before, self.collection, self.field.name)
        otherwise = STOP if self.back is None and not old.optional else self.back
        if old.optional or not self.field.optional:
            return (ChangeType(self.collection, old, otherwise, self.down, self.up, self.otherwise),)
        # What stands in for None is of the old type, so there it is put. A STOP comes before anything is cast, unless
        # the cast is a function of its own: that may make something of None.
        is_first = otherwise is not STOP or self.down is not None
        loose = msgspec.structs.replace(old, optional=is_first)
        cast = (ChangeType(self.collection, loose, otherwise, self.down, self.up, self.otherwise),)
        strict = (ChangeNullability(self.collection, old.name, optional=False, otherwise=otherwise),)
        if msgspec.structs.replace(self.field, optional=False) == old:
            return strict
        return (*cast, *strict) if is_first else (*strict, *cast)

    def lost(self, before: Schema) -> str:
        """Say which values are."""
        old = find_field(before, self.collection, self.field.name)
        if self.otherwise is STOP or (self.up is None and is_total(old, self.field)):
            return ""
        return f"values of {find(before, self.collection).model}.{old.name} that cannot be cast"

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """The same column with other values."""
        there, old = find(before, self.collection), find_field(before, self.collection, self.field.name)
        # What a function that is not ours says of a value may hold it.
        up_said, down_said = (str if function is None else said for function in (self.up, self.down))
        up = _upward(there.model, self.field, self.up or _lenient(cast(old, self.field)), self.otherwise, up_said)
        down = _downward(there.model, old, self.down or _lenient(cast(self.field, old)), self.back, down_said)
        many = _upward_of_many(self.field, up, None if self.up else cast_many(old, self.field))
        return (_one(self.collection, old, up, down, many),)

    def title(self) -> str:
        """Say what it does."""
        return f"change type of {self.collection}.{self.field.name} to {self.field.kind}"


class ChangeNullability(Operation, frozen=True):
    """Allow None in a field, or forbid it. otherwise: what None becomes where it is forbidden."""

    collection: str
    field: str
    optional: bool
    otherwise: Any = STOP

    def apply(self, before: Schema) -> Schema:
        """Change it."""
        there, old = find(before, self.collection), find_field(before, self.collection, self.field)
        new, where = msgspec.structs.replace(old, optional=self.optional), f"{self.collection}.{self.field}"
        if new == old:
            refuse(f"{where}: is {'optional' if self.optional else 'required'} already")
        if self.optional and self.otherwise is not STOP:
            refuse(f"{where}: otherwise= is for where None is forbidden")
        if self.optional and old.name in there.key:
            refuse(f"{where}: a key may not be optional")
        if not self.optional and any(r.field == old.name and r.on_delete == "set_null" for r in there.references):
            refuse(f"{where}: its reference sets it to None")
        _check_otherwise(where, new, self.otherwise)
        return with_field(before, self.collection, old.name, new)

    def manner(self, before: Schema) -> Manner:
        """Wider is side by side."""
        if self.optional:
            return Manner.SIDE_BY_SIDE
        return Manner.CLOSED if self.otherwise is STOP else Manner.UP_AND_DOWN

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Change it back."""
        return (ChangeNullability(self.collection, self.field, optional=not self.optional),)

    def lost(self, before: Schema) -> str:
        """Say what is no longer told apart."""
        if self.optional or self.otherwise is STOP:
            return ""
        return f"which values of {find(before, self.collection).model}.{self.field} were None"

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """The same value, but for None where it is forbidden."""
        there, old = find(before, self.collection), find_field(before, self.collection, self.field)
        if self.optional:
            return (_same(there, old),)
        new = msgspec.structs.replace(old, optional=False)

        def up(values: Values) -> Values:
            return values if values[0] is not None else (_or_stop(there.model, new, self.otherwise, "it is None"),)

        return (_one(self.collection, old, up, _downward(there.model, old, _itself)),)

    def title(self) -> str:
        """Say what it does."""
        return f"{'allow' if self.optional else 'forbid'} None in {self.collection}.{self.field}"


class ChangeLength(Operation, frozen=True):
    """Give a text, or bytes, another greatest length; None for none. otherwise: what a longer one becomes, or CUT."""

    collection: str
    field: str
    length: int | None
    otherwise: Any = STOP

    def apply(self, before: Schema) -> Schema:
        """Change it."""
        old, where = find_field(before, self.collection, self.field), f"{self.collection}.{self.field}"
        if old.kind not in ("str", "bytes"):
            refuse(f"{where}: {old.kind} has no length")
        if self.length == old.length:
            refuse(f"{where}: has that length already")
        if self.otherwise is CUT and old.kind != "str":
            refuse(f"{where}: only a text can be cut")
        new = msgspec.structs.replace(old, length=self.length)
        if self.otherwise is not CUT:
            _check_otherwise(where, new, self.otherwise)
        return with_field(before, self.collection, old.name, new)

    def _is_wider(self, old: Field) -> bool:
        return self.length is None or (old.length is not None and self.length > old.length)

    def manner(self, before: Schema) -> Manner:
        """Wider is side by side."""
        if self._is_wider(find_field(before, self.collection, self.field)):
            return Manner.SIDE_BY_SIDE
        return Manner.CLOSED if self.otherwise is STOP else Manner.UP_AND_DOWN

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Change it back."""
        return (ChangeLength(self.collection, self.field, find_field(before, self.collection, self.field).length),)

    def lost(self, before: Schema) -> str:
        """Say what is cut off."""
        old = find_field(before, self.collection, self.field)
        if self._is_wider(old) or self.otherwise is STOP:
            return ""
        return f"what is longer than {self.length} in {find(before, self.collection).model}.{self.field}"

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """The same value, but for those too long."""
        there, old = find(before, self.collection), find_field(before, self.collection, self.field)
        if self._is_wider(old):
            return (_same(there, old),)
        new = msgspec.structs.replace(old, length=self.length)

        def up(values: Values) -> Values:
            (value,) = values
            if (reason := refusal(new, value)) is None:
                return values
            return (
                (value[: self.length],)
                if self.otherwise is CUT
                else (_or_stop(there.model, new, self.otherwise, reason),)
            )

        return (_one(self.collection, old, up, _downward(there.model, old, _itself)),)

    def title(self) -> str:
        """Say what it does."""
        return f"change length of {self.collection}.{self.field} to {self.length or 'any'}"


class ChangeChoices(Operation, frozen=True):
    """Give an enum or literal other members; None for any value. mapping: what members that are gone become."""

    collection: str
    field: str
    choices: tuple[str | int, ...] | None
    mapping: Any = msgspec.field(default_factory=dict[Any, Any])
    otherwise: Any = STOP

    def apply(self, before: Schema) -> Schema:
        """Change them."""
        old, where = find_field(before, self.collection, self.field), f"{self.collection}.{self.field}"
        if old.kind not in ("str", "int") or self.choices == old.choices:
            refuse(f"{where}: has these choices already, or can have none")
        new = msgspec.structs.replace(old, choices=self.choices)
        for value in self._table.values():
            if reason := refusal(new, value):
                refuse(f"{where}: a value of the mapping is refused: {reason}")
        _check_otherwise(where, new, self.otherwise)
        return with_field(before, self.collection, old.name, new)

    @property
    def _table(self) -> dict[Any, Any]:
        return {} if self.mapping is FILL_IN else dict(self.mapping)

    def _gone(self, old: Field) -> list[Any] | None:
        """Give the members that no longer are; None when any value may be there."""
        if self.choices is None:
            return []
        return None if old.choices is None else [value for value in old.choices if value not in self.choices]

    def manner(self, before: Schema) -> Manner:
        """New members are side by side."""
        gone = self._gone(find_field(before, self.collection, self.field))
        if gone == []:
            return Manner.SIDE_BY_SIDE
        stops = gone is None or any(value not in self._table for value in gone)
        return Manner.CLOSED if stops and self.otherwise is STOP else Manner.UP_AND_DOWN

    def inverse(self, before: Schema) -> tuple[Operation, ...]:
        """Give it the old members back; what stands for a new one must be said then."""
        return (ChangeChoices(self.collection, self.field, find_field(before, self.collection, self.field).choices),)

    def lost(self, before: Schema) -> str:
        """Say which values are no longer told apart."""
        gone = self._gone(find_field(before, self.collection, self.field))
        if gone == [] or (self.otherwise is STOP and not self._table):
            return ""
        named = ", ".join(map(str, gone or ["other values"]))
        return f"which records of {find(before, self.collection).model} had {named}"

    def lenses(self, before: Schema, secret: bytes = b"") -> tuple[Lens, ...]:
        """The same value, but for members that are gone."""
        there, old = find(before, self.collection), find_field(before, self.collection, self.field)
        if self._gone(old) == []:
            return (_same(there, old),)
        new, table = msgspec.structs.replace(old, choices=self.choices), self._table

        def up(values: Values) -> Values:
            value = table.get(values[0], values[0])
            reason = refusal(new, value)
            return (value,) if reason is None else (_or_stop(there.model, new, self.otherwise, reason),)

        return (_one(self.collection, old, up, _downward(there.model, old, _itself)),)

    def title(self) -> str:
        """Say what it does."""
        return f"change choices of {self.collection}.{self.field}"


def _one(collection: str, field: Field, up: Through, down: Through, many: ThroughMany | None = None) -> Lens:
    return Lens(collection, (field.column,), (field.column,), up, down, many=many)


def _same(there: Collection, field: Field) -> Lens:
    """Make the lens of a wider definition: what the base cannot hold is refused on the way down."""
    down, pair = _downward(there.model, field, _itself), ((field.column, field.column),)
    return Lens(there.name, (field.column,), (field.column,), unchanged, down, pair)


def _itself(value: Any) -> Any:
    return value


def _check_otherwise(where: str, field: Field, otherwise: Any, word: str = "otherwise") -> None:
    if otherwise not in (STOP, FILL_IN) and (reason := refusal(field, otherwise)):
        refuse(f"{where}: {word}= is refused: {reason}")


def _or_stop(model: str, field: Field, otherwise: Any, reason: str) -> Any:
    if otherwise is STOP:
        raise ValueRefused(model, field.name, f"a stored value stops the migration: {reason}")
    return otherwise


def _lenient(function: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Let None through a cast."""
    assert function is not None
    return lambda value: None if value is None else function(value)


def _upward(
    model: str, field: Field, function: Callable[[Any], Any], otherwise: Any, told: Callable[[ValueError], str]
) -> Through:  # fmt: skip
    fits = quick(field)

    def up(values: Values) -> Values:
        try:
            value = function(values[0])
        except ValueError as failed:
            return (_or_stop(model, field, otherwise, told(failed)),)
        if fits(made := (value,)):
            return made
        reason = refusal(field, value)
        return (value,) if reason is None else (_or_stop(model, field, otherwise, reason),)

    return up


def _upward_of_many(field: Field, up: Through, cast: CastMany | None) -> ThroughMany | None:
    """Make the way of many: all at once where that goes, and else each by itself."""
    if cast is None:
        return None
    fit = quick_many(field)

    def many(columns: Columns, number: int) -> Columns:
        del number
        try:
            made = cast(columns[0])
        except (TypeError, ValueError):  # of a value that up knows what to do with
            made = None
        if made is not None and fit(made):
            return [made]
        return [[up((value,))[0] for value in columns[0]]]

    return many


def _downward(
    model: str, field: Field, function: Callable[[Any], Any], back: Any = None, told: Callable[[ValueError], str] = str
) -> Through:  # fmt: skip
    has_back = back not in (None, STOP)

    def down(values: Values) -> Values:
        try:
            value = function(values[0])
        except ValueError as failed:
            if has_back:
                return (back,)
            reason = f"programs of the older schema could not read it: {told(failed)}"
            raise Pinned(model, field.name, reason) from failed
        if has_back and refusal(field, value):
            return (back,)
        return (lowered(model, field, value),)

    return down


def is_total(old: Field, new: Field) -> bool:
    """Tell whether a cast fails for no value."""
    if new.kind == "str" and new.choices is None and old.kind in _WIDTHS:
        return new.length is None or new.length >= _WIDTHS[old.kind]
    if old.kind == new.kind == "decimal":
        behind, front = (new.scale or 0) - (old.scale or 0), (new.digits or 0) - (old.digits or 0)
        return behind >= 0 and front >= behind
    return (old.kind, new.kind) in _TOTAL
