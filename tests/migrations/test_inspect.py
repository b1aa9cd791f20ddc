"""`manystore inspect`: models written of an existing schema import, pass mypy, and are what `adopt` takes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from manystore import Database, Repository, field, index, model, ref
from manystore.cli.main import main

from .foreign import DATABASES, Foreign, foreign

TABLES = {
    "sqlite": """
        CREATE TABLE author (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(80) NOT NULL, born DATE, "class" TEXT);
        CREATE TABLE book (isbn CHAR(13) NOT NULL PRIMARY KEY,
            author_id INTEGER NOT NULL REFERENCES author (id) ON DELETE CASCADE,
            second INTEGER REFERENCES author ON DELETE SET NULL, price NUMERIC(8, 2), "date" DATETIME, cover BLOB,
            loan BOOLEAN, weight FLOAT, UNIQUE (author_id, price));
        CREATE INDEX ix_book_date ON book ("date", price);
        CREATE UNIQUE INDEX some_books ON book (price) WHERE loan = 1;
        CREATE TABLE copy (isbn CHAR(13) NOT NULL REFERENCES book (isbn), number INTEGER NOT NULL, field,
            PRIMARY KEY (isbn, number));
        CREATE TABLE "transaction" (id BIGINT NOT NULL PRIMARY KEY);
        CREATE TABLE loose (number INTEGER)
    """,
    "postgresql": """
        CREATE TABLE author (id SERIAL PRIMARY KEY, name VARCHAR(80) NOT NULL, born DATE, "class" TEXT, tag UUID,
            host INET, net CIDR, notes JSONB, place POINT);
        CREATE TABLE book (isbn CHAR(13) PRIMARY KEY,
            author_id INTEGER NOT NULL REFERENCES author (id) ON DELETE CASCADE,
            second INTEGER REFERENCES author ON DELETE SET NULL, price NUMERIC(8, 2), "date" TIMESTAMP, cover BYTEA,
            loan BOOLEAN, weight REAL, rate NUMERIC, UNIQUE (author_id, price));
        CREATE INDEX ix_book_date ON book ("date", price);
        CREATE UNIQUE INDEX some_books ON book (price) WHERE loan;
        CREATE TABLE copy (isbn CHAR(13) NOT NULL REFERENCES book (isbn), number INTEGER NOT NULL, field TEXT,
            PRIMARY KEY (isbn, number));
        CREATE TABLE "transaction" (id BIGINT PRIMARY KEY);
        CREATE TABLE loose (number INTEGER)
    """,
    "mariadb": """
        CREATE TABLE author (id INTEGER AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80) NOT NULL, born DATE, `class` TEXT);
        CREATE TABLE book (isbn CHAR(13) PRIMARY KEY, author_id INTEGER NOT NULL, second INTEGER, price DECIMAL(8, 2),
            `date` DATETIME, cover BLOB, loan BOOL, weight FLOAT, size ENUM('small', 'it''s large'),
            UNIQUE (author_id, price),
            FOREIGN KEY (author_id) REFERENCES author (id) ON DELETE CASCADE,
            FOREIGN KEY (second) REFERENCES author (id) ON DELETE SET NULL);
        CREATE INDEX ix_book_date ON book (`date`, price);
        CREATE TABLE copy (isbn CHAR(13) NOT NULL, number INTEGER NOT NULL, field TEXT, PRIMARY KEY (isbn, number),
            FOREIGN KEY (isbn) REFERENCES book (isbn));
        CREATE TABLE `transaction` (id BIGINT PRIMARY KEY);
        CREATE TABLE loose (number INTEGER)
    """,
}


@pytest.fixture(params=DATABASES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Foreign]:
    with foreign(request.param, tmp_path) as made:
        yield made


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result.output


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_models_of_an_existing_schema(old: Foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for text in TABLES[old.database].split(";"):
        old.execute(text)
    old.execute("INSERT INTO author (name) VALUES ('Ada')")
    old.execute("INSERT INTO book (isbn, author_id, price) VALUES ('9781234567897', 1, 12.5)")
    if old.database == "postgresql":
        old.execute("ALTER TABLE author DROP COLUMN place")  # which nothing can hold, so it could not be adopted
    path = tmp_path / f"found_{old.database}.py"
    text = run("inspect", old.url, "--models")
    path.write_text(text)
    assert "# loose: no model, since it has no primary key" in text
    assert 'author_id: int = ref(to="Author.id", on_delete="cascade")' in text
    assert 'second: int | None = ref(to="Author.id", on_delete="set_null", default=None)' in text
    assert 'date_: datetime | None = field(default=None, column="date")' in text
    assert "price: Decimal | None = field(default=None, digits=8, scale=2)" in text
    assert 'unique("author_id", "price")' in text
    assert 'index("date_", "price")' in text
    assert "copy: Repository[Copy, tuple[str, int]]" in text
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    module = loaded(path)
    monkeypatch.chdir(tmp_path)
    assert "loose: stays as it is" in run("migrate", "adopt", old.url, "--database", f"{path.stem}:Models", "--yes")
    with module.Models.connect(old.url) as db:
        (book,) = db.book.find(scan=True, load=())
        assert (book.isbn, str(book.price), book.loan) == ("9781234567897", "12.50", None)
        assert db.author.create(module.Author(name="Grace")).id == 2


def test_what_no_model_can_say_is_a_comment(old: Foreign):
    for text in TABLES[old.database].split(";"):
        old.execute(text)
    text = run("inspect", old.url, "--models")
    guess = "  # no type there: look at its values"
    said = {
        "sqlite": [
            "# unique some_books: over some records only",
            f'field_: str | None = field(default=None, column="field"){guess}',
        ],
        "postgresql": [
            "# unique some_books: over some records only",
            "# place: point, which no field holds or no name says",
            "digits=18, scale=6)  # numeric there: look at both numbers",
        ],
        "mariadb": ['size: Literal["small", "it\'s large"] | None = None'],
    }[old.database]
    for line in said:
        assert line in text, text


def test_a_list_of_what_is_there(old: Foreign):
    assert run("inspect", old.url) == "empty\n"
    for text in TABLES[old.database].split(";"):
        old.execute(text)
    lines = run("inspect", old.url).splitlines()
    assert lines[0] == "tables that manystore did not make"
    assert "copy: 3 columns, key isbn, number" in lines
    assert "  isbn: leads to book" in lines
    assert "  ix_book_date: date, price" in lines


@model(collection="shop")
class Shop:
    name: str = field(key=True, max_length=20)


@model(collection="bike", indexes=[index("serial")], version=2)
class Bike:
    id: int = field(key=True, generated=True)
    serial: str = field(max_length=10, unique=True)
    shop: str | None = ref(Shop.name, default=None)


class Hire(Database):
    shop: Repository[Shop, str]
    bike: Repository[Bike, int]


@pytest.mark.parametrize("scheme", ["memory", "sqlite"])
def test_a_list_of_collections_of_our_own(scheme: str, tmp_path: Path):
    url = f"memory://{tmp_path.name}" if scheme == "memory" else f"sqlite:///{tmp_path}/hire.db"
    with Hire.connect(url):
        assert run("inspect", url).splitlines() == [
            "a database of manystore's, format 1, stable",
            "bike: Bike version 2, 3 fields, key id",
            "  by_serial: ready, serial",
            "  unique_serial: unique, ready, serial",
            "  shop: leads to shop, ready",
            "shop: Shop version 1, 1 fields, key name",
        ]


def test_only_tables_can_be_made_models_of(tmp_path: Path):
    assert run("inspect", f"memory://{tmp_path.name}") == "empty\n"
    assert "Error: this store keeps no tables" in run("inspect", f"memory://{tmp_path.name}", "--models", exit_code=1)
