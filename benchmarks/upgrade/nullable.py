"""A nullable field for very many records: the whole `up`, with nobody else there.

Fills a database in the quickest way there is, with the format's own words: a statement that makes rows, or commits of
the inner waist.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from manystore.migrations import AddField, ChangeModel, Collection, CreateModel, Field, History, Migration

from ..floor.ordered import number_name
from .site import Site

_COLLECTION = Collection("note", "Note", (Field("id", "id", "int"), Field("words", "words", "str", length=40)), ("id",))
_ADDED = AddField("note", Field("more", "more", "str", optional=True, length=40))
_HISTORY = History.of(
    (
        Migration("0001_notes", operations=(CreateModel(_COLLECTION),)),
        Migration("0002_more", after=("0001_notes",), operations=(_ADDED, ChangeModel("note", version=2))),
    )
)
_AT_ONCE = 400  # records in one commit: within what each store takes
_NUMBERS = {
    "sqlite": "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {number})",
    "postgresql": "WITH numbers AS (SELECT generate_series(1::bigint, {number}) AS n)",
}
_RANDOM = {"sqlite": "abs(random())", "postgresql": "(random() * 9e15)::bigint", "mysql": "floor(rand() * 9e15)"}


def nullable(site: Site, records: int) -> float:
    """Give the seconds of the whole `up`."""
    deployment = site.deployment(_HISTORY)
    deployment.up("0001")
    if site.store.capabilities.fixed_columns:
        _fill_table(site, records)
    else:
        _fill_spaces(site.store._kv, records)
    began = time.perf_counter()
    deployment.up()
    taken = time.perf_counter() - began
    if site.catalog.migration != "0002_more":
        raise RuntimeError("the field was not added")
    site.close()
    return taken


def _fill_table(site: Site, records: int) -> None:
    connection: Any = site.store._connections.take()
    scheme = site.url.partition("://")[0]
    kind = scheme if scheme in _NUMBERS else "mysql"
    if kind == "mysql":
        select = f"SELECT seq, CONCAT('note ', seq), {_RANDOM[kind]}, 1 FROM seq_1_to_{records}"
        text = f"INSERT INTO `{site.prefix}note` (id, words, _revision, _version) {select}"
    else:
        select = f"SELECT n, 'note ' || n, {_RANDOM[kind]}, 1 FROM numbers"
        numbers = _NUMBERS[kind].format(number=records)
        text = f'INSERT INTO "{site.prefix}note" (id, words, _revision, _version) {numbers} {select}'
    connection.execute(text, ())
    site.store._connections.put(connection)


def _fill_spaces(kv: Any, records: int) -> None:
    for start in range(1, records + 1, _AT_ONCE):
        kv.commit([], list(_puts(range(start, min(start + _AT_ONCE, records + 1)))), [], epoch=None)


def _puts(numbers: range) -> Iterator[tuple[str, str, bytes]]:
    for number in numbers:
        revision = f"{random.getrandbits(63):016x}"
        record = {"_revision": revision, "_previous": None, "_version": 1, "id": number, "words": f"note {number}"}
        yield "r:note", number_name(number), msgspec.json.encode(record)
