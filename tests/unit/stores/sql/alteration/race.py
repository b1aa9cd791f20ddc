"""A window by hand, over everything that can happen to a table: what programs declare, and what is kept on the way."""

from __future__ import annotations

import random
import time
from typing import Any

import msgspec

from manystore.query.plan import CATALOG
from manystore.query.planner import Query, plan
from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase, Many, ReplaceCatalog
from manystore.schema.schema import Collection, Field, Index, Reference, Schema, Unique
from manystore.schema.system import SYSTEM
from manystore.store.protocol import Insert, Replace
from manystore.store.registry import open_store
from manystore.store.url import parse_url

TEAM = Collection("team", "Team", (Field("id", "id", "int"), Field("name", "name", "str")), ("id",))
MEDAL = Collection("medal", "Medal", (Field("id", "id", "int"),), ("id",))
RACE = Collection(
    "race",
    "Race",
    (Field("id", "id", "int"), Field("place", "place", "str", optional=True)),
    ("id",),
    (Index("by_place", ("place",), (False,)),),
)
ID, NAME, AGE = Field("id", "id", "int"), Field("name", "name", "str", length=40), Field("age", "age", "str")
A, B = Field("a", "a", "int"), Field("b", "b", "int")
NOTE, TOWN = Field("note", "note", "str", optional=True), Field("town", "town", "str")
GONE, TEAM_ID = Field("gone", "gone", "bool"), Field("team", "team", "int", optional=True)
RANK = Field("rank", "rank", "int")
EXTRAS = Field("_extras", "_extras", "json", optional=True)
BASE = Collection(
    "rider",
    "Rider",
    (ID, NAME, AGE, A, B, NOTE, TOWN, GONE, TEAM_ID),
    ("id",),
    (Index("by_name", ("name",), (True,)), Index("by_age", ("age",), (False,))),
    (Unique("unique_a", ("a",)),),
)


def _named(field: Field, name: str, column: str | None = None, **parts: Any) -> Field:
    return msgspec.structs.replace(field, name=name, column=column or field.column, **parts)


# The head renames name to title and widens it, counts ages, lets a and b change their names, wants a note, does without
# a town, drops gone, and adds a rank, a label, a unique over the title, an index over the note, a reference.
HEAD_FIELDS = (
    ID,
    _named(NAME, "title", "title", length=300),
    _named(AGE, "age", kind="int", optional=True),
    _named(B, "a", "a"),
    _named(A, "b", "b"),
    _named(NOTE, "note", optional=False),
    _named(TOWN, "town", optional=True),
    TEAM_ID,
    RANK,
    Field("label", "label", "str"),
)
HEAD = Collection(
    "rider",
    "Rider",
    HEAD_FIELDS,
    ("id",),
    (
        Index("by_title", ("title",), (True,)),
        Index("by_age", ("age",), (False,), generation=2),
        Index("by_note", ("note",), (False,)),
    ),
    (Unique("unique_b", ("b",)), Unique("unique_title", ("title",))),
    (Reference("team", "team"),),
    version=2,
)
BETWEEN = msgspec.structs.replace(
    BASE,
    fields=(*BASE.fields, RANK, EXTRAS),
    indexes=(*BASE.indexes, Index("by_note", ("note",), (False,))),
    uniques=(*BASE.uniques, Unique("unique_title", ("name",))),
    references=HEAD.references,
)
PHYSICAL = {"title": "name", "age": "age.2", "a": "b", "b": "a"}
ABOVE = msgspec.structs.replace(
    HEAD,
    fields=(
        *(_named(f, f.name, PHYSICAL.get(f.name)) for f in HEAD.fields),
        _named(AGE, "age.1"),
        _named(GONE, "gone.1"),
    ),
)


def schema(*collections: Collection) -> Schema:
    return Schema(tuple(sorted((*collections, *SYSTEM), key=lambda c: c.name)))


S_BASE, S_HEAD = schema(TEAM, MEDAL, BASE), schema(TEAM, RACE, HEAD)
S_BETWEEN, S_ABOVE = schema(TEAM, MEDAL, RACE, BETWEEN), schema(TEAM, MEDAL, RACE, ABOVE)


class Row:
    """A codec that leaves rows as they are."""

    def __init__(self, collection: Collection) -> None:
        self.dumps = (None,) * len(collection.fields)

    @staticmethod
    def load(row: Any) -> Any:
        return tuple(row)


class Race:
    """One database on its way through the window."""

    def __init__(self, url: str, prefix: str = "") -> None:
        self.url, self.prefix = url, prefix
        self.store: Any = open_store(parse_url(url, prefix), wait=time.sleep)

    def begin(self, base: Schema = S_BASE) -> Race:
        self.store.alter(CreateDatabase(Catalog.first(base)))
        return self

    @property
    def catalog(self) -> Catalog:
        found: Catalog = self.store.read(CATALOG, (), epoch="").rows[0]
        return found

    def opened(self, **parts: Any) -> Catalog:
        """Give the catalog of the open window."""
        phase = {"phase": "open", "head": S_HEAD, "stored": S_BETWEEN, "absent": {"rider": {"rank": 7}}}
        return self.catalog.changed(**{**phase, **parts})

    def raised(self) -> Catalog:
        return self.catalog.changed(phase="raised", stored=S_ABOVE, older=S_BETWEEN, absent={})

    def swept(self) -> Catalog:
        return self.catalog.changed(phase="swept", older=None)

    def last(self) -> Catalog:
        return self.catalog.changed(phase="stable", base=S_HEAD, head=S_HEAD, stored=None, older=None)

    def replace(self, catalog: Catalog) -> None:
        self.store.alter(ReplaceCatalog(self.catalog.epoch, catalog))

    def insert(self, collection: Collection, *rows: Any) -> None:
        made = [Insert(collection, tuple(row), random.getrandbits(63)) for row in rows]
        for at in range(0, len(made), 500):
            self.store.write(made[at : at + 500], epoch=self.catalog.epoch)

    def save(self, collection: Collection, row: Any, expected: int) -> None:
        self.store.write([Replace(collection, tuple(row), random.getrandbits(63), expected)], epoch=self.catalog.epoch)

    def rows(self, collection: Collection) -> list[Any]:
        """Read all records as a program would: the fields, the revision and the version."""
        made = plan(Query(collection, None, scan=True), self.catalog)
        made.codec = Row(collection)
        found: list[Any] = self.store.read(made, (), epoch=self.catalog.epoch).rows
        return found

    def tables(self) -> Any:
        """Give what tables there are, without what no two databases have alike."""
        connection = self.store._connections.opened()
        try:
            found = self.store._dialect.inspected(connection.execute)
        finally:
            connection.close()
        return {name.removeprefix(self.prefix): table for name, table in found.items() if name.startswith(self.prefix)}

    def shape(self, *, lengths: bool = True) -> Any:
        """Give the tables as far as programs see them; columns have no order."""
        return {
            name: (
                {c.name: (c.nullable, c.default, (c.type, c.length) if lengths else None) for c in table.columns},
                table.key,
                {i.name.removeprefix(self.prefix): (i.columns, i.unique, i.where) for i in table.indexes},
            )
            for name, table in self.tables().items()
        }

    def sql(self, text: str) -> list[Any]:
        connection = self.store._connections.opened()
        try:
            found: list[Any] = connection.execute(text, ()).fetchall()
            return found
        finally:
            connection.close()

    def table(self, name: str) -> str:
        quoted: str = self.store._dialect.quoted(self.prefix + name)
        return quoted

    def close(self) -> None:
        self.store.close()


def rider(number: int, **parts: Any) -> tuple[Any, ...]:
    row = {
        "id": number, "name": f"n{number}", "age": str(20 + number % 50), "a": number, "b": -number, "note": "so",
        "town": "Ulm", "gone": False, "team": None,
    }  # fmt: skip
    return tuple({**row, **parts}.values())


def lifted(raw: dict[str, Any], extras: Any) -> dict[str, Any]:
    """Give a rider's columns of the kept shape."""
    label = (extras or {}).get("label") or f"{raw['name']}!"
    return {**raw, "age.2": int(raw["age"]), "label": label}


MANY = Many(
    ("name", "age"),
    lambda columns, _: {"age.2": list(map(int, columns["age"])), "label": [f"{name}!" for name in columns["name"]]},
)
"""The same for many riders without a complement."""
