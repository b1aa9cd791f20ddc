"""Nova's history: it leads to the models, and does to the data what it should, there and back."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import manystore.nova.database
from manystore import MigrationRefused, ValueRefused
from manystore.api.database import models_of
from manystore.migrations import Folder, History, Migration
from manystore.migrations.making import check
from manystore.migrations.wanted import Wanted
from manystore.nova.database import Nova
from manystore.schema.schema import Schema

from ..migrations.plain import SECRET, PlainStore, Walked, unnumbered
from .changes import BACK, LIMITS, STATES, THERE, Change, Data
from .growth import grow

FOLDER = Folder(Path(manystore.nova.database.__file__).parent / Nova.migrations)
DAY = "2011-05-0{}T00:00:00.000000Z"


@pytest.fixture(scope="module")
def history() -> History:
    return FOLDER.history()


@pytest.fixture
def store() -> Walked:
    return PlainStore()


def number_of(migration: Migration) -> int:
    return int(migration.name[:4])


def dump(store: Walked) -> Data:
    return {c.name: store.records(c.name) for c in store.schema.collections}


def expected(before: Data, after: Data, schema: Schema, change: Change | None) -> Data:
    changed = change(before, after) if change is not None else {}
    return {
        c.name: [{name: row.get(name) for name in c.positions} for row in changed.get(c.name, before.get(c.name, []))]
        for c in schema.collections
    }


def test_the_history_leads_to_the_models() -> None:
    assert check(FOLDER, Wanted.of(models_of(Nova))) == ()


def test_each_of_the_57_is_there_in_its_order(history: History) -> None:
    assert [number_of(m) for m in history.migrations] == list(range(1, 62))
    assert all(m.after == (before.name,) for before, m in zip(history.migrations, history.migrations[1:], strict=False))
    assert len(history.schema("0057").collections) == 42
    own = {c.name for c in history.schema().collections} - {c.name for c in history.schema("0057").collections}
    assert own == {"journals", "network_takings", "quota_uses"}


@pytest.mark.slow
def test_there_and_back_with_data_at_each_step(history: History, store: Walked) -> None:
    walk_there(store, history.migrations, history)
    grow(store, 2000)
    walk_back(store, history.migrations)
    assert store.schema == Schema(())


def walk_there(store: Walked, migrations: Sequence[Migration], history: History) -> None:
    """Carry migrations out one by one, with new records before each, and look at all records after it."""
    for number, migration in enumerate(migrations, 1001):
        for collection, rows in SCENES.get(number_of(migration), {}).items():
            store.insert(collection, *rows)
        grow(store, number)
        before = dump(store)
        store.apply(migration)
        after = dump(store)
        assert after == expected(before, after, store.schema, THERE.get(number_of(migration))), migration.name
        assert store.schema == history.schema(migration.name)


def walk_back(store: Walked, migrations: Sequence[Migration]) -> None:
    """Go back before each of some migrations, the last one first."""
    for migration in reversed(migrations):
        before = dump(store)
        store.revert(migration)
        after = dump(store)
        assert after == expected(before, after, store.schema, BACK.get(number_of(migration))), migration.name


# What is put there before a migration, beside one record in each collection at each step.
SCENES: dict[int, dict[str, list[dict[str, Any]]]] = {
    2: {"auth_tokens": [{"token_hash": "a", "user_id": 17}, {"token_hash": "b"}]},
    14: {"instances": [{"id": 1, "instance_type": "m1.small"}, {"id": 2, "instance_type": "gone"}, {"id": 3}]},
    16: {
        "quotas": [
            {"id": 1, "project_id": "a", "instances": 5, "cores": 0, "created_at": DAY.format(1)},
            {"id": 2, "project_id": "b"},
            {"id": 3, "project_id": "a", "cores": 7, "deleted": True, "deleted_at": DAY.format(2)},
        ]
    },
    17: {"instances": [{"id": 4, "instance_type_id": "x"}, {"id": 5, "instance_type_id": "12"}]},
    30: {
        "instances": [{"id": 6, "mac_address": "02:16:3e:00:00:06"}, {"id": 7, "mac_address": "02:16:3e:00:00:07"}],
        "networks": [{"id": 1}],
        "fixed_ips": [
            {"id": 1, "instance_id": 7, "network_id": 1, "deleted": True},
            {"id": 2, "network_id": 1},
        ],
    },
    44: {"instances": [{"id": 20 + n, "state_description": text} for n, text in enumerate(("odd", *STATES))]},
}


def walked(history: History, last: int) -> PlainStore:
    """Give a store after some migration, with nothing but the five types in it."""
    store = PlainStore()
    for migration in history.migrations[:last]:
        store.apply(migration)
    return store


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, 61, 4))
def test_a_window_over_several_is_as_good_as_one_for_each(history: History, first: int) -> None:
    begun = walked(history, 0)
    for number, migration in enumerate(history.migrations[:first], 1001):
        for collection, rows in SCENES.get(number_of(migration), {}).items():
            begun.insert(collection, *rows)
        grow(begun, number)
        begun.apply(migration)
    grow(begun, 2000)
    for last in {min(first + 4, 61), 61}:
        one_by_one, at_once = copy.deepcopy(begun), copy.deepcopy(begun)
        for migration in history.migrations[first:last]:
            one_by_one.apply(migration)
        window = history.window(f"{first:04}", f"{last:04}", SECRET)
        if 14 <= first < 25 and last > 33:  # 0034 looks up what 0025 computes, of what 0014 did not make anew
            with pytest.raises(MigrationRefused, match=r"instances\.uuid.*go migration by migration"):
                at_once.carry(window)
        else:
            at_once.carry(window)
            assert dump(at_once) == dump(one_by_one)


def test_016_asks_first_which_quotas_count(history: History) -> None:
    store = walked(history, 15)
    store.insert("quotas", {"id": 1, "project_id": "a", "cores": 1}, {"id": 2, "project_id": "a"})
    with pytest.raises(MigrationRefused, match="quotas: a project has two live rows"):
        store.apply(history.migrations[15])
    assert len(store.records("quotas")) == 2


def test_016_asks_first_on_the_way_back_too(history: History) -> None:
    store = walked(history, 16)
    rows = [{"id": n, "project_id": "a", "resource": "cores", "hard_limit": n} for n in (1, 2)]
    store.insert("quotas", *rows)
    with pytest.raises(MigrationRefused, match="a project has two live limits of one resource"):
        store.revert(history.migrations[15])


def test_016_leaves_out_what_a_row_of_limits_cannot_say(history: History) -> None:
    store = walked(history, 16)
    said = [("cores", 1, False), ("cores", 2, True), ("ram", 3, False), ("volumes", None, False)]
    for n, (resource, limit, deleted) in enumerate(said, 1):
        store.insert(
            "quotas", {"id": n, "project_id": "a", "resource": resource, "hard_limit": limit, "deleted": deleted}
        )
    store.revert(history.migrations[15])
    (row,) = store.records("quotas")
    assert {limit: row[limit] for limit in LIMITS} == {**dict.fromkeys(LIMITS), "cores": 1}


def test_030_refuses_two_interfaces_with_one_address(history: History) -> None:
    store = walked(history, 29)
    store.insert("instances", {"id": 1, "mac_address": "02:16"})
    store.insert("fixed_ips", {"id": 1, "instance_id": 1}, {"id": 2, "instance_id": 1})
    with pytest.raises(MigrationRefused, match="an instance has two fixed ips"):
        store.apply(history.migrations[29])


def test_036_stops_at_a_flavor_that_no_type_has(history: History) -> None:
    store = walked(history, 35)
    store.insert("migrations", {"id": 1, "old_flavor_id": 99})
    with pytest.raises(ValueRefused, match=r"no instance_types\.flavorid has its value"):
        store.apply(history.migrations[35])
    assert store.records("migrations")[0]["old_flavor_id"] == 99


@pytest.mark.parametrize(
    ("number", "collection", "row", "reason"),
    [
        (2, "auth_tokens", {"token_hash": "a", "user_id": "ada"}, "not an integer"),
        (47, "virtual_interfaces", {"id": 1, "instance_id": 99}, "instance_id leads nowhere"),
        (55, "instance_types", {"id": 9, "flavorid": "huge"}, "not an integer"),
        (58, "volumes", {"id": 1, "snapshot_id": "nightly"}, "not an integer"),
        (58, "compute_nodes", {"id": 1}, "it is None"),
    ],
)
def test_what_the_older_shape_cannot_hold_stops_the_way_back(
    history: History, number: int, collection: str, row: dict[str, Any], reason: str
) -> None:
    store = walked(history, number)
    store.insert(collection, row)
    before = dump(store)
    with pytest.raises((MigrationRefused, ValueRefused), match=reason):
        store.revert(history.migrations[number - 1])
    assert dump(store) == before


def test_types_that_an_operator_removed_do_not_come_back(history: History) -> None:
    store = walked(history, 8)
    store.held["instance_types"].pop()
    for migration in history.migrations[8:]:
        store.apply(migration)
    assert [row["flavorid"] for row in store.records("instance_types")] == ["1", "2", "3", "4"]


def test_back_and_there_again_ends_in_the_same_schema(history: History) -> None:
    store = walked(history, 61)
    for migration in reversed(history.migrations[20:]):
        store.revert(migration)
    assert unnumbered(store.schema) == unnumbered(history.schema("0020"))
    for migration in history.migrations[20:]:
        store.apply(migration)
    assert store.schema == history.schema()
