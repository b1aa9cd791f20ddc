"""What stands in a database already under a name that a migration makes: gone on with if it is alike, else refused.

It may be left by an `up` that was cut off before the migration was changed, or be made by somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from manystore import MigrationRefused
from manystore.migrations import (
    AddField,
    AddIndex,
    AddUnique,
    ChangeModel,
    Collection,
    CreateModel,
    Field,
    Folder,
    History,
    Index,
    Migration,
    Operation,
    Unique,
)
from manystore.migrations.records import Records

from .deployed import FOLDER, Cut, CutStore, Site, fill
from .foreign import DATABASES, Foreign, foreign

FIRST = Folder(FOLDER).history().migrations[0]
VERSION_2 = ChangeModel("rider", version=2)
CITY = Field("city", "city", "str", length=40)
LOOSE = Field("city", "city", "str", length=40, optional=True)
NUMBER = Field("city", "city", "int")
OSLO = AddField("rider", CITY, default="Oslo")
BY_NAME = AddIndex("rider", Index("by_name", ("name",), (False,)))
TOUR = Collection("tour", "Tour", (Field("id", "id", "int"), Field("name", "name", "str", length=40)), ("id",))


class Hire:
    """A database of the first migration with riders, and what is to come next."""

    def __init__(self, database: Foreign) -> None:
        self.database = database
        self.site = Site(database.url, history=History((FIRST,)))
        self.site.deployment().up()
        fill(self.site)
        self.next(OSLO)

    def next(self, *operations: Operation) -> None:
        """Write the next migration, or write it anew."""
        self.site.history = History((FIRST, Migration("0002_next", operations, after=("0001_initial",))))

    def up(self) -> None:
        self.site.deployment().up()

    def cut(self) -> None:
        """Begin `up`, and die when all is prepared, before the catalog says so."""
        store: Any = CutStore(self.site.store, 1, after=True)
        with pytest.raises(Cut):
            self.site.deployment(store).up()
        assert self.site.catalog.phase == "stable"

    def refused(self, *words: str) -> str:
        """Give up's refusal, which changes nothing; `plan` says the same."""
        before, epoch = self.database.dump(), self.site.catalog.epoch
        with pytest.raises(MigrationRefused) as said:
            self.up()
        with pytest.raises(MigrationRefused) as planned:
            list(self.site.deployment().plan())
        assert str(planned.value) == str(said.value)
        assert self.database.dump() == before
        assert self.site.catalog.epoch == epoch
        for word in (*words, "nothing was changed", "manystore migrate up"):
            assert word in str(said.value)
        return str(said.value)

    def execute(self, text: str) -> None:
        self.database.execute(text.replace('"', "`") if self.database.database == "mariadb" else text)

    def records(self, name: str = "rider") -> list[dict[str, Any]]:
        return list(Records(self.site.store, self.site.catalog).read(name))

    def is_done(self) -> bool:
        return (self.site.catalog.phase, self.site.catalog.migration) == ("stable", "0002_next")


@pytest.fixture(params=DATABASES)
def hire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hire]:
    with foreign(request.param, tmp_path) as database:
        made = Hire(database)
        yield made
        made.site.store.close()


# -- an `up` that was cut off, and a migration that was changed then --

CHANGED = {
    "type": (AddField("rider", NUMBER, default=7),),
    "nullability": (AddField("rider", LOOSE),),
    "default": (AddField("rider", CITY, default="Bergen"),),
    "computed": (AddField("rider", CITY, compute=str.upper, sources=("name",)), VERSION_2),
}
SINCE: dict[str, Any] = {"type": 7, "nullability": None, "default": "Bergen"}


@pytest.mark.parametrize("how", CHANGED)
def test_a_column_of_the_migration_as_it_was(hire: Hire, how: str) -> None:
    hire.cut()
    hire.next(*CHANGED[how])
    hire.refused("Rider.city", "the table rider", "a column city", "'Oslo'", "drop or rename that column")
    hire.execute('ALTER TABLE "rider" DROP COLUMN "city"')
    hire.up()
    assert hire.is_done()
    assert [rider["city"] for rider in hire.records()] == [SINCE.get(how, r["name"].upper()) for r in hire.records()]


def test_an_indexed_column_of_another_length(hire: Hire) -> None:
    by_city = AddIndex("rider", Index("by_city", ("city",), (False,)))
    hire.next(AddField("rider", msgspec.structs.replace(CITY, length=20), default="Oslo"), by_city)
    hire.cut()
    hire.next(OSLO, by_city)
    if hire.database.database == "mariadb":  # elsewhere no column has a length
        hire.refused("Rider.city", "varchar(20)", "varchar(40)", "drop or rename that index rider.by_city and that c")
        hire.execute('DROP INDEX "rider.by_city" ON "rider"')
        hire.execute('ALTER TABLE "rider" DROP COLUMN "city"')
    hire.up()
    assert hire.is_done()
    assert {rider["city"] for rider in hire.records()} == {"Oslo"}


def test_a_table_of_the_migration_as_it_was(hire: Hire) -> None:
    hire.next(CreateModel(TOUR))
    hire.cut()
    further = (*TOUR.fields, Field("stops", "stops", "int"))
    hire.next(CreateModel(msgspec.structs.replace(TOUR, fields=further)))
    hire.refused("Tour.stops", "table tour", "no column stops", "drop or rename that table")
    hire.next(CreateModel(msgspec.structs.replace(TOUR, fields=TOUR.fields[:1])))
    hire.refused("Tour", "table tour", "a column name", "drop or rename that table")
    hire.next(CreateModel(msgspec.structs.replace(TOUR, key=("name",))))
    hire.refused("Tour", "table tour", "key", "id", "name")
    hire.execute('DROP TABLE "tour"')
    hire.up()
    assert hire.is_done()
    assert hire.records("tour") == []


def test_an_index_of_the_migration_as_it_was(hire: Hire) -> None:
    hire.next(BY_NAME)
    hire.cut()
    hire.next(AddIndex("rider", Index("by_name", ("name", "mail"), (False, False))))
    hire.refused("Rider.by_name", "rider.by_name", "over name, id", "over name, mail, id", "drop or rename that index")
    hire.next(AddUnique("rider", Unique("by_name", ("name",))))
    hire.refused("Rider.by_name", "unique")
    on = ' ON "rider"' if hire.database.database == "mariadb" else ""
    hire.execute(f'DROP INDEX "rider.by_name"{on}')
    hire.up()
    assert hire.is_done()


# -- what somebody else made --

BY_HAND = {
    "sqlite": ("VARCHAR(40)", "TEXT", "TEXT NOT NULL DEFAULT 'oslo'", "TEXT COLLATE NOCASE NOT NULL DEFAULT 'Oslo'"),
    "postgresql": (
        "varchar(40)",
        'TEXT COLLATE "C"',
        "TEXT COLLATE \"C\" NOT NULL DEFAULT 'oslo'",
        "TEXT NOT NULL DEFAULT 'Oslo'",
        "integer NOT NULL DEFAULT 1",
        "text[]",
    ),
    "mariadb": (
        "varchar(40)",
        "longtext COLLATE utf8mb4_nopad_bin",
        "longtext COLLATE utf8mb4_nopad_bin NOT NULL DEFAULT 'oslo'",
        "longtext COLLATE utf8mb4_general_ci NOT NULL DEFAULT 'Oslo'",
        "longblob",
        "int unsigned NOT NULL DEFAULT 1",
    ),
}


def test_a_column_that_somebody_added(hire: Hire) -> None:
    for kind in BY_HAND[hire.database.database]:
        hire.execute(f'ALTER TABLE "rider" ADD COLUMN "city" {kind}')
        hire.refused("Rider.city", "the table rider", "a column city")
        hire.execute('ALTER TABLE "rider" DROP COLUMN "city"')
    hire.up()
    assert hire.is_done()


def test_a_column_whose_name_differs_in_case(hire: Hire) -> None:
    hire.execute('ALTER TABLE "rider" ADD COLUMN "City" INTEGER')
    if hire.database.database == "postgresql":  # to which that is another name
        hire.up()
        assert hire.is_done()
    else:
        hire.refused("Rider.city", "a column City")


def test_a_table_that_somebody_made(hire: Hire) -> None:
    hire.next(CreateModel(TOUR))
    hire.execute('CREATE TABLE "tour" (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL)')
    hire.execute("INSERT INTO tour VALUES (1, 'Fjords')")
    hire.refused("Tour", "table tour", "drop or rename that table")


def test_an_index_that_somebody_made(hire: Hire) -> None:
    hire.next(BY_NAME)
    length = "(20)" if hire.database.database == "mariadb" else ""
    hire.execute(f'CREATE INDEX "rider.by_name" ON "rider" ("mail"{length})')
    hire.refused("Rider.by_name", "over mail", "over name, id")


def test_what_is_alike_is_taken_whoever_made_it(hire: Hire) -> None:
    kind = {"sqlite": "text", "postgresql": 'text COLLATE "C"', "mariadb": "longtext COLLATE utf8mb4_nopad_bin"}
    text = kind[hire.database.database]
    hire.execute(f'ALTER TABLE "rider" ADD COLUMN "city" {text} NOT NULL DEFAULT \'Oslo\'')
    hire.up()
    assert hire.is_done()
    assert {rider["city"] for rider in hire.records()} == {"Oslo"}


# -- what we made ourselves --

KINDS: dict[str, tuple[Any, ...]] = {
    "bool": (True, False),
    "int": (0, -5, 2**63 - 1, -(2**63)),
    "float": (0.0, -1.5, 1e300, 5e-324, 0.1),
    "str": ("", "Oslo", 'it\'s 100 % \\ "x"', "'", "NULL", "Ås \U0001f6b2", "null", "1", "\t\n", "(x)", "a::text"),
    "bytes": ("", "AP8=", "T3Nsbw=="),
    "datetime": ("2011-11-01T12:30:00.000001Z", "2011-06-01T00:00:00.000000Z", "1066-10-14T00:00:00.000000Z"),
    "date": ("2011-11-01", "0001-01-01"),
    "decimal": (0, -1999),
    "uuid": ("5f0c3b0e-1111-4222-8333-944445555666",),
    "ip": ("40a000001",),
    "network": ("40a000000/024",),
    "json": ({"a": [1, None, "ø"]}, [], "x", 5),
}


def every_kind() -> tuple[Operation, ...]:
    made = list[Operation]()
    for kind, values in KINDS.items():
        sized: Any = {"digits": 6, "scale": 2} if kind == "decimal" else {}
        sized |= {"length": 100} if kind in ("str", "bytes") else {}
        for number, value in enumerate(values):
            for indexed in (False, True):
                if indexed and kind in ("json", "float"):
                    continue
                name = f"{kind}{number}{'x' if indexed else ''}"
                made.append(AddField("rider", Field(name, name, cast("Any", kind), **sized), default=value))
                if indexed and number < 2:
                    made.append(AddIndex("rider", Index(f"by_{name}", (name,), (bool(number),))))
        made.append(AddField("rider", Field(f"{kind}n", f"{kind}n", cast("Any", kind), optional=True, **sized)))
    return tuple(made)


def test_what_we_made_is_taken_for_ours_whatever_it_is(hire: Hire) -> None:
    fields = [f.field for f in every_kind() if isinstance(f, AddField)]
    tour = msgspec.structs.replace(
        TOUR,
        fields=(*TOUR.fields, *fields),
        uniques=(Unique("unique_name", ("name",), "live"),),
        live="bool0",
        indexes=(Index("by_date", ("date0", "str1"), (True, False)),),
    )
    gone = AddField("rider", Field("gone", "gone", "bool"), default=False)
    unique = AddUnique("rider", Unique("unique_mail", ("mail",), "live"))
    hire.next(*every_kind(), gone, ChangeModel("rider", live="gone"), unique, CreateModel(tour))
    for _ in range(2):
        hire.cut()
    hire.up()
    assert hire.is_done()
