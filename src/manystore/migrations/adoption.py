"""Adoption: which state of a history the tables of a foreign database are in, and the catalog to take them over with.

Knows histories, schemas and what was found (schema/adoption.py); must not know stores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import MigrationRefused, UsageError
from ..schema.adoption import Adopt, Surveyed, shape_differences
from ..schema.catalog import Catalog
from ..schema.foreign import Unfit, primitive_of
from ..schema.schema import Schema
from ..schema.system import SYSTEM
from .history import History


class State(msgspec.Struct, frozen=True):
    """A schema that tables may have. name: of the migration that leads to it, "" without a history."""

    name: str
    schema: Schema

    @property
    def whole(self) -> Schema:
        """Give the schema with the collections that every database has."""
        return Schema.made_of((*self.schema.collections, *SYSTEM))


class Guess(msgspec.Struct, frozen=True):
    """The state that tables are taken for. clashes: why not, beside what is told when it is compared.

    near: another, which they are nearer to when they fit none; None if none.
    """

    state: State
    near: State | None = None
    is_last: bool = True
    clashes: tuple[str, ...] = ()


def states(declared: Schema, history: History | None) -> list[State]:
    """Give the states that a program's tables may be in, the last first; refuse a history that leads elsewhere."""
    if history is None or not history.migrations:
        return [State("", declared)]
    found, schema = list[State](), Schema(())
    for migration in history.migrations:
        schema = migration.apply(schema)
        found.append(State(migration.name, schema))
    if schema.fingerprint != declared.fingerprint:
        raise MigrationRefused("the history does not lead to the models: `manystore migrate check` says why")
    return found[::-1]


def guess(found: Surveyed, possible: Sequence[State], new: tuple[str, ...], prefix: str) -> Guess:
    """Say which state tables have by their columns, types and keys; the last such one.

    If there is none, the one that they are nearest to, provided that it lacks no table; else the last of all.
    """
    numbers = [
        sum(map(len, shape_differences(state.whole, found, _known(new, state), prefix).values()))
        + len(_clashes(found, possible[:place], state, prefix))
        for place, state in enumerate(possible)
    ]
    place = numbers.index(min(numbers))
    best = possible[place]
    if numbers[place] and any(
        found.table(prefix + c.name) is None for c in best.schema.collections if c.name not in new
    ):
        return Guess(possible[0], best if place else None)
    return _taken(found, possible, place, prefix)


def chosen(name: str, found: Surveyed, possible: Sequence[State], history: History | None, prefix: str) -> Guess:
    """Give the state after a migration, by its name or number."""
    if history is None or not history.migrations:
        raise UsageError("--at names a migration, and this program has none: give --folder")
    wanted = history.migration(name).name
    return _taken(found, possible, [state.name for state in possible].index(wanted), prefix)


def _taken(found: Surveyed, possible: Sequence[State], place: int, prefix: str) -> Guess:
    state = possible[place]
    return Guess(state, is_last=place == 0, clashes=tuple(_clashes(found, possible[:place], state, prefix)))


def _clashes(found: Surveyed, later: Sequence[State], state: State, prefix: str) -> list[str]:
    """Name the tables that a state does not have and a later one, the last first, makes: it could not any more."""
    makers = {collection.name: after.name for after in later for collection in after.schema.collections}
    return [
        f"{name}: there is a table of that name already, and {maker} makes it"
        for name, maker in sorted(makers.items())
        if name not in state.schema and found.table(prefix + name) is not None
    ]


def adoption(state: State, fill: Mapping[str, str], new: tuple[str, ...], *, is_dry: bool) -> Adopt:
    """Make the operation. fill: `collection.field` -> a value as JSON has it; text needs no quotes."""
    given: dict[str, dict[str, Any]] = {}
    for place, text in fill.items():
        name, _, field = place.partition(".")
        given.setdefault(name, {})[field] = _primitive(state.schema, name, field, text)
    for name in new:
        if name not in state.schema:
            raise UsageError(f"--new {name}: there is no such collection")
    return Adopt(Catalog.first(state.whole, state.name), is_dry, given, new)


def _known(new: tuple[str, ...], state: State) -> tuple[str, ...]:
    return tuple(name for name in new if name in state.schema)


def _primitive(schema: Schema, name: str, field: str, text: str) -> Any:
    try:
        declared = schema.collection(name).field(field)
    except KeyError:
        raise UsageError(f"--fill {name}.{field}: there is no such field") from None
    try:
        value = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        value = text
    if declared.kind == "str" and not isinstance(value, str):
        value = text
    try:
        return primitive_of(declared, value)
    except Unfit as reason:
        raise UsageError(f"--fill {name}.{field}: values like this {reason}") from None
