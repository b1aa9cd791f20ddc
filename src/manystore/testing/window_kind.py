"""Kinds of window: the models of two versions of a program, the migrations between them, and what an oracle knows.

Each kind says once more, in Python's values and by hand, how old and new values belong together: lens_oracle.py judges
by that, and never by what the library makes of the migrations. The kinds themselves are in window_kinds.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from manystore import Database, Repository
from manystore.migrations import ChangeModel, CreateModel, History, Migration, Operation
from manystore.model.slotted import REVISION
from manystore.schema.schema import Schema

Values: TypeAlias = tuple[Any, ...]
Pools: TypeAlias = Mapping[str, tuple[Any, ...]]
BASE, HEAD = "base", "head"
SIDES = (BASE, HEAD)
COLLECTION = "thing"


def same(values: Values) -> Values:
    """Leave the values as they are."""
    return values


class Group(NamedTuple):
    """Fields of the base and of the head that belong together. down raises ValueError for what the base cannot hold."""

    base: tuple[str, ...]
    head: tuple[str, ...]
    up: Callable[[Values], Values] = same
    down: Callable[[Values], Values] = same

    def names(self, side: str) -> tuple[str, ...]:
        """Give the fields of one side."""
        return self.base if side == BASE else self.head


class Side(NamedTuple):
    """One version of the program. pools: what its fields are given, the key left out; found: fields with an index.

    uniques: each a field that is held once, once the window is open as far as the head's are concerned; refers: a field
    that leads to another record, from then on as well.
    """

    model: type[Any]
    database: type[Database]
    pools: Pools
    found: tuple[str, ...]
    uniques: tuple[str, ...]
    refers: str = ""


class Kind(NamedTuple):
    """One kind of window.

    may_refuse: its build may stop, for values that are there twice or lead to nothing. is_copied: its records are made
    anew while nobody writes, and then have other revisions.
    """

    name: str
    sides: Mapping[str, Side]
    groups: tuple[Group, ...]
    history: History
    may_refuse: bool = False
    is_copied: bool = False

    @property
    def first(self) -> str:
        """Name the migration that leads to the base."""
        return self.history.migrations[0].name

    @property
    def last(self) -> str:
        """Name the migration that leads to the head."""
        return self.history.migrations[-1].name

    @property
    def group_of(self) -> dict[tuple[str, str], int]:
        """Say for a side and a field which group it belongs to."""
        return {(side, n): at for at, group in enumerate(self.groups) for side in SIDES for n in group.names(side)}


def revision_of(record: Any) -> int:
    """Give the revision that a record was read or written with."""
    found: int = getattr(record, REVISION)
    return found


def database_of(model: type[Any], history: History | None) -> type[Database]:
    """Make the Database of one version, with one repository; history: what it brings along instead of a folder."""
    repository: Any = Repository
    members: dict[str, Any] = {"__annotations__": {"thing": repository[model, int]}, "__module__": __name__}
    if history is not None:
        members["_history"] = classmethod(lambda _: history)
    return type("Shop", (Database,), members)


def kind(
    name: str,
    models: tuple[type[Any], type[Any]],
    operations: tuple[tuple[Operation, ...], ...],
    groups: tuple[Group, ...],
    pools: tuple[Pools, Pools],
    *,
    found: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    uniques: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    refers: tuple[str, str] = ("", ""),
    may_refuse: bool = False,
    is_copied: bool = False,
) -> Kind:
    """Put a kind together. operations: of each migration between the two models, in order."""
    base, head = (Schema.of([model]) for model in models)
    migrations = [Migration("0001_base", (CreateModel(base.collection(COLLECTION)),))]
    for number, steps in enumerate(operations, 2):
        after = migrations[-1].name
        migrations.append(Migration(f"{number:04}_step", steps, (after,)))
    last = migrations.pop()
    version = head.collection(COLLECTION).version
    migrations.append(Migration(last.name, (*last.operations, ChangeModel(COLLECTION, version=version)), last.after))
    history = History.of(migrations)
    if differences := history.schema().differences(head):
        raise ValueError(f"{name}: the history does not end in the head: {'; '.join(differences)}")
    sides = {
        side: Side(model, database_of(model, history if side == HEAD else None), *more)
        for side, model, *more in zip(SIDES, models, pools, found, uniques, refers, strict=True)
    }
    return Kind(name, sides, groups, history, may_refuse, is_copied)
