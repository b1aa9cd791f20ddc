"""What records do not allow: refused with the reason, nothing changed, taken back, mended and carried out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from manystore import ManystoreError, MigrationRefused, ValueRefused
from manystore.migrations import (
    FILL_IN,
    AddField,
    AddReference,
    AddUnique,
    ChangeChoices,
    ChangeKey,
    ChangeLength,
    ChangeNullability,
    ChangeType,
    DropReference,
    Field,
    Fill,
    MapValues,
    Operation,
    Precondition,
    Reference,
    Seed,
    SplitField,
    Translate,
    Unique,
)
from manystore.testing.program import program

from .operation_cases import one, out, put, same, then
from .operation_shop import Change, World, canonical, number_or_none
from .operation_stage import assert_same, content, staged

NUMBER = 30
STORES = [
    "memory",
    "sqlite",
    *(pytest.param(kind, marks=pytest.mark.server) for kind in ("postgresql", "mariadb", "redis")),
]


@dataclass(frozen=True)
class Refused:
    """wrong: the record that stands in the way, by collection, key, field, value; mended: the value that does not."""

    name: str
    operations: tuple[Operation, ...]
    wrong: tuple[str, int, str, Any]
    mended: Any
    says: str
    after: Change = same
    given: Change = same


def spoilt(collection: str, key: int, field: str, value: Any) -> Change:
    return put(collection, field, lambda row: value if row["id"] == key else row[field])


def numbered(title: str) -> tuple[str, str]:
    what, number = title.rsplit(" ", 1)
    return what, number


PARTS = (Field("what", "what", "str", length=40), Field("number", "number", "str", length=20))
SPLIT = SplitField("bike", "title", PARTS, numbered, lambda what, number: f"{what} {number}")

CASES = [
    Refused("duplicates", (AddUnique("bike", Unique("unique_title", ("title",))),),
            ("bike", 7, "title", "bike number 5"), "seven", r"^Bike: .*\btitle\b.*\b7$"),
    Refused("reference", (AddReference("gear", Reference("maker", "shop")),), ("gear", 4, "maker", 77), 3,
            r"^Gear: maker .*\b4$"),
    Refused("type", (ChangeType("bike", Field("zip", "zip", "int", optional=True)),), ("bike", 6, "zip", "n/a"), "17",
            r"Bike\.zip: a stored value stops the migration: not an integer \(key 6\)",
            put("bike", "zip", number_or_none), put("bike", "zip", canonical)),
    Refused("function", (SPLIT,), ("bike", 6, "title", "six"), "number 6",
            r"^Bike\.what, number: a function of the .* fails: ValueError in test_each_\w+\.py, line \d+ \(key 6\)$",
            then(put("bike", "what", lambda r: numbered(r["title"])[0]),
                 put("bike", "number", lambda r: numbered(r["title"])[1]), out("bike", "title"))),
    Refused("none", (ChangeNullability("bike", "zip", optional=False),), ("bike", 6, "zip", None), "1",
            r"Bike\.zip: a stored value stops the migration: it is None \(key 6\)",
            given=put("bike", "zip", lambda r: r["zip"] or "")),
    Refused("length", (ChangeLength("bike", "title", 20),), ("bike", 6, "title", "x" * 21), "x",
            r"Bike\.title: a stored value stops the migration: 21 characters; at most 20 \(key 6\)"),
    Refused("choices", (ChangeChoices("bike", "state", ("ready",)),), ("bike", 6, "state", "lost"), None,
            r"Bike\.state: a stored value stops the migration: not one of ready",
            given=put("bike", "state", lambda r: r["state"] and "ready")),
    Refused("translate", (Translate("bike", "title", Field("by", "by", "int"), "shop", "name", "id"),),
            ("bike", 6, "title", "shop 99"), "shop 2", r"Bike\.title: no shop\.name has its value \(key 6\)",
            then(put("bike", "by", lambda r: int(r["title"].split(" ")[1])), out("bike", "title")),
            put("bike", "title", lambda r: f"shop {r['id'] % 5 + 1}")),
    Refused("key", (DropReference("bike", "owner"), ChangeKey("shop", ("name",))), ("shop", 4, "name", "shop 2"),
            "shop 4x", r"shop: two records would have the key shop 2; nothing was changed"),
    Refused("unique-of-changed", (
        MapValues("bike", ("serial",), {"S000003": "S3"}, {}),), ("bike", 6, "serial", "S3"), "S000006",
        r"bike: two records would have the unique_serial S3; nothing was changed",
        put("bike", "serial", lambda r: "S3" if r["serial"] == "S000003" else r["serial"])),
    Refused("precondition", (Precondition("bike", "no bike is free", lambda rows: all(r["price"] for r in rows)),),
            ("bike", 6, "price", 0), 5, "bike: no bike is free",
            given=put("bike", "price", lambda r: r["price"] + 1)),
]  # fmt: skip


def open_case(refused: Refused, given: Change) -> Any:
    return one(refused.name, *refused.operations, given=given, after=refused.after)


@pytest.mark.slow
@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("refused", CASES, ids=lambda refused: refused.name)
def test_what_records_do_not_allow(refused: Refused, kind: str, tmp_path: Path) -> None:
    collection, key, field, _ = refused.wrong
    case = open_case(refused, then(refused.given, spoilt(*refused.wrong)))
    # Before a unique is tried, its column may have got another type, which stays: MariaDB cannot index any other.
    comparing = (kind, refused.name) != ("mariadb", "duplicates")
    with staged(case, kind, tmp_path, NUMBER, comparing=comparing) as stage:

        def stays(expected: World) -> None:
            with pytest.raises((MigrationRefused, ValueRefused), match=refused.says):
                stage.up()
            assert_same(content(stage.site.store, stage.site.catalog), expected)
            with stage.site.connect(program(stage.base)) as db:  # whose programs go on
                record = getattr(db, collection).first(scan=True)
                getattr(db, collection).save(record)

        stays(stage.given)
        stage.down()
        stage.look_back()
        stays(stage.given)
        with stage.site.connect(program(stage.base)) as db:
            record = getattr(db, collection).get(key)
            setattr(record, field, refused.mended if field != "price" else record.price + 1)
            getattr(db, collection).save(record)
        stage.up()
        value = refused.mended if field != "price" else 100
        stage.given = spoilt(collection, key, field, value)(stage.given)
        stage.look_there()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize(
    ("operation", "says"),
    [
        (AddField("bike", Field("gears", "gears", "int"), FILL_IN), "add field bike.gears: fill in default"),
        (Fill("shop", "city", FILL_IN), "fill shop.city: fill in value"),
        (Seed("gear", ({"bike": 99, "name": "x"},)), "has no record to refer to"),
    ],
    ids=lambda part: getattr(part, "title", str)(),
)
def test_what_is_not_written_yet_or_leads_nowhere(operation: Operation, says: str, kind: str, tmp_path: Path) -> None:
    case = one("wrong", AddField("bike", Field("x", "x", "int"), 1))
    with staged(case, kind, tmp_path, NUMBER) as stage:
        wrong = case.history.migrations[1]
        stage.site.history = type(case.history).of(
            [case.history.migrations[0], type(wrong)(wrong.name, (operation,), wrong.after)]
        )
        with pytest.raises(ManystoreError, match=says):
            stage.up()
        stage.down()
        stage.look_back()
