"""PostgreSQL and MariaDB: URLs, what is refused on opening, what their errors become, and how values are kept."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid1

import psycopg
import pymysql
import pytest
from pymysql.constants import CR, ER

from manystore import (
    Closed,
    Database,
    Duplicate,
    NotADatabase,
    Repository,
    Unavailable,
    URLError,
    asc,
    col,
    desc,
    field,
    index,
    model,
)
from manystore.errors import ManystoreError, OutcomeUnknown, StoreError
from manystore.query.plan import CATALOG
from manystore.schema.operation import CreateDatabase
from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.stores.sql import mysql_dialect, postgresql_dialect
from manystore.testing import provision, servers

KINDS = {"postgresql": servers.PostgreSQL, "mariadb": servers.MariaDB}
SERVERS = [pytest.param(f"{kind}:", marks=pytest.mark.server, id=kind) for kind in KINDS]


@model(indexes=[index("note"), index("-at", "seen")])
class Thing:
    name: str = field(key=True, max_length=40)
    note: str | None = None
    long: str | None = None
    at: datetime | None = None
    seen: date | None = None
    mark: UUID | None = None
    flag: bool | None = None
    data: bytes | None = None
    number: int = 0
    ratio: float = 0.0
    tree: dict[str, Any] | None = None


class Things(Database):
    thing: Repository[Thing, str]


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[provision.Place]:
    with provision.place(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def things(place: provision.Place) -> Things:
    return place.connect(Things)


def open_(url: str, prefix: str = "") -> Any:
    return open_store(parse_url(url, prefix), wait=time.sleep)


# -- URLs --


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://h/d?speed=9", "unknown option speed"),
        ("postgresql://h/d?durability=maybe", "full or off"),
        ("postgresql://h/d?prepare=maybe", "on or off"),
        ("postgresql://h/d?timeout=0", "above 0"),
        ("postgresql://h/d?timeout=soon", "timeout"),
        ("postgresql://h/d?connect_timeout=soon", "connect_timeout"),
        ("postgresql://127.0.0.1:1/d?sslmode=perhaps", "wrong value"),
        ("mariadb://h/d?speed=9", "unknown option speed"),
        ("mariadb://h/d?durability=off", "unknown option durability"),
        ("mariadb://h/d?charset=latin1", "unknown option charset"),
        ("mysql://h/d?ssl_verify=maybe", "on or off"),
        ("mysql://h1,h2/d", "one host"),
        ("mysql:///d", "one host"),
        ("mysql://h", "name a database"),
        ("mysql://h/d?timeout=0", "above 0"),
    ],
)
def test_urls_that_cannot_be_right(url: str, words: str) -> None:
    with pytest.raises(URLError, match=words):
        open_(url)


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_server_refuses_is_told_in_a_few_words_without_the_password(kind: str) -> None:
    with KINDS[kind](servers.this_run()) as server:
        place = server.url.partition("@")[2]
        host = place.partition("/")[0]
        if kind == "postgresql":
            server.sql("CREATE ROLE ann LOGIN PASSWORD 'right'")
            hba = Path(server.folder, "data", "pg_hba.conf")
            hba.write_text("host all ann 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
            server.sql("SELECT pg_reload_conf()")
        else:
            with pymysql.connect(host="127.0.0.1", port=server.port, user="root") as root:
                root.cursor().execute("CREATE USER ann@'127.0.0.1' IDENTIFIED BY 'right'")
                root.cursor().execute("GRANT ALL ON manystore.* TO ann@'127.0.0.1'")
        user = f"{kind}://ann"
        open_(f"{user}:right@{place}").close()
        cases = [
            (f"{user}:sesame@{place}", "the server refuses the user or the password"),
            (f"{server.url.partition('@')[0]}:sesame@{host}/nowhere", "no such database|refuses the user"),
            (f"{user}:sesame@127.0.0.1:1/x", "cannot be reached"),
        ]
        if kind == "postgresql":
            cases.append((f"{user}:right@{place}?sslmode=require", "encryption"))
            cases.append((f"{server.url}?schema=nowhere", "no such schema"))
            cases.append((f"{server.url}?target_session_attrs=read-only", "target_session_attrs"))
        else:
            cases.append((f"{user}:right@{place}?ssl_verify=on", "encryption|reached"))
            cases.append((f"{user}:right@{place}?ssl_ca=/no/such/file", "ssl_ca"))
            cases += [(url.replace("mariadb", "mysql", 1), words) for url, words in cases]
        for url, words in cases:
            with pytest.raises((Unavailable, URLError), match=words) as caught:
                open_(url)
            assert str(caught.value).startswith(url.partition("/")[0] + " ")
            assert "sesame" not in str(caught.value)
            assert "right" not in str(caught.value)
            assert len(str(caught.value)) < 120


class Recovering(servers.PostgreSQL):
    """It waits for a primary that never comes, and lets nobody in meanwhile."""

    def make(self) -> None:
        super().make()
        self.carry_out(["touch", f"{self.folder}/data/standby.signal"])

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2)
        except psycopg.OperationalError as error:
            return "not accepting" in str(error)
        return False


@pytest.mark.server
def test_a_server_that_is_not_ready_is_not_one_without_the_database() -> None:
    with (
        Recovering(servers.this_run(), options=["hot_standby=off"]) as server,
        pytest.raises(Unavailable, match="lets nobody in while it starts, recovers or ends"),
    ):
        open_(server.url)


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
def test_tables_of_others_are_left_untouched(kind: str) -> None:
    with KINDS[kind](servers.this_run()) as server:
        run = _runner(server, kind)
        run("CREATE TABLE accounts (id INTEGER)")
        with pytest.raises(NotADatabase, match="untouched"):
            open_(server.url)
        with Things.connect(server.url, prefix="ours_") as things:  # a prefix keeps them apart
            things.thing.create(Thing(name="a"))
        run("CREATE TABLE mine_thing (id INTEGER)")
        with pytest.raises(NotADatabase, match="untouched"):
            open_(server.url, "mine_")
        assert run("SELECT count(*) FROM accounts") == [(0,)]


def _runner(server: Any, kind: str) -> Callable[[str], Any]:
    def run(text: str) -> Any:
        if kind == "postgresql":
            with psycopg.connect(server.url, autocommit=True) as connection:
                cursor: Any = connection.execute(text)
                return cursor.fetchall() if cursor.description else []
        with pymysql.connect(host="127.0.0.1", port=server.port, user="root", database="manystore") as connection:
            cursor = connection.cursor()
            cursor.execute(text)
            return list(cursor.fetchall())

    return run


@pytest.mark.server
def test_a_creation_that_was_cut_short_is_begun_anew() -> None:
    """MariaDB commits each CREATE by itself; a catalog without a row says that the rest is not finished."""
    with servers.MariaDB(servers.this_run()) as server:
        run = _runner(server, "mariadb")
        Things.connect(server.url).close()
        run("ALTER TABLE thing DROP COLUMN note")
        with pymysql.connect(
            host="127.0.0.1", port=server.port, user="root", database="manystore", autocommit=True
        ) as c:
            c.cursor().execute("DELETE FROM _manystore")
        with Things.connect(server.url) as things:
            things.thing.create(Thing(name="a", note="n"))
            assert things.thing.get("a").note == "n"


def _certificate(folder: Path) -> tuple[Path, Path]:
    key, cert = folder / "server.key", folder / "server.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return key, cert


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
def test_tls_is_spoken_and_certificates_are_checked(kind: str, tmp_path: Path) -> None:
    run = servers.this_run()
    with KINDS[kind](run) as first:
        folder = Path(first.folder)
        key, cert = _certificate(folder)
        _, stranger = _certificate(tmp_path)
        owner = folder.stat()
        for file in (key, cert):
            file.chmod(0o600)
            os.chown(file, owner.st_uid, owner.st_gid)
        if kind == "postgresql":
            options = [f"ssl_key_file={key}", f"ssl_cert_file={cert}", "ssl=on"]
            good, bad = f"sslmode=verify-full&sslrootcert={cert}", f"sslmode=verify-full&sslrootcert={stranger}"
            look = "SELECT count(*) FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()"
        else:
            options = [f"--ssl-key={key}", f"--ssl-cert={cert}"]
            good, bad = f"ssl_ca={cert}", f"ssl_ca={stranger}"
            look = (
                "SELECT variable_value > '' FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'"
            )
        with KINDS[kind](run, options=options) as server:
            cert.chmod(0o644)
            store = open_(f"{server.url}?{good}")
            assert store._reader.rows(look, (), "") == [(1,)]
            store.close()
            with pytest.raises(Unavailable, match="certificate"):
                open_(f"{server.url}?{bad}")
            if kind == "mariadb":
                open_(f"{server.url}?ssl_verify=off").close()


# -- sessions --


def test_sessions_are_set_whatever_the_server_says(place: provision.Place) -> None:
    separator = "&" if "?" in place.url else "?"
    store = open_(f"{place.url}{separator}timeout=7", place.prefix)
    connection = store._connections.take()
    store._connections.put(connection)
    if place.url.startswith("postgresql"):
        look = "SELECT current_setting('default_transaction_isolation'), current_setting('TimeZone')"
        assert connection.execute(look, ()).fetchall() == [("read committed", "UTC")]
        assert connection.execute("SELECT current_setting('statement_timeout')", ()).fetchall() == [("7s",)]
    else:
        look = "SELECT @@tx_isolation, @@innodb_lock_wait_timeout, @@max_statement_time, @@collation_connection"
        assert connection.execute(look, ()).fetchall()[0][:3] == ("READ-COMMITTED", 7, 7.0)
    store.close()


def test_a_statement_that_takes_too_long_is_ended(place: provision.Place) -> None:
    separator = "&" if "?" in place.url else "?"
    store = open_(f"{place.url}{separator}timeout=1", place.prefix)
    began = time.monotonic()
    sleep = (
        "SELECT pg_sleep(60)"
        if place.url.startswith("postgresql")
        else "SELECT SLEEP(60) FROM information_schema.tables"
    )
    with pytest.raises(Unavailable, match="longer than the URL's timeout"):
        store._reader.rows(sleep, (), "")
    assert time.monotonic() - began < 10
    store.close()


# -- values --

LAST = "\U0010ffff"
TEXTS = [
    "",
    " ",
    "A",
    "B",
    "a",
    "a ",
    "a  ",
    "aa",
    "b",
    "é",
    "e\u0301",
    "ß",
    "ss",
    "\ud7ff",
    "\ue000",
    "😀",
    "😁",
    LAST,
]


def test_text_compares_by_code_point_and_counts_each_space(things: Things) -> None:
    for text in TEXTS:
        things.thing.create(Thing(name=text, note=text, long=text))
    assert [t.name for t in things.thing.find(scan=True)] == sorted(TEXTS)
    for slot in (Thing.name, Thing.note, Thing.long):
        for text in TEXTS:
            assert [t.name for t in things.thing.find(col(slot) == text, scan=True)] == [text]
            above = [t.name for t in things.thing.find(col(slot) > text, scan=True, order_by=desc(slot))]
            assert above == sorted((other for other in TEXTS if other > text), reverse=True)
            prefixed = [t.name for t in things.thing.find(col(slot).prefix(text), scan=True)]
            assert prefixed == sorted(other for other in TEXTS if other.startswith(text))


def test_long_text_is_in_order_to_its_end(things: Things) -> None:
    texts = ["x" * 70_000 + tail for tail in ("c", "a", "b")]
    for n, text in enumerate(texts):
        things.thing.create(Thing(name=str(n), long=text))
    found = things.thing.find(scan=True, order_by=asc(Thing.long))
    assert [t.name for t in found] == ["1", "2", "0"]


def test_values_come_back_as_they_went(things: Things) -> None:
    full = {
        "at": [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)],
        "seen": [date(1, 1, 1), date(9999, 12, 31)],
        "mark": sorted([uuid1(), UUID(int=0), UUID(int=2**128 - 1)]),
        "flag": [False, True],
        "data": [b"", b"\0", b"\0'\\\xff", b"\xff"],
        "number": [-(2**63), -1, 0, 2**63 - 1],
        "ratio": [-1e308, -0.1, 0.0, 5e-324, 0.1, 1 / 3, 1e308],
        "tree": [{"b": [1, {"a": None}], "a": "\u0001\\'%s"}],
    }
    for name, values in full.items():
        for n, value in enumerate(values):
            things.thing.create(Thing(name=f"{name}{n}", **{name: value}))
            assert getattr(things.thing.get(f"{name}{n}"), name) == value
        if name == "tree":
            continue
        slot = getattr(Thing, name)
        mine = col(Thing.name).prefix(name)
        found = things.thing.find(mine & col(slot).in_(values), order_by=asc(slot), scan=True)
        assert [getattr(t, name) for t in found] == values

    assert list(things.thing.get("tree0").tree or {}) == ["b", "a"]


def test_many_values_at_once_come_back_as_they_went(things: Things) -> None:
    made = [
        Thing(
            name=f"{n:03}",
            note=None if n % 3 else "\t\\N\n\u00e9\U0001f600",
            at=datetime(1 + n * 99, 1, 1, 0, 0, 0, n, UTC),
            seen=date(1 + n * 99, 12, 31) if n % 2 else None,
            mark=uuid1() if n % 5 else None,
            flag=(None, False, True)[n % 3],
            data=bytes([n, 0, 255]) if n % 2 else None,
            number=(-(2**63), -(2**31) - 1, -1, 0, 1, 2**15, 2**31, 2**63 - 1)[n % 8],
            ratio=(-1e308, -0.1, 0.0, 5e-324, 1 / 3)[n % 5],
            tree={"b": [1, {"a": None}], "a": "'%s"} if n % 2 else None,
        )
        for n in range(100)
    ]
    things.thing.create_all(made)
    assert things.thing.find(scan=True) == made


def test_of_many_at_once_none_is_stored_when_one_is_taken(things: Things) -> None:
    things.thing.create(Thing(name="77"))
    with pytest.raises(Duplicate) as caught:
        things.thing.create_all([Thing(name=str(n)) for n in range(100)])
    assert (caught.value.fields, caught.value.done) == (("name",), 0)
    assert things.thing.count(scan=True) == 1
    things.thing.create_all([Thing(name=str(n)) for n in range(100) if n != 77])
    assert things.thing.count(scan=True) == 100


# -- errors --


def every_class(root: type[Exception]) -> list[type[Exception]]:
    return [root, *(found for child in root.__subclasses__() for found in every_class(child))]


@pytest.mark.parametrize("cls", [*every_class(psycopg.Error), psycopg.Warning])
def test_every_error_of_psycopg_is_translated(cls: type[Exception]) -> None:
    dialect = postgresql_dialect.PostgreSQL()
    assert issubclass(cls, dialect.errors)
    for writing in (False, True):
        made = dialect.translate(cls("it failed for the row 'secret'"), writing=writing)
        assert isinstance(made, ManystoreError)
        assert "secret" not in str(made)
        assert dialect.verdict(cls("x")) in ("broken", "taken", "again", "stale", "missing", "other")


@pytest.mark.parametrize("cls", every_class(pymysql.MySQLError))
def test_every_error_of_pymysql_is_translated(cls: type[Exception]) -> None:
    dialect = mysql_dialect.MySQL(is_mariadb=True)
    assert issubclass(cls, (*dialect.errors, pymysql.MySQLError))
    numbers = [n for source in (ER, CR) for name, n in vars(source).items() if name.isupper() and isinstance(n, int)]
    for number in [*numbers, 1020, 1205, 1969, 4025]:
        for writing in (False, True):
            error = cls(number, "it failed for the row 'secret'")
            made = dialect.translate(error, writing=writing)
            assert isinstance(made, (ManystoreError))
            assert "secret" not in str(made)
            assert dialect.verdict(error) in ("broken", "taken", "again", "stale", "missing", "other")


@pytest.mark.parametrize(
    ("state", "verdict", "error"),
    [
        ("40P01", "again", Unavailable),
        ("40001", "again", Unavailable),
        ("55P03", "again", Unavailable),
        ("57014", "other", Unavailable),
        ("57P01", "broken", Unavailable),
        ("08006", "broken", Unavailable),
        ("23505", "taken", StoreError),
        ("42P01", "missing", StoreError),
        ("53100", "other", Unavailable),
        ("25006", "other", Unavailable),
        ("42501", "other", StoreError),
    ],
)
def test_what_a_state_of_postgresql_means(state: str, verdict: str, error: type[Exception]) -> None:
    dialect = postgresql_dialect.PostgreSQL()
    raised = psycopg.errors.lookup(state)("x")
    assert dialect.verdict(raised) == verdict
    assert isinstance(dialect.translate(raised), error)


@pytest.mark.parametrize(
    ("number", "verdict", "error"),
    [
        (1213, "again", Unavailable),
        (1205, "again", Unavailable),
        (1020, "again", Unavailable),
        (1969, "other", Unavailable),
        (2013, "broken", Unavailable),
        (1927, "broken", Unavailable),
        (1062, "taken", StoreError),
        (1146, "missing", StoreError),
        (1114, "other", Unavailable),
        (1290, "other", Unavailable),
        (1142, "other", StoreError),
    ],
)
def test_what_a_number_of_mariadb_means(number: int, verdict: str, error: type[Exception]) -> None:
    dialect = mysql_dialect.MySQL(is_mariadb=True)
    raised = pymysql.OperationalError(number, "x")
    assert dialect.verdict(raised) == verdict
    assert isinstance(dialect.translate(raised), error)
    if verdict == "broken":
        assert isinstance(dialect.translate(raised, writing=True), OutcomeUnknown)


# -- processes --


def test_a_forked_child_goes_on_with_its_own_connections(things: Things) -> None:
    things.thing.create(Thing(name="parent"))
    child = os.fork()
    if child == 0:
        fine = False
        try:
            things.thing.create(Thing(name="child"))
            fine = things.thing.get("parent").name == "parent"
            things.close()
        finally:
            os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert things.thing.get("child").name == "child"
    things.thing.create(Thing(name="parent again"))


def test_use_after_close(things: Things) -> None:
    store: Any = things._engine.store
    store.close()
    store.close()
    for use in (lambda: store.read(CATALOG, (), epoch=""), lambda: store.alter(CreateDatabase(things._engine.catalog))):
        with pytest.raises(Closed):
            use()


def test_no_more_connections_are_kept_than_the_url_says(place: provision.Place) -> None:
    separator = "&" if "?" in place.url else "?"
    store = open_(f"{place.url}{separator}pool=2", place.prefix)
    taken = [store._connections.take() for _ in range(5)]
    for connection in taken:
        store._connections.put(connection)
    assert len(store._connections._idle) == 2
    store.close()
