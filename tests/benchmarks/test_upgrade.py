"""What migrations cost is measured; a sweep by hand does all that manystore's does, or its rate would mean nothing."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from benchmarks.__main__ import main
from benchmarks.target import TARGETS
from benchmarks.upgrade.load import CURRENT, OLDER
from benchmarks.upgrade.nullable import nullable
from benchmarks.upgrade.parcel import New, new
from benchmarks.upgrade.rewriting import by_hand
from benchmarks.upgrade.site import Site
from benchmarks.upgrade.table import CHECKED, SWEPT

NUMBER = 1100  # more than a page


def swept(name: str, folder: Path, *, hand: bool) -> tuple[Any, Any]:
    """Sweep a site; give all parcels as a new program reads them, and what is stored, where it can be looked at."""
    target = TARGETS[name]
    with target.opened(folder) as makers:
        site = Site(*makers.place())
        site.fill(NUMBER)
        site.raise_()
        if hand:
            rewriting = by_hand(target, site)
            rewriting.run()
            rewriting.close()
        else:
            site.deployment().sweep()
        with site.open(New) as db:
            parcels = list(db.parcel.find(scan=True))
        stored = None
        if name == "memory":
            stored = in_memory(site)
        elif target.store == "sqlite":
            stored = in_file(site)
        site.close()
        return parcels, stored


def in_memory(site: Site) -> dict[str, Any]:
    """Give what is in memory, without the random revisions."""
    spaces = site.store._kv._spaces
    found: dict[str, Any] = {space: sorted(held) for space, held in spaces.items() if space[:2] in ("i:", "u:")}
    found["names"] = {space: list(held.names) for space, held in spaces.items() if space.startswith("i:")}
    records = [json.loads(data) for data in spaces["r:parcel"].values()]
    found["records"] = [{k: v for k, v in record.items() if k != "_revision"} for record in records]
    return found


def in_file(site: Site) -> Any:
    """Give all rows, without the random revisions, and what the indexes are over."""
    connection = sqlite3.connect(site.url.partition("?")[0].removeprefix("sqlite:///"))
    columns = [row[1] for row in connection.execute("PRAGMA table_info(parcel)") if row[1] != "_revision"]
    names = ", ".join(f'"{column}"' for column in columns)
    rows = connection.execute(f"SELECT {names} FROM parcel ORDER BY id").fetchall()
    indexes = [row[1] for row in connection.execute("PRAGMA index_list(parcel)")]
    terms = [connection.execute("SELECT name FROM pragma_index_info(?)", (name,)).fetchall() for name in indexes]
    connection.close()
    return columns, rows, sorted(terms)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.server] if target.kind else [])
        for name, target in TARGETS.items()
        if target.is_durable is not True
    ],
)
def test_the_sweep_by_hand_leaves_what_manystore_leaves(name: str, tmp_path: Path) -> None:
    ours = swept(name, tmp_path, hand=False)
    (tmp_path / "hand").mkdir()
    theirs = swept(name, tmp_path / "hand", hand=True)
    assert ours[0] == [new(n) for n in range(NUMBER)]
    assert theirs == ours


def test_a_field_is_added_to_each_record(tmp_path: Path) -> None:
    for name in ("memory", "sqlite-nofsync"):
        with TARGETS[name].opened(tmp_path) as makers:
            assert 0 < nullable(Site(*makers.place()), 900) < 60


@pytest.mark.slow
def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--upgrade", "--quick", "--rounds", "1", "--store", "memory", "--store", "sqlite"]) == 0
    printed = capsys.readouterr().out
    for row in (CURRENT, OLDER, CHECKED, SWEPT, "a nullable field for 1,000 records"):
        assert printed.count(f"\n{row}") == 2
    assert printed.count("a second by hand") == 2


@pytest.mark.server
@pytest.mark.slow
def test_the_table_of_a_server_shows_the_processors_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--upgrade", "--quick", "--rounds", "1", "--store", "redis-nofsync"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(CHECKED)]
    assert len(row.removeprefix(CHECKED).split("<--")[0].split()) >= 9
