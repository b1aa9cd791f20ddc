"""Opening, sharing and closing a file, and what is done about files that are none of ours."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from manystore import Closed, Conflict, NotADatabase, ProgramTooOld, Unavailable, URLError, col
from manystore.errors import Corrupted, ManystoreError, OutcomeUnknown, StoreError
from manystore.query.plan import CATALOG, Claimed, Ordering, Plan
from manystore.query.plan import Test as Compare
from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase
from manystore.schema.schema import Schema
from manystore.store.url import parse_url
from manystore.stores.sql.sqlite import SQLiteStore
from manystore.stores.sql.sqlite_errors import translate


@pytest.fixture
def shop(shop_class: Any, tmp_path: Path) -> Iterator[Any]:
    """An empty shop in a file."""
    opened = shop_class(f"sqlite:///{tmp_path / 'shop.db'}?durability=off")
    yield opened
    opened.store.close()


@pytest.fixture
def reopened(shop: Any, shop_class: Any) -> Iterator[Callable[..., Any]]:
    """Open the shop's file again, with other options."""
    others: list[Any] = []

    def open_again(options: str = "", prefix: str = "") -> Any:
        others.append(shop_class(f"sqlite:///{shop.path}{options}", prefix))
        return others[-1]

    yield open_again
    for other in others:
        other.store.close()


def open_(path: Any, options: str = "", prefix: str = "") -> SQLiteStore:
    return SQLiteStore.open(parse_url(f"sqlite:///{path}{options}", prefix), wait=time.sleep)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "memory://"),
        ("sqlite:///:memory:", "memory://"),
        ("sqlite://host/file.db", "three slashes"),
        ("sqlite:///x.db?speed=9", "unknown option speed"),
        ("sqlite:///x.db?durability=maybe", "full or off"),
        ("sqlite:///x.db?timeout=soon", "timeout"),
        ("sqlite:///no/such/directory/x.db", "no directory"),
        ("sqlite:////", "a directory"),
    ],
)
def test_urls_that_name_no_file(url: str, words: str) -> None:
    with pytest.raises(URLError, match=words):
        SQLiteStore.open(parse_url(url), wait=time.sleep)


def test_no_file_is_made_by_a_look(tmp_path: Path) -> None:
    store = open_(tmp_path / "new.db")
    assert store.read(CATALOG, (), epoch="").rows == []
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_an_empty_store(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    path.touch()
    store = open_(path)
    assert store.read(CATALOG, (), epoch="").rows == []
    store.close()
    assert path.read_bytes() == b""


def other_database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE accounts (id INTEGER)")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("make", [lambda path: path.write_bytes(b"a letter to somebody"), other_database])
def test_what_is_not_ours_is_left_untouched(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    path = tmp_path / "other.db"
    make(path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    with pytest.raises(NotADatabase, match="untouched"):
        open_(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_file_says_so(shop: Any) -> None:
    shop.write(*[shop.new(shop.Maker(id=n, name=f"m{n}")) for n in range(2000)])
    shop.store.close()
    damaged = bytearray(shop.path.read_bytes())
    for at in range(4096, len(damaged), 4096):
        damaged[at : at + 200] = b"\xff" * 200
    shop.path.write_bytes(bytes(damaged))
    with pytest.raises((Corrupted, NotADatabase)):
        open_(shop.path).read(CATALOG, (), epoch="")


def test_a_newer_format_is_for_a_newer_program(shop: Any) -> None:
    connection = sqlite3.connect(shop.path)
    connection.execute("""UPDATE _manystore SET format = 99, catalog = '{"format":99,"epoch":"x","shape":"new"}'""")
    connection.commit()
    connection.close()
    with pytest.raises(ProgramTooOld, match="99"):
        shop.store.read(CATALOG, (), epoch="")


def test_the_first_catalog_stays(shop: Any) -> None:
    shop.store.alter(CreateDatabase(Catalog.first(shop.schema)))
    assert shop.store.read(CATALOG, (), epoch="").rows[0] == shop.catalog


def test_two_databases_in_one_file(shop: Any, reopened: Any) -> None:
    other = reopened(prefix="other_")
    shop.write(shop.new(shop.Maker(id=1, name="here")))
    other.write(other.new(other.Maker(id=1, name="there")))
    assert [m.name for m in shop.all(shop.Maker)] == ["here"]
    assert [m.name for m in other.all(other.Maker)] == ["there"]


def test_the_file_keeps_a_log_and_is_synced(shop: Any, reopened: Any) -> None:
    full = reopened()
    for opened, synchronous in ((shop, 0), (full, 2)):
        connection = opened.store._connections.take()
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
        opened.store._connections.put(connection)


def test_a_writer_waits_and_then_gives_up(shop: Any, reopened: Any) -> None:
    hasty = reopened("?timeout=0.05")
    blocker = sqlite3.connect(shop.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    one, two = hasty.new(hasty.Maker(id=1, name="a")), hasty.new(hasty.Maker(id=2, name="b"))
    for changes in ((one,), (one, two)):
        with pytest.raises(Unavailable, match="locked"):
            hasty.write(*changes)
    assert hasty.all(hasty.Maker) == []  # readers do not wait
    blocker.execute("ROLLBACK")
    blocker.close()
    hasty.write(one, two)


def test_use_after_close(shop: Any) -> None:
    shop.write(shop.new(shop.Maker(id=1, name="a")))
    shop.store.close()
    shop.store.close()
    for use in (
        lambda: shop.all(shop.Maker),
        lambda: shop.write(shop.new(shop.Maker(id=2, name="b"))),
        lambda: shop.store.read(CATALOG, (), epoch=""),
        lambda: shop.store.alter(CreateDatabase(shop.catalog)),
    ):
        with pytest.raises(Closed):
            use()


def test_no_more_connections_are_kept_than_the_url_says(shop: Any, reopened: Any) -> None:
    connections = reopened("?pool=2").store._connections
    taken = [connections.take() for _ in range(5)]
    for connection in taken:
        connections.put(connection)
    assert len(connections._idle) == 2


def test_a_read_leaves_no_statement_open(shop: Any) -> None:
    shop.write(*[shop.new(shop.Maker(id=n, name=f"m{n}")) for n in range(100)])
    shop.read(shop.Maker, col(shop.Maker.id) == 1)
    shop.read(shop.Maker, col(shop.Maker.name) == "m3")
    shop.read(shop.Maker, col(shop.Maker.id) < 50, {"limit": 3})
    shop.store.read(CATALOG, (), epoch="")
    connection = sqlite3.connect(shop.path)
    busy, _, left = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
    assert (busy, left) == (0, 0)


def test_a_forked_child_goes_on_with_its_own_connections(shop: Any) -> None:
    shop.write(shop.new(shop.Maker(id=1, name="parent")))
    assert shop.read(shop.Maker, col(shop.Maker.id) == 1).rows
    child = os.fork()
    if child == 0:
        try:
            shop.write(shop.new(shop.Maker(id=2, name="child")))
            fine = len(shop.all(shop.Maker)) == 2 and len(shop.store._connections._inherited) > 0
            shop.store.close()
        finally:
            os._exit(0 if fine else 1)
    assert os.waitpid(child, 0)[1] == 0
    shop.write(shop.new(shop.Maker(id=3, name="parent again")))
    assert [m.id for m in shop.all(shop.Maker)] == [1, 2, 3]


def test_threads_lose_no_increment(shop: Any) -> None:
    shop.write(shop.new(shop.Item(id=1, name="x", rank=0)))
    refused: list[Exception] = []

    def work() -> None:
        for _ in range(50):
            for _ in range(1000):
                record = shop.read(shop.Item, col(shop.Item.id) == 1).rows[0]
                record.rank += 1
                try:
                    shop.write(shop.saved(record))
                    break
                except Conflict as error:
                    refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shop.read(shop.Item, col(shop.Item.id) == 1).rows[0].rank == 200


def test_many_open_one_new_file_at_once(tmp_path: Path, shop: Any) -> None:
    path = tmp_path / "raced.db"
    epochs: list[str] = []
    barrier = threading.Barrier(6)

    def work() -> None:
        store = open_(path)
        barrier.wait()
        store.alter(CreateDatabase(Catalog.first(shop.schema)))
        epochs.append(store.read(CATALOG, (), epoch="").rows[0].epoch)
        store.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(epochs) == 6
    assert len(set(epochs)) == 1


def every_class(root: type[Exception]) -> list[type[Exception]]:
    return [root, *(found for child in root.__subclasses__() for found in every_class(child))]


CODES = sorted(v for k, v in vars(sqlite3).items() if k.startswith("SQLITE_") and isinstance(v, int) and 0 < v < 100)


@pytest.mark.parametrize("cls", [*every_class(sqlite3.Error), sqlite3.Warning, OverflowError])
def test_every_error_of_the_driver_is_translated(cls: type[Exception]) -> None:
    for writing in (False, True):
        made = translate(cls("it failed for the row 'secret'"), writing=writing)
        assert isinstance(made, ManystoreError)
        assert "secret" not in str(made)
        for code in CODES:
            error = cls("it failed for the row 'secret'")
            error.sqlite_errorcode = code | (7 << 8)  # type: ignore[attr-defined]
            assert isinstance(translate(error, writing=writing), StoreError)


def test_a_failing_disk_leaves_the_outcome_open_only_while_writing() -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC  # type: ignore[misc]
    assert type(translate(error)) is Unavailable
    assert type(translate(error, writing=True)) is OutcomeUnknown


def explained(shop: Any, text: str, bound: Any) -> str:
    connection = sqlite3.connect(shop.path)
    try:
        return "\n".join(row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + text, bound))
    finally:
        connection.close()


def plan_of(shop: Any, cls: Any, where: Any, bounds: dict[str, Any], **query: Any) -> str:
    """What SQLite says it does for the first statement of a read."""
    run, seen = shop.store._reader.rows, []

    def rows(text: str, bound: Any, epoch: str) -> Any:
        seen.append((text, bound))
        return run(text, bound, epoch)

    shop.store._reader.rows = rows
    shop.read(cls, where, bounds, **query)
    shop.store._reader.rows = run
    return explained(shop, *seen[0])


def test_orders_and_cursors_come_from_an_index(shop: Any) -> None:
    item = shop.Item
    tagged = plan_of(
        shop,
        item,
        col(item.tag) == "a",
        {"limit": 9, "after": (5, 1)},
        order=(Ordering("rank", descending=True),),
        limited=True,
    )
    assert "item.by_tag_rank" in tagged
    assert "TEMP B-TREE" not in tagged
    paged = plan_of(shop, item, None, {"limit": 9, "after": (7,)}, limited=True)
    assert "SEARCH" in paged
    assert "rowid>" in paged


def test_a_unique_among_the_live_is_looked_up_in_its_index(shop: Any) -> None:
    collection = shop.collection(shop.Item)
    unique = next(found for found in collection.uniques if found.fields == ("serial",))
    test = Compare("serial", "eq", 0)
    plan = Plan(collection, Claimed(unique, (test,)), test, None, (Ordering("id"),), 1, codec=shop.codecs[shop.Item])
    for number, deleted in ((1, True), (2, False), (3, True)):
        shop.write(shop.new(shop.Item(id=number, name="x", serial="s", deleted=deleted)))
    found = shop.store.read(plan, ("s",), epoch=shop.epoch)
    assert [record.id for record in found.rows] == [2]
    assert "item.unique_serial" in explained(shop, *plan.compiled[shop.store._kept].point(("s",), shop.epoch))


def test_a_program_that_changes_its_directory_goes_on_with_its_file(
    shop_class: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    shop = shop_class("sqlite:///x.db?pool=0")
    monkeypatch.chdir(tmp_path / "there")
    assert shop.store.read(CATALOG, (), epoch="").rows
    assert not Path("x.db").exists()
    shop.store.close()


def test_opening_a_file_again_leaves_this_process_the_locks_that_it_has(tmp_path: Path) -> None:
    """Else the next program that ends takes itself for the last one, and removes the log that is in use here."""
    path = tmp_path / "shop.db"
    first = SQLiteStore.open(parse_url(f"sqlite:///{path}"), wait=time.sleep)
    first.alter(CreateDatabase(Catalog.first(Schema(()))))
    assert len(first.read(CATALOG, (), epoch="").rows) == 1  # its connection stays open
    SQLiteStore.open(parse_url(f"sqlite:///{path}"), wait=time.sleep).close()
    other = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM sqlite_master'); c.close()"
    subprocess.run([sys.executable, "-c", other, str(path)], check=True)
    assert (tmp_path / "shop.db-wal").exists()
    first.close()
