"""History: all migrations of a program in order, replayed to a schema without any store.

Knows migrations; must not know files, models or stores. folder.py reads one from files.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import msgspec

from ..errors import MigrationRefused
from ..schema.schema import Schema
from .migration import Migration
from .operation import Operation, refuse
from .window import Window


class History(msgspec.Struct, frozen=True, dict=True):
    """Migrations, each after those that it follows. Made by History.of, which orders them."""

    migrations: tuple[Migration, ...] = ()

    @classmethod
    def of(cls, migrations: Iterable[Migration]) -> History:
        """Order migrations; raise MigrationRefused when one follows another that is not there, or itself."""
        left = {migration.name: migration for migration in sorted(migrations, key=lambda m: m.name)}
        stands_for = {old: migration.name for migration in left.values() for old in migration.replaces}
        if both := sorted(set(stands_for) & set(left)):
            refuse(f"{both[0]}: {stands_for[both[0]]} replaces it, so its file must go")
        names, ordered = set(left), list[Migration]()
        for migration in left.values():
            for parent in migration.after:
                if stands_for.get(parent, parent) not in names:
                    refuse(f"{migration.name}: follows {parent}, which is not there")
        done = set[str]()
        while left:
            ready = [m for m in left.values() if all(stands_for.get(parent, parent) in done for parent in m.after)]
            if not ready:
                refuse(f"{', '.join(left)}: follow each other in a circle")
            done.add(ready[0].name)
            ordered.append(left.pop(ready[0].name))
        return cls(tuple(ordered))

    @cached_property
    def _stands_for(self) -> dict[str, str]:
        return {old: migration.name for migration in self.migrations for old in migration.replaces}

    def migration(self, name: str) -> Migration:
        """Give a migration by its name, by the number it begins with, or by the name of one that it replaces."""
        name = self._stands_for.get(name, name)
        found = [m for m in self.migrations if m.name == name or m.name.split("_")[0] == name]
        if not found:
            refuse(f"there is no migration {name}")
        if len(found) > 1:
            refuse(f"{name} may be {' or '.join(m.name for m in found)}")
        return found[0]

    def stored(self, name: str) -> Migration:
        """Give the migration that a store says it stands at, or is on its way to; it may be a newer program's."""
        if name not in self._stands_for and all(m.name != name for m in self.migrations):
            refuse(f"the store is at {name}, or on its way there, and this history has none of that name; is it old?")
        return self.migration(name)

    def parents(self, migration: Migration) -> tuple[str, ...]:
        """Name the migrations that one follows, those that replace others by their own name."""
        return tuple(self._stands_for.get(parent, parent) for parent in migration.after)

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """Name the migrations that nothing follows."""
        followed = {parent for migration in self.migrations for parent in self.parents(migration)}
        return tuple(m.name for m in self.migrations if m.name not in followed)

    def line(self, name: str) -> tuple[Migration, ...]:
        """Give a migration and all that lead to it, in order."""
        wanted = {self.migration(name).name}
        for migration in reversed(self.migrations):
            if migration.name in wanted:
                wanted |= set(self.parents(migration))
        return tuple(m for m in self.migrations if m.name in wanted)

    def schema(self, name: str | None = None) -> Schema:
        """Replay to the schema after a migration, or after all of them."""
        if name is None:
            return _end(Schema(()), self.migrations)
        kept, name = self._replayed, self.migration(name).name
        for migration in () if name in kept else self.line(name):
            parents = self.parents(migration)
            if migration.name not in kept:
                before = kept[parents[0]] if len(parents) == 1 else self.before(migration)
                kept[migration.name] = migration.apply(before)
        return kept[name]

    @cached_property
    def _replayed(self) -> dict[str, Schema]:
        """Keep what was replayed: a route through a long history asks for each place several times."""
        return {}

    @cached_property
    def passages(self) -> dict[Any, Any]:
        """Keep the ways through its windows (route.py): a program asks for one whenever the catalog changes."""
        return {}

    def before(self, migration: Migration) -> Schema:
        """Replay to the schema that a migration is applied to."""
        return _end(Schema(()), self.line(migration.name)[:-1])

    def last_with(self, schema: Schema) -> str:
        """Name the last migration that leads to a schema, the system's collections left out; "" when none does."""
        names, wanted = [m.name for m in self.migrations], schema.own.fingerprint
        return next((n for n in reversed(names) if self.schema(n).fingerprint == wanted), "")

    def window(self, base: str | None, head: str | None = None, secret: bytes = b"") -> Window:
        """Give the way from the schema after one migration (None: from nothing) to that after another (None: the end).

        Every migration on the way to base must lie on the way to head as well.
        """
        before = () if base is None else self.line(base)
        whole = self.migrations if head is None else self.line(head)
        if missing := [m.name for m in before if m not in whole]:
            refuse(f"{base} is not on the way to {head or 'the end'}, which {missing[0]} does not lead to")
        operations: list[Operation] = [o for m in whole if m not in before for o in m.operations]
        start = Schema(()) if base is None else self.schema(base)
        return Window.of(start, operations, secret)

    def problems(self) -> tuple[str, ...]:
        """Say in sentences what does not hold together, the first in order first."""
        found, schema = list[str](), Schema(())
        for migration in self.migrations:
            try:
                found += migration.problems(schema)
                schema = migration.apply(schema)
            except MigrationRefused as reason:
                return (*found, str(reason))
        return (*found, *self.forks())

    def forks(self) -> tuple[str, ...]:
        """Say which migrations follow the same one and are not merged."""
        if len(self.heads) < 2:
            return ()
        return (f"{' and '.join(self.heads)} are both the last: `manystore migrate merge` joins them",)

    def merged(self) -> Migration:
        """Give the migration that joins two ends; refuse when the order of the two sides would matter."""
        if len(self.heads) < 2:
            refuse("there is one end only, so nothing to merge")
        first, second, *more = self.heads
        if more:
            refuse(f"there are {len(self.heads)} ends; merge two of them first, in a folder with no other")
        one, other = self.line(first), self.line(second)
        shared = [m for m in one if m in other]
        start = self.schema(shared[-1].name) if shared else Schema(())
        sides = [m for m in one if m not in shared], [m for m in other if m not in shared]
        ends = [_end(start, (*sides[0], *sides[1])), _end(start, (*sides[1], *sides[0]))]
        if arranged(ends[0]) != arranged(ends[1]):
            refuse(f"{first} and {second} change the same things: let one follow the other, and mend it by hand")
        return Migration(self.next_name("merge"), (), tuple(sorted((first, second))))

    def next_name(self, words: str) -> str:
        """Give the name of a further migration: a number above all others, and the words."""
        numbers = [int(m.name[:4]) for m in self.migrations if m.name[:4].isdigit()]
        return f"{max(numbers, default=0) + 1:04}_{words}"


def _end(schema: Schema, migrations: Iterable[Migration]) -> Schema:
    for migration in migrations:
        schema = migration.apply(schema)
    return schema


def arranged(schema: Schema) -> Schema:
    """Give a schema with all parts in alphabetical order, to compare what does not hang on their order."""
    return Schema(
        tuple(
            msgspec.structs.replace(
                c,
                fields=tuple(sorted(c.fields, key=lambda f: f.name)),
                indexes=tuple(sorted(c.indexes, key=lambda i: i.name)),
                uniques=tuple(sorted(c.uniques, key=lambda u: u.name)),
                references=tuple(sorted(c.references, key=lambda r: r.field)),
            )
            for c in schema.collections
        )
    )
