"""Targets of a reference that is being built, deleted while records lead to them that the build has not reached."""

# pyright: reportRedeclaration=false
# Both versions of a model have its name.

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from manystore import Conflict, Database, Repository, Restricted, col, field, index, model, ref
from manystore.migrations import AddReference, ChangeModel, CreateModel, History, Migration, Reference
from manystore.migrations.deployment import Deployment
from manystore.schema.operation import Altered, Build, Operation
from manystore.schema.schema import Schema

from .deployed import Cut, Recalling, Site


@model
class Team:
    id: int = field(key=True)
    name: str = "new"


@model(collection="rider", indexes=[index("club", "name")])
class Rider:
    id: int = field(key=True)
    name: str = field(default="new", max_length=40)
    team: int | None = None
    club: int | None = None
    boss: int | None = None


OldRider = Rider


@model(collection="rider", version=2, indexes=[index("club", "name")])
class Rider:  # type: ignore[no-redef]
    id: int = field(key=True)
    name: str = field(default="new", max_length=40)
    team: int | None = ref(Team.id, default=None)
    club: int | None = ref(Team.id, default=None, on_delete="cascade")
    boss: int | None = ref(to="Rider.id", default=None, on_delete="set_null")


FIRST = tuple(CreateModel(Schema.of([Team, OldRider]).collection(name)) for name in ("rider", "team"))
THEN = (
    AddReference("rider", Reference("team", "team")),
    AddReference("rider", Reference("club", "team", "cascade")),
    AddReference("rider", Reference("boss", "rider", "set_null")),
    ChangeModel("rider", version=2),
)
HISTORY = History.of([Migration("0001_base", FIRST), Migration("0002_step", THEN, ("0001_base",))])


class Old(Database):
    team: Repository[Team, int]
    rider: Repository[OldRider, int]


class New(Recalling):
    history = HISTORY
    team: Repository[Team, int]
    rider: Repository[Rider, int]


class Unbuilt:
    """A store whose deployer dies before it builds anything."""

    def __init__(self, site: Site) -> None:
        self._store = site.store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def alter(self, operation: Operation) -> Altered:
        if isinstance(operation, Build):
            raise Cut
        return self._store.alter(operation)


RIDERS = (
    {"id": 1, "team": 1},
    {"id": 2, "club": 2, "boss": 1},
    {"id": 3, "club": 2, "boss": 2},
    {"id": 4, "team": 3},
    {"id": 5, "club": 3},
    {"id": 6, "team": 5, "club": 5, "boss": 3},  # goes with its team, so that it keeps nobody from deleting that
    {"id": 7},
)
Riders = dict[int, tuple[int | None, int | None, int | None]]


@pytest.fixture(params=[0, 3], ids=["none built", "three built"])
def opened(request: pytest.FixtureRequest, site: Site) -> Site:
    """A window in which references are being built that records have since before, and so many of them are."""
    site.begin(HISTORY)
    with site.connect(Old) as db:
        db.team.create_all(Team(id=key) for key in range(1, 6))
        db.rider.create_all(OldRider(**values) for values in RIDERS)
    with pytest.raises(Cut):
        Deployment(Unbuilt(site), HISTORY, wait=site.wait).up()  # type: ignore[arg-type]
    assert site.catalog.indexes == dict.fromkeys((f"rider.{f}.reference" for f in ("team", "club", "boss")), "building")
    if request.param:
        site.store.alter(Build(site.catalog.epoch, "rider", None, request.param))
    return site


def test_the_plan_says_which_deletes_read_a_whole_collection(site: Site) -> None:
    site.begin(HISTORY)
    said = [line.strip() for line in site.deployment().plan() if "delete" in line]
    reads = "by each program reads all records of Rider: no index begins with"
    keyvalue = [
        f"until then, the first delete of a {of} {reads} {by}" for of, by in (("Team", "team"), ("Rider", "boss"))
    ]
    assert said == ([] if site.store.capabilities.fixed_columns else keyvalue)


def riders(db: Any) -> Riders:
    return {r.id: (r.team, r.club, r.boss) for r in db.rider.find(scan=True)}


def alone(db: Any, act: Callable[[Any], Any]) -> Any:
    return act(db)


def in_one_step(db: Any, act: Callable[[Any], Any]) -> None:
    """Do it as one of two changes of a transaction."""
    with db.transaction() as tx:
        act(tx)
        tx.team.create(Team(id=1 + max(team.id for team in tx.team.find(scan=True))))


program = pytest.mark.parametrize("program", [Old, New], ids=["old", "new"])
ways = pytest.mark.parametrize(
    ("program", "together"), [(Old, alone), (New, alone), (Old, in_one_step)], ids=["old", "new", "old with another"]
)
ALL: Riders = {r["id"]: (r.get("team"), r.get("club"), r.get("boss")) for r in RIDERS}


def settled(site: Site, expected: Riders) -> None:
    """Take the window to its end, and look that nothing is lost and that the references are in force."""
    site.deployment().up()
    assert site.catalog.phase == "stable"
    with site.connect(New) as db:
        assert riders(db) == expected
        for team in db.team.find(scan=True):
            led = {key for key, rider in expected.items() if rider[0] == team.id}
            members = {key for key, rider in expected.items() if rider[1] == team.id}
            if not led <= members:
                with pytest.raises(Restricted):
                    db.team.delete(team.id)
                continue
            db.team.delete(team.id)
            expected = {
                key: (t, club, None if boss in members else boss)
                for key, (t, club, boss) in expected.items()
                if key not in members
            }
            assert riders(db) == expected


@ways
def test_what_is_led_to_is_not_deleted(opened: Site, program: type[Any], together: Callable[..., Any]) -> None:
    with opened.connect(program) as db:
        for key in (1, 3):  # with the second one would go, if the other let it
            with pytest.raises(Restricted) as refused:
                together(db, lambda tx, key=key: tx.team.delete(key))
            assert (refused.value.model, refused.value.by) == ("Team", "Rider.team")
        with pytest.raises(Restricted):
            db.team.delete_where(col(Team.id) == 1)
        assert riders(db) == ALL
        together(db, lambda tx: tx.team.delete(4))
    settled(opened, ALL)


@ways
def test_a_cascade_takes_with_it_what_leads_there(
    opened: Site, program: type[Any], together: Callable[..., Any]
) -> None:
    with opened.connect(program) as db:
        together(db, lambda tx: tx.team.delete(2))
        left: Riders = {key: rider for key, rider in ALL.items() if key not in (2, 3)}
        left[6] = (5, 5, None)
        assert riders(db) == left
        together(db, lambda tx: tx.team.update(5, col(Team.name).to("last")))
        together(db, lambda tx: tx.team.delete(5))
        del left[6]
        assert riders(db) == left
    settled(opened, left)


@ways
def test_what_leads_to_what_is_gone_leads_nowhere_if_it_may(
    opened: Site, program: type[Any], together: Callable[..., Any]
) -> None:
    with opened.connect(program) as db:
        before = db.rider.get(2)
        together(db, lambda tx: tx.rider.delete(1))
        left: Riders = {**ALL, 2: (None, 2, None)}
        del left[1]
        assert riders(db) == left
        before.name = "stale"
        with pytest.raises(Conflict, match="changed or deleted meanwhile"):
            db.rider.save(before)
        assert riders(db) == left
    settled(opened, left)


@program
def test_what_the_same_step_does_to_who_leads_there_counts(opened: Site, program: type[Any]) -> None:
    with opened.connect(program) as db:

        def deleted_and_saved(**values: Any) -> None:
            with db.transaction() as tx:
                tx.team.delete(1)
                rider = tx.rider.get(1)
                for name, value in values.items():
                    setattr(rider, name, value)
                tx.rider.save(rider)

        with pytest.raises(Restricted):
            deleted_and_saved(name="leads there still")
        deleted_and_saved(team=4)
        with db.transaction() as tx:
            tx.team.delete(3)
            tx.rider.delete(4)
        left: Riders = {**ALL, 1: (4, None, None)}
        del left[4], left[5]
        assert riders(db) == left
    settled(opened, left)


@program
def test_who_came_to_lead_there_meanwhile_counts_and_who_left_does_not(opened: Site, program: type[Any]) -> None:
    with opened.connect(program) as db:
        there = type(db.rider.get(7))
        changes = ((7, {"team": 4}), (1, {"team": None}), (2, {"club": 1}), (3, {"name": "saved"}), (4, {"team": 2}))
        for key, values in changes:
            rider = db.rider.get(key)
            for name, value in values.items():
                setattr(rider, name, value)
            db.rider.save(rider)
        db.rider.create(there(id=10, team=4))
        for key in (4, 2):
            with pytest.raises(Restricted):
                db.team.delete(key)
        db.team.delete(1)  # with rider 2
        db.team.delete(3)  # with rider 5
        left: Riders = {**ALL, 1: (None,) * 3, 3: (None, 2, None), 4: (2, None, None), 7: (4, None, None)}
        left[10] = left[7]
        del left[2], left[5]
        assert riders(db) == left
    settled(opened, left)
