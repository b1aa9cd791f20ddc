"""References: what they demand of a write, and what a delete does to those that refer."""

from __future__ import annotations

import pytest

from manystore import Conflict, MissingReference, NotFound, Restricted, col
from manystore.testing.models import Author, Book, Cloud, Copy, Folder, Host, Library, Reader, Server, Volume


@pytest.fixture
def lent(library: Library) -> Library:
    """An author with a book of three copies, two of them lent to a reader."""
    author = library.author.create(Author(name="a"))
    library.book.create(Book(isbn="1", title="t", author_id=author.id))
    reader = library.reader.create(Reader(name="r"))
    for number, borrower in enumerate((None, reader.id, reader.id), 1):
        library.copy.create(Copy(isbn="1", number=number, reader_id=borrower))
    return library


def test_a_reference_to_nothing_is_refused(lent: Library) -> None:
    with pytest.raises(MissingReference) as caught:
        lent.book.create(Book(isbn="2", title="t", author_id=99))
    assert (caught.value.model, caught.value.field, caught.value.target) == ("Book", "author_id", "Author")
    with pytest.raises(MissingReference):
        lent.book.update("1", col(Book.author_id).to(99))
    book = lent.book.get("1")
    book.author_id = 99
    with pytest.raises(MissingReference):
        lent.book.save(book)
    with pytest.raises(MissingReference):
        lent.copy.create(Copy(isbn="none", number=1))
    with pytest.raises(MissingReference):
        lent.copy.update_where(col(Copy.isbn) == "1", changes=[col(Copy.reader_id).to(99)])
    assert lent.book.get("1").author_id == 1
    assert [c.reader_id for c in lent.copy.find(limit=9)] == [None, 1, 1]


def test_none_refers_to_nothing(lent: Library) -> None:
    lent.copy.update(("1", 2), col(Copy.reader_id).to(None))
    assert lent.copy.get(("1", 2)).reader_id is None


def test_restrict(lent: Library) -> None:
    with pytest.raises(Restricted) as caught:
        lent.author.delete(1)
    assert (caught.value.model, caught.value.by) == ("Author", "Book.author_id")
    with pytest.raises(Restricted):
        lent.author.delete_where(col(Author.name) == "a")
    assert lent.author.get(1).name == "a"
    lent.book.delete("1")
    lent.author.delete(1)


def test_cascade(lent: Library) -> None:
    lent.book.create(Book(isbn="10", title="another", author_id=1))
    lent.copy.create(Copy(isbn="10", number=1))
    lent.book.delete("1")
    assert [(c.isbn, c.number) for c in lent.copy.find(limit=9)] == [("10", 1)]
    assert lent.copy.find(col(Copy.reader_id) == 1) == []  # index entries went as well


def test_set_null_gives_a_new_revision(lent: Library) -> None:
    stale = lent.copy.get(("1", 2))
    untouched = lent.copy.get(("1", 1))
    lent.reader.delete(1)
    assert [c.reader_id for c in lent.copy.find(limit=9)] == [None, None, None]
    with pytest.raises(Conflict):
        lent.copy.save(stale)
    lent.copy.save(untouched)
    assert len(lent.copy.find(col(Copy.reader_id).is_(None))) == 3
    assert lent.copy.find(col(Copy.reader_id) == 1) == []


def test_cascade_goes_down_a_tree(library: Library) -> None:
    paths = ["a", "a/b", "a/b/c", "a/b/c/d", "a/e", "f", "f/a"]
    for path in paths:
        library.folder.create(Folder(path=path, parent=path.rpartition("/")[0] or None))
    library.folder.delete("a")
    assert [f.path for f in library.folder.find(limit=9)] == ["f", "f/a"]


def test_a_record_may_refer_to_itself(library: Library) -> None:
    library.folder.create(Folder(path="self", parent="self"))
    library.folder.delete("self")
    assert library.folder.find(limit=9) == []


def test_a_ring_is_deleted_whole(library: Library) -> None:
    with library.transaction() as tx:
        tx.folder.create(Folder(path="a", parent="c"))
        tx.folder.create(Folder(path="b", parent="a"))
        tx.folder.create(Folder(path="c", parent="b"))
    library.folder.delete("b")
    assert library.folder.find(limit=9) == []


def test_restrict_below_a_cascade_refuses_all(cloud: Cloud) -> None:
    cloud.server.create(Server(id="s", project="p", hostname="h"))
    cloud.volume.create(Volume(server_id="s"))
    with pytest.raises(Restricted) as caught:
        cloud.server.purge("s")
    assert caught.value.by == "Volume.server_id"
    assert cloud.server.get("s").hostname == "h"


@pytest.mark.parametrize("child_first", [True, False])
def test_in_a_transaction_the_order_of_creates_does_not_matter(library: Library, *, child_first: bool) -> None:
    with library.transaction() as tx:
        if child_first:
            tx.folder.create(Folder(path="a/b", parent="a"))
        tx.folder.create(Folder(path="a"))
        if not child_first:
            tx.folder.create(Folder(path="a/b", parent="a"))
    assert library.folder.get("a/b").parent == "a"


@pytest.mark.parametrize("child_first", [True, False])
def test_in_a_transaction_the_order_of_deletes_does_not_matter(lent: Library, *, child_first: bool) -> None:
    with lent.transaction() as tx:
        if child_first:
            tx.book.delete("1")
        tx.author.delete(1)
        if not child_first:
            tx.book.delete("1")
    assert lent.author.find(limit=9) == []
    assert lent.copy.find(limit=9) == []


def test_a_referrer_that_is_pointed_elsewhere_in_the_same_step_restricts_nothing(lent: Library) -> None:
    other = lent.author.create(Author(name="b"))
    with lent.transaction() as tx:
        tx.author.delete(1)
        tx.book.update("1", col(Book.author_id).to(other.id))
    assert lent.book.get("1").author_id == other.id
    with pytest.raises(NotFound):
        lent.author.get(1)


def test_what_newly_points_at_a_record_deleted_in_the_step_is_missing_it(library: Library) -> None:
    library.folder.create(Folder(path="a"))
    with pytest.raises(MissingReference), library.transaction() as tx:
        tx.folder.delete("a")
        tx.folder.create(Folder(path="a/b", parent="a"))
    assert [f.path for f in library.folder.find(limit=9)] == ["a"]


def test_a_soft_deleted_target_is_there(cloud: Cloud) -> None:
    cloud.server.create(Server(id="s", project="p", hostname="h"))
    volume = cloud.volume.create(Volume(server_id="s"))
    cloud.server.delete("s")  # an update: no rule is fired
    assert cloud.volume.get(volume.id).server_id == "s"
    cloud.volume.create(Volume(server_id="s"))


def test_a_soft_deleted_child_restricts(cloud: Cloud) -> None:
    cloud.host.create(Host(name="h"))
    cloud.server.create(Server(id="s", project="p", hostname="x", host="h"))
    cloud.server.delete("s")
    with pytest.raises(Restricted):
        cloud.host.delete("h")
    cloud.server.purge("s")
    cloud.host.delete("h")


def test_delete_where_takes_parents_with_their_children_in_one_step(library: Library) -> None:
    for n in range(5):
        library.folder.create(Folder(path=f"p{n}"))
        library.folder.create(Folder(path=f"p{n}/c", parent=f"p{n}"))
    assert library.folder.delete_where(col(Folder.parent).is_(None)) == 5
    assert library.folder.find(limit=9) == []
