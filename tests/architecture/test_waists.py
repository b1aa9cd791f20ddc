"""The two waists stay narrow: their verbs are counted, and so are the checks of the inner one."""

from __future__ import annotations

import typing

import msgspec

from manystore.store.protocol import Change, Store
from manystore.stores.keyvalue.memory import Memory, MemoryStore
from manystore.stores.keyvalue.protocol import Check, KeyValue


def verbs(protocol: type) -> set[str]:
    return {name for name, member in vars(protocol).items() if callable(member) and not name.startswith("_")}


def union(alias: object) -> set[str]:
    return {member.__name__ for member in typing.get_args(alias)}


def test_outer_waist():
    assert isinstance(vars(Store)["open"], classmethod)
    assert verbs(Store) - {"open"} == {"read", "write", "alter", "close"}
    assert union(Change) == {"Insert", "Replace", "Patch", "Delete", "Check"}


def test_inner_waist():
    assert verbs(KeyValue) == {"get", "scan", "commit", "close"}
    assert union(Check) == {"Same", "Absent", "Exists", "Empty", "Range"}
    assert all(issubclass(check, msgspec.Struct) for check in typing.get_args(Check))


def test_stores_have_no_further_verbs():
    assert verbs(Memory) == verbs(KeyValue)
    assert {name for base in MemoryStore.__mro__ for name in verbs(base)} - {"open"} == verbs(Store) - {"open"}
