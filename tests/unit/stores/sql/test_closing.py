"""A connection to a file that is closed in the midst of a transaction lets go of its lock, whoever still holds it."""

from __future__ import annotations

from pathlib import Path

from manystore.stores.sql.sqlite import Files


def test_a_closed_connection_keeps_no_lock(tmp_path: Path) -> None:
    files = Files(str(tmp_path / "a.db"), timeout=0, durable=False, kept=1)
    first, second = files.connect(create=True), files.connect(create=True)
    first.execute("CREATE TABLE t (a INTEGER)")
    first.execute("BEGIN IMMEDIATE")
    first.execute("INSERT INTO t VALUES (1), (2)")
    first.execute("SELECT a FROM t").fetchone()  # there is more
    first.close()
    second.execute("BEGIN IMMEDIATE")
    assert second.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
    second.close()
