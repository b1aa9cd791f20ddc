"""What programs of both versions are told while a window is open that renames all there is: the same on every store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from manystore import Database, ManystoreError, Repository, field, model, ref, unique
from manystore.migrations import ChangeModel, CreateModel, History, Migration, RenameField, RenameModel
from manystore.schema.schema import Schema

from .deployed import Recalling, Site


@model(collection="team")
class Team:
    id: int = field(key=True)


@model(collection="rider", uniques=[unique("mail", "zone")])
class Rider:
    id: int = field(key=True)
    mail: str = field(max_length=40)
    zone: int = 0
    team: int | None = ref(Team.id, default=None)


@model(collection="team")
class Club:
    id: int = field(key=True)


@model(collection="rider", version=2, uniques=[unique("email", "zone", name="unique_mail_zone")])
class Racer:
    id: int = field(key=True)
    email: str = field(max_length=40)
    zone: int = 0
    club: int | None = ref(Club.id, default=None)


BASE = Schema.of([Team, Rider])
HISTORY = History.of(
    [
        Migration("0001_base", tuple(CreateModel(BASE.collection(name)) for name in ("team", "rider"))),
        Migration(
            "0002_words",
            (
                RenameField("rider", "mail", "email"),
                RenameField("rider", "team", "club"),
                RenameModel("rider", "Racer"),
                RenameModel("team", "Club"),
                ChangeModel("rider", version=2),
            ),
            ("0001_base",),
        ),
    ]
)


class Old(Database):
    team: Repository[Team, int]
    rider: Repository[Rider, int]


class New(Recalling):
    history = HISTORY
    team: Repository[Club, int]
    rider: Repository[Racer, int]


def told(act: Callable[[], Any]) -> str:
    with pytest.raises(ManystoreError) as caught:
        act()
    return f"{type(caught.value).__name__}: {caught.value}"


def alone(db: Any, act: Callable[[Any], Any]) -> None:
    act(db)


def in_one_step(db: Any, act: Callable[[Any], Any]) -> None:
    with db.transaction() as tx:
        tx.team.create(type(tx.team.get(1))(id=77))
        act(tx)


def all_told(db: Any, rider: type[Any], names: tuple[str, str]) -> list[str]:
    """Do all that records do not allow, alone and beside something else."""
    mail, team = names
    stale = db.rider.get(1)
    db.rider.save(db.rider.get(1))
    other = db.rider.get(2)
    setattr(other, mail, "a@x")
    lost = db.rider.get(2)
    setattr(lost, team, 9)
    acts: list[Callable[[Any], Any]] = [
        lambda on: on.rider.create(rider(id=1, **{mail: "new"})),
        lambda on: on.rider.create(rider(id=3, **{mail: "a@x"})),
        lambda on: on.rider.save(other),
        lambda on: on.rider.create(rider(id=3, **{mail: "new", team: 9})),
        lambda on: on.rider.save(lost),
        lambda on: on.team.delete(1),
        lambda on: on.rider.save(stale),
        lambda on: on.rider.delete(9),
    ]
    return [told(partial(way, db, act)) for act in acts for way in (alone, in_one_step)]


def expected(team: str, rider: str, mail: str, reference: str) -> list[str]:
    said = [
        f"Duplicate: {rider}: id already taken",
        f"Duplicate: {rider}: {mail}, zone already taken",
        f"Duplicate: {rider}: {mail}, zone already taken",
        f"MissingReference: {rider}.{reference}: no such {team}",
        f"MissingReference: {rider}.{reference}: no such {team}",
        f"Restricted: {team}: still referred to by {rider}.{reference}",
        f"Conflict: {rider}: record 1 is not what was read: changed or deleted meanwhile; read it again",
        f"NotFound: {rider}: no record with key 9",
    ]
    return [each for each in said for _ in range(2)]


def test_every_store_says_the_same_in_the_words_of_who_is_told(site: Site) -> None:
    site.begin(HISTORY)
    with site.connect(Old) as db:
        db.team.create(Team(id=1))
        db.rider.create(Rider(id=1, mail="a@x", team=1))
        db.rider.create(Rider(id=2, mail="b@x"))
        assert all_told(db, Rider, ("mail", "team")) == expected("Team", "Rider", "mail", "team")
        _, wait = site.lease("at work", site.catalog.base)
        site.deployment(wait=wait).up()
        assert site.catalog.phase == "open"
        assert all_told(db, Rider, ("mail", "team")) == expected("Team", "Rider", "mail", "team")
        with site.connect(New) as new:
            assert all_told(new, Racer, ("email", "club")) == expected("Club", "Racer", "email", "club")
    site.deployment().up()
    assert site.catalog.phase == "stable"
    with site.connect(New) as new:
        assert all_told(new, Racer, ("email", "club")) == expected("Club", "Racer", "email", "club")
