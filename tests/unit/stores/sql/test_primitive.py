"""Primitives as JSON has them: what a sweep reads of each kind and writes again, and what stands as a default."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from manystore.schema.catalog import Catalog
from manystore.schema.operation import CreateDatabase, Prepare, ReplaceCatalog, Sweep
from manystore.schema.schema import Collection, Field, Schema
from manystore.schema.system import SYSTEM
from manystore.store.binding import binder
from manystore.store.protocol import Kind
from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.testing import provision

VALUES: dict[Kind, list[Any]] = {
    "bool": [True, False],
    "int": [0, -(2**63), 2**63 - 1],
    "float": [0.0, -1.5, 1e300, 0.1],
    "str": ["", "o'neil \\ %s :x % \"", "\U0001f600 e\u0301\n", "a\\'b", "%%"],
    "bytes": ["", "AP8n", "JyIlXA=="],
    "datetime": ["2011-11-11T11:11:11.123456Z", "1970-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"],
    "date": ["2011-11-11", "0001-01-01", "9999-12-31"],
    "decimal": [0, -12345, 10**18 - 1],
    "uuid": ["12345678-1234-5678-9abc-123456789abc"],
    "ip": ["40a000001", "6" + "20010db8" + "0" * 24],
    "network": ["40a000000/008"],
    "json": [{"b": [1, None, "x'y\\"], "a": {}}, [], "text", 5, 1.5, True],
}
CASES = [(kind, at) for kind, values in VALUES.items() for at in range(len(values))]
NEW = [Field(f"{kind}{at}", f"{kind}{at}", kind, scale=2 if kind == "decimal" else None) for kind, at in CASES]
OLD = [Field(f"old {f.name}", f"old_{f.column}", f.kind, optional=True, scale=f.scale) for f in NEW]
SET = [Field(f"set {f.name}", f"set_{f.column}", f.kind, scale=f.scale) for f in NEW]
ID = Field("id", "id", "int")
URLS = ["sqlite:", *(pytest.param(f"{kind}:", marks=pytest.mark.server) for kind in ("postgresql", "mariadb"))]


def _schema(*fields: Field, version: int) -> Schema:
    return Schema((Collection("thing", "Thing", (ID, *fields), ("id",), version=version), *SYSTEM))


@pytest.fixture(params=URLS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with provision.place(request.param, tmp_path) as place:
        opened: Any = open_store(parse_url(place.url, place.prefix), wait=lambda _: None)
        yield opened
        opened.close()


def test_values_of_each_kind_pass_through_a_default_and_a_sweep(store: Any) -> None:
    base, between = _schema(*OLD, version=1), _schema(*OLD, *NEW, version=1)
    above = _schema(*OLD, *NEW, *SET, version=2)
    absent = {f.column: VALUES[kind][at] for f, (kind, at) in zip(NEW, CASES, strict=True)}
    first = Catalog.first(base)
    store.alter(CreateDatabase(first))
    connection = store._connections.opened()
    quoted = store._dialect.quoted
    place = store._dialect.placeholder if store._dialect.remote else lambda _: "?"
    names = ["id", "_revision", "_version", *(f.column for f in OLD)]
    bound = [1, 5, 1]
    for field, (kind, at) in zip(OLD, CASES, strict=True):
        turn, value = binder(field, store.forms), VALUES[kind][at]
        bound.append(value if turn is None else turn(value))
    columns, places = ", ".join(map(quoted, names)), ", ".join(place(at + 1) for at in range(len(names)))
    table = quoted(store._layout.prefix + "thing")
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", tuple(bound))
    connection.close()
    catalog = first.changed(head=above, stored=between, phase="open", absent={"thing": absent})
    store.alter(Prepare(catalog, above))
    raised = catalog.changed(stored=above, older=between, phase="raised")
    store.alter(ReplaceCatalog(first.epoch, catalog))
    store.alter(ReplaceCatalog(catalog.epoch, raised))
    seen: list[dict[str, Any]] = []

    def lift(raw: dict[str, Any], extras: Any) -> dict[str, Any]:
        assert extras is None
        seen.append(raw)
        return {**raw, **{f"set_{f.column}": raw[f"old_{f.column}"] for f in NEW}}

    assert store.alter(Sweep(raised.epoch, "thing", lift)).done == 1
    (raw,) = seen
    for (kind, at), field in zip(CASES, NEW, strict=True):
        for column in (field.column, f"old_{field.column}"):
            assert raw[column] == VALUES[kind][at], (column, raw[column])
            assert type(raw[column]) is type(VALUES[kind][at]), column
    # What was written is read back by a second pass over it.
    further = _schema(*OLD, *NEW, *SET, Field("x", "x", "int", optional=True), version=3)
    again = raised.changed(stored=further, older=above)
    store.alter(Prepare(again))
    store.alter(ReplaceCatalog(raised.epoch, again))
    store.alter(Sweep(again.epoch, "thing", lambda raw, _: seen.append(raw) or {**raw, "x": 1}))
    assert {f.column: seen[1][f"set_{f.column}"] for f in NEW} == absent
