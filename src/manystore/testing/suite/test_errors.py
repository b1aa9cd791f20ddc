"""Errors: which comes first, that nothing was written, and that no text holds a value or a secret."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from manystore import (
    Closed,
    Conflict,
    Database,
    DeclarationError,
    Duplicate,
    ManystoreError,
    MissingReference,
    NotFound,
    OutOfBounds,
    OutOfScope,
    Repository,
    Restricted,
    URLError,
    UsageError,
    ValueRefused,
    col,
)
from manystore.testing.models import Author, Book, Cloud, Host, Library, Quota, Reader, Sample, Server
from manystore.testing.provision import Place

SECRET = "s3cr3t-value"


@pytest.fixture
def one_book(library: Library) -> Library:
    """An author with a book."""
    author = library.author.create(Author(name=SECRET))
    library.book.create(Book(isbn="1", title="t", author_id=author.id))
    return library


# --- which error first: value, scope, NotFound or Conflict, reference, unique ----------------------------------------


def test_a_value_comes_before_all_else(one_book: Library) -> None:
    with pytest.raises(ValueRefused):  # and the key is taken, and the author missing
        one_book.book.create(Book(isbn="1", title="\0", author_id=99))
    with pytest.raises(ValueRefused):
        one_book.book.update("none", col(Book.author_id).to("x"))  # type: ignore[arg-type]


def test_a_value_or_the_scope_comes_before_what_is_stored(cloud: Cloud) -> None:
    with pytest.raises((ValueRefused, OutOfScope)):
        cloud.scoped("p").server.create(Server(id="\0", project="other", hostname="h"))


def test_the_scope_comes_before_what_is_stored(cloud: Cloud) -> None:
    cloud.server.create(Server(id="s", project="p", hostname="h"))
    with pytest.raises(OutOfScope):
        cloud.scoped("q").server.create(Server(id="s", project="p", hostname="h"))


def test_a_taken_key_comes_before_references_and_uniques(one_book: Library) -> None:
    with pytest.raises(Duplicate) as caught:
        one_book.book.create(Book(isbn="1", title="t", author_id=99))
    assert caught.value.fields == ("isbn",)


def test_conflict_comes_before_references_and_uniques(one_book: Library) -> None:
    stale = one_book.book.get("1")
    one_book.book.save(one_book.book.get("1"))
    stale.author_id = 99
    with pytest.raises(Conflict):
        one_book.book.save(stale)
    other = one_book.author.create(Author(name="other"))
    old = one_book.author.get(other.id)
    one_book.author.save(other)
    old.name = SECRET
    with pytest.raises(Conflict):
        one_book.author.save(old)


def test_a_missing_reference_comes_before_a_unique(cloud: Cloud) -> None:
    cloud.server.create(Server(id="1", project="p", hostname="h"))
    with pytest.raises(MissingReference):
        cloud.server.create(Server(id="2", project="p", hostname="h", host="none"))


def test_not_found_comes_before_references(one_book: Library) -> None:
    with pytest.raises(NotFound):
        one_book.book.update("none", col(Book.author_id).to(99))


def test_not_found_comes_before_bounds(cloud: Cloud) -> None:
    with pytest.raises(NotFound):
        cloud.quota.increment(("p", "none"), Quota.used, 5, high=1)


def test_uniques_are_looked_at_in_declared_order(cloud: Cloud) -> None:
    cloud.server.create(Server(id="1", project="p", hostname="h", serial=1))
    cloud.server.create(Server(id="2", project="p", hostname="g", serial=2))
    with pytest.raises(Duplicate) as caught:
        cloud.server.create(Server(id="3", project="p", hostname="g", serial=1))
    assert caught.value.fields == ("project", "hostname")


def test_in_one_step_a_restricted_delete_comes_before_a_unique(cloud: Cloud) -> None:
    cloud.host.create_all([Host(name="a"), Host(name="b")])
    cloud.server.create_all(
        [
            Server(id="1", project="p", hostname="x", serial=1, host="a"),
            Server(id="2", project="p", hostname="y", host="b"),
        ]
    )
    with pytest.raises(Restricted), cloud.transaction() as tx:
        tx.server.update("2", col(Server.serial).to(1))  # a Duplicate by itself
        tx.host.delete("b")
    with pytest.raises(Duplicate), cloud.transaction() as tx:
        tx.server.update("2", col(Server.serial).to(1), col(Server.host).to("a"))  # which takes it off the host
        tx.host.delete("b")


@pytest.mark.parametrize("place_of_the_stale", [0, 1])
def test_in_one_step_a_conflict_comes_before_any_unique(library: Library, place_of_the_stale: int) -> None:
    one, two = library.reader.create(Reader(name="1", card="a")), library.reader.create(Reader(name="2"))
    stale = library.reader.get(two.id)
    library.reader.save(two)

    def clash(tx: Library) -> None:
        tx.reader.create(Reader(name="3", card="a"))

    def lose(tx: Library) -> None:
        tx.reader.save(stale)

    steps = [clash, lose] if place_of_the_stale else [lose, clash]
    with pytest.raises(Conflict), library.transaction() as tx:
        for step in steps:
            step(tx)
    assert library.reader.get(one.id).card == "a"


# --- texts -----------------------------------------------------------------------------------------------------------


def _library_failures(library: Library) -> list[Callable[[], Any]]:
    author = library.author.create(Author(name=SECRET))
    library.book.create(Book(isbn="1", title=SECRET, author_id=author.id))
    stale = library.author.get(author.id)
    library.author.save(author)
    stale.first = SECRET
    return [
        lambda: library.author.create(Author(name=SECRET)),
        lambda: library.author.create(Author(name=SECRET * 20)),
        lambda: library.author.create(Author(name=SECRET + "\0")),
        lambda: library.author.create(Author(name=SECRET.encode())),  # type: ignore[arg-type]
        lambda: library.author.save(stale),
        lambda: library.author.delete(author.id),
        lambda: library.book.find(col(Book.pages) == 12345678),
        lambda: library.book.find(col(Book.state) == SECRET),  # type: ignore[arg-type]
        lambda: library.book.create(Book(isbn="2", title=SECRET, author_id=12345678)),
    ]


def _cloud_failures(cloud: Cloud) -> list[Callable[[], Any]]:
    cloud.quota.create(Quota(project="p", resource="r", used=12345678))
    cloud.server.create(Server(id="1", project="p", hostname=SECRET, serial=12345678))
    return [
        lambda: cloud.quota.increment(("p", "r"), Quota.used, 12345678, high=12345678),
        lambda: cloud.quota.update(("p", "r"), col(Quota.used).to(SECRET)),  # type: ignore[arg-type]
        lambda: cloud.server.create(Server(id="2", project="p", hostname=SECRET)),
        lambda: cloud.server.create(Server(id="2", project="p", hostname="h", serial=12345678)),
        lambda: cloud.server.create(Server(id="2", project="p", hostname="h", state=SECRET)),  # type: ignore[arg-type]
        lambda: cloud.scoped("q").server.create(Server(id="2", project=SECRET, hostname="h")),
        lambda: cloud.scoped("q").server.save(cloud.server.get("1")),
    ]


def _check_text(failure: Callable[[], Any]) -> None:
    with pytest.raises(ManystoreError) as caught:
        failure()
    text = str(caught.value)
    assert SECRET not in text
    assert "12345678" not in text
    assert 0 < len(text) <= 200
    assert "\n" not in text
    assert getattr(caught.value, "model", "") in text


def test_texts_are_short_and_hold_no_values(library: Library) -> None:
    for failure in _library_failures(library):
        _check_text(failure)


def test_texts_of_the_cloud_hold_no_values(cloud: Cloud) -> None:
    for failure in _cloud_failures(cloud):
        _check_text(failure)


def test_errors_are_what_python_programs_expect() -> None:
    for error, builtin in ((NotFound, LookupError), (ValueRefused, ValueError), (URLError, ValueError)):
        assert issubclass(error, builtin)
        assert issubclass(error, ManystoreError)


@pytest.mark.parametrize(
    "error",
    [
        NotFound("Book", "1"),
        Conflict("Book", ("1", 2)),
        Duplicate("Book", ("title",)),
        MissingReference("Book", "author_id", "Author"),
        Restricted("Author", "Book.author_id"),
        OutOfBounds("Quota", "used", "why"),
        OutOfScope("Server", "project"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes(error: ManystoreError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


# --- connecting, and the end -----------------------------------------------------------------------------------------


def test_an_unknown_option_is_refused_by_name(place: Place) -> None:
    place.url += ("&" if "?" in place.url else "?") + "no_such_option=1"
    with pytest.raises(URLError, match="no_such_option"):
        place.connect(Library)


@pytest.mark.parametrize("url", ["", "nothing", "nosuchstore://x", "://", None, 7])
def test_a_wrong_url_is_refused(url: Any) -> None:
    with pytest.raises(URLError):
        Library.connect(url)


def test_a_password_is_never_shown() -> None:
    with pytest.raises(URLError) as caught:
        Library.connect(f"nosuchstore://user:{SECRET}@host/db?option={SECRET}")
    assert SECRET not in str(caught.value)


def test_after_close_everything_raises_closed(place: Place) -> None:
    library = place.connect(Library)
    author = library.author.create(Author(name="a"))
    library.close()
    library.close()  # twice is fine
    calls: list[Callable[[], Any]] = [
        lambda: library.author.get(author.id),
        lambda: library.author.find(limit=1),
        lambda: library.author.create(Author(name="b")),
        lambda: library.author.save(author),
        lambda: library.author.delete(author),
        lambda: library.author.update_where(col(Author.name) == "a", changes=[col(Author.first).to("x")]),
        lambda: library.retrying(lambda tx: tx.author.get(author.id)),
        lambda: library.transaction().__enter__(),
        library.__enter__,
        lambda: library.author.find(limit=0),
        lambda: library.author.create_all([]),
        lambda: library.author.explain(col(Author.name) == "a"),
    ]
    for call in calls:
        with pytest.raises(Closed):
            call()


@pytest.mark.parametrize("prefix", [3, "\0", "a b", "a.b", 'a"b', "1a", "_a", "x" * 41, "\ud800"])
def test_a_wrong_prefix_is_refused(place: Place, prefix: Any) -> None:
    with pytest.raises(URLError):
        Library.connect(place.url, prefix=prefix)


@pytest.mark.parametrize("key", ["", "x" * 256, "\0", "\ud800", 7])
def test_a_wrong_idempotency_key_is_refused(library: Library, key: Any) -> None:
    with pytest.raises(UsageError), library.transaction(idempotency_key=key):
        pass


def test_what_is_no_list_is_refused(library: Library) -> None:
    author = library.author.create(Author(name="a"))
    wrong: list[Callable[[], Any]] = [
        lambda: library.author.create_all(author),  # type: ignore[arg-type]
        lambda: library.author.update_where(col(Author.name) == "a", changes=col(Author.first).to("x")),  # type: ignore[arg-type]
        lambda: library.author.find(limit=1, load=Author.books),
    ]
    for call in wrong:
        with pytest.raises(UsageError):
            call()


class _Twice(Database):
    one: Repository[Sample, int]
    two: Repository[Sample, int]


class _Empty(Database):
    pass


@pytest.mark.parametrize("wrong", [_Twice, _Empty])
def test_a_database_declared_wrongly_is_refused_at_connect(place: Place, wrong: type[Database]) -> None:
    with pytest.raises(DeclarationError):
        place.connect(wrong)
