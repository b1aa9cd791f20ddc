"""Which operations a source tree uses, and the command that lists them all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from manystore.cli.main import main
from manystore.nova.interface import OPERATIONS
from manystore.nova.usage import UnreadableSource, usage

SOURCE = '''
from nova import db
from nova.db.api import service_get as fetch

class Manager:
    def run(self, context):
        """instance_get_all is only named here."""
        db.instance_get(context, 1)
        self.db.instance_get(context, 2)
        fetch(context, 3)
        self.stubs.Set(db, "network_get", None)
        return self.nova.instance.get_all_by_host("h"), network.count()
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "package" / "inner"
    folder.mkdir(parents=True)
    (folder / "manager.py").write_text(SOURCE)
    (tmp_path / "notes.txt").write_text("db.volume_get(context, 1)")
    return tmp_path


def test_uses_are_read_from_the_syntax(tree: Path) -> None:
    assert usage(tree) == {"instance_get": 2, "service_get": 1, "instance_get_all_by_host": 1, "network_count": 1}


def test_what_is_no_python_is_named(tree: Path) -> None:
    (tree / "broken.py").write_text("def (")
    with pytest.raises(UnreadableSource, match=r"broken\.py"):
        usage(tree)


def test_the_command_lists_what_is_never_used(tree: Path) -> None:
    result = CliRunner().invoke(main, ["nova", "api", "--used-by", str(tree)])
    assert result.exit_code == 0
    assert "4 of 279 operations are used" in result.output
    assert "     2  instance_get\n" in result.output
    assert "        volume_get\n" in result.output
    counted = json.loads(CliRunner().invoke(main, ["nova", "api", "--used-by", str(tree), "--json"]).output)
    assert len(counted) == 279
    assert counted["instance_get"] == 2


def test_the_command_lists_who_may_call_what_and_how_it_reads() -> None:
    result = CliRunner().invoke(main, ["nova", "api", "--entity", "instance"])
    assert result.exit_code == 0
    assert "get_all_by_host(host)  [admin; deleted: switch]" in result.output
    assert "create(record)  [user, own records; deleted: live]" in result.output
    assert "add_security_group(instance_id, security_group_id)" in result.output
    assert "instances: index by_host: host" in result.output
    number = sum(operation.entity == "instance" for operation in OPERATIONS)
    assert f"{number} operations; entities: 1\n" in result.output


def test_the_listing_as_json_names_each_store(tmp_path: Path) -> None:
    stores = ["memory://", f"sqlite:///{tmp_path / 'empty.db'}?durability=off"]
    arguments = [part for url in stores for part in ("--store", url)]
    result = CliRunner().invoke(main, ["nova", "api", "--entity", "quota", "--json", *arguments])
    rows = json.loads(result.output)
    assert {tuple(row["stores"]) for row in rows} == {("memory", "sqlite")}
    found = next(row for row in rows if row["function"] == "quota_get_all_by_project")
    assert found["own_arguments"] == ["project_id"]
    assert found["stores"]["memory"]["steps"]


def test_the_command_names_what_has_another_name_now_and_why_it_scans() -> None:
    result = CliRunner().invoke(main, ["nova", "api", "--entity", "volume_type"])
    assert "purge_by_name(name)  [admin; deleted: any; as volume_type_purge]" in result.output
    result = CliRunner().invoke(main, ["nova", "api", "--entity", "volume"])
    assert "update(volume_id, *changes)  [user, own records; deleted: split]" in result.output
    assert "      scans: all of them are asked for\n" in result.output
    assert "_counters" not in result.output


def test_a_store_that_holds_a_cloud_is_refused(tmp_path: Path) -> None:
    arguments = ["nova", "api", "--entity", "zone", "--store", f"sqlite:///{tmp_path / 'once.db'}"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1
    assert "Error: sqlite: the sample cloud needs an empty store\n" in again.output


def test_a_store_says_nothing_of_source_files(tree: Path) -> None:
    result = CliRunner().invoke(main, ["nova", "api", "--used-by", str(tree), "--store", "memory://"])
    assert result.exit_code == 2
    assert "leave --store away" in result.output


def test_an_unknown_entity_is_refused() -> None:
    result = CliRunner().invoke(main, ["nova", "api", "--entity", "nothing"])
    assert result.exit_code == 2
    assert "there is no such entity" in result.output
