"""The catalog: a database is made once, found again by those with the same models, and refused to those with others."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from manystore import Closed, Database, EpochChanged, Repository, SchemaMismatch, col, field, index, model, ref, unique
from manystore.testing import provision
from manystore.testing.models import Author, Book, Cloud, Folder, Host, Library
from manystore.testing.provision import Place


@model(collection="folder")
class Drawer:
    """Stored where Folder is, with another shape."""

    path: str = field(key=True)
    depth: int = 0


class Drawers(Database):
    """A database whose one collection has a known name and an unknown shape."""

    drawer: Repository[Drawer, str]


class SmallCloud(Database):
    """Some of the cloud's models, none of the others."""

    host: Repository[Host, str]


class Names:
    """Holds six models that are stored in one collection, each a little different from the first."""

    @model(collection="name")
    class Plain:
        """The first."""

        id: int = field(key=True)
        text: str | None = None

    @model(collection="name")
    class Longer:
        """Has a field more."""

        id: int = field(key=True)
        text: str | None = None
        more: int = 0

    @model(collection="name")
    class Required:
        """Its text is not optional."""

        id: int = field(key=True)
        text: str = ""

    @model(collection="name", indexes=[index("text")])
    class Indexed:
        """Has an index."""

        id: int = field(key=True)
        text: str | None = field(default=None, max_length=255)

    @model(collection="name", uniques=[unique("id", "text")])
    class Unique:
        """Has a unique."""

        id: int = field(key=True)
        text: str | None = field(default=None, max_length=255)

    @model(collection="name", version=2)
    class Second:
        """Has another version."""

        id: int = field(key=True)
        text: str | None = None

    @model(collection="name")
    class Referring:
        """Refers to a record of its own kind."""

        id: int = field(key=True)
        text: str | None = None
        next: int | None = ref(to="Referring.id", default=None)


def _database(cls: type[object]) -> type[Database]:
    """Make a Database of one model."""
    return type("Made", (Database,), {"__annotations__": {"name": Repository[cls, int]}})  # type: ignore[valid-type]


def test_a_second_database_with_the_same_models_sees_the_data(place: Place) -> None:
    one, two = place.connect(Library), place.connect(Library)
    author = one.author.create(Author(name="a"))
    assert two.author.get(author.id) == author
    two.book.create(Book(isbn="1", title="t", author_id=author.id))
    assert [b.isbn for b in one.book.find(col(Book.title) == "t")] == ["1"]
    one.book.update("1", col(Book.title).to("u"))
    assert two.book.find(col(Book.title) == "t") == []
    assert two.book.get("1").title == "u"


def test_one_that_comes_later_sees_the_data(place: Place) -> None:
    one = place.connect(Library)
    one.folder.create(Folder(path="a"))
    two = place.connect(Library)
    one.close()
    assert two.folder.get("a").path == "a"
    assert place.connect(Library).folder.get("a").path == "a"


@pytest.mark.needs("persistent")
def test_the_data_outlive_the_last_connection(place: Place) -> None:
    with place.connect(Library) as one:
        one.author.create(Author(name="a"))
        one.folder.create(Folder(path="a"))
    with place.connect(Library) as two:
        assert two.folder.get("a").path == "a"
        assert two.author.create(Author(name="b")).id != two.author.find(col(Author.name) == "a")[0].id


_ELSEWHERE = """
import sys
from manystore.testing.models import Folder, Library
with Library.connect(sys.argv[1], prefix=sys.argv[2]) as db:
    db.folder.create(Folder(path=db.folder.get("here").path + "/there", parent="here"))
"""


@pytest.mark.needs("shared")
def test_another_process_sees_the_data(place: Place) -> None:
    mine = place.connect(Library)
    mine.folder.create(Folder(path="here"))
    subprocess.run([sys.executable, "-c", _ELSEWHERE, place.url, place.prefix], check=True, timeout=60)
    assert [f.path for f in mine.folder.find(col(Folder.parent) == "here")] == ["here/there"]


def test_two_places_are_apart(place: Place, store_url: str, tmp_path: Path) -> None:
    one = place.connect(Library)
    one.folder.create(Folder(path="a"))
    with provision.place(store_url, tmp_path) as elsewhere:
        two = elsewhere.connect(Library)
        assert two.folder.find(scan=True) == []
        two.folder.create(Folder(path="b"))
    assert [f.path for f in one.folder.find(scan=True)] == ["a"]


def test_several_programs_may_make_it_at_once(place: Place) -> None:
    ready, failed = threading.Barrier(4), list[Exception]()

    def work(name: str) -> None:
        try:
            ready.wait()
            place.connect(Library).author.create(Author(name=name))
        except Exception as error:  # noqa: BLE001 - it is asserted on in the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    found = place.connect(Library).author.find(scan=True)
    assert sorted(author.name for author in found) == list("abcd")
    assert len({author.id for author in found}) == 4


def test_other_models_are_refused_by_name(place: Place) -> None:
    library = place.connect(Library)
    library.folder.create(Folder(path="a"))
    with pytest.raises(SchemaMismatch) as caught:
        place.connect(Cloud)
    said = caught.value.differences
    assert "host is missing there" in said
    assert "folder is unknown here" in said
    assert said[0] in str(caught.value)
    assert "migrate" in str(caught.value)
    assert library.folder.get("a").path == "a"  # it goes on, and nothing was written
    assert place.connect(Library).folder.count(scan=True) == 1


def test_another_shape_is_refused_by_name(place: Place) -> None:
    place.connect(Library)
    with pytest.raises(SchemaMismatch) as caught:
        place.connect(Drawers)
    assert any(sentence.startswith("folder: ") for sentence in caught.value.differences)


def test_fewer_models_are_refused(place: Place) -> None:
    place.connect(Cloud)
    with pytest.raises(SchemaMismatch) as caught:
        place.connect(SmallCloud)
    assert all(sentence.endswith("is unknown here") for sentence in caught.value.differences)
    assert any(sentence.startswith("server") for sentence in caught.value.differences)


@pytest.mark.parametrize("changed", ["Longer", "Required", "Indexed", "Unique", "Second", "Referring"])
def test_each_part_of_a_shape_counts(place: Place, changed: str) -> None:
    made = place.connect(_database(Names.Plain))
    place.connect(_database(Names.Plain))
    with pytest.raises(SchemaMismatch) as caught:
        place.connect(_database(getattr(Names, changed)))
    assert caught.value.differences
    assert all("name" in sentence for sentence in caught.value.differences)
    made.close()


def test_a_refused_connection_is_closed_and_a_closed_one_stays_closed(place: Place) -> None:
    library = place.connect(Library)
    with pytest.raises(SchemaMismatch):
        place.connect(Cloud)
    library.folder.create(Folder(path="a"))
    library.close()
    with pytest.raises(Closed):
        library.folder.get("a")
    assert place.connect(Library).folder.find(col(Folder.path) == "none") == []


def test_a_database_goes_on_under_a_new_epoch(place: Place) -> None:
    library = place.connect(Library)
    author = library.author.create(Author(name="a"))
    library.book.create(Book(isbn="1", title="t", author_id=author.id))
    for act in (
        lambda: library.book.get("1"),
        lambda: library.book.find(col(Book.title) == "t"),
        lambda: library.book.count(col(Book.title) == "t"),
        lambda: library.book.exists(col(Book.title) == "u"),
        lambda: library.author.create(Author(name="b")),
        lambda: library.book.update("1", col(Book.pages).to(7)),
        lambda: library.book.increment("1", Book.pages),
        lambda: library.book.delete("1"),
    ):
        place.move_epoch()
        act()
    assert library.book.find(scan=True) == []


def test_a_transaction_commits_under_a_new_epoch(place: Place) -> None:
    library = place.connect(Library)
    author = library.author.create(Author(name="a"))
    with library.transaction() as tx:
        tx.author.get(author.id).name = "b"
        place.move_epoch()
        tx.book.create(Book(isbn="1", title="t", author_id=author.id))
        tx.author.update(author.id, col(Author.name).to("c"))
    assert (library.author.get(author.id).name, library.book.get("1").title) == ("c", "t")


def test_the_catalog_is_replaced_by_whoever_saw_the_one_in_force(place: Place) -> None:
    place.connect(Library)
    before = place.move_epoch()
    with pytest.raises(EpochChanged):
        place.move_epoch(expected=before)
