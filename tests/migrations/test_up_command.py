"""`manystore migrate up`, `plan`, `status` and the rest as a user calls them: what they print, and their exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from manystore.cli.main import main

from .deployed import FOLDER, Site, expected, fill, new_riders

Run = Callable[..., str]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(f"sqlite:///{tmp_path}/hire.db")
    fill(made)
    return made


@pytest.fixture
def run(site: Site) -> Run:
    def call(*arguments: str, exit_code: int = 0) -> str:
        verb, *options = arguments
        result: Result = CliRunner().invoke(main, ["migrate", verb, site.url, "--folder", str(FOLDER), *options])
        assert result.exit_code == exit_code, result.output
        return result.output

    return call


def test_a_laptop_needs_one_command(site: Site, run: Run) -> None:
    assert run("status") == "at 0001_initial, no window open\nto come: 1 migration\nnext: manystore migrate up\n"
    assert run("up") == (
        "open the window from 0001_initial to 0002_names\n"
        "look whether all of rider can be led over\n"
        "from now on only programs of 0002_names write\n"
        "  sweep rider: 7 records\n"
        "done: at 0002_names\n"
    )
    assert run("status") == "at 0002_names, no window open\nthis history has no more\nnothing to do\n"
    assert new_riders(site) == expected()
    assert run("up") == "done: at 0002_names\n"


def test_a_fleet_is_led_by_what_status_says(site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lease, _ = site.lease("serve.py (process 7)", site.catalog.base)
    site.deployment(wait=lambda _: lease.touch(site.catalog.epoch)).finalize()  # nothing to do, and nobody is judged
    wait = site.lease("other.py (process 8)", site.catalog.base)[1]
    site.deployment(wait=wait).up()
    dead, _ = site.lease("killed.py (process 9)", site.catalog.base)
    monkeypatch.setattr("manystore.cli.deploy.WAIT", wait)
    said = run("status").splitlines()
    dead.release(site.catalog.epoch)
    assert said[0] == "window open: from 0001_initial to 0002_names"
    assert "  rider.by_last: absent" in said
    assert "  writes with the older schema: other.py (process 8)" in said
    assert "  not heard of for 4 s, with the older schema: killed.py (process 9)" in said
    assert said[-1] == "next: manystore migrate finalize"
    looked, watched, *_, last = run("finalize", "--patience", "0").splitlines()
    assert looked == "look whether all of rider can be led over"
    assert watched.startswith("watching for 0 s whether it still works: ")
    assert last == "from now on only programs of 0002_names write"
    assert run("status").splitlines()[-1] == "next: manystore migrate sweep"
    assert run("sweep") == "  sweep rider: 7 records\n"
    assert run("status").splitlines()[-1] == "next: manystore migrate contract"
    assert run("contract") == "done: at 0002_names\n"
    assert run("contract") == "nothing to contract: no window is open\n"
    assert new_riders(site) == expected()


def test_plan_says_what_up_would_do_and_changes_nothing(site: Site, run: Run) -> None:
    before = site.catalog
    lines = run("plan").splitlines()
    assert lines[:2] == ["0001_initial to 0002_names: felt by old programs", "  rename model rider  [side by side]"]
    assert (
        "  drop field rider.note  [side by side, with up and down; destructive: loses all values of Rider.note]"
        in lines
    )
    assert "    ALTER TABLE rider ADD COLUMN city TEXT DEFAULT 'Oslo' NOT NULL" in lines
    assert "  build by_city, unique_email of rider" in lines
    assert any(line.startswith("  until rider is swept, filters that only by_zip, by_last can serve") for line in lines)
    assert "    rewrite 7 records of OldRider, 1000 at a time" in lines
    assert lines.index("  contract  [blocking: others wait meanwhile]") < lines.index(
        "    take away index rider.by_zip"
    )
    assert site.catalog == before
    _, wait = site.lease("shop", site.catalog.base)
    site.deployment(wait=wait).up()
    lines = run("plan").splitlines()
    assert lines[0] == "the window is open"
    assert not any(line.startswith("  open") for line in lines)
    assert "  look whether all of rider can be led over, while everybody goes on" in lines
    assert any(line.startswith("  raise") for line in lines)
    run("finalize", "--patience", "0")
    lines = run("plan").splitlines()
    assert lines[0] == "the window is raised"
    assert not any(line.startswith("  raise") for line in lines)
    run("sweep")
    assert any("DROP TABLE rider" in line for line in run("plan").splitlines())
    run("contract")
    assert run("plan") == "nothing to do: at 0002_names\n"


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "mariadb", "mysql"])
def test_plan_writes_ddl_without_a_store(dialect: str) -> None:
    arguments = ["migrate", "plan", "--folder", str(FOLDER), "--sql", dialect]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("-- nothing to 0002_names\nCREATE TABLE rider (")
    result = CliRunner().invoke(main, [*arguments, "--from", "0001"])
    assert result.output.startswith("-- 0001_initial to 0002_names\n")
    assert "city" in result.output
    assert result.output.rstrip().endswith(";")


def test_what_is_refused_is_one_sentence_and_exit_code_1(run: Run) -> None:
    result = CliRunner().invoke(main, ["migrate", "plan", "--folder", str(FOLDER), "--sql", "redis"])
    assert result.output == "Error: redis: has no DDL; `manystore migrate plan URL` says what is done there\n"
    assert result.exit_code == 1
    result = CliRunner().invoke(main, ["migrate", "plan", "--folder", str(FOLDER)])
    assert result.output == "Error: plan takes the URL of a store, or --sql and perhaps --from\n"
    assert run("up", "--to", "0009", exit_code=1) == "Error: there is no migration 0009\n"
    assert run("down", "--to", "0002", exit_code=1) == (
        "Error: the store is at 0001_initial; 0002_names does not lie behind it\n"
    )
    missing = CliRunner().invoke(main, ["migrate", "status", "nowhere://x", "--folder", str(FOLDER)])
    assert missing.exit_code == 1
    assert missing.output.startswith("Error: no store for nowhere://; there are: ")
