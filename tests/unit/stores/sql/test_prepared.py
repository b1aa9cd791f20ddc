"""What a connection to MariaDB repeats is prepared: the same answers, whatever becomes of the tables or of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from manystore.stores.sql.mysql_cursor import _MOST
from manystore.testing import provision, servers

from .conftest import Maker, Shop

pytestmark = pytest.mark.server
INSERT, COUNT = "INSERT INTO {} (a, b) VALUES (%s, %s)", "Com_stmt_execute"
KINDS: dict[str, list[Any]] = {
    "LONGTEXT CHARACTER SET utf8mb4": ["it's", 'a "b" \\ c', "100%", "%s and ?", "\u2028 \U0001f600", "", "\n", None],
    "LONGBLOB": [b"\x00'\xff", b"", b"%s?", None],
    "DOUBLE": [1.5, -0.0, 5e-324, 1.7976931348623157e308, 0.1, None],
    "BIGINT": [2**63 - 1, -(2**63), 0, True, None],
    "DATETIME(6)": ["2011-11-11 11:11:11.000001", None],
    "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin": ["2fa91425-cb00-8853-9d2c-67eda13ffe79", None],
}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Any]:
    with provision.place("mariadb:", tmp_path) as place:
        shop = Shop(place.url, place.prefix)
        made: Any = shop.store._connections.opened()
        made.table = f"`{place.prefix}plain %% 'table' ?`"
        made.execute(f"CREATE TABLE {made.table} (a BIGINT PRIMARY KEY, b LONGTEXT CHARACTER SET utf8mb4)", ())
        yield made
        made.close()
        shop.store.close()


def _executed(connection: Any) -> int:
    ((_, number),) = connection.execute(f"SHOW SESSION STATUS LIKE '{COUNT}'", ()).fetchall()
    return int(number)


def _rows(connection: Any) -> list[Any]:
    rows: list[Any] = connection.execute(f"SELECT a, b FROM {connection.table} ORDER BY a", ()).fetchall()
    return rows


def test_what_comes_again_is_prepared_the_second_time(connection: Any) -> None:
    text = INSERT.format(connection.table)
    for number in range(5):
        assert connection.repeat(text, (number, "b")).rowcount == 1
        assert _executed(connection) == number
    assert _rows(connection) == [(number, "b") for number in range(5)]


@pytest.mark.parametrize(("kind", "values"), KINDS.items())
def test_values_are_the_same_prepared_or_not(connection: Any, kind: str, values: list[Any]) -> None:
    connection.execute(f"ALTER TABLE {connection.table} MODIFY b {kind}", ())
    text = INSERT.format(connection.table)
    connection.repeat(text, (-1, None))
    for value in values:
        connection.execute(f"DELETE FROM {connection.table}", ())
        connection.execute(text, (0, value))
        connection.repeat(text, (1, value))
        (_, whole), (_, prepared) = _rows(connection)
        assert repr(whole) == repr(prepared)
    assert _executed(connection) == len(values)


def test_more_statements_than_a_connection_keeps(connection: Any) -> None:
    numbers = iter(range(10_000))
    for _ in range(3):
        for kind in range(_MOST + 9):
            connection.repeat(f"{INSERT.format(connection.table)} /* {kind} */", (next(numbers), "b"))
    assert len(_rows(connection)) == next(numbers)
    for kind in random.Random(1).choices(range(_MOST + 9), k=200):
        connection.repeat(f"{INSERT.format(connection.table)} /* {kind} */", (next(numbers), str(kind)))
    assert len(_rows(connection)) == next(numbers) - 1


def test_what_somebody_took_away_is_sent_whole(connection: Any) -> None:
    text = INSERT.format(connection.table)
    for number in range(3):
        connection.repeat(text, (number, "b"))
    connection.execute("DEALLOCATE PREPARE p0", ())
    for number in range(3, 6):
        assert connection.repeat(text, (number, "b")).rowcount == 1
    assert [a for a, _ in _rows(connection)] == [*range(6)]


def test_an_error_of_what_is_prepared_is_an_error_of_the_statement(connection: Any) -> None:
    text = INSERT.format(connection.table)
    connection.repeat(text, (1, "b"))
    for _ in range(2):  # the first of them is prepared and run at once
        with pytest.raises(pymysql.IntegrityError):
            connection.repeat(text, (1, "b"))
    assert _executed(connection) == 2
    connection.repeat(text, (2, "b"))
    assert [a for a, _ in _rows(connection)] == [1, 2]


def test_tables_that_change_under_a_prepared_create(tmp_path: Path) -> None:
    with provision.place("mariadb:", tmp_path) as place:
        shop = Shop(place.url, place.prefix)
        alterations = (
            "ADD COLUMN extra BIGINT DEFAULT 7 FIRST", "MODIFY name LONGTEXT CHARACTER SET utf8mb4, DROP INDEX {index}",
            "MODIFY name VARCHAR(99) CHARACTER SET utf8mb4 AFTER _version", "ENGINE = InnoDB", "DROP COLUMN extra",
        )  # fmt: skip
        keys = iter(range(1, 100))
        for text in ("", *alterations):
            if text:
                shop.sql("ALTER TABLE {maker} " + text.format(index=f"`{place.prefix}maker.unique_name`"))
            for _ in range(3):
                key = next(keys)
                assert shop.write(shop.new(Maker(id=key, name=f"n{key}"))).trips == 1
        assert [(m.id, m.name) for m in shop.all(Maker)] == [(key, f"n{key}") for key in range(1, next(keys))]
        shop.store.close()


@pytest.mark.slow
def test_a_server_that_keeps_nothing() -> None:
    with servers.MariaDB(servers.this_run(), options=["--max-prepared-stmt-count=0"]) as server:
        shop = Shop(server.url)
        for key in range(1, 6):
            assert shop.write(shop.new(Maker(id=key, name=f"n{key}"))).trips == 1
        assert len(shop.all(Maker)) == 5
        shop.store.close()
