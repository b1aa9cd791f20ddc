"""A sweep that lifts many records at once: values and keys of each kind, and what others change meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from manystore.migrations.records import Records
from manystore.schema.operation import Many, Prepare, Progress, Sweep
from manystore.schema.schema import Collection, Field, Schema
from manystore.schema.system import SYSTEM
from manystore.store.protocol import Kind
from manystore.stores.sql.alteration import sweeping
from manystore.testing import provision

from .race import Race

VALUES: dict[Kind, list[Any]] = {
    "bool": [True, False],
    "int": [0, -(2**63), 2**63 - 1, 7],
    "float": [0.0, -1.5, 1e300, 0.1, 1e-300],
    "str": ["", "o'neil \\ %s :x % \"", "\U0001f600 e\u0301\n", "a\\'b", "%%", "x" * 3000, "A", "a", "a "],
    "bytes": ["", "AP8n", "JyIlXA==", "QQ==", "YQ=="],
    "datetime": ["2011-11-11T11:11:11.123456Z", "1970-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"],
    "date": ["2011-11-11", "0001-01-01", "9999-12-31"],
    "decimal": [0, -12345, 10**18 - 1],
    "uuid": ["12345678-1234-5678-9abc-123456789abc", "00000000-0000-4000-8000-000000000000"],
    "ip": ["40a000001", "6" + "20010db8" + "0" * 24],
    "network": ["40a000000/008", "60000000000000000000000000000000/128"],
    "json": [{"b": [1, None, "x'y\\"], "a": {}}, [], "text", 5, 1.5, True],
}
KEYS = [kind for kind in VALUES if kind not in ("json", "bool", "float")]
ROWS = 11


def _field(name: str, kind: Kind, *, optional: bool = False) -> Field:
    return Field(name, name, kind, optional=optional, scale=2 if kind == "decimal" else None)


def _raised(race: Race, base: Schema, above: Schema, records: dict[str, list[dict[str, Any]]]) -> Records:
    """Bring records to a raised window. above: with the columns of both shapes."""
    catalog = race.catalog
    found = Records(race.store, catalog)
    for name, rows in records.items():
        assert sum(found.put(base.collection(name), rows)) == len(rows)
    opened = catalog.changed(head=above, stored=base, phase="open")
    race.store.alter(Prepare(opened, above))
    race.replace(opened)
    race.replace(opened.changed(phase="raised", stored=above, older=base))
    return Records(race.store, race.catalog)


def never(*_: Any) -> Any:
    pytest.fail("each of them by itself")


def test_values_of_each_kind_are_written_as_they_are(places: Callable[..., Race]) -> None:
    old = [_field(f"old_{kind}", kind, optional=True) for kind in VALUES]
    new = [_field(f"new_{kind}", kind, optional=True) for kind in VALUES]
    sides = [("id", "int"), *((f.name, f.kind) for f in old)]
    base = Schema((Collection("thing", "Thing", (_field("id", "int"), *old), ("id",)), *SYSTEM))
    above = Schema((Collection("thing", "Thing", (_field("id", "int"), *old, *new), ("id",), version=2), *SYSTEM))
    # Each row has another mixture, and each column begins, and ends, with None somewhere.
    records = [
        {"id": n, **{f"old_{k}": [None, *values, None][n % (len(values) + 2)] for k, values in VALUES.items()}}
        for n in range(ROWS)
    ]
    assert len(sides) == len(old) + 1
    race = places(base)
    kept = _raised(race, base, above, {"thing": records})
    many = Many(
        tuple(f.column for f in old), lambda columns, _: {f"new_{kind}": columns[f"old_{kind}"] for kind in VALUES}
    )
    assert race.store.alter(Sweep(race.catalog.epoch, "thing", never, None, ROWS, many)) == Progress(ROWS, [ROWS - 1])
    assert race.store.alter(Sweep(race.catalog.epoch, "thing", never, None, ROWS, many)) == Progress(0)
    found = list(kept.read("thing"))
    assert len(found) == ROWS
    for record, stored in zip(records, found, strict=True):
        for kind in VALUES:
            value = stored[f"new_{kind}"]
            assert (value, type(value)) == (record[f"old_{kind}"], type(record[f"old_{kind}"])), kind


@pytest.mark.parametrize("is_composite", [False, True])
def test_records_are_found_by_keys_of_each_kind(places: Callable[..., Race], is_composite: bool) -> None:
    def collection(kind: Kind, *more: Field, version: int) -> Collection:
        fields = (_field("key", kind), _field("place", "int"), *more)
        return Collection(f"by_{kind}", f"By_{kind}", fields, ("key", "place")[: 1 + is_composite], version=version)

    base = Schema((*(collection(kind, version=1) for kind in sorted(KEYS)), *SYSTEM))
    doubled = _field("doubled", "int", optional=True)
    above = Schema((*(collection(kind, doubled, version=2) for kind in sorted(KEYS)), *SYSTEM))
    keys = {kind: [v for v in VALUES[kind] if not isinstance(v, str) or len(v) < 200] for kind in KEYS}
    times = range(1 + is_composite)
    records = {f"by_{k}": [{"key": v, "place": 10 * n + m} for n, v in enumerate(keys[k]) for m in times] for k in KEYS}
    race = places(base)
    kept = _raised(race, base, above, records)
    many = Many(("place",), lambda columns, _: {"doubled": [2 * place for place in columns["place"]]})
    for kind in KEYS:
        name, number = f"by_{kind}", len(records[f"by_{kind}"])
        done, after = 0, None
        while (page := race.store.alter(Sweep(race.catalog.epoch, name, never, after, 2, many))).after is not None:
            done, after = done + page.done, page.after
        assert done + page.done == number, kind
        assert race.store.alter(Sweep(race.catalog.epoch, name, never, None, 50, many)) == Progress(0)
        found = {(record["key"], record["place"]): record["doubled"] for record in kept.read(name)}
        assert found == {(r["key"], r["place"]): 2 * r["place"] for r in records[name]}, kind


SMALL = Schema((Collection("thing", "Thing", (_field("id", "int"), _field("x", "str")), ("id",)), *SYSTEM))
LARGE = Schema(
    (
        Collection("thing", "Thing", (*SMALL.collection("thing").fields, _field("y", "str")), ("id",), version=2),
        *SYSTEM,
    )
)


def test_what_others_changed_meanwhile_is_left_alone(places: Callable[..., Race]) -> None:
    race = places(SMALL)
    kept = _raised(race, SMALL, LARGE, {"thing": [{"id": n, "x": f"x{n}"} for n in range(5)]})
    table = race.table("thing")

    def made(columns: Any, number: int) -> Any:
        race.sql(f"UPDATE {table} SET _revision = 5 WHERE id = 2")
        race.sql(f"UPDATE {table} SET x = 'mine', _version = 2, y = 'mine', _revision = 6 WHERE id = 3")
        race.sql(f"DELETE FROM {table} WHERE id = 4")
        return {"y": [f"{x}!" for x in columns["x"]]}

    assert race.store.alter(Sweep(race.catalog.epoch, "thing", never, None, 9, Many(("x",), made))) == Progress(5)
    assert race.sql(f"SELECT id, x, y, _version FROM {table} ORDER BY id") == [
        (0, "x0", "x0!", 2),
        (1, "x1", "x1!", 2),
        (2, "x2", None, 1),
        (3, "mine", "mine", 2),
    ]
    assert race.store.alter(Sweep(race.catalog.epoch, "thing", never, None, 9, Many(("x",), made))) == Progress(1)
    assert [record["y"] for record in kept.read("thing")] == ["x0!", "x1!", "x2!", "mine"]


def test_a_page_with_a_complement_goes_one_by_one(places: Callable[..., Race]) -> None:
    race = places(SMALL)
    kept = _raised(race, SMALL, LARGE, {"thing": [{"id": n, "x": f"x{n}"} for n in range(6)]})
    race.sql(f"""UPDATE {race.table("thing")} SET _extras = '{{"y": "kept"}}' WHERE id = 4""")
    seen: list[dict[str, Any]] = []

    def one(columns: dict[str, Any], complement: dict[str, Any] | None) -> dict[str, Any]:
        seen.append(columns)
        return {"y": (complement or {}).get("y", f"{columns['x']}!")}

    many = Many((), lambda columns, number: {"y": ["many"] * number})
    for after in (None, [2]):
        race.store.alter(Sweep(race.catalog.epoch, "thing", one, after, 3, many))
    assert seen == [{"id": n, "x": f"x{n}"} for n in (3, 4, 5)]
    assert [record["y"] for record in kept.read("thing")] == ["many", "many", "many", "x3!", "kept", "x5!"]
    assert race.sql(f"SELECT count(*) FROM {race.table('thing')} WHERE _extras IS NOT NULL") == [(0,)]


def test_a_page_that_is_large_goes_in_parts(places: Callable[..., Race], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "_BYTES", 700)
    race = places(SMALL)
    kept = _raised(race, SMALL, LARGE, {"thing": [{"id": n, "x": "x" * (n % 7 * 100)} for n in range(40)]})
    many = Many(("x",), lambda columns, _: {"y": columns["x"]})
    assert race.store.alter(Sweep(race.catalog.epoch, "thing", never, None, 40, many)) == Progress(40, [39])
    assert [record["y"] for record in kept.read("thing")] == ["x" * (n % 7 * 100) for n in range(40)]


@pytest.mark.server
@pytest.mark.parametrize("kind", KEYS)
def test_mariadb_finds_each_row_by_the_primary_key(tmp_path: Path, kind: Kind) -> None:
    thing = Collection("thing", "Thing", (_field("key", kind), _field("x", "int")), ("key",))
    with provision.place("mariadb:", tmp_path) as place:
        race = Race(place.url, place.prefix).begin(Schema((thing, *SYSTEM)))
        put = Records(race.store, race.catalog).put
        keys = [value for value in VALUES[kind] if not isinstance(value, str) or len(value) < 200]
        assert sum(put(thing, [{"key": key, "x": 1} for key in keys])) == len(keys)
        rows = race.sql(f"SELECT x, `key`, _revision FROM {race.table('thing')}")
        table = race.store._layout.table(thing)
        text, bound = race.store._dialect.update_many(table, ["x"], {}, ["key", "_revision"])(
            list(zip(*rows, strict=True))
        )
        connection = race.store._connections.opened()
        plan = {row[2]: (row[3], row[5]) for row in connection.execute(f"EXPLAIN {text}", tuple(bound)).fetchall()}
        connection.close()
        assert plan["t"] in (("eq_ref", "PRIMARY"), ("ref", "PRIMARY"))
        race.close()
