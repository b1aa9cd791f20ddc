"""Two players of histories: one on a real store, one on the oracle.

Both have the same methods, which take and give plain values, so that whatever they answer can be compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from manystore import NoAccessPath, Repository, count, everything, max_, min_, project, sum_
from manystore.testing import oracle
from manystore.testing.filters import Filter, Order, Row
from manystore.testing.histories import (
    BURIED,
    MODELS,
    TOTALS,
    Answer,
    World,
    assignments,
    orders,
    plain,
    predicate,
    shown,
)
from manystore.testing.oracle import Key, Oracle, Shown


class OraclePlayer:
    """Plays on the oracle. kept: rows that were answered, to save later, fresh or stale."""

    def __init__(self, tables: Oracle, kept: list[tuple[str, Row]] | None = None) -> None:
        self.oracle = tables
        self.kept = [] if kept is None else kept

    def keep(self, table: str, row: Row) -> Answer:
        """Keep a row and answer it."""
        self.kept.append((table, row))
        return plain(table, row)

    def create(self, table: str, row: Row) -> Answer:
        """Create."""
        return self.keep(table, self.oracle.create(table, row))

    def save(self, place: int, sets: Row) -> Answer:
        """Change what was kept and save it."""
        table, row = self.kept[place]
        self.kept[place] = table, self.oracle.save(table, {**row, **sets}, row[oracle.REVISION])
        return plain(*self.kept[place])

    def edit(self, table: str, key: Key, sets: Row) -> Answer:
        """Get, change and save."""
        row = self.oracle.get(table, key)
        return self.keep(table, self.oracle.save(table, {**row, **sets}, row[oracle.REVISION]))

    def update(self, table: str, key: Key, sets: Row) -> Answer:
        """Update."""
        return self.keep(table, self.oracle.update(table, key, sets))

    def upsert(self, table: str, row: Row) -> Answer:
        """Upsert."""
        return self.keep(table, self.oracle.upsert(table, row))

    def increment(self, table: str, key: Key, name: str, by: int, bounds: tuple[Any, Any]) -> Answer:
        """Increment."""
        return self.keep(table, self.oracle.increment(table, key, name, by, bounds))

    def claim(self, table: str, where: Filter, sets: Row) -> Answer:
        """Claim the only one that matches."""
        (key,) = self.oracle.claimable(table, where)
        return self.keep(table, self.oracle.update(table, key, sets))

    def update_where(self, table: str, where: Filter, sets: Row) -> Answer:
        """Update all that match."""
        return self.oracle.update_where(table, where, sets)

    def delete_where(self, table: str, where: Filter) -> Answer:
        """Delete all that match."""
        return self.oracle.delete_where(table, where, BURIED)

    def delete(self, table: str, key: Key) -> Answer:
        """Delete by key."""
        self.oracle.delete(table, key, BURIED)

    def delete_kept(self, place: int) -> Answer:
        """Delete what was kept, if it is unchanged."""
        table, row = self.kept[place]
        definition = self.oracle.definitions[table]
        verb: Literal["patch", "delete"] = "patch" if definition.soft else "delete"
        sets = BURIED if definition.soft else {}
        self.oracle.write([oracle.Change(verb, definition, definition.key_of(row), sets, row[oracle.REVISION])])

    def purge(self, table: str, key: Key) -> Answer:
        """Purge by key."""
        self.oracle.purge(table, key)

    def get(self, table: str, key: Key, deleted: Shown) -> Answer:
        """Get."""
        return self.keep(table, self.oracle.get(table, key, deleted=deleted))

    def find(
        self, table: str, where: Filter, order: Order, limit: int | None, deleted: Shown, *, scan: bool = True
    ) -> Answer:
        """Find."""
        del scan
        return [self.keep(table, r) for r in self.oracle.find(table, where, order=order, limit=limit, deleted=deleted)]

    def pages(self, table: str, where: Filter, order: Order, size: int, *, text: bool) -> Answer:
        """Find page by page."""
        del text, size
        return [plain(table, row) for row in self.oracle.matching(table, where, order=order)]

    def count(self, table: str, where: Filter, deleted: Shown) -> Answer:
        """Count, and see whether there is any."""
        found = len(self.oracle.matching(table, where, deleted=deleted))
        return found, found > 0

    def total(self, table: str, function: str, name: str, where: Filter) -> Answer:
        """Aggregate."""
        return self.oracle.aggregate(function, name, self.oracle.matching(table, where))

    def groups(self, table: str, by: str, name: str, where: Filter) -> Answer:
        """Count, add up, and take the smallest and largest, by group."""
        asked = [("count", name), ("sum", name), ("min", name), ("max", name)]
        found = self.oracle.groups((by,), asked, self.oracle.matching(table, where))
        return [(group[by], *(group[f"{function}_{name}"] for function, _ in asked)) for group in found]

    @contextmanager
    def transaction(self) -> Iterator[OraclePlayer]:
        """Play in a transaction."""
        view = oracle.Transaction(self.oracle)
        yield OraclePlayer(view)
        view.commit()

    def everything(self) -> Answer:
        """Give all there is."""
        return {name: [plain(name, r) for r in self.oracle.matching(name, deleted="any")] for name in MODELS}


class StorePlayer:
    """Plays on a real store, with the same methods and the same answers."""

    def __init__(self, database: World) -> None:
        self.database = database
        self.kept: list[Any] = []
        self.cursors: list[str] = []
        self.repositories: dict[str, Repository[Any, Any]] = {
            "Person": database.person,
            "Task": database.task,
            "Note": database.note,
        }

    def keep(self, record: Any) -> Answer:
        """Keep a record and answer it."""
        self.kept.append(dataclasses.replace(record))  # a copy: inside a transaction the record itself goes on changing
        return shown(record)

    def create(self, table: str, row: Row) -> Answer:
        """Create."""
        return self.keep(self.repositories[table].create(MODELS[table](**row)))

    def save(self, place: int, sets: Row) -> Answer:
        """Change what was kept and save it."""
        changed = dataclasses.replace(self.kept[place], **sets)
        self.kept[place] = self.repositories[type(changed).__name__].save(changed)
        return shown(changed)

    def edit(self, table: str, key: Key, sets: Row) -> Answer:
        """Get, change and save."""
        with self.repositories[table].edit(_key(key)) as record:
            for name, value in sets.items():
                setattr(record, name, value)
        return self.keep(record)

    def update(self, table: str, key: Key, sets: Row) -> Answer:
        """Update."""
        first, *more = assignments(table, sets)
        return self.keep(self.repositories[table].update(_key(key), first, *more))

    def upsert(self, table: str, row: Row) -> Answer:
        """Upsert."""
        return self.keep(self.repositories[table].upsert(MODELS[table](**row)))

    def increment(self, table: str, key: Key, name: str, by: int, bounds: tuple[Any, Any]) -> Answer:
        """Increment."""
        slot = getattr(MODELS[table], name)
        return self.keep(self.repositories[table].increment(_key(key), slot, by, low=bounds[0], high=bounds[1]))

    def claim(self, table: str, where: Filter, sets: Row) -> Answer:
        """Claim the only one that matches."""
        claimed = self.repositories[table].claim(predicate(table, where), changes=assignments(table, sets), scan=True)
        return self.keep(claimed)

    def update_where(self, table: str, where: Filter, sets: Row) -> Answer:
        """Update all that match."""
        changes = assignments(table, sets)
        return self.repositories[table].update_where(predicate(table, where), changes=changes, scan=True)

    def delete_where(self, table: str, where: Filter) -> Answer:
        """Delete all that match."""
        return self.repositories[table].delete_where(predicate(table, where), scan=True)

    def delete(self, table: str, key: Key) -> Answer:
        """Delete by key."""
        self.repositories[table].delete(_key(key))

    def delete_kept(self, place: int) -> Answer:
        """Delete what was kept, if it is unchanged."""
        record = dataclasses.replace(self.kept[place])
        self.repositories[type(record).__name__].delete(record)

    def purge(self, table: str, key: Key) -> Answer:
        """Purge by key."""
        self.repositories[table].purge(_key(key))

    def get(self, table: str, key: Key, deleted: Shown) -> Answer:
        """Get."""
        return self.keep(self.repositories[table].get(_key(key), deleted=deleted))

    def find(
        self, table: str, where: Filter, order: Order, limit: int | None, deleted: Shown, *, scan: bool = True
    ) -> Answer:
        """Find, by an index if scan is False and one serves."""
        asked = predicate(table, where)
        wanted: dict[str, Any] = {"order_by": orders(table, order), "limit": limit, "deleted": deleted}
        try:
            found = self.repositories[table].find(asked, scan=scan, **wanted)
        except NoAccessPath:
            found = self.repositories[table].find(asked, scan=True, **wanted)
        return [self.keep(record) for record in found]

    def pages(self, table: str, where: Filter, order: Order, size: int, *, text: bool) -> Answer:
        """Find page by page, after the last object or after its cursor's text."""
        repository, terms, found, after = self.repositories[table], orders(table, order), list[Any](), None
        while True:
            page = repository.find(predicate(table, where), order_by=terms, limit=size, after=after, scan=True)
            found += page
            if len(page) < size:
                return [shown(record) for record in found]
            self.cursors.append(repository.cursor(page[-1], order_by=terms))
            after = self.cursors[-1] if text else page[-1]

    def count(self, table: str, where: Filter, deleted: Shown) -> Answer:
        """Count, and see whether there is any."""
        asked, repository = predicate(table, where), self.repositories[table]
        return (
            repository.count(asked, scan=True, deleted=deleted),
            repository.exists(asked, scan=True, deleted=deleted),
        )

    def total(self, table: str, function: str, name: str, where: Filter) -> Answer:
        """Aggregate."""
        value: Any = TOTALS[function](getattr(MODELS[table], name))
        return self.repositories[table].aggregate(value, predicate(table, where), scan=True)

    def groups(self, table: str, by: str, name: str, where: Filter) -> Answer:
        """Count, add up, and take the smallest and largest, by group."""
        by_slot, slot = getattr(MODELS[table], by), getattr(MODELS[table], name)
        shape = project(_group, by=by_slot, number=count(), total=sum_(slot), least=min_(slot), most=max_(slot))
        return self.repositories[table].select(shape, predicate(table, where), scan=True)

    @contextmanager
    def transaction(self) -> Iterator[StorePlayer]:
        """Play in a transaction."""
        with self.database.transaction() as tx:
            yield StorePlayer(tx)

    def everything(self) -> Answer:
        """Give all there is."""
        return {
            name: [shown(record) for record in repository.find(everything(), scan=True, deleted="any")]
            for name, repository in self.repositories.items()
        }


Player: TypeAlias = OraclePlayer | StorePlayer


def _group(by: Any, number: int, total: Any, least: Any, most: Any) -> Answer:
    return by, number, total, least, most


def _key(key: Key) -> Any:
    return key[0] if len(key) == 1 else key
