"""`manystore migrate adopt` on tables of another program: what it takes, what it refuses, and what a death leaves."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from click.testing import CliRunner

from manystore import Database, NotADatabase, Repository, field, index, model, ref, unique
from manystore.cli.main import main

from .foreign import DATABASES, Foreign, foreign

ME = f"{__name__}:"


@model(soft_delete=True, collection="shop", uniques=[unique("name", among="live")])
class Shop:
    id: int = field(key=True, generated=True)
    name: str = field(max_length=20)
    opened: datetime | None = None
    deleted: bool = False
    deleted_at: datetime | None = field(default=None, stamp="deleted")


@model(collection="bike", indexes=[index("serial")], uniques=[unique("serial")], version=3)
class Bike:
    id: int = field(key=True, generated=True)
    serial: str = field(max_length=10)
    kind: Literal["road", "cargo"] = "road"
    shop: int | None = ref(Shop.id, default=None)


class Hire(Database):
    shop: Repository[Shop, int]
    bike: Repository[Bike, int]


@pytest.fixture(params=DATABASES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Foreign]:
    with foreign(request.param, tmp_path) as made:
        yield made


def adopt(old: Foreign, *options: str, database: str = "Hire", exit_code: int = 0) -> str:
    arguments = ["migrate", "adopt", old.url, "--database", ME + database, *options]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result.output


def shops(old: Foreign, count: int = 3) -> None:
    kinds = {"postgresql": ("SERIAL", "TIMESTAMP", "BOOLEAN"), "mariadb": ("INT AUTO_INCREMENT", "DATETIME", "BOOL")}
    key, time_, flag = kinds.get(old.database, ("INTEGER", "DATETIME", "BOOLEAN"))
    engine = " ENGINE=InnoDB DEFAULT CHARSET=latin1" if old.database == "mariadb" else ""
    old.execute(
        f"CREATE TABLE shop (id {key} NOT NULL, name VARCHAR(80), opened {time_}, deleted {flag}, deleted_at {time_}, "
        f"PRIMARY KEY (id)){engine}"
    )
    old.execute(
        f"CREATE TABLE bike (id {key} NOT NULL, serial VARCHAR(80) UNIQUE, kind VARCHAR(9), shop INTEGER, "
        f"PRIMARY KEY (id), FOREIGN KEY (shop) REFERENCES shop (id)){engine}"
    )
    false = "false" if old.database == "postgresql" else "0"
    numbers = range(1, count + 1)
    rows = [f"({number}, 'shop {number}', '2011-11-11 11:11:11', {false}, NULL)" for number in numbers]
    old.execute(f"INSERT INTO shop VALUES {', '.join(rows)}")
    rows = [f"({number}, 'b{number}', 'road', {number})" for number in numbers]
    old.execute(f"INSERT INTO bike VALUES {', '.join(rows)}")


def test_what_fits_is_taken_with_all_that_belongs_to_it(old: Foreign):
    shops(old, 1200)
    before = old.dump()
    with pytest.raises(NotADatabase):
        Hire.connect(old.url)
    assert "nothing was changed; --yes does it" in adopt(old)
    assert old.dump() == before
    text = adopt(old, "--yes")
    assert "taken over: 2,400 records" in text
    assert "shop: 1,200 records, 1 index, keys from 1,201 on" in text
    assert "note: bike: the foreign key shop to shop goes; manystore keeps references by itself" in text
    with Hire.connect(old.url) as db:
        assert db.shop.count(scan=True) == 1200
        assert db.shop.get(7) == Shop(id=7, name="shop 7", opened=datetime(2011, 11, 11, 11, 11, 11, tzinfo=UTC))
        assert db.bike.create(Bike(serial="new", shop=7)).id == 1201
        bike = db.bike.get(5)
        bike.kind = "cargo"
        db.bike.save(bike)
    assert adopt(old, "--yes") == "the database is manystore's already\n"


def test_each_difference_is_told_and_nothing_is_changed(old: Foreign):
    shops(old)
    true, false = ("true", "false") if old.database == "postgresql" else ("1", "0")
    if old.database != "sqlite":
        old.execute(
            "ALTER TABLE bike DROP CONSTRAINT " + ("bike_ibfk_1" if old.database == "mariadb" else "bike_shop_fkey")
        )
    old.execute(f"INSERT INTO shop VALUES (4, 'shop 1', NULL, {false}, NULL)")
    old.execute(f"INSERT INTO shop VALUES (5, 'shop 1', NULL, {true}, NULL)")  # a deleted one: no repetition
    old.execute("INSERT INTO shop VALUES (6, 'a name of more than 20 letters', NULL, NULL, NULL)")
    old.execute("INSERT INTO bike VALUES (4, 'b4', 'tandem', 77)")
    old.execute("INSERT INTO bike VALUES (5, NULL, 'road', 78)")
    before = old.dump()
    lines = adopt(old, exit_code=1).splitlines()
    assert lines == [
        "the tables are not those of the models; 6 differences, nothing was changed:",
        "  bike.kind: values are not one of road, cargo: 1 (keys 4)",
        "  bike.serial: values are missing: 1 (keys 5); --fill bike.serial=VALUE gives them one",
        "  shop: records repeat what another has in unique_name: 1 (keys 4)",
        "  shop.name: values are longer than 20 characters: 1 (keys 6)",
        "  shop.deleted: values are missing: 1 (keys 6); --fill shop.deleted=VALUE gives them one",
        "  bike.shop: values lead to no record of shop: 2 (keys 4, 5)",
    ]
    assert adopt(old, "--yes", exit_code=1).splitlines() == lines
    assert old.dump() == before


def test_a_missing_value_can_be_filled_in(old: Foreign):
    shops(old)
    old.execute("INSERT INTO shop VALUES (4, 'shop 4', NULL, NULL, NULL)")
    old.execute("INSERT INTO bike VALUES (4, NULL, 'road', 1)")
    assert "Error: --fill bike.colour: there is no such field" in adopt(old, "--fill", "bike.colour=red", exit_code=1)
    assert "Error: --fill bike.kind: values like this are not one of" in adopt(
        old, "--fill", "bike.kind=tandem", exit_code=1
    )
    adopt(old, "--fill", "shop.deleted=false", "--fill", "bike.serial=none", "--yes")
    with Hire.connect(old.url) as db:
        assert db.shop.get(4).deleted is False
        assert db.bike.get(4).serial == "none"


@model(collection="shop")
class OtherShop:
    number: int = field(key=True)
    name: int = 0
    town: str = ""


@model
class Rack:
    id: int = field(key=True)


class Other(Database):
    shop: Repository[OtherShop, int]
    rack: Repository[Rack, int]


def test_other_tables_are_refused_by_their_shape(old: Foreign):
    shops(old)
    text, number, time_, flag = {
        "sqlite": ("VARCHAR(80)", "INTEGER", "DATETIME", "BOOLEAN"),
        "postgresql": ("character varying(80)", "integer", "timestamp without time zone", "boolean"),
        "mariadb": ("varchar(80)", "int(11)", "datetime", "tinyint(1)"),
    }[old.database]
    assert adopt(old, database="Other", exit_code=1).splitlines() == [
        "the tables are not those of the models; 9 differences, nothing was changed:",
        "  rack: there is no such table (--new rack makes it, empty)",
        f"  shop.id: {number}, and no field of it",
        f"  shop.opened: {time_}, and no field of it",
        f"  shop.deleted: {flag}, and no field of it",
        f"  shop.deleted_at: {time_}, and no field of it",
        "  shop.number: there is no such column",
        f"  shop.name: {text} there, int here",
        "  shop.town: there is no such column",
        "  shop: its primary key is number here, id there",
    ]


class WithRack(Hire):
    rack: Repository[Rack, int]


def test_a_model_without_a_table_is_made_empty_when_that_is_said(old: Foreign):
    shops(old)
    assert "1 difference" in adopt(old, database="WithRack", exit_code=1)
    assert "  rack: made, empty" in adopt(old, "--new", "rack", "--yes", database="WithRack")
    with WithRack.connect(old.url) as db:
        assert (db.rack.count(scan=True), db.shop.count(scan=True)) == (0, 3)


@model(collection="sample")
class Sample:
    code: str = field(key=True, max_length=10)
    at: datetime | None = None
    day: date | None = None
    price: Decimal | None = field(default=None, digits=8, scale=2)
    weight: float | None = None
    tag: UUID | None = None
    host: IPv4Address | None = None
    net: IPv4Network | None = None
    content: bytes | None = None
    notes: dict[str, Any] | None = None
    flag: bool | None = None
    big: int | None = None


class Samples(Database):
    sample: Repository[Sample, str]


KINDS = {
    "sqlite": "DATETIME|DATE|NUMERIC(8, 2)|FLOAT|CHAR(32)|VARCHAR(39)|VARCHAR(43)|BLOB|TEXT|BOOLEAN",
    "postgresql": "TIMESTAMP WITH TIME ZONE|DATE|NUMERIC(8, 2)|REAL|UUID|INET|CIDR|BYTEA|JSONB|BOOLEAN",
    "mariadb": "TIMESTAMP NULL|DATE|DECIMAL(8, 2)|FLOAT|CHAR(36)|INET4|VARCHAR(43)|BLOB|JSON|BIT(1)",
}
NAMES = ("at", "day", "price", "weight", "tag", "host", "net", "content", "notes", "flag")


def test_values_of_every_kind_are_brought_into_our_form(old: Foreign):
    columns = ", ".join(map(" ".join, zip(NAMES, KINDS[old.database].split("|"), strict=True)))
    old.execute(f"CREATE TABLE sample (code VARCHAR(10) NOT NULL PRIMARY KEY, {columns}, big BIGINT)")
    if old.database == "mariadb":
        old.execute("SET time_zone = '+02:00'")
    moment = {"sqlite": "2011-11-11 11:11:11.5", "postgresql": "2011-11-11 13:11:11.5+02"}.get(
        old.database, "2011-11-11 13:11:11"
    )
    binary = {"postgresql": "'\\x00ff'"}.get(old.database, "X'00ff'")
    true = "true" if old.database == "postgresql" else "1"
    old.execute(
        f"INSERT INTO sample VALUES ('a', '{moment}', '2011-11-11', 12.5, 0.1, '12345678123456781234567812345678', "
        f"'10.0.0.7', '10.0.0.0/24', {binary}, '{{\"b\": [1, null]}}', {true}, 9223372036854775807)"
    )
    old.execute("INSERT INTO sample (code) VALUES ('B')")
    adopt(old, "--yes", database="Samples")
    with Samples.connect(old.url) as db:
        found = db.sample.find(scan=True)
    seconds = datetime(2011, 11, 11, 11, 11, 11, 0 if old.database == "mariadb" else 500_000, tzinfo=UTC)
    whole = Sample(
        code="a", at=seconds, day=date(2011, 11, 11), price=Decimal("12.50"), weight=0.1,
        tag=UUID("12345678123456781234567812345678"), host=IPv4Address("10.0.0.7"), net=IPv4Network("10.0.0.0/24"),
        content=b"\0\xff", notes={"b": [1, None]}, flag=True, big=2**63 - 1,
    )  # fmt: skip
    assert found == [Sample(code="B"), whole]  # by code point now, whatever the order was


def test_a_store_that_is_not_sql_says_that_there_is_nothing_to_take_over(tmp_path: Path):
    result = CliRunner().invoke(main, ["migrate", "adopt", "memory://", "--database", ME + "Hire"])
    assert result.exit_code == 1
    assert result.output == (
        "Error: this store keeps no tables, so nothing of another program can be taken over from it\n"
    )
    result = CliRunner().invoke(main, ["migrate", "adopt", f"sqlite:///{tmp_path}/no.db", "--database", ME + "Hire"])
    assert result.exit_code == 1
    assert "there is no file" in result.output
    assert not (tmp_path / "no.db").exists()


DYING = """
import importlib, os, signal, sys
from manystore.cli import adopt, migrate
from manystore.cli.main import main
from manystore.stores.sql import adoption
from manystore.stores.sql.takeover import Takeover

importlib.import_module(sys.argv[2])  # here, or each that dies would do it again
run, number = Takeover.run, 0
for line in sys.stdin:
    if os.fork() == 0:
        def dying(takeover, text):
            global number
            number += 1
            if number > int(line):
                os.kill(os.getpid(), signal.SIGKILL)
            return run(takeover, text)

        Takeover.run = dying
        sys.stdout = open(os.devnull, "w")
        main(["migrate", "adopt", sys.argv[1], "--database", sys.argv[2] + ":Hire", "--yes"])
    died = os.waitstatus_to_exitcode(os.wait()[1])
    print(died, flush=True)
"""


@pytest.mark.slow
def test_a_death_before_any_statement_leaves_the_old_tables_or_the_adopted_ones(old: Foreign):
    shops(old, 700)
    before = old.dump()
    with dying(old) as die:
        for number in itertools.count():
            exit_code = die(number)
            old.wait_for_quiet()
            tables = old.dump()
            if "_manystore" in tables:
                break
            assert exit_code == -signal.SIGKILL
            assert {name: rest for name, rest in tables.items() if not name.endswith(".adopting")} == before
    assert number > 10
    if old.database == "mariadb":  # the old ones are still there, under another name, and go when it is run again
        assert exit_code == -signal.SIGKILL
        assert "shop.before" in tables
        assert "removed the old tables" in adopt(old, "--yes")
    with Hire.connect(old.url) as db:
        assert db.shop.count(scan=True) == db.bike.count(scan=True) == 700
    assert not [name for name in old.dump() if name.endswith((".adopting", ".before"))]


@contextmanager
def dying(old: Foreign) -> Iterator[Callable[[int], int]]:
    """Give a function that adopts in another process, which dies after some statements; it gives the exit code."""
    program = subprocess.Popen(
        [sys.executable, "-c", DYING, old.url, __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert program.stdin is not None
    assert program.stdout is not None

    def die(number: int) -> int:
        program.stdin.write(f"{number}\n")
        program.stdin.flush()
        return int(program.stdout.readline())

    try:
        yield die
    finally:
        program.communicate()


def test_what_an_old_program_writes_meanwhile_is_taken_or_refused(old: Foreign):
    shops(old, 1000)
    false = "false" if old.database == "postgresql" else "0"
    written = list[int]()
    ended = threading.Event()
    with old.connected() as execute:

        def write() -> None:
            number = 1000
            while not ended.is_set():
                number += 1
                try:
                    execute(f"INSERT INTO shop VALUES ({number}, 'shop {number}', NULL, {false}, NULL)")
                except old.errors:
                    return  # the table has other columns now
                written.append(number)
                time.sleep(0.001)

        program = threading.Thread(target=write)
        program.start()
        try:
            for _ in range(20):
                arguments = ["migrate", "adopt", old.url, "--database", ME + "Hire", "--yes"]
                result = CliRunner().invoke(main, arguments, catch_exceptions=False)
                if result.exit_code == 0:
                    break
                assert "another program wrote while" in result.output or "locked by another writer" in result.output
        finally:
            ended.set()
            program.join()
    if result.exit_code:
        adopt(old, "--yes")  # now that it has stopped
    with Hire.connect(old.url) as db:
        found = {shop.id for shop in db.shop.iterate(scan=True)}
        assert found == {*range(1, 1001), *written}
        assert db.shop.create(Shop(name="next")).id == max(found) + 1
