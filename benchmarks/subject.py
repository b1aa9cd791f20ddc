"""What is measured: one set of calls, answered by hand-written floors and by manystore alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from manystore import Database, Repository, col, desc
from manystore.nova.model.instance import Instance

from .workload import PAGE

_MARKED = 333  # a key that no other parameter of a get is equal to


class Subject(Protocol):
    """A database of instances. Writes leave the new revision, key and stamps on the record, as manystore does."""

    def get(self, key: int) -> Instance: ...
    def find(self, project: str) -> list[Instance]: ...
    def list(self, number: int) -> list[Instance]: ...
    def create(self, record: Instance) -> None: ...
    def save(self, record: Instance) -> None: ...
    def create_all(self, records: Sequence[Instance]) -> None: ...
    def transaction(self, read: Sequence[int], records: Sequence[Instance]) -> None:
        """Read some records, save others, if nobody changed any of them in the meantime."""
        ...

    def close(self) -> None: ...


class Cloud(Database):
    """The one collection that is measured."""

    instance: Repository[Instance, int]


class Manystore:
    """The product, through its public names."""

    def __init__(self, url: str, prefix: str = "") -> None:
        self.database = Cloud.connect(url, prefix=prefix)

    def get(self, key: int) -> Instance:
        return self.database.instance.get(key)

    def find(self, project: str) -> list[Instance]:
        return self.database.instance.find(col(Instance.project_id) == project, order_by=desc(Instance.id), limit=PAGE)

    def list(self, number: int) -> list[Instance]:
        return self.database.instance.find(limit=number, scan=True)

    def create(self, record: Instance) -> None:
        self.database.instance.create(record)

    def save(self, record: Instance) -> None:
        self.database.instance.save(record)

    def create_all(self, records: Sequence[Instance]) -> None:
        self.database.instance.create_all(records)

    def transaction(self, read: Sequence[int], records: Sequence[Instance]) -> None:
        with self.database.transaction() as tx:
            for key in read:
                tx.instance.get(key)
            for record in records:
                tx.instance.save(record)

    def bare_get(self) -> Callable[[int], Instance]:
        """Give a get that does nothing but run the statement that the store keeps for it, and load its row.

        On SQLite only. It looks inside: which statement that is, and which of its parameters is the key.
        """
        engine = self.database._engine
        store: Any = engine.store
        connection = store._connections._idle[-1]
        execute, seen = connection.execute, list[tuple[str, tuple[Any, ...]]]()
        connection.execute = lambda text, bound: [seen.append((text, bound)), execute(text, bound)][1]
        key = self.get(_MARKED).id
        connection.execute = execute
        ((text, bound),) = seen
        place = bound.index(key)
        head, tail = bound[:place], bound[place + 1 :]
        load = engine.mapper(Instance).codec.load
        own = sqlite3.connect(store._connections.path, isolation_level=None).cursor().execute
        return lambda key: load(own(text, (*head, key, *tail)).fetchone())

    def close(self) -> None:
        self.database.close()


def sqlite_url(folder: Path, name: str, *, durable: bool) -> str:
    """Give the URL of a new database file in a folder."""
    return f"sqlite:///{folder / name}.db" + ("" if durable else "?durability=off")
