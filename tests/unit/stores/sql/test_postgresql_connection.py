"""How one connection to PostgreSQL runs statements: what the server keeps of them, and how each wait ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.stores.sql import postgresql_connection
from manystore.stores.sql.postgresql_connection import ServerConnection, Silent
from manystore.testing import provision

pytestmark = pytest.mark.server
PREPARED = "SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%thing%' ORDER BY statement"
INSERT = "INSERT INTO thing (id, note, at) VALUES ($1, $2, $3) RETURNING id"
AT = datetime(2011, 11, 11, tzinfo=UTC)


class Opened:
    """A store, of which the tests want single connections; they make their own tables, which go with each of them."""

    def __init__(self, place: provision.Place) -> None:
        self._place = place

    def connection(self, **options: Any) -> ServerConnection:
        words = "&".join(f"{name}={value}" for name, value in options.items())
        url = f"{self._place.url}?{words}" if words else self._place.url
        self._store: Any = open_store(parse_url(url, self._place.prefix), wait=time.sleep)
        connection: ServerConnection = self._store._connections.take()
        connection.execute("CREATE TEMPORARY TABLE thing (id bigint PRIMARY KEY, note text, at timestamptz)")
        return connection


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with provision.place("postgresql:", tmp_path) as place:
        yield Opened(place)


@pytest.fixture
def connection(opened: Opened) -> Iterator[ServerConnection]:
    connection = opened.connection()
    yield connection
    connection.close()


def prepared(connection: ServerConnection) -> list[str]:
    cursor: Any = psycopg.Cursor(connection.raw)
    return [text for (text,) in cursor.execute(PREPARED).fetchall()]


def test_a_text_is_prepared_when_it_comes_again_whatever_is_none(connection: ServerConnection) -> None:
    values = [(1, None, None), (2, "a", None), (3, None, AT), (4, "b", AT), (5, None, None), (6, "c", AT)]
    for bound in values:
        assert connection.execute(INSERT, bound).fetchall() == [(bound[0],)]
        assert prepared(connection) == ([] if bound[0] == 1 else [INSERT])
    found = connection.execute("SELECT id, note, at FROM thing ORDER BY id")
    assert (found.rowcount, found.fetchall()) == (6, values)


def test_a_text_that_comes_often_in_one_batch_is_prepared_in_it(connection: ServerConnection) -> None:
    before = connection.waits
    answers = connection.send([(INSERT, (n, None if n % 3 else "x", None)) for n in range(9)])
    assert answers == [(1, [(n,)]) for n in range(9)]
    assert connection.waits == before + 1
    assert prepared(connection) == [INSERT]


def test_what_a_failed_batch_did_not_prepare_is_not_taken_for_prepared(connection: ServerConnection) -> None:
    connection.execute(INSERT, (1, None, None))
    update = "UPDATE thing SET note = $1 WHERE id = $2"
    connection.execute(update, ("a", 1))
    begun = [("BEGIN", ()), (INSERT, (2, None, None)), (INSERT, (1, None, None)), (update, ("b", 1))]
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.send(begun)
    connection.end()
    assert prepared(connection) == [INSERT]  # a rollback does not undo that
    for note in ("c", "d"):
        assert connection.send([(update, (note, 1))]) == [(1, [])]
    assert prepared(connection) == [INSERT, update]


@pytest.mark.parametrize("known", [0, 1, 2])
def test_a_failed_batch_leaves_no_name_that_the_server_does_not_know(connection: ServerConnection, known: int) -> None:
    for n in range(known):
        connection.execute(INSERT, (n, None, None))
    batch = [(INSERT, (10 + n, "x" if n > 2 else None, AT if n > 4 else None)) for n in range(7)]
    for at in range(8):
        connection.execute("BEGIN")
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.send([*batch[:at], ("SELECT 1 / 0", ()), *batch[at:]])
        connection.end()
    assert connection.send(batch) == [(1, [(10 + n,)]) for n in range(7)]
    assert connection.send([(INSERT, (n, "y", AT)) for n in range(20, 23)]) == [(1, [(n,)]) for n in range(20, 23)]
    assert prepared(connection) == [INSERT]


def test_the_server_keeps_a_bounded_number_of_statements(
    connection: ServerConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_connection, "_KEPT", 3)
    texts = [f"SELECT {n} FROM thing" for n in range(8)]
    for text in (*texts, *texts[:2]):
        for _ in range(3):
            assert connection.execute(text).fetchall() == []
    assert len(prepared(connection)) <= 4  # the last to go goes with the next to come


def test_behind_a_pooler_nothing_is_prepared(opened: Opened) -> None:
    connection = opened.connection(prepare="off")
    for n in range(4):
        assert connection.execute(INSERT, (n, None, AT)).fetchone() == (n,)
    assert connection.send([(INSERT, (n, "x", None)) for n in range(4, 8)]) == [(1, [(n,)]) for n in range(4, 8)]
    assert prepared(connection) == []
    connection.close()


def test_what_a_statement_gives_follows_the_table_until_it_is_prepared(connection: ServerConnection) -> None:
    text = "SELECT * FROM thing"
    connection.execute(INSERT, (1, None, None))
    assert connection.execute(text).fetchone() == (1, None, None)
    connection.execute("ALTER TABLE thing ALTER id TYPE text USING 'now ' || id")
    assert connection.execute(text).fetchone() == ("now 1", None, None)
    assert connection.execute(text).fetchone() == ("now 1", None, None)
    connection.execute("ALTER TABLE thing DROP COLUMN at")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        connection.execute(text)


def test_columns_may_be_of_the_type_of_a_parameter(connection: ServerConnection) -> None:
    values: list[Any] = [None, None, 3, None, 4, "x", 5]
    assert connection.send([("SELECT $1", (value,)) for value in values]) == [(1, [(value,)]) for value in values]
    assert [connection.execute("SELECT $1", (value,)).fetchone() for value in values] == [(v,) for v in values]


def test_large_questions_and_answers_do_not_wait_for_each_other(connection: ServerConnection) -> None:
    large = "x" * 1_000_000
    answers = connection.send([("SELECT $1::text || $2", (large, str(n))) for n in range(30)])
    assert [(number, rows[0][0] == f"{large}{n}") for n, (number, rows) in enumerate(answers)] == [(1, True)] * 30


def test_a_silent_server_is_not_waited_for_longer_than_allowed(opened: Opened) -> None:
    for text in ("SELECT pg_sleep(9)", "SELECT repeat('x', 99999) UNION ALL SELECT pg_sleep(9)::text"):
        connection = opened.connection()
        connection.hurry(0.3)
        began = time.monotonic()
        with pytest.raises(Silent):
            connection.execute(text)
        assert 0.3 <= time.monotonic() - began < 3
        connection.close()


def test_a_server_that_hangs_up_is_seen_and_says_why(opened: Opened) -> None:
    other = opened.connection()
    end = "SELECT pg_terminate_backend($1::int)"
    for seconds in (0, 9):
        connection = opened.connection()
        assert not connection.is_stale()
        timer = threading.Timer(0.2, other.execute, (end, (connection.backend[0],)))
        timer.start()
        if seconds:
            with pytest.raises(psycopg.errors.AdminShutdown):
                connection.execute(f"SELECT pg_sleep({seconds})")
        timer.join()
        while not connection.is_stale():
            time.sleep(0.01)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        connection.close()
    other.close()


def test_who_is_interrupted_leaves_nothing_running(opened: Opened) -> None:
    connection, other = opened.connection(), opened.connection()
    me = threading.main_thread().ident
    assert me == threading.get_ident()
    timer = threading.Timer(0.2, signal.pthread_kill, (me, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        connection.execute("SELECT pg_sleep(60)")
    timer.join()
    look, deadline = "SELECT state FROM pg_stat_activity WHERE pid = $1", time.monotonic() + 5
    while other.execute(look, (connection.backend[0],)).fetchall() == [("active",)]:
        assert time.monotonic() < deadline
    connection.close()
    other.close()
