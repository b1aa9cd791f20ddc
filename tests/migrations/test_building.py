"""Records that break a reference or a unique since before it was one, while it is being built: what may be saved."""

# pyright: reportRedeclaration=false
# Both versions of a model have its name.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from manystore import (
    Database,
    Duplicate,
    MigrationRefused,
    MissingReference,
    Repository,
    col,
    field,
    model,
    ref,
    unique,
)
from manystore.migrations import (
    AddReference,
    AddUnique,
    ChangeModel,
    ChangeType,
    CreateModel,
    Field,
    History,
    Migration,
    Reference,
    Unique,
)
from manystore.migrations.records import Records
from manystore.schema.schema import Schema

from .deployed import Recalling, Site

NOWHERE, ELSEWHERE = 8, 9  # keys of no record
DANGLING, SOUND, ALONE = 1, 2, 3


@model
class Team:
    id: int = field(key=True)


@model(collection="rider")
class Rider:
    id: int = field(key=True)
    name: str = "new"
    wins: int = 0
    team: int | None = None
    boss: int | None = None
    mail: str | None = field(default=None, max_length=40)


OldRider = Rider


@model(collection="rider", version=2, uniques=[unique("mail")])
class Rider:  # type: ignore[no-redef]
    id: int = field(key=True)
    name: str = "new"
    wins: int = 0
    team: int | None = ref(Team.id, default=None)
    boss: int | None = ref(to="Rider.id", default=None, on_delete="set_null")
    mail: str | None = field(default=None, max_length=40)


FIRST = tuple(CreateModel(Schema.of([Team, OldRider]).collection(name)) for name in ("rider", "team"))
THEN = (
    AddReference("rider", Reference("team", "team")),
    AddReference("rider", Reference("boss", "rider", "set_null")),
    AddUnique("rider", Unique("unique_mail", ("mail",))),
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


def in_one_step(db: Any, act: Callable[[Any], Any]) -> None:
    with db.transaction() as tx:
        act(tx)
        tx.rider.create(type(tx.rider.get(ALONE))(id=tx.rider.count(scan=True) + 100))


def saved(db: Any, key: int, **values: Any) -> Any:
    record = db.rider.get(key)
    for name, value in values.items():
        setattr(record, name, value)
    return db.rider.save(record)


def updated(db: Any, key: int, **values: Any) -> Any:
    there = type(db.rider.get(key))
    return db.rider.update(key, *(col(getattr(there, name)).to(value) for name, value in values.items()))


def together(change: Callable[..., Any]) -> Callable[..., Any]:
    """Make a change as one of two of a transaction."""
    return lambda db, key, **values: in_one_step(db, lambda tx: change(tx, key, **values))


WAYS = {
    "save": saved,
    "update": updated,
    "save with another": together(saved),
    "update with another": together(updated),
}
"""How a record is changed."""


@dataclass
class Building:
    """A window in which something is being built that records do not allow."""

    site: Site
    program: type[Any]

    def up(self) -> None:
        self.site.deployment().up()

    def connect(self) -> Any:
        return self.site.connect(self.program)


@pytest.fixture(params=[Old, New], ids=["old", "new"])
def building(request: pytest.FixtureRequest, site: Site) -> Building:
    """Records of which one leads to nothing twice, and `up` that has met it."""
    site.begin(HISTORY)
    with site.connect(Old) as db:
        db.team.create(Team(id=1))
        db.rider.create(OldRider(id=DANGLING, team=NOWHERE, boss=NOWHERE))
        db.rider.create(OldRider(id=SOUND, team=1, boss=SOUND))
        db.rider.create(OldRider(id=ALONE))
    with pytest.raises(MigrationRefused):
        site.deployment().up()
    assert site.catalog.phase == "open"
    return Building(site, request.param)


@pytest.mark.parametrize("way", WAYS)
def test_a_reference_that_led_nowhere_before_does_not_keep_its_record_from_being_saved(
    building: Building, way: str
) -> None:
    change = WAYS[way]
    with building.connect() as db:
        change(db, DANGLING, name="saved")
        change(db, DANGLING, name="saved again", team=NOWHERE, boss=NOWHERE)
        change(db, SOUND, name="saved")
        there = db.rider.get(DANGLING)
        assert (there.name, there.team, there.boss) == ("saved again", NOWHERE, NOWHERE)
        change(db, DANGLING, team=1)  # one is mended, the other is not
        assert (db.rider.get(DANGLING).team, db.rider.get(DANGLING).boss) == (1, NOWHERE)


@pytest.mark.parametrize("way", WAYS)
def test_a_reference_that_is_changed_must_lead_somewhere(building: Building, way: str) -> None:
    change = WAYS[way]
    with building.connect() as db:
        for key in (DANGLING, SOUND, ALONE):
            before = db.rider.get(key)
            for name, target in (("team", "Team"), ("boss", "Rider")):
                with pytest.raises(MissingReference) as refused:
                    change(db, key, name="never", **{name: ELSEWHERE})
                assert (refused.value.field, refused.value.target) == (name, target)
            assert db.rider.get(key) == before
        change(db, DANGLING, team=None)
        with pytest.raises(MissingReference):
            change(db, DANGLING, team=NOWHERE)  # it led there before, and does no more


def test_what_is_created_must_lead_somewhere(building: Building) -> None:
    with building.connect() as db:
        there = type(db.rider.get(ALONE))
        for name in ("team", "boss"):
            with pytest.raises(MissingReference):
                db.rider.create(there(id=10, **{name: NOWHERE}))
            with pytest.raises(MissingReference):
                in_one_step(db, lambda tx, name=name: tx.rider.create(there(id=10, **{name: NOWHERE})))
        with pytest.raises(MissingReference):
            db.rider.upsert(there(id=10, team=NOWHERE))
        db.rider.upsert(there(id=DANGLING, name="put", team=NOWHERE, boss=NOWHERE))
        assert db.rider.get(DANGLING).name == "put"


def test_all_other_ways_to_change_a_record_leave_alone_what_led_nowhere(building: Building) -> None:
    with building.connect() as db:
        there = type(db.rider.get(ALONE))
        db.rider.increment(DANGLING, there.wins, 2)
        with db.rider.edit(DANGLING) as record:
            record.name = "edited"
        sets = [col(there.mail).to("a@x"), col(there.team).to(NOWHERE)]
        assert db.rider.update_where(col(there.id) == DANGLING, changes=sets) == 1
        found = db.rider.get(DANGLING)
        assert (found.name, found.wins, found.mail, found.team) == ("edited", 2, "a@x", NOWHERE)
        db.rider.delete(DANGLING)


def test_the_build_names_it_until_it_is_mended(building: Building) -> None:
    with building.connect() as db:
        saved(db, DANGLING, name="saved")
    for field_name in ("team", "boss"):
        with pytest.raises(MigrationRefused) as refused:
            building.up()
        target = "Team" if field_name == "team" else "Rider"
        says = f"Rider: {field_name} must lead to a record of {target}, but leads nowhere, in the record {DANGLING}"
        assert str(refused.value) == says
        with building.connect() as db:
            saved(db, DANGLING, **{field_name: None})
    building.up()
    assert building.site.catalog.phase == "stable"


@pytest.mark.parametrize("program", [Old, New], ids=["old", "new"])
@pytest.mark.parametrize("way", WAYS)
def test_values_that_are_there_twice_do_not_keep_their_records_from_being_saved(
    site: Site, program: type[Any], way: str
) -> None:
    change = WAYS[way]
    site.begin(HISTORY)
    with site.connect(Old) as db:
        for key in (1, 2, 3):
            db.rider.create(OldRider(id=key, mail="a@x" if key < 3 else "c@x"))
    for _ in range(2):
        with pytest.raises(MigrationRefused) as told:
            site.deployment().up()
        assert str(told.value) == "Rider: mail must be unique, but is there more than once, in the records 1, 2"
    # Tables get the index before the window opens. Where it cannot be made the window stays shut, and nobody heeds it.
    is_open = site.catalog.phase == "open"
    with site.connect(program if is_open else Old) as db:
        change(db, 1, name="saved")
        change(db, 2, name="saved", mail="a@x")
        change(db, 3, name="saved")
        assert [(r.name, r.mail) for r in map(db.rider.get, (1, 2, 3))] == [("saved", m) for m in ("a@x", "a@x", "c@x")]
        if is_open:
            for key, mail in ((3, "a@x"), (1, "c@x")):
                with pytest.raises(Duplicate) as refused:
                    change(db, key, mail=mail)
                assert refused.value.fields == ("mail",)
        change(db, 2, mail="b@x")
    site.deployment().up()
    assert site.catalog.phase == "stable"


@pytest.mark.parametrize("number", [2, 10, 12])
def test_every_store_says_the_same_of_what_cannot_be_built(site: Site, number: int) -> None:
    """Which records, in the order of their keys and no more than ten of them; uniques come before references."""
    site.begin(HISTORY)
    with site.connect(Old) as db:
        for key in range(number, 0, -1):
            db.rider.create(OldRider(id=key, mail=f"m{(key + 1) // 2}@x"))
            db.rider.create(OldRider(id=100 + key, mail=f"m{100 + key}@x", team=NOWHERE))

    def shown(first: int) -> str:
        return ", ".join(map(str, range(first, first + min(number, 10)))) + " and more" * (number > 10)

    with pytest.raises(MigrationRefused) as refused:
        site.deployment().up()
    assert str(refused.value) == f"Rider: mail must be unique, but is there more than once, in the records {shown(1)}"
    with site.connect(Old) as db:
        assert db.rider.update_where(col(OldRider.id) <= number, changes=[col(OldRider.mail).to(None)]) == number
    with pytest.raises(MigrationRefused) as refused:
        site.deployment().up()
    says = f"Rider: team must lead to a record of Team, but leads nowhere, in the records {shown(101)}"
    assert str(refused.value) == says


def test_a_reference_over_values_that_change_is_looked_at_before_there_is_no_way_back(site: Site) -> None:
    """No record of before has those values, so there is nothing to build: the collection is made anew."""

    @model(collection="rider")
    class Worded:
        id: int = field(key=True)
        team: str | None = field(default=None, max_length=10)

    class Before(Database):
        team: Repository[Team, int]
        rider: Repository[Worded, int]

    first = tuple(CreateModel(Schema.of([Team, Worded]).collection(name)) for name in ("rider", "team"))
    number = Field("team", "team", "int", optional=True)
    then = (ChangeType("rider", number, otherwise=None), AddReference("rider", Reference("team", "team")))
    step = Migration("0002_step", (*then, ChangeModel("rider", version=2)), ("0001_base",))
    site.begin(History.of([Migration("0001_base", first), step]))
    with site.connect(Before) as db:
        db.team.create(Team(id=1))
        db.rider.create_all([Worded(id=1, team="1"), Worded(id=2, team="7"), Worded(id=3, team="none")])
    for _ in range(2):
        with pytest.raises(MigrationRefused) as refused:
            site.deployment().up()
        assert str(refused.value) == "rider: cannot be made anew: Worded.team: no such Team"
        assert site.catalog.phase == "closed"
    with site.connect(Before) as db:
        db.team.create(Team(id=7))
    site.deployment().up()
    assert site.catalog.phase == "stable"
    records = Records(site.store, site.catalog).read("rider")
    assert [(record["id"], record["team"]) for record in records] == [(1, 1), (2, 7), (3, None)]
