"""`manystore migrate`, end to end on a small application that grows, with the sentences that it prints."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from manystore.cli.main import main
from manystore.migrations import FILL_IN, CreateModel, DropField, Folder, RenameField, SplitField

HEAD = """from __future__ import annotations
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from manystore import Database, Repository, field, index, model, ref, unique


"""
FIRST = """
@model
class Shop:
    name: str = field(key=True, max_length=20)

@model(indexes=[index("charge")])
class Bike:
    id: int = field(key=True, generated=True)
    serial: str = field(max_length=10)
    charge: int = 100
    shop: str | None = ref(Shop.name, default=None)

class Hire(Database):
    shop: Repository[Shop, str]
    bike: Repository[Bike, int]
"""
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.manystore]\ndatabase = "migrated_app:Hire"\nmigrations = "history"\n'
    )

    def call(*arguments: str, exit_code: int = 0) -> Result:
        sys.modules.pop("migrated_app", None)
        result = CliRunner().invoke(main, ["migrate", *arguments])
        assert result.exit_code == exit_code, result.output
        return result

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return call


def models(text: str) -> None:
    Path("migrated_app.py").write_text(HEAD + text)


def grown(*changes: tuple[str, str]) -> None:
    text = FIRST
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    models(text)


def first(run: Run) -> Folder:
    models(FIRST)
    run("make")
    return Folder(Path("history"))


def test_the_first_migration_makes_all_models_and_check_agrees(run: Run) -> None:
    models(FIRST)
    assert "wrote " in run("make").output
    (made,) = Folder(Path("history")).history().migrations
    assert made.name == "0001_initial"
    assert [type(o) for o in made.operations] == [CreateModel, CreateModel]
    assert [o.title() for o in made.operations] == ["create model shop", "create model bike"]
    assert run("check").output == "ok: 1 migrations lead to the models\n"
    assert run("make").output == "nothing to do: the history leads to the models\n"
    assert run("history").output == "0001_initial  [side by side]\n"


def test_a_constant_field_asks_for_the_version_in_the_class(run: Run) -> None:
    folder = first(run)
    grown(("charge: int = 100", "charge: int = 100\n    gears: int = 1"))
    assert "migrated_app" not in run("check", exit_code=1).output
    output = run("make").output
    assert "write @model(version=2) for Bike: its records change shape" in output
    assert "history and models differ: bike: version is 2, there 1" in run("check", exit_code=1).output
    assert run("make", exit_code=1).output == ("Error: Bike: its records have version 2; write @model(version=2)\n")
    grown(
        ("charge: int = 100", "charge: int = 100\n    gears: int = 1"),
        ('indexes=[index("charge")]', 'indexes=[index("charge")], version=2'),
    )
    assert run("check").output == "ok: 2 migrations lead to the models\n"
    assert folder.history().migrations[-1].name == "0002_add_field_bike_gears_and_more"


def test_a_rename_is_declared_and_never_guessed(run: Run) -> None:
    folder = first(run)
    renamed = "number: str = field(max_length=10)"
    grown(("serial: str = field(max_length=10)", renamed))
    refused = run("make", exit_code=1).output
    assert refused == (
        "Error: all values of Bike.serial would be lost; give --drop to allow it; "
        'if Bike.number is it, write field(was="serial") there\n'
    )
    grown(("serial: str = field(max_length=10)", 'number: str = field(max_length=10, was="serial")'))
    run("make", "--name", "number")
    operations = folder.history().migrations[-1].operations
    assert operations[0] == RenameField("bike", "serial", "number")
    assert not any(isinstance(o, DropField) for o in operations)


def test_a_drop_needs_a_flag_and_a_stand_in(run: Run) -> None:
    folder = first(run)
    grown(("    serial: str = field(max_length=10)\n", ""))
    assert "give --drop to allow it" in run("make", exit_code=1).output
    output = run("make", "--drop").output
    assert "fill in stand_in: drop field bike.serial" in output
    path = next(Path("history").glob("0002*.py"))
    assert "stand_in=FILL_IN,  # what do programs of the older schema see in new records?" in path.read_text()
    assert "fill in stand_in" in run("check", exit_code=1).output
    assert "to be filled in" in run("history").output
    path.write_text(path.read_text().replace("stand_in=FILL_IN", 'stand_in=""'))
    assert folder.history().problems() == ()
    assert "loses all values of Bike.serial" in run("history", "--long").output


def test_casts_splits_and_merges_are_to_be_filled_in(run: Run) -> None:
    folder = first(run)
    grown(
        ("serial: str = field(max_length=10)",
         'maker: str = field(was="serial")\n    number: str = field(was="serial", max_length=8)'),
        ("charge: int = 100", "charge: datetime"),
    )  # fmt: skip
    output = run("make").output
    assert "fill in up, down: split bike.serial into maker, number" in output
    assert "fill in up, down: change type of bike.charge to datetime" in output
    (split,) = (o for o in folder.history().migrations[-1].operations if isinstance(o, SplitField))
    assert split.up is split.down is FILL_IN
    text = next(Path("history").glob("0002*.py")).read_text()
    assert "up=FILL_IN,  # a function from the old value to the new" in text


def test_none_that_older_programs_do_not_know_is_asked_for(run: Run) -> None:
    folder = first(run)
    grown(("charge: int = 100", "charge: str | None = None"))
    assert "fill in back: change type of bike.charge to str" in run("make").output
    path = next(Path("history").glob("0002*.py"))
    question = "back=FILL_IN,  # what do older programs see where it is None: a value, or STOP to refuse None"
    assert question in path.read_text()
    path.write_text(path.read_text().replace("back=FILL_IN", "back=100"))
    assert folder.history().problems() == ()


def test_a_required_field_without_default_is_to_be_filled_in(run: Run) -> None:
    first(run)
    grown(("charge: int = 100", "charge: int = 100\n    colour: str"))
    assert "fill in default: add field bike.colour" in run("make").output


def test_a_model_is_renamed_and_its_records_move_only_with_a_flag(run: Run) -> None:
    first(run)
    grown(
        ("@model(indexes", '@model(was="Bike", indexes'), ("class Bike", "class Cycle"),
        ("Repository[Bike", "Repository[Cycle"),
    )  # fmt: skip
    assert run("make", exit_code=1).output == (
        "Error: cycle (rename model bike) would take no writes while its records are rewritten; "
        "give --closed to allow it\n"
    )
    grown(
        ("@model(indexes", '@model(was="Bike", collection="bike", indexes'), ("class Bike", "class Cycle"),
        ("Repository[Bike", "Repository[Cycle"),
    )  # fmt: skip
    run("make")
    assert run("check").output == "ok: 2 migrations lead to the models\n"


def test_models_come_go_and_refer_in_circles(run: Run) -> None:
    first(run)
    models(
        """
@model
class Left:
    id: int = field(key=True)
    right: int | None = ref(to="Right.id", default=None)

@model
class Right:
    id: int = field(key=True)
    left: int | None = ref(to="Left.id", default=None)

class Hire(Database):
    left: Repository[Left, int]
    right: Repository[Right, int]
"""
    )
    assert "all records of Bike and all records of Shop would be lost" in run("make", exit_code=1).output
    run("make", "--drop")
    assert run("check").output == "ok: 2 migrations lead to the models\n"


def test_everything_else_that_may_change(run: Run) -> None:
    first(run)
    models(
        """
class State(StrEnum):
    READY = "ready"
    LOST = "lost"

@model(small=True)
class Shop:
    name: str = field(key=True, max_length=20)
    town: str | None = None

@model(soft_delete=True, version=2, uniques=[unique("serial", among="live")], indexes=[index("-charge", "serial")])
class Bike:
    id: int = field(key=True, generated=True)
    deleted: bool = False
    serial: str = field(max_length=30)
    state: State = State.READY
    price: Decimal = field(default=Decimal("1.50"), digits=6, scale=2)
    photo: bytes = b"x"
    notes: dict[str, Any] = field(default_factory=dict[str, Any])
    charge: int | None = 100
    shop: str | None = ref(Shop.name, default=None, on_delete="cascade")

class Hire(Database):
    shop: Repository[Shop, str]
    bike: Repository[Bike, int]
"""
    )
    output = run("make", "--dry-run").output
    for said in (
        'AddField("bike", Field("photo", "photo", kind="bytes"), default="eA==")',
        'AddField("bike", Field("price", "price", kind="decimal", digits=6, scale=2), default=150)',
        'AddField("bike", Field("notes", "notes", kind="json"), default={})',
        'ChangeLength("bike", "serial", length=30)',
        'ChangeNullability("bike", "charge", optional=True)',
        'Reference("shop", "shop", on_delete="cascade")',
        'ChangeModel("bike", live="deleted")',
        'order=("id", "deleted", "serial", "state", "price", "photo", "notes", "charge", "shop")',
    ):
        assert said in output, said
    assert not list(Path("history").glob("0002*"))
    run("make")
    assert "version is 2, there 1" in run("check", exit_code=1).output  # of Shop: its class says 1


def test_two_ends_fail_the_check_and_are_merged(run: Run) -> None:
    first(run)
    for name, kind in (("0002_a", "int"), ("0002_b", "str")):
        Path(f"history/{name}.py").write_text(
            f"""from manystore.migrations import AddField, Field, Migration
migration = Migration("{name}", after=("0001_initial",), operations=(
    AddField("shop", Field("x{name}", "x{name}", "{kind}", optional=True)),
))
"""
        )
    text = "0002_a and 0002_b are both the last: `manystore migrate merge` joins them"
    assert text in run("check", exit_code=1).output
    assert run("make", exit_code=1).output == f"Error: {text}\n"
    assert "0003_merge.py" in run("merge").output
    assert text not in run("check", exit_code=1).output


def test_a_release_is_pinned_and_its_edit_found(run: Run) -> None:
    first(run)
    assert run("check", "--pin").output == "released: 1 more\nok: 1 migrations lead to the models\n"
    assert run("history").output == "0001_initial  [side by side; released]\n"
    path = Path("history/0001_initial.py")
    path.write_text(path.read_text() + "\n# edited\n")
    assert run("check", exit_code=1).output == (
        "0001_initial: was released, and its file was edited since; undo the edit\n"
    )


def test_squash(run: Run) -> None:
    first(run)
    grown(
        ("charge: int = 100", "charge: int = 100\n    gears: int = 1"), ("@model(indexes", "@model(version=2, indexes")
    )
    run("make")
    assert "which replaces 2 files" in run("squash", "0001", "0002", "--name", "0001_all").output
    assert run("check").output == "ok: 1 migrations lead to the models\n"


def test_what_is_wrong_is_one_sentence(run: Run) -> None:
    assert "migrated_app:Hire: cannot be imported: No module named 'migrated_app'" in run("make", exit_code=1).output
    models("class Hire: pass")
    assert run("check", exit_code=1).output == (
        "Error: migrated_app:Hire: is no Database; write it as in shop.model:Shop\n"
    )
    Path("pyproject.toml").write_text("")
    assert run("check", exit_code=1).output.startswith("Error: name the models: --database")


@pytest.mark.parametrize(
    "verb",
    ["make", "check", "history", "merge", "squash", "up", "plan", "finalize", "sweep", "contract", "down", "status"],
)
def test_help_has_an_example(run: Run, verb: str) -> None:
    assert f"manystore migrate {verb}" in run(verb, "--help").output.partition("\n")[2]
    assert verb in run("--help").output
