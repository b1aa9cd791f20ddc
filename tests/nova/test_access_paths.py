"""No operation reads a collection from end to end in secret, on any store."""

from __future__ import annotations

import pytest
from tests.fire.conftest import SERVERS, stores

from manystore import NoAccessPath
from manystore.nova.database import Nova
from manystore.nova.interface import OPERATIONS
from manystore.nova.listing import walks
from manystore.nova.operation import Operation
from manystore.testing import provision


def small_collections() -> set[str]:
    """Name the collections of models that are declared small."""
    found = set()
    with Nova.connect("memory://") as db:
        for name in Nova.__annotations__:
            try:
                found.add(getattr(db, name).explain(deleted="any").collection)
            except NoAccessPath:
                continue
    return found


def reasons() -> dict[str, str]:
    return {operation.function: operation.scan for operation in OPERATIONS if operation.scan}


def test_a_reason_is_a_sentence_and_stands_with_few() -> None:
    assert all(len(reason.split()) >= 4 for reason in reasons().values())
    assert len(reasons()) < 30


@pytest.mark.parametrize("kind", stores("memory", "sqlite", *SERVERS))
def test_every_scan_has_a_reason(place: provision.Place, kind: str) -> None:
    small = small_collections()
    found = walks(place.url, prefix=place.prefix)
    assert len(found) == len(OPERATIONS)
    scans = {function: set(walk.scans) - small for function, walk in found.items()}
    assert {function for function, collections in scans.items() if collections} == set(reasons())


@pytest.mark.slow
@pytest.mark.parametrize("kind", stores("memory", "sqlite", *SERVERS))
def test_every_operation_reads_in_few_waits(place: provision.Place, kind: str) -> None:
    """The most is instance_get with nine related collections: two waits a level on etcd and ZooKeeper."""
    found = walks(place.url, prefix=place.prefix)
    assert {f: walk.round_trips for f, walk in found.items() if walk.round_trips > 30} == {}


def test_a_scan_would_be_seen(place: provision.Place) -> None:
    operation: Operation = next(o for o in OPERATIONS if o.function == "instance_get_all")
    assert walks("memory://", [operation])["instance_get_all"].scans == ("instances",)
