"""Files and their history: read, ordered, replayed, merged, squashed, pinned."""

from __future__ import annotations

from pathlib import Path

import pytest

from manystore import MigrationRefused
from manystore.migrations import (
    AddField,
    AddReference,
    ChangeModel,
    Collection,
    CreateModel,
    DropField,
    Field,
    Fill,
    Folder,
    History,
    Index,
    Migration,
    Operation,
    Reference,
    RenameField,
    Seed,
    Translate,
)
from manystore.migrations.squash import folded, functions_of, squashed, stretch
from manystore.migrations.writer import text_of
from manystore.schema.schema import Schema

BIKE = Collection("bike", "Bike", (Field("id", "id", "int"), Field("name", "name", "str", length=20)), ("id",))
SHOP = Collection("shop", "Shop", (Field("id", "id", "int"),), ("id",))
FIRST = Migration("0001_initial", (CreateModel(BIKE),))
GEARS = AddField("bike", Field("gears", "gears", "int", optional=True))
BELL = AddField("bike", Field("bell", "bell", "str", optional=True))


def after(*operations: Operation, name: str, follows: str = "0001_initial") -> Migration:
    return Migration(name, operations, (follows,))


def history(*migrations: Migration) -> History:
    return History.of([FIRST, *migrations])


def test_replay_to_each_point() -> None:
    there = history(after(GEARS, name="0002_gears"), after(BELL, name="0003_bell", follows="0002_gears"))
    assert [m.name for m in there.migrations] == ["0001_initial", "0002_gears", "0003_bell"]
    assert [len(there.schema(name).collection("bike").fields) for name in ("0001", "0002_gears", "0003")] == [2, 3, 4]
    assert there.heads == ("0003_bell",)
    assert there.schema() == there.schema("0003")
    window = there.window("0001", "0003")
    assert window.base == there.schema("0001")
    assert [step.operation for step in window.steps] == [GEARS, BELL]
    assert there.window(None).base == Schema(())
    assert there.before(there.migrations[-1]) == there.schema("0002")
    with pytest.raises(MigrationRefused, match="0003 is not on the way to 0002, which 0003_bell does not lead to"):
        there.window("0003", "0002")


@pytest.mark.parametrize(
    ("migrations", "text"),
    [
        ([after(name="0002_x", follows="0009_y")], "0002_x: follows 0009_y, which is not there"),
        ([after(name="0002_x", follows="0003_y"), after(name="0003_y", follows="0002_x")],
         "0002_x, 0003_y: follow each other in a circle"),
        ([Migration("0002_x", (), ("0001_initial",), ("0001_initial",))],
         "0001_initial: 0002_x replaces it, so its file must go"),
    ],
)  # fmt: skip
def test_what_is_no_history(migrations: list[Migration], text: str) -> None:
    with pytest.raises(MigrationRefused) as refused:
        history(*migrations)
    assert str(refused.value) == text


def test_an_operation_that_does_not_fit_is_named() -> None:
    with pytest.raises(MigrationRefused) as refused:
        history(after(GEARS, GEARS, name="0002_x")).schema()
    assert str(refused.value) == "0002_x: operation 2, add field bike.gears: bike: there is one called gears"


def test_two_ends_are_found_and_merged() -> None:
    forked = history(after(GEARS, name="0002_gears"), after(BELL, name="0002_bell"))
    assert forked.problems()[-1] == "0002_bell and 0002_gears are both the last: `manystore migrate merge` joins them"
    merge = forked.merged()
    assert merge == Migration("0003_merge", (), ("0002_bell", "0002_gears"))
    joined = History.of([*forked.migrations, merge])
    assert joined.forks() == ()
    assert {f.name for f in joined.schema().collection("bike").fields} == {"id", "name", "gears", "bell"}
    with pytest.raises(MigrationRefused, match="one end only"):
        joined.merged()


def test_two_ends_that_contradict_are_not_merged() -> None:
    one, other = RenameField("bike", "name", "title"), DropField("bike", "name", "")
    with pytest.raises(MigrationRefused, match=r"bike\.name: there is no such field"):
        history(after(one, name="0002_a"), after(other, name="0002_b")).merged()
    with pytest.raises(MigrationRefused, match="there is one called gears"):
        history(after(GEARS, name="0002_a"), after(GEARS, name="0002_b")).merged()


def test_a_version_that_should_rise_is_asked_for() -> None:
    (said,) = history(after(GEARS, name="0002_gears")).problems()
    assert said == (
        "0002_gears: the records of Bike change shape, so their version must rise: "
        'ChangeModel("bike", version=2), and @model(version=2)'
    )
    assert history(after(GEARS, ChangeModel("bike", version=2), name="0002_gears")).problems() == ()


def test_an_inverse_of_a_whole_window_leads_back() -> None:
    there = history(after(RenameField("bike", "name", "title"), GEARS, name="0002_x"))
    window = there.window("0001")
    back = window.inverse()
    assert back is not None
    schema = window.head
    for operation in back:
        schema = operation.apply(schema)
    assert schema == there.schema("0001")


def folder_of(path: Path, *migrations: Migration) -> Folder:
    folder = Folder(path)
    for migration in migrations:
        folder.write(migration, text_of(migration, migration.name))
    return folder


def test_files_come_back(tmp_path: Path) -> None:
    second = after(
        AddField("bike", Field("note", "note", "str", length=255, optional=True, choices=('a"b', "c'd", "e\\f"))),
        Fill("bike", "note", "c'd"),
        CreateModel(
            Collection(
                "shop",
                "Shop",
                (Field("id", "id", "int"), Field("long_name_of_it", "name", "str", length=20)),
                ("id",),
                (Index("by_it", ("long_name_of_it",), (False,)),),
                small=True,
            )
        ),
        Seed("shop", ({"id": 1, "long_name_of_it": "x"},)),
        name="0002_note",
    )
    folder = folder_of(tmp_path, FIRST, second)
    (tmp_path / "_notes.py").write_text("raise ValueError")
    assert folder.history().migrations == (FIRST, second)
    assert Folder(tmp_path / "none").history().migrations == ()
    with pytest.raises(MigrationRefused, match="is there already"):
        folder.write(FIRST, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", "0001_x.py has no `migration = Migration(...)` in it"),
        ("1 / 0", "0001_x.py cannot be read: ZeroDivisionError: division by zero"),
        ("from manystore.migrations import Migration\nmigration = Migration('0001_y')",
         "0001_x.py holds a migration called 0001_y; a file is called like its migration"),
    ],
)  # fmt: skip
def test_wrong_files_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "0001_x.py").write_text(text)
    with pytest.raises(MigrationRefused) as refused:
        Folder(tmp_path).history()
    assert str(refused.value) == said


def test_an_edited_release_is_found(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, FIRST)
    assert folder.pin(folder.history()) == ("0001_initial",)
    assert folder.edited(folder.history()) == ()
    path = tmp_path / "0001_initial.py"
    text = path.read_text()
    path.write_text(text.replace("length=20", "length=30"))
    assert folder.edited(folder.history()) == (
        "0001_initial: was released with another shape; undo the edit, and write a further migration",
    )
    path.write_text(text + "# a remark\n")
    assert folder.edited(folder.history()) == (
        "0001_initial: was released, and its file was edited since; undo the edit",
    )
    path.unlink()
    assert folder.edited(folder.history()) == ("0001_initial: was released, and its file is gone",)


def test_a_squash_leads_to_the_same_schema_and_stands_for_what_it_replaces() -> None:
    shop = CreateModel(SHOP)
    owned = AddField("bike", Field("shop", "shop", "int", optional=True))
    there = history(
        after(GEARS, name="0002_gears"),
        after(shop, owned, AddReference("bike", Reference("shop", "shop")), name="0003_shop", follows="0002_gears"),
        after(BELL, name="0004_bell", follows="0003_shop"),
    )
    made = squashed(there, "0001", "0003")
    assert (made.name, made.replaces) == ("0001_initial_to_0003", ("0001_initial", "0002_gears", "0003_shop"))
    # Gears and the field are folded into the bike; the reference leads to what is made after the bike.
    assert [o.title() for o in made.operations] == [
        "create model bike", "create model shop", "add reference bike.shop to shop"
    ]  # fmt: skip
    joined = History.of([made, there.migrations[-1]])
    assert joined.schema() == there.schema()
    assert joined.migration("0002_gears") is made
    with pytest.raises(MigrationRefused, match="does not come after"):
        stretch(there, "0003", "0001")


def test_a_squash_keeps_what_touches_records() -> None:
    seeded = Seed("bike", ({"id": 1, "name": "Velo"},))
    operations = [CreateModel(BIKE), seeded, GEARS, DropField("bike", "gears")]
    assert folded(Schema(()), operations) == tuple(operations)
    forked = history(after(GEARS, name="0002_gears"), after(BELL, name="0002_bell"))
    with pytest.raises(MigrationRefused, match="other migrations follow"):
        squashed(forked, "0001", "0002_gears")


def test_a_squash_takes_functions_along(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, FIRST)
    for name, follows in (("0002_note", "0001_initial"), ("0003_more", "0002_note")):
        (tmp_path / f"{name}.py").write_text(
            f'''"""Says."""
import string
from manystore.migrations import AddField, Field, Migration

LETTERS = string.ascii_letters

def of_{name}(text):
    return text.strip(LETTERS)

migration = Migration(
    "{name}",
    after=("{follows}",),
    operations=(AddField("bike", Field("x{name}", "x{name}", "str"), compute=of_{name}, sources=("name",)),),
)
'''
        )
    there = folder.history()
    found = stretch(there, "0002", "0003")
    made = squashed(there, "0002", "0003")
    above = functions_of([(m, folder.text(m)) for m in found], made)
    text = text_of(made, "in one", above=above)
    folder.write(made, text)
    for old in found:
        folder.remove(old)
    again = folder.history()
    pin = again.window("0001").pins["bike"]
    assert pin.load({"id": 1, "name": "ab12"})["x0003_more"] == "12"
    assert text.count("import string") == text.count("LETTERS = string.ascii_letters") == 1


def test_a_version_must_rise_for_the_way_back_as_well() -> None:
    """A collection that is made anew on the way there, and led over by lenses on the way back."""
    text = Field("name", "name", "str", length=20)
    shop = Collection("shop", "Shop", (Field("id", "id", "int"), text), ("id",))
    kept = Translate(
        "shop", "name", Field("twin", "twin", "int", optional=True), "shop", "name", "id", None, keeps=True
    )
    before = Schema((shop,))
    assert Migration("0002", (kept,)).problems(before) == (
        "0002: the records of Shop change shape, so their version must rise: "
        'ChangeModel("shop", version=2), and @model(version=2)',
    )
    assert Migration("0002", (kept, ChangeModel("shop", version=2))).problems(before) == ()
