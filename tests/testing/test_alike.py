"""All stores are alike: the waists have the same names and signatures everywhere, and so has every repository.

Nova's database team asked in 2011 for tests that load every known datastore API and check that they are alike.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import ClassVar

import pytest

from manystore import Database, Repository
from manystore.query.capabilities import Capabilities
from manystore.stores.keyvalue.memory import Memory, MemoryStore
from manystore.testing import alike, provision
from manystore.testing.models import Author, Cloud, Library, Samples

STORES = provision.bare_urls()
SERVERLESS = [url for url in STORES if not provision.needs_server(url)]
DATABASES = [Library, Cloud, Samples]


def test_every_installed_store_is_like_the_waists():
    assert alike.stores() == []


def test_the_key_value_classes_are_found():
    assert alike.key_values(MemoryStore) == [Memory]


@pytest.fixture
def opened(tmp_path):
    with ExitStack() as closing:

        def connect(database, urls):
            places = {url: closing.enter_context(provision.place(url, tmp_path)) for url in urls}
            return {url: place.connect(database) for url, place in places.items()}

        yield connect


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize(
    "urls", [SERVERLESS, pytest.param(STORES, marks=[pytest.mark.server, pytest.mark.slow])], ids=["serverless", "all"]
)
def test_repositories_are_the_same_on_every_store(opened, database, urls):
    assert len(urls) > 1
    databases = opened(database, urls)
    assert alike.repositories(databases[urls[0]]) == set(database._repositories)
    assert alike.databases(databases) == []


def test_more_than_two_can_be_compared(opened):
    made = {name: opened(Library, ["memory:"])["memory:"] for name in "abc"}
    assert made["a"].author is made["a"].author  # kept as an attribute once it was asked for
    assert alike.databases(made | {"d": opened(Library, ["memory:"])["memory:"]}) == []


# --- it would be noticed ---


class Lacking(MemoryStore):
    close = None  # what a class that does not inherit would lack


class Further(MemoryStore):
    def lock(self, name):
        raise NotImplementedError


class Changed(MemoryStore):
    def read(self, plan, values, *, epoch, limit=None, after=None, cap=10):
        raise NotImplementedError


class Property(MemoryStore):
    @property
    def alter(self):
        raise NotImplementedError


class Missing:
    """No store at all."""

    capabilities: ClassVar[Capabilities] = MemoryStore.capabilities

    @classmethod
    def open(cls, url, /, *, wait):
        raise NotImplementedError

    def write(self, changes, *, epoch):
        raise NotImplementedError


def told(**classes):
    # This module imports Memory and defines no other key-value class, so that only the stores are told of.
    return alike.stores(classes)


def test_stores_as_they_are_make_no_difference():
    assert told(memory=MemoryStore) == []


def test_a_missing_method_is_told():
    assert told(x=Missing) == [f"x: Missing: {name} is missing" for name in ("alter", "close", "forms", "read")]
    assert told(x=Lacking) == ["x: Lacking: close is value, not (self)"]


def test_an_extra_method_is_told():
    assert told(x=Further) == ["x: Further: lock is only here"]


def test_a_changed_signature_is_told():
    assert told(x=Changed) == [
        "x: Changed: read is (self, plan, values, *, epoch, limit=None, after=None, cap=10), "
        "not (self, plan, values, *, epoch, limit=None, after=None, cap=None)"
    ]
    assert told(x=Property) == ["x: Property: alter is property, not (self, operation)"]


def test_a_changed_key_value_class_is_told(monkeypatch):
    def scan(self, spans, /, *, limit=None, reverse=False):
        raise NotImplementedError

    monkeypatch.setattr(Memory, "scan", scan)
    monkeypatch.setattr(Memory, "watch", lambda self: None, raising=False)
    assert told(memory=MemoryStore) == [
        "memory: Memory: watch is only here",
        "memory: Memory: scan is (self, spans, /, *, limit=None, reverse=False), "
        "not (self, spans, /, *, limit=None, reverse=False, follow=None)",
    ]


def test_repositories_that_differ_are_told(opened):
    class Authors(Repository[Author, int]):
        def rich(self, than: int) -> list[Author]:
            raise NotImplementedError

    class Changed(Repository[Author, int]):
        def rich(self, than: int, *, scan: bool = True) -> list[Author]:
            raise NotImplementedError

    class One(Database):
        author: Authors

    class Other(Database):
        author: Changed

    class Plain(Database):
        author: Repository[Author, int]

    class Renamed(Database):
        writer: Authors

    def difference(one, other):
        return alike.databases({"a": opened(one, ["memory:"])["memory:"], "b": opened(other, ["memory:"])["memory:"]})

    assert difference(One, One) == []
    assert difference(One, Plain) == ["b: Plain.author: rich is missing"]
    assert difference(Plain, One) == ["b: One.author: rich is only here"]
    assert difference(One, Other) == ["b: Other.author: rich is (than, *, scan=True), not (than)"]
    assert difference(One, Renamed) == ["b: author is not on every store", "b: writer is not on every store"]
