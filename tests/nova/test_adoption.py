"""A database of Nova's own of November 2011, taken over by `manystore migrate adopt` and read by our repositories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import manystore.nova
from manystore import AsMapping
from manystore.cli.main import main
from manystore.nova.database import Nova
from manystore.nova.model.instance import Instance

from ..migrations.foreign import DATABASES, Foreign, foreign
from .tables_2011 import ROWS, Tables, build

pytestmark = pytest.mark.slow
MODELS = ("--database", "manystore.nova.database:Nova")
FOLDER = ("--folder", str(Path(manystore.nova.__path__[0]) / "migrations"))


@pytest.fixture(params=DATABASES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Foreign]:
    with foreign(request.param, tmp_path) as made:
        yield made


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(main, ["migrate", *arguments], catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result.output


def built(old: Foreign, *, deployed: bool) -> Tables:
    return build(old.execute, old.database, deployed=deployed)


def check_read(url: str, tables: Tables, changes: dict[tuple[str, str], Any]) -> None:
    """Read every record by the repositories and compare it with what was put in. changes: by table and column."""
    with Nova.connect(url) as db:
        seen = set()
        for name, (_, model) in db._repositories.items():
            table = model.__manystore__.collection
            seen.add(table)
            found = getattr(db.system, name).find(
                scan=True, **({"deleted": "any"} if model.__manystore__.soft_delete else {})
            )
            if table not in tables.columns:
                assert found == []
                continue
            keys = [column.name for column in tables.columns[table] if column.is_key]
            wanted = {tuple(row[key] for key in keys): row for row in tables.rows(table)}
            assert len(found) == ROWS, table
            for record in found:
                assert isinstance(record, AsMapping)
                row = wanted[tuple(record[key] for key in keys)]
                for column, value in dict(record).items():
                    change = changes.get((table, column))
                    expected = change(row[column]) if change else tables.kept(row[column])
                    assert value == expected, (table, column)
        assert seen >= set(tables.columns)


CHANGES = {  # between the tables that the migrations left and the classes
    ("volumes", "snapshot_id"): lambda value: None if value is None else str(value),
    ("floating_ips", "auto_assigned"): bool,
}


def test_as_the_migrations_left_it(old: Foreign):
    tables = built(old, deployed=True)
    before = old.dump()
    text = run("adopt", old.url, *MODELS)
    assert f"to be taken over: {ROWS * len(tables.columns)} records" in text
    assert "the tables are those after 0057_storage_manager" in text
    assert "note: migrate_version: stays as it is; no model has it" in text
    assert (
        "note: user_project_role_association: the foreign key user_id, project_id to user_project_association goes"
        in text
    )
    assert old.dump() == before
    assert "next: manystore migrate up" in run("adopt", old.url, *MODELS, "--yes")
    assert "is manystore's already" in run("adopt", old.url, *MODELS, "--yes")
    run("up", old.url, *FOLDER)
    check_read(old.url, tables, CHANGES)


def test_as_the_classes_made_it(old: Foreign):
    tables = built(old, deployed=False)
    assert "the tables are those after 0060_access_paths" in run("adopt", old.url, *MODELS, "--yes")
    run("up", old.url, *FOLDER)
    check_read(old.url, tables, {})
    with Nova.connect(old.url) as db:
        assert db.instance.create(Instance(project_id="projects 1é")).id == ROWS + 1
        assert db.system.floating_ip.get(2, deleted="any").fixed_ip_id == 2


def test_some_releases_earlier(tmp_path: Path):
    with foreign("sqlite", tmp_path) as old:
        tables = Tables(old.database, deployed=True)
        for table in ("bw_usage_cache", "s3_images", "sm_volume", "sm_backend_config", "sm_flavors"):
            del tables.columns[table]
        (flavorid,) = (column for column in tables.columns["instance_types"] if column.name == "flavorid")
        flavorid.type = "int"
        for text in (*tables.creation(), *tables.filling()):
            old.execute(text)
        assert "the tables are those after 0053_connection_info" in run("adopt", old.url, *MODELS, "--yes")
        run("up", old.url, *FOLDER)
        text_of = {("instance_types", "flavorid"): lambda value: None if value is None else str(value)}
        check_read(old.url, tables, CHANGES | text_of)


def test_what_nova_never_promised_is_found_out(tmp_path: Path):
    with foreign("sqlite", tmp_path) as old:
        built(old, deployed=True)
        old.execute("UPDATE instances SET uuid = 'x' || substr('0123456789012345678901234567890123456789', 1, 36)")
        old.execute("UPDATE fixed_ips SET instance_id = 77 WHERE id = 1")
        old.execute("UPDATE networks SET deleted = NULL WHERE id = 3")
        lines = run("adopt", old.url, *MODELS, exit_code=1).splitlines()
        assert lines == [
            "the tables are not those of the models after 0057_storage_manager; 3 differences, nothing was changed:",
            "  instances.uuid: values are longer than 36 characters: 3 (keys 1, 2, 3)",
            "  networks.deleted: values are missing: 1 (keys 3); --fill networks.deleted=VALUE gives them one",
            "  fixed_ips.instance_id: values lead to no record of instances: 1 (keys 1)",
        ]


def test_a_column_of_another_program_does_not_make_them_older_tables(tmp_path: Path):
    with foreign("sqlite", tmp_path) as old:
        built(old, deployed=True)
        old.execute("ALTER TABLE sm_volume ADD COLUMN rack VARCHAR(10)")
        before = old.dump()
        for further in ((), ("--yes",)):
            assert run("adopt", old.url, *MODELS, *further, exit_code=1).splitlines() == [
                "the tables are not those of the models after 0057_storage_manager; 1 difference, nothing was changed:",
                "  sm_volume.rack: VARCHAR(10), and no field of it",
            ]
        # Whatever is named must leave room for what the later migrations make.
        assert run("adopt", old.url, *MODELS, "--at", "0056", "--yes", exit_code=1).splitlines() == [
            "the tables are not those of the models after 0056_s3_images; 3 differences, nothing was changed:",
            "  sm_backend_config: there is a table of that name already, and 0057_storage_manager makes it",
            "  sm_flavors: there is a table of that name already, and 0057_storage_manager makes it",
            "  sm_volume: there is a table of that name already, and 0057_storage_manager makes it",
        ]
        assert old.dump() == before
