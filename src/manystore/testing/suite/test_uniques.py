"""Uniques: who holds a value, when it is free again, and that None is nobody's."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from manystore import Duplicate, col
from manystore.testing.models import Author, Cloud, Library, Reader, Server


def test_taken_value_is_refused_on_create_save_update_and_upsert(library: Library) -> None:
    library.author.create(Author(name="Ada"))
    bob = library.author.create(Author(name="Bob"))
    with pytest.raises(Duplicate) as caught:
        library.author.create(Author(name="Ada"))
    assert (caught.value.model, caught.value.fields) == ("Author", ("name",))
    bob.name = "Ada"
    with pytest.raises(Duplicate):
        library.author.save(bob)
    with pytest.raises(Duplicate):
        library.author.update(bob.id, col(Author.name).to("Ada"))
    assert library.author.get(bob.id).name == "Bob"


def test_none_is_held_by_nobody(library: Library) -> None:
    for name in ("a", "b", "c"):
        library.reader.create(Reader(name=name))
    assert library.reader.count(col(Reader.card).is_(None), scan=True) == 3
    library.reader.create(Reader(name="d", card="k"))
    with pytest.raises(Duplicate):
        library.reader.create(Reader(name="e", card="k"))


@pytest.mark.parametrize("lacking", ["first", "last", "born"])
def test_a_tuple_with_a_none_is_not_held(library: Library, lacking: str) -> None:
    whole: dict[str, Any] = {"first": "A", "last": "B", "born": date(1815, 12, 10)}
    library.author.create(Author(name="1", **whole))
    partial = {**whole, lacking: None}
    library.author.create(Author(name="2", **partial))
    library.author.create(Author(name="3", **partial))
    with pytest.raises(Duplicate) as caught:
        library.author.create(Author(name="4", **whole))
    assert caught.value.fields == ("first", "last", "born")


def test_values_differ_by_case_accent_and_trailing_space(library: Library) -> None:
    names = ["ada", "Ada", "ada ", "ad\u00e0", "ada\u0300", "a\u0064a\u200b", "\u0130", "i", "\u1e9e", "ss"]
    for name in names:
        library.author.create(Author(name=name))
    for name in names:
        found = library.author.find(col(Author.name) == name)
        assert [author.name for author in found] == [name]


def test_fields_of_a_tuple_do_not_run_together(library: Library) -> None:
    born = date(2000, 1, 1)
    for place, (first, last) in enumerate(
        [("a", "bc"), ("ab", "c"), ("a,b", "c"), ("a", "b,c"), ("a/b", "c"), ("", "abc")]
    ):
        library.author.create(Author(name=str(place), first=first, last=last, born=born))
    assert library.author.count(scan=True) == 6


def test_delete_frees_the_value(library: Library) -> None:
    ada = library.author.create(Author(name="Ada"))
    library.author.delete(ada)
    assert library.author.create(Author(name="Ada")).id != ada.id


def test_change_frees_the_old_value_and_keeps_the_new_one(library: Library) -> None:
    ada = library.author.create(Author(name="Ada"))
    library.author.update(ada.id, col(Author.name).to("Augusta"))
    library.author.create(Author(name="Ada"))
    with pytest.raises(Duplicate):
        library.author.create(Author(name="Augusta"))


def test_a_record_may_keep_its_own_value(library: Library) -> None:
    ada = library.author.create(Author(name="Ada"))
    ada.first = "A"
    library.author.save(ada)
    library.author.update(ada.id, col(Author.name).to("Ada"))
    assert library.author.get(ada.id).first == "A"


def test_none_frees_the_value(library: Library) -> None:
    one = library.reader.create(Reader(name="1", card="k"))
    library.reader.update(one.id, col(Reader.card).to(None))
    library.reader.create(Reader(name="2", card="k"))
    with pytest.raises(Duplicate):
        library.reader.update(one.id, col(Reader.card).to("k"))


def test_swap_in_one_step_is_refused(library: Library) -> None:
    one = library.reader.create(Reader(name="1", card="a"))
    two = library.reader.create(Reader(name="2", card="b"))
    with pytest.raises(Duplicate), library.transaction() as tx:
        tx.reader.update(one.id, col(Reader.card).to("b"))
        tx.reader.update(two.id, col(Reader.card).to("a"))
    assert [r.card for r in library.reader.find(limit=9)] == ["a", "b"]


def test_value_passes_on_in_one_step_when_it_is_freed_first(library: Library) -> None:
    one = library.reader.create(Reader(name="1", card="a"))
    two = library.reader.create(Reader(name="2", card="b"))
    with library.transaction() as tx:
        tx.reader.update(one.id, col(Reader.card).to("c"))
        tx.reader.update(two.id, col(Reader.card).to("a"))
    assert [r.card for r in library.reader.find(limit=9)] == ["c", "a"]


def test_delete_and_create_with_the_same_value_in_one_step(library: Library) -> None:
    old = library.reader.create(Reader(name="old", card="k"))
    with library.transaction() as tx:
        new = tx.reader.create(Reader(name="new", card="k"))
        tx.reader.delete(old.id)
    assert [r.name for r in library.reader.find(col(Reader.card) == "k")] == ["new"]
    assert library.reader.get(new.id).card == "k"


def test_two_new_ones_in_one_step(library: Library) -> None:
    with pytest.raises(Duplicate), library.transaction() as tx:
        tx.reader.create(Reader(name="1", card="k"))
        tx.reader.create(Reader(name="2", card="k"))
    assert library.reader.find(limit=9) == []


def _server(key: str, **values: Any) -> Server:
    return Server(**{"id": key, "project": "p", "hostname": "web", **values})


def test_among_the_live_a_soft_delete_frees_the_value(cloud: Cloud) -> None:
    cloud.server.create(_server("1"))
    with pytest.raises(Duplicate) as caught:
        cloud.server.create(_server("2"))
    assert caught.value.fields == ("project", "hostname")
    cloud.server.delete("1")
    cloud.server.create(_server("2"))
    cloud.server.delete("2")
    cloud.server.create(_server("3"))
    assert cloud.server.count(deleted="only", scan=True) == 2


def test_among_the_live_one_that_comes_back_finds_its_value_taken(cloud: Cloud) -> None:
    cloud.server.create(_server("1"))
    cloud.server.delete("1")
    cloud.server.create(_server("2"))
    dead = cloud.server.get("1", deleted="any")
    dead.deleted = False
    with pytest.raises(Duplicate):
        cloud.server.save(dead)
    cloud.server.delete("2")
    cloud.server.save(cloud.server.get("1", deleted="any"))
    dead = cloud.server.get("1", deleted="any")
    dead.deleted = False
    cloud.server.save(dead)
    assert cloud.server.get("1").hostname == "web"


def test_among_all_a_soft_delete_frees_nothing(cloud: Cloud) -> None:
    cloud.server.create(_server("1", serial=7))
    cloud.server.delete("1")
    with pytest.raises(Duplicate) as caught:
        cloud.server.create(_server("2", serial=7))
    assert caught.value.fields == ("serial",)
    cloud.server.purge("1")
    cloud.server.create(_server("2", serial=7))


def test_a_scoped_unique_holds_within_the_scope(cloud: Cloud) -> None:
    cloud.server.create(_server("1", project="p"))
    cloud.server.create(_server("2", project="q"))
    with pytest.raises(Duplicate):
        cloud.server.create(_server("3", project="q"))


def test_the_first_unique_in_declared_order_is_named(cloud: Cloud) -> None:
    cloud.server.create(_server("1", serial=7))
    with pytest.raises(Duplicate) as caught:
        cloud.server.create(_server("2", serial=7))
    # field(unique=...) come first, then those of @model(uniques=[...]), as they stand there.
    assert caught.value.fields == ("project", "hostname")
