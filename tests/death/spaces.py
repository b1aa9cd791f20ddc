"""What a key-value store really holds, space by space, beside what its records say it should hold.

Knows the inner waist and the layout. SQL databases have nothing of the kind: their indexes and uniques are their own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from zlib import crc32

import redis
from kazoo.client import KazooClient

from manystore.schema.catalog import Catalog
from manystore.schema.encoding import END, NONE
from manystore.schema.schema import Collection
from manystore.store.registry import open_store
from manystore.store.url import parse_url
from manystore.stores.keyvalue.layout import entries_space
from manystore.stores.keyvalue.protocol import CATALOG, KeyValue, Span
from manystore.stores.keyvalue.shape import Keeper, decoded
from manystore.stores.keyvalue.store import KeyValueStore
from manystore.testing import provision

Claims = dict[tuple[str, str], str]  # space and name -> the owner's key


def faults(place: provision.Place) -> list[str]:
    """Give a sentence for each entry, claim and reference that has no record, is another's, or lacks."""
    store = open_store(parse_url(place.url, place.prefix), wait=time.sleep)
    try:
        return list(_compared(store._kv, place)) if isinstance(store, KeyValueStore) else []
    finally:
        store.close()


class _Expected:
    """What a store should hold beside its records."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.claims: Claims = {}
        self.claim_spaces: set[str] = set()
        self.names: dict[str, set[str]] = {}  # of the spaces without values
        for collection in keeper.schema.collections:
            upkeep = keeper.upkeep(collection.name)
            self.claim_spaces.update(claim.space for claim in upkeep.claims)
            spaces = [entries_space(collection.name, index) for index in collection.indexes]
            self.names.update({space: set() for space in spaces}, **{f"b:{collection.name}": set()})

    def add(self, collection: Collection, name: str, value: bytes) -> None:
        """Add what one record needs."""
        upkeep = self.keeper.upkeep(collection.name)
        texts = upkeep.texts(upkeep.watched(decoded(value, collection.model)), name)
        for space, entry, _ in upkeep.entries(texts):
            self.names[space].add(entry)
        for claim in upkeep.claims:
            if (claimed := claim.name(texts)) is not None:
                self.claims[claim.space, claimed] = name
        for pointer in upkeep.pointers:
            if (target := texts[pointer.place]) != NONE:
                self.names[pointer.space].add(f"{target}{pointer.tail}{name}")


def _compared(kv: KeyValue, place: provision.Place) -> Iterator[str]:
    catalog = kv.get([CATALOG]).values[0]
    assert catalog is not None
    expected = _Expected(Keeper(Catalog.decode(catalog)))
    for collection in expected.keeper.schema.collections:
        space = f"r:{collection.name}"
        names = kv.scan([Span(space, "", END)]).names
        for name, value in zip(names, kv.get([(space, name) for name in names]).values, strict=True):
            if value is None:
                yield f"{space} {name}: in order, but not there"
            else:
                expected.add(collection, name, value)
    for space, wanted in expected.names.items():
        found = set(kv.scan([Span(space, "", END)]).names) if space[0] != "b" else _references(kv, space)
        yield from _differences(space, wanted, found)
    held = _claims(kv, place, expected.claim_spaces)
    yield from _differences("claims", set(expected.claims.items()), set(held.items()))


def _differences(space: str, wanted: set[Any], found: set[Any]) -> Iterator[str]:
    yield from (f"{space} {name}: left over" for name in sorted(found - wanted))
    yield from (f"{space} {name}: lacks" for name in sorted(wanted - found))


def _references(kv: KeyValue, space: str) -> set[str]:
    """Read the references to each record that is there; ZooKeeper keeps them below it, so there can be no others."""
    if _kind(kv) != "Tree":
        return set(kv.scan([Span(space, "", END)]).names)
    names = kv.scan([Span(f"r:{space[2:]}", "", END)]).names
    return {found for name in names for found in kv.scan([Span(space, f"{name} ", f"{name} {END}")]).names}


def _kind(kv: Any) -> str:
    return type(kv).__name__


def _claims(kv: Any, place: provision.Place, spaces: set[str]) -> Claims:
    """Read all claims. Stores need not give them in order; for those that don't, by the driver."""
    parsed = parse_url(place.url, place.prefix)
    if _kind(kv) == "Redis":
        with redis.Redis(host="127.0.0.1", port=int(parsed.hosts[0].rpartition(":")[2]), decode_responses=True) as own:
            start = kv._keyspace.start.decode()
            return {(s, name): owner for s in spaces for name, owner in own.hgetall(start + s).items()}
    if _kind(kv) == "Tree":
        return _claims_in_tree(kv._nodes.root, ",".join(parsed.hosts), spaces)
    pages = [(space, kv.scan([Span(space, "", END)]).names) for space in spaces]
    keys = [(space, name) for space, names in pages for name in names]
    return {key: value.decode() for key, value in zip(keys, kv.get(keys).values, strict=True)}


def _claims_in_tree(root: str, hosts: str, spaces: set[str]) -> Claims:
    client = KazooClient(hosts)
    client.start()
    try:
        found: Claims = {}
        for space in spaces:
            top = f"{root}/{space}"
            for directory in client.get_children(top) if client.exists(top) else ():
                for name in client.get_children(f"{top}/{directory}"):
                    assert directory == f"{crc32(name.encode()) & 255:02x}"
                    found[space, name] = client.get(f"{top}/{directory}/{name}")[0].decode()
        return found
    finally:
        client.stop()
        client.close()
