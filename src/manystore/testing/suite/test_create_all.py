"""Many new records: create_all is a series of steps, and stops at the same record on every store."""

from __future__ import annotations

import pytest

from manystore import Duplicate, MissingReference, TooLarge, ValueRefused, col, everything
from manystore.testing.models import Author, Book, Folder, Library, Reader
from manystore.testing.provision import Place

# By the limit of 1,000 operations a step holds 125 books, each with itself, its claim, 4 entries and 2 of a reference.
BOOKS_A_STEP = 125


def test_create_all_in_order_with_generated_keys(library: Library) -> None:
    readers = library.reader.create_all([Reader(name=f"r{n}") for n in range(300)])
    assert len({r.id for r in readers}) == 300
    assert [r.name for r in sorted(readers, key=lambda r: r.id)] == [f"r{n}" for n in range(300)]
    readers[7].name = "changed"
    library.reader.save(readers[7])
    assert library.reader.create_all([]) == []


def test_create_all_checks_every_record_before_the_first_is_written(library: Library) -> None:
    with pytest.raises(ValueRefused):
        library.reader.create_all([Reader(name="ok"), Reader(name="\0")])
    with pytest.raises(MissingReference):
        library.book.create_all([Book(isbn="1", title="t", author_id=99)])
    assert library.reader.find(limit=9) == []


def _books(library: Library, number: int) -> list[Book]:
    author = library.author.create(Author(name="a"))
    return [Book(isbn=f"{n:05}", title=f"t{n}", author_id=author.id) for n in range(number)]


def _stopped(library: Library, books: list[Book], done: int) -> None:
    """Fail unless just the first books are stored and the others are as new as before."""
    assert [book.isbn for book in library.book.find(scan=True)] == [book.isbn for book in books[:done]]
    assert library.book.get(books[done - 1].isbn) == books[done - 1]
    assert all(book.created_at is None for book in books[done:])
    assert library.book.count(col(Book.title) == books[done].title) == 0


def test_create_all_stops_at_the_same_record_on_every_store(library: Library) -> None:
    """However many steps a store takes as one: the wrong record is far behind the first that it can take so."""
    books = _books(library, 18 * BOOKS_A_STEP)
    wrong = books[17 * BOOKS_A_STEP + 60]
    wrong.author_id = 99
    with pytest.raises(MissingReference) as caught:
        library.book.create_all(books)
    assert caught.value.done == 17 * BOOKS_A_STEP
    _stopped(library, books, 17 * BOOKS_A_STEP)
    wrong.author_id = books[0].author_id
    library.book.create_all(books[17 * BOOKS_A_STEP :])
    assert library.book.count(scan=True) == len(books)


def test_create_all_stops_where_two_of_its_own_records_meet(library: Library) -> None:
    books = _books(library, 4 * BOOKS_A_STEP)
    books[2 * BOOKS_A_STEP + 60].isbn = books[60].isbn  # stored two steps before
    with pytest.raises(Duplicate) as caught:
        library.book.create_all(books)
    assert (caught.value.done, caught.value.fields) == (2 * BOOKS_A_STEP, ("isbn",))
    _stopped(library, books, 2 * BOOKS_A_STEP)


def test_create_all_finds_no_record_of_a_later_step(library: Library) -> None:
    folders = [Folder(path=f"{n:03}") for n in range(300)]  # 200 a step
    folders[250].parent = "010"
    library.folder.create_all(folders[:200])
    library.folder.create_all(folders[200:])
    library.folder.delete_where(everything(), scan=True)
    folders = [Folder(path=f"{n:03}") for n in range(300)]
    folders[10].parent = "250"
    with pytest.raises(MissingReference) as caught:
        library.folder.create_all(folders)
    assert caught.value.done == 0
    assert library.folder.count(scan=True) == 0


def test_create_all_refuses_a_record_that_no_step_holds_before_the_first_is_written(library: Library) -> None:
    with pytest.raises(TooLarge):
        library.reader.create_all([*(Reader(name=f"r{n}") for n in range(400)), Reader(name="x" * 1_000_000)])
    assert library.reader.count(scan=True) == 0


def test_create_all_takes_as_many_steps_as_one_as_the_store_says(library: Library, place: Place) -> None:
    books, joined = _books(library, 3 * BOOKS_A_STEP), place.capabilities.joined_steps
    library.book.create_all([Book(isbn="first", title="t", author_id=books[0].author_id)])
    place.calls.clear()
    library.book.create_all(books)
    assert len([call for call in place.calls if call.operation == "create_all"]) == (3 if joined == 1 else 1)


def test_create_all_holds_to_the_step_that_the_url_names(place: Place) -> None:
    place.url += ("&" if "?" in place.url else "?") + "max_operations=20"
    library = place.connect(Library)
    library.reader.create_all([Reader(name=f"r{n}") for n in range(18)])  # six of them are 18 operations
    assert len([call for call in place.calls if call.operation == "create_all"]) == 3
