"""A migration's function that fails at a record: what a program is told, at each verb, in each phase, on each store."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from manystore import Database, FunctionFailed, Repository, ValueRefused, asc, col, field, index, model
from manystore.migrations import Folder

from .deployed import FOLDER, Old, OldRider, Site

SECOND = '''
"""0002: a split, a computed field, a cast by functions, each of which fails at some values."""

from manystore.migrations import (
    AddField, AddIndex, ChangeModel, ChangeType, Field, Index, Migration, RenameModel, SplitField,
)


def split(name):
    first, last = name.split(" ")
    return first, last


def join(first, last):
    if first == "Nobody":
        raise LookupError(last)
    return first + " " + last


def number(text):
    return text and int(text)


def host(mail):
    return {host_of}


migration = Migration(
    "0002_names",
    after=("0001_initial",),
    operations=(
        RenameModel("rider", "Rider"),
        SplitField(
            "rider",
            "name",
            (Field("first", "first", "str", length=40), Field("last", "last", "str", length=40)),
            up=split,
            down=join,
        ),
        AddField("rider", Field("host", "host", "str", length=20), compute=host, sources=("mail",)),
        ChangeType("rider", Field("zip", "zip", "int", optional=True), up=number, down=lambda zip: zip and str(zip)),
        AddField("rider", Field("city", "city", "str", length=40), default="Oslo"),
        AddIndex("rider", Index("by_city", ("city",), (False,))),
        ChangeModel("rider", version=2),
    ),
)
'''.lstrip()
STRICT, MILD = 'mail.split("@")[1]', 'mail.partition("@")[2]'


@model(indexes=[index("zip"), index("city")], collection="rider", version=2)
class Rider:
    id: int = field(key=True)
    first: str = field(max_length=40)
    last: str = field(max_length=40)
    mail: str = field(max_length=80)
    zip: int | None = None
    note: str | None = field(max_length=80, default=None)
    host: str = field(max_length=20)
    city: str = field(max_length=40, default="Oslo")


class New(Database):
    rider: Repository[Rider, int]


GOOD = [OldRider(id=n, name=f"Ada{n} Lovelace", mail=f"ada{n}@example.org", zip=str(n)) for n in (1, 2, 4, 5)]
PLATO = OldRider(id=3, name="Plato", mail="plato@example.org")
NO_HOST = OldRider(id=3, name="Ada3 Lovelace", mail="ada3")
NO_ZIP = OldRider(id=3, name="Ada3 Lovelace", mail="ada3@example.org", zip="n/a")
FAR = OldRider(id=3, name="Ada3 Lovelace", mail="ada3@a-very-long-domain.example.org")


class Programs:
    """A site whose window has the functions of a file, and programs of both schemas."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder
        (folder / "0001_initial.py").write_text((FOLDER / "0001_initial.py").read_text())
        self.functions()
        site.deployment().up("0001")

    def functions(self, change: Callable[[str], str] = lambda text: text, host: str = STRICT) -> None:
        """Write the second migration, with functions changed."""
        (self.folder / "0002_names.py").write_text(change(SECOND).replace("{host_of}", host))
        self.site.history = Folder(self.folder).history()

    def open(self, *riders: OldRider) -> None:
        with self.old() as db:
            db.rider.create_all([*GOOD, *riders])
            self.lease, wait = self.site.lease("shop", self.site.catalog.base)
            # It looks over all records before it raises the window; at one that fails, the window stays open.
            with suppress(FunctionFailed, ValueRefused):
                self.site.deployment(wait=wait).up()
        assert self.site.catalog.phase == "open"

    def raised(self, *riders: OldRider) -> None:
        self.open(*riders)
        self.lease.release(self.site.catalog.epoch)
        self.site.deployment().finalize()
        assert self.site.catalog.phase == "raised"

    def old(self) -> Any:
        return self.site.connect(Old)

    def new(self) -> Any:
        class Head(New):
            migrations = self.folder

        return self.site.connect(Head)


@pytest.fixture
def programs(site: Site, tmp_path: Path) -> Programs:
    folder = tmp_path / "migrations"
    folder.mkdir()
    return Programs(site, folder)


def failed(work: Callable[[], Any], fields: tuple[str, ...], kind: type[Exception], key: Any = 3) -> FunctionFailed:
    """Give the error of something that fails, which says at what, at which record, and where."""
    with pytest.raises(FunctionFailed) as found:
        work()
    error = found.value
    assert (error.model, error.fields, error.key) == ("Rider", fields, key)
    assert type(error.__cause__) is kind
    text = (
        f"Rider.{', '.join(fields)}: a function of the migration fails: {kind.__name__} in 0002_names.py, line "
        f"{_line(error.__cause__)} (key {key})"
    )
    assert str(error) == text
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.key) == (FunctionFailed, text, key)
    return error


def _line(error: BaseException | None) -> int:
    assert error is not None
    trace = error.__traceback__
    while trace is not None and not trace.tb_frame.f_code.co_filename.endswith("0002_names.py"):
        trace = trace.tb_next
    assert trace is not None
    return trace.tb_lineno


def reads(db: Any) -> list[Callable[[], Any]]:
    """Give reads that come by the record 3."""

    def within() -> None:
        with db.transaction() as tx:
            tx.rider.get(3)

    return [
        lambda: db.rider.get(3),
        lambda: db.rider.first(col(Rider.id) == 3),
        lambda: list(db.rider.find(scan=True)),
        lambda: list(db.rider.find(col(Rider.id) >= 2, limit=2)),
        lambda: list(db.rider.find(col(Rider.city) == "Oslo")),
        lambda: list(db.rider.find(col(Rider.last) == "Lovelace", scan=True)),
        lambda: list(db.rider.find(scan=True, order_by=asc(Rider.last))),
        lambda: list(db.rider.iterate(scan=True)),
        lambda: db.rider.count(col(Rider.last) == "Lovelace", scan=True),
        lambda: db.rider.exists(col(Rider.last) == "nobody", scan=True),
        within,
    ]


def goes_on(db: Any) -> None:
    """All other records can be read and written."""
    assert [db.rider.get(old.id).first for old in GOOD] == [f"Ada{old.id}" for old in GOOD]
    assert [rider.id for rider in db.rider.find(col(Rider.id) > 3)] == [4, 5]
    assert [rider.id for rider in db.rider.find(col(Rider.id) >= 1, limit=2)] == [1, 2]
    rider = db.rider.get(4)
    rider.last = "King"
    db.rider.save(rider)
    assert db.rider.get(4).last == "King"
    rider.last = "Lovelace"
    db.rider.save(rider)
    db.rider.update(5, col(Rider.city).to("Bergen"))
    db.rider.update(5, col(Rider.city).to("Oslo"))


@pytest.mark.parametrize(
    ("rider", "fields", "kind"),
    [(PLATO, ("first", "last"), ValueError), (NO_HOST, ("host",), IndexError)],
    ids=["split", "computed"],
)
def test_a_read_says_which_function_fails_at_which_record(
    programs: Programs, rider: OldRider, fields: tuple[str, ...], kind: type[Exception]
) -> None:
    programs.open(rider)
    with programs.new() as db:
        for read in reads(db):
            failed(read, fields, kind)
        goes_on(db)


def test_a_write_says_which_function_fails_at_which_record(programs: Programs) -> None:
    programs.open(PLATO)
    with programs.new() as db:
        failed(lambda: db.rider.update(3, col(Rider.city).to("Bergen")), ("first", "last"), ValueError)
        moved = [col(Rider.city).to("Bergen")]
        failed(lambda: db.rider.update_where(col(Rider.id) == 3, changes=moved), ("first", "last"), ValueError)
        failed(lambda: db.rider.claim(col(Rider.id) == 3, changes=moved), ("first", "last"), ValueError)
        failed(lambda: db.rider.edit(3).__enter__(), ("first", "last"), ValueError)
        nobody = Rider(id=9, mail="n@example.org", first="Nobody", last="Knows", host="example.org")
        failed(lambda: db.rider.create(nobody), ("first", "last"), LookupError, 9)
        rider = db.rider.get(1)
        rider.first = "Nobody"
        failed(lambda: db.rider.save(rider), ("first", "last"), LookupError, 1)
        # What it makes on the way down is led up again, to see whether it comes back.
        rider.first = "Ada de"
        failed(lambda: db.rider.save(rider), ("first", "last"), ValueError, 1)
        assert db.rider.get(1).first == "Ada1"
        goes_on(db)
        db.rider.delete(3)  # for which it need not be led over
        assert len(list(db.rider.find(scan=True))) == 4


@pytest.mark.parametrize(
    ("rider", "text", "kind"),
    [
        (FAR, r"^Rider\.host: .* refused: .* at most 20 \(key 3\)$", type(None)),
        # To a cast, a ValueError says that this value cannot be cast.
        (NO_ZIP, r"^Rider\.zip: a stored value stops .*: ValueError in 0002_names.py, line \d+ \(key 3\)$", ValueError),
    ],
    ids=["made", "cast"],
)
def test_a_value_that_is_refused_is_said_with_its_key(
    programs: Programs, rider: OldRider, text: str, kind: type[Exception]
) -> None:
    programs.open(rider)
    with programs.new() as db:
        for work in (*reads(db), programs.site.deployment().finalize):
            with pytest.raises(ValueRefused, match=text) as found:
                work()
            assert type(found.value.__cause__) is kind
        goes_on(db)


def test_a_mended_function_makes_it_good(programs: Programs) -> None:
    programs.open(NO_HOST)
    programs.functions(host=MILD)
    with programs.new() as db:
        assert db.rider.get(3).host == ""
        assert len(list(db.rider.find(scan=True))) == 5
    programs.lease.release(programs.site.catalog.epoch)
    programs.site.deployment().up()
    assert programs.site.catalog.phase == "stable"
    with programs.new() as db:
        assert [rider.host for rider in db.rider.find(scan=True)] == ["example.org"] * 2 + [""] + ["example.org"] * 2


def test_down_makes_it_good(programs: Programs) -> None:
    programs.open(PLATO)
    failed(programs.site.deployment().finalize, ("first", "last"), ValueError)
    programs.site.deployment().down("0001")
    with programs.old() as db:
        assert db.rider.get(3).name == "Plato"
        assert len(list(db.rider.find(scan=True))) == 5


def test_once_raised_a_read_and_the_sweep_say_so(programs: Programs) -> None:
    programs.functions(host=MILD)
    programs.raised(NO_HOST)
    programs.functions()
    with programs.new() as db:
        for read in reads(db):
            failed(read, ("host",), IndexError)
        failed(lambda: db.rider.update(3, col(Rider.city).to("Bergen")), ("host",), IndexError)
        goes_on(db)
    failed(programs.site.deployment().sweep, ("host",), IndexError)
    assert programs.site.catalog.phase == "raised"
    with programs.new() as db:
        goes_on(db)
    programs.functions(host=MILD)
    programs.site.deployment().up()
    with programs.new() as db:
        assert [rider.host for rider in db.rider.find(scan=True)] == ["example.org"] * 2 + [""] + ["example.org"] * 2
