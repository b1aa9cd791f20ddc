"""AsMapping: dict habits, with the fields of the class for keys."""

from __future__ import annotations

import pytest

from manystore import AsMapping, field, model, ref, related


@model
class Shelf:
    id: int = field(key=True)


@model
class Book(AsMapping):
    isbn: str = field(key=True)
    title: str = ""
    pages: int = 0
    shelf_id: int = ref(Shelf.id)
    shelf: Shelf = related(shelf_id)

    def label(self) -> str:
        return self.title


@pytest.fixture
def book() -> Book:
    return Book(isbn="1", title="Emma", shelf_id=2)


def test_reading(book: Book) -> None:
    assert book["title"] == "Emma"
    assert dict(book) == {"isbn": "1", "title": "Emma", "pages": 0, "shelf_id": 2}
    assert dict(**book) == dict(book.items())
    assert list(book) == book.keys() == ["isbn", "title", "pages", "shelf_id"]
    assert book.values() == ["1", "Emma", 0, 2]
    assert len(book) == 4
    assert book.get("pages") == 0
    assert book.get("nothing") is None
    assert book.get("label", 5) == 5
    assert book


@pytest.mark.parametrize("name", ["_revision", "label", "shelf", "nothing", "__class__", 3])
def test_what_is_no_field(book: Book, name: str) -> None:
    assert name not in book
    with pytest.raises(KeyError):
        book[name]
    with pytest.raises(KeyError):
        book[name] = 1


def test_writing(book: Book) -> None:
    book["title"] = "Persuasion"
    book.update({"pages": 3}, isbn="2")
    book.update([("pages", 4)])
    assert (book.title, book.pages, book.isbn) == ("Persuasion", 4, "2")
    book.update(Book(isbn="9", shelf_id=1))
    assert book == Book(isbn="9", shelf_id=1)


def test_an_unknown_name_changes_nothing(book: Book) -> None:
    with pytest.raises(KeyError, match="colour"):
        book.update(title="x", colour="red")
    assert book.title == "Emma"
