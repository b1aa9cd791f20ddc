"""Reads a SQLite file, a memory store and a Redis server by the words of docs/format.md, with a decoder of its own."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import sqlite3
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis

from manystore import Database, Repository, field, index, model, ref, unique
from manystore.testing import servers


class Grade(IntEnum):
    LOW = -7
    HIGH = 300


@model(small=True)
class Owner:
    name: str = field(key=True)


@model(
    soft_delete=True,
    indexes=[
        index("text", "-number"),
        index("flag", "-text"),
        index("ratio", "-at", "amount"),
        index("tag", "blob", "net"),
    ],
    uniques=[unique("text", "grade", among="live"), unique("day")],
)
class Sample:
    group: str = field(key=True, max_length=30)
    at: datetime = field(key=True)
    number: int
    text: str = field(column="stored_text")
    ratio: float = 0.5
    flag: bool | None = None
    blob: bytes | None = field(default=None, max_length=20)
    day: date | None = None
    amount: Decimal = field(default=Decimal("0.00"), digits=12, scale=2)
    tag: UUID | None = None
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None = field(default=None, index=True)
    net: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    grade: Grade = Grade.LOW
    notes: dict[str, Any] | None = None
    owner: str | None = ref(Owner.name, default=None)
    deleted: bool = False


@model
class Counted:
    id: int = field(key=True, generated=True)
    sample_count: int = field(default=0, index=True)


class Everything(Database):
    owner: Repository[Owner, str]
    sample: Repository[Sample, tuple[str, datetime]]
    counted: Repository[Counted, int]


NOON = datetime(2011, 11, 11, 12, tzinfo=UTC)
TEXTS = (
    "",
    "plain",
    "a b",
    'q"u!o$te',
    "dots./",
    "~tilde\x7f\x9f",
    "é",
    "\ud7fe",
    "\ud7ff",
    "\ue000",
    "日本",
    "😀\U0010ffff",
)


def samples() -> list[Sample]:
    made = [
        Sample(
            group=f"g {n % 3}.",
            at=NOON + timedelta(microseconds=n, days=n),
            number=(0, 7, -7, 2**63 - 1, -(2**63), 10, -10, 99, -100)[n % 9],
            text=text,
            ratio=(0.0, -1.5, 1e300, -1e-300, 3.0)[n % 5],
            flag=(None, True, False)[n % 3],
            blob=(None, b"", b"\x00\xff")[n % 3],
            day=date(2011, 1, 1) + timedelta(days=n) if n % 4 else None,
            amount=Decimal(n * 100 - 555).scaleb(-2),
            tag=UUID(int=n << 90) if n % 2 else None,
            address=(None, ipaddress.ip_address("10.0.0.9"), ipaddress.ip_address("fe80::1"))[n % 3],
            net=(ipaddress.ip_network("10.0.0.0/8"), None, ipaddress.ip_network("2001:db8::/32"))[n % 3],
            grade=Grade.HIGH if n % 2 else Grade.LOW,
            notes=None if n % 4 == 0 else {"z": [1, None, "é"], "a": {"b": 1.5}},
            owner=(None, "me & you", "x.y/z")[n % 3],
        )
        for n, text in enumerate(TEXTS)
    ]
    made[1].at = datetime(2011, 11, 12, 14, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    return made


def fill(url: str) -> Everything:
    db = Everything.connect(url)
    db.owner.create_all([Owner(name="me & you"), Owner(name="x.y/z")])
    for sample in db.sample.create_all(samples())[:4]:
        sample.ratio = 42.0
        db.sample.save(sample)
    db.sample.delete(db.sample.get((samples()[5].group, samples()[5].at)))
    with db.transaction(idempotency_key="once") as tx:
        tx.counted.create_all([Counted(sample_count=n) for n in (12, -3)])
    return db


# --- the page's words, as code ---


def ordered(kind: str) -> Callable[[str], tuple[Any, str]]:
    """Give read(text) -> (primitive, rest) of the table of ordered texts."""

    def read(text: str) -> tuple[Any, str]:
        first, rest = text[0], text[1:]
        if first == "!":
            return None, rest
        if kind == "bool":
            return first == "1", rest
        if kind in ("int", "decimal"):
            if "a" <= first <= "s":
                size = ord(first) - ord("a") + 1
                return int(rest[:size]), rest[size:]
            assert "H" <= first <= "Z"
            size = ord("Z") - ord(first) + 1
            return -int("".join(str(9 - int(d)) for d in rest[:size])), rest[size:]
        if kind == "float":
            bits = int(text[:16], 16)
            bits = bits ^ (1 << 63) if bits >> 63 else bits ^ (2**64 - 1)
            return struct.unpack(">d", bits.to_bytes(8, "big"))[0], text[16:]
        if kind == "str":
            assert first == "$"
            end = text.index("!")
            return unescaped(text[1:end]), text[end + 1 :]
        if kind == "bytes":
            assert first == "x"
            end = text.index("!")
            return bytes.fromhex(text[1:end]), text[end + 1 :]
        size = {"datetime": 27, "date": 10, "uuid": 36}.get(kind) or {"4": 9, "6": 33}[first]
        if kind == "network":
            assert text[size] == "-"
            return text[:size] + "/" + text[size + 1 : size + 4], text[size + 4 :]
        return text[:size], text[size:]

    return read


def unescaped(text: str) -> str:
    made, place = "", 0
    while place < len(text):
        c = text[place]
        if c == '"':
            made += chr(ord(text[place + 1]) - 64)
        elif c == ".":
            made += {"1": ".", "2": "/"}[text[place + 1]]
        elif c == "~":
            made += chr(ord(text[place + 1]) + 62)
        elif c == "\ud7ff":
            made += chr(int(text[place + 1 : place + 7], 16))
            place += 5
        else:
            made += c
            place -= 1
        place += 2
    return made


def values_of(text: str, parts: list[tuple[str, bool]]) -> list[Any]:
    """Read texts that stand one after the other; parts: kind and whether it descends."""
    found = []
    for kind, descending in parts:
        if descending:
            end = text.index("~")
            ascending = bytes(255 - b for b in bytes.fromhex(text[:end])).decode()
            value, rest = ordered(kind)(ascending)
            assert rest == ""
            text = text[end + 1 :]
        else:
            value, text = ordered(kind)(text)
        found.append(value)
    assert text == ""
    return found


def time_of(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def address_of(text: str) -> Any:
    number = int(text[1:], 16)
    return ipaddress.IPv4Address(number) if text[0] == "4" else ipaddress.IPv6Address(number)


def network_of(text: str) -> Any:
    first, _, length = text.partition("/")
    made = ipaddress.IPv4Network if first[0] == "4" else ipaddress.IPv6Network
    return made((int(address_of(first)), int(length)))


def python_value(primitive: Any, field: dict[str, Any], *, in_json: bool) -> Any:
    """Give the Python value of a stored primitive."""
    if primitive is None:
        return None
    if field["name"] == "grade":
        return Grade(primitive)
    read: dict[str, Callable[[Any], Any]] = {
        "bool": bool,
        "datetime": time_of,
        "date": date.fromisoformat,
        "decimal": lambda number: Decimal(number) / 10 ** field["scale"],
        "uuid": UUID,
        "ip": address_of,
        "network": network_of,
    }
    read |= {"bytes": lambda text: base64.b64decode(text, validate=True)} if in_json else {"json": json.loads}
    return read.get(field["kind"], lambda value: value)(primitive)


def check_catalog(catalog: dict[str, Any]) -> dict[str, Any]:
    assert list(catalog)[:2] == ["format", "epoch"]
    assert catalog["format"] == 1
    assert len(catalog["epoch"]) == 16
    assert (catalog["phase"], catalog["indexes"], catalog["head"]) == ("stable", {}, None)
    schema: dict[str, Any] = catalog["base"]
    assert set(schema) == {"_committed", "_counters", "_programs", "counted", "owner", "sample"}
    assert schema["sample"]["key"] == ["group", "at"]
    assert schema["sample"]["live"] == "deleted"
    assert schema["counted"]["generated"] is True
    assert schema["sample"]["references"] == [{"field": "owner", "target": "owner", "on_delete": "restrict"}]
    return schema


def check_records(records: list[dict[str, Any]], schema: dict[str, Any], db: Everything, *, in_json: bool) -> None:
    """Compare decoded records of the collection sample with what manystore reads."""
    fields = schema["sample"]["fields"]
    stored = sorted(
        ({f["name"]: python_value(r[f["column"]], f, in_json=in_json) for f in fields} for r in records),
        key=lambda r: (r["group"], r["at"]),
    )
    read = db.sample.find(scan=True, deleted="any")
    assert stored == [{f["name"]: getattr(sample, f["name"]) for f in fields} for sample in read]
    assert [r["stored_text"] for r in records]  # the column's name, not the field's
    saved = [r for r in records if r["ratio"] == 42.0]
    assert len(saved) == 4
    assert all(r["_previous"] is not None and r["_previous"] != r["_revision"] for r in saved)
    assert sum(r["_previous"] is None for r in records) == len(TEXTS) - 5  # one more was deleted softly
    assert {r["_version"] for r in records} == {1}
    assert {r.get("_extras") for r in records} == {None}


def test_a_sqlite_file(tmp_path: Path) -> None:
    with fill(f"sqlite:///{tmp_path}/every.db") as db:
        connection = sqlite3.connect(tmp_path / "every.db")
        connection.row_factory = sqlite3.Row
        ((number, epoch, text),) = connection.execute("SELECT format, epoch, catalog FROM _manystore")
        catalog = json.loads(text)
        assert (number, epoch) == (catalog["format"], catalog["epoch"])
        schema = check_catalog(catalog)
        records = [dict(row) for row in connection.execute("SELECT * FROM sample")]
        check_records(records, schema, db, in_json=False)
        assert all(0 <= r["_revision"] < 2**63 for r in records)
        by_key = {(s.group, s.at): s._revision for s in db.sample.find(scan=True, deleted="any")}  # type: ignore[attr-defined]
        kinds = {f["column"]: f for f in schema["sample"]["fields"]}
        assert by_key == {
            (r["group"], python_value(r["at"], kinds["at"], in_json=False)): r["_revision"] for r in records
        }
        columns = {r["name"]: r["type"] for r in connection.execute("PRAGMA table_info(sample)")}
        assert list(columns)[-4:] == ["_revision", "_previous", "_version", "_extras"]
        types = {"bool": "INTEGER", "int": "INTEGER", "decimal": "INTEGER", "float": "REAL", "bytes": "BLOB"}
        assert {c: columns[c] for c in kinds} == {c: types.get(f["kind"], "TEXT") for c, f in kinds.items()}
        check_indexes(connection, schema)
        check_system(
            [dict(row) for row in connection.execute("SELECT * FROM _counters")],
            [dict(row) for row in connection.execute("SELECT * FROM _committed")],
        )
        connection.close()


_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
_TERMS = "SELECT * FROM pragma_index_xinfo(?) WHERE key"
_KEYED = "SELECT name, pk FROM pragma_table_info(?) WHERE pk ORDER BY pk"


def check_indexes(connection: sqlite3.Connection, schema: dict[str, Any]) -> None:
    for name, collection in schema.items():
        column = {f["name"]: f["column"] for f in collection["fields"]}
        there = {row["name"]: row["sql"] for row in connection.execute(_INDEXES, (name,))}
        wanted: dict[str, list[tuple[str, int]]] = {}
        for declared in collection["indexes"]:
            terms = [(column[f], int(d)) for f, d in zip(declared["fields"], declared["descending"], strict=True)]
            terms += [(column[f], 0) for f in collection["key"] if f not in declared["fields"]]
            wanted[f"{name}.{declared['name']}"] = terms
        for declared in collection["uniques"]:
            wanted[f"{name}.{declared['name']}"] = [(column[f], 0) for f in declared["fields"]]
            sql = there[f"{name}.{declared['name']}"]
            assert "UNIQUE" in sql
            assert ("WHERE" in sql) == (declared["among"] == "live")
        found = {
            made: [(r["name"], r["desc"]) for r in connection.execute(_TERMS, (made,))]
            for made in there
            if not made.endswith(".reference")
        }
        assert found == wanted
        keyed = [r["name"] for r in connection.execute(_KEYED, (name,))]
        assert keyed == [column[f] for f in collection["key"]]


def check_system(counters: list[dict[str, Any]], committed: list[dict[str, Any]]) -> None:
    assert [c["name"] for c in counters] == ["counted"]
    assert counters[0]["next"] >= 3
    assert [c["key"] for c in committed] == ["once"]
    assert time_of(committed[0]["at"]) > NOON


def test_a_memory_store() -> None:
    with fill("memory://") as db:
        spaces: dict[str, dict[str, bytes]] = db._engine.store._kv._spaces  # type: ignore[attr-defined]
        schema = check_catalog(json.loads(spaces["c:"]["catalog"]))
        records = {name: json.loads(data) for name, data in spaces["r:sample"].items()}
        check_records(list(records.values()), schema, db, in_json=True)
        for data in spaces["r:sample"].values():
            record = json.loads(data)
            assert list(record)[:3] == ["_revision", "_previous", "_version"]
            assert data[14:30].decode() == record["_revision"]
        for collection, declared in schema.items():
            check_names(collection, declared, spaces)
        assert "r:nothing" not in spaces
        check_system(*([json.loads(d) for d in spaces[f"r:{c}"].values()] for c in ("_counters", "_committed")))


def check_names(collection: str, declared: dict[str, Any], spaces: dict[str, dict[str, bytes]]) -> None:
    """Decode every name of a collection, and compare with what its records ask for."""
    fields = {f["name"]: f for f in declared["fields"]}
    records = {name: json.loads(data) for name, data in spaces.get(f"r:{collection}", {}).items()}

    def primitives(record: dict[str, Any], names: list[str]) -> list[Any]:
        found = [record[fields[n]["column"]] for n in names]
        return [
            base64.b64decode(v) if v is not None and fields[n]["kind"] == "bytes" else v
            for n, v in zip(names, found, strict=True)
        ]

    keys = [(fields[n]["kind"], False) for n in declared["key"]]
    for name, record in records.items():
        assert values_of(name, keys) == primitives(record, declared["key"])
    for made in declared["indexes"]:
        parts = [(fields[n]["kind"], d) for n, d in zip(made["fields"], made["descending"], strict=True)]
        entries = spaces.get(f"i:{collection}.{made['name']}", {})
        assert set(entries.values()) <= {b""}
        decoded = {e.rpartition(" ")[2]: values_of(e.rpartition(" ")[0], parts) for e in entries}
        assert len(decoded) == len(entries)
        assert decoded == {name: primitives(record, made["fields"]) for name, record in records.items()}
    for made in declared["uniques"]:
        parts = [(fields[n]["kind"], False) for n in made["fields"]]
        claims = spaces.get(f"u:{collection}.{made['name']}", {})
        held = {owner.decode(): values_of(claim, parts) for claim, owner in claims.items()}
        live = declared["live"] if made["among"] == "live" else None
        wanted = {
            name: primitives(record, made["fields"])
            for name, record in records.items()
            if None not in primitives(record, made["fields"]) and not (live and record[fields[live]["column"]])
        }
        assert held == wanted
    for reference in declared["references"]:
        column, target = fields[reference["field"]]["column"], reference["target"]
        marked = f"{collection}.{column}"
        found = [name.split(" ") for name in spaces.get(f"b:{target}", {})]
        pointed = {key: values_of(there, [("str", False)])[0] for there, mark, key in found if mark == marked}
        assert pointed == {n: r[column] for n, r in records.items() if r[column] is not None}


@pytest.mark.parametrize("descending", [False, True])
def test_names_sort_as_values(descending: bool) -> None:
    with fill("memory://") as db:
        spaces: dict[str, dict[str, bytes]] = db._engine.store._kv._spaces  # type: ignore[attr-defined]
        names = sorted(spaces["i:sample.by_flag_text" if descending else "i:sample.by_text_number"])
        parts = [("bool", False), ("str", True)] if descending else [("str", False), ("int", True)]
        values = [values_of(name.rpartition(" ")[0], parts) for name in names]
        wanted = sorted(values, key=lambda v: (v[1] is not None, v[1]), reverse=True)
        wanted.sort(key=lambda v: (v[0] is not None, v[0]))
        assert values == wanted
        assert names == sorted(names, key=str.encode)


@pytest.mark.server
def test_a_redis_database() -> None:
    name = f"format{os.getpid()}"
    url, start = servers.url("redis"), f"{{{name}}}:"
    with fill(f"{url}/{name}") as db, redis.Redis.from_url(url) as client:
        spaces: dict[str, dict[str, bytes]] = {}
        for key in map(bytes.decode, client.scan_iter(f"{start}*")):
            if client.type(key) == b"hash":
                spaces[key.removeprefix(start)] = {n.decode(): value for n, value in client.hgetall(key).items()}
            elif key.startswith(f"{start}w:"):
                assert int(client.get(key)) > 0
                assert len(key) == len(start) + 18
                assert 0 < client.ttl(key) <= 600
            else:
                scored = client.zrange(key, "-", "+", bylex=True, withscores=False)
                spaces[key.removeprefix(start)] = {n.decode(): b"" for n in scored}
        catalog = json.loads(spaces["c:"]["catalog"])
        assert spaces["c:"]["epoch"].decode() == catalog["epoch"]
        schema = check_catalog(catalog)
        check_records([json.loads(data) for data in spaces["r:sample"].values()], schema, db, in_json=True)
        for collection, declared in schema.items():
            check_names(collection, declared, spaces)
            assert list(spaces.get(f"k:{collection}", {})) == sorted(spaces.get(f"r:{collection}", {}))
        check_system(*([json.loads(d) for d in spaces[f"r:{c}"].values()] for c in ("_counters", "_committed")))
