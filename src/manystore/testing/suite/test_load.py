"""load=: related records come in batches, one read a level, and an attribute never reads anything."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from manystore import Conflict, Database, NotLoaded, Repository, UsageError, asc, col, desc, field, model, ref, related
from manystore.testing.models import Author, Book, Copy, Library, Reader
from manystore.testing.provision import Place


@model(soft_delete=True)
class Team:
    """Soft-deleted; knows its members, and the team above it."""

    name: str = field(key=True)
    above: str | None = ref(to="Team.name", default=None, index=True)
    deleted: bool = False
    parent: Team | None = related(above)
    teams: list[Team] = related("Team.above")
    members: list[Member] = related("Member.team_name")


@model(soft_delete=True)
class Member:
    """Soft-deleted as well, in one team or in none."""

    id: int = field(key=True)
    team_name: str | None = ref(Team.name, default=None, index=True)
    deleted: bool = False
    team: Team | None = related(team_name)


class Club(Database):
    """Teams and members."""

    team: Repository[Team, str]
    member: Repository[Member, int]


@pytest.fixture
def club(place: Place) -> Club:
    """Teams a, a/b and a/c; members 1 to 3 in a/b, 4 in a/c, 5 in none."""
    made = place.connect(Club)
    for name, above in (("a", None), ("a/b", "a"), ("a/c", "a")):
        made.team.create(Team(name=name, above=above))
    for number, team in enumerate(("a/b", "a/b", "a/b", "a/c", None), 1):
        made.member.create(Member(id=number, team_name=team))
    return made


@pytest.fixture
def catalogued(library: Library) -> Library:
    """Three authors, two of them with books b0 to b4; b0 has three copies, one of them lent."""
    authors = [library.author.create(Author(name=name)) for name in "abc"]
    library.book.create_all([Book(isbn=f"b{n}", title="t", author_id=authors[n % 2].id, pages=n) for n in range(5)])
    reader = library.reader.create(Reader(name="r"))
    for number in (3, 1, 2):
        library.copy.create(Copy(isbn="b0", number=number, reader_id=reader.id if number == 2 else None))
    return library


def test_a_slot_that_was_not_asked_for_is_not_loaded(catalogued: Library) -> None:
    book = catalogued.book.get("b0")
    with pytest.raises(
        NotLoaded, match=r"Book\.author is not loaded; ask for it with load=\(Book\.author,\)"
    ) as caught:
        _ = book.author
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(book, "copies")
    with pytest.raises(NotLoaded):
        _ = catalogued.author.get(1).books
    with pytest.raises(NotLoaded):
        _ = catalogued.book.get("b0", load=(Book.author,)).copies
    with pytest.raises(NotLoaded):
        _ = Book(isbn="new", title="t", author_id=1).author


def test_forward(catalogued: Library) -> None:
    assert catalogued.book.get("b1", load=(Book.author,)).author.name == "b"
    found = catalogued.book.find(load=(Book.author,), scan=True)
    assert [book.author.name for book in found] == ["a", "b", "a", "b", "a"]
    first = catalogued.book.first(col(Book.title) == "t", load=(Book.author,))
    assert first is not None
    assert first.author == catalogued.author.get(1)
    pages = catalogued.book.iterate(page=2, load=(Book.author,), scan=True)
    assert [book.author.name for book in pages] == ["a", "b", "a", "b", "a"]


def test_forward_to_none(catalogued: Library) -> None:
    found = catalogued.copy.find(load=(Copy.reader, Copy.book), scan=True)
    assert [(c.number, c.reader and c.reader.name, c.book.title) for c in found] == [
        (1, None, "t"),
        (2, "r", "t"),
        (3, None, "t"),
    ]
    assert catalogued.copy.get(("b0", 1), load=(Copy.reader,)).reader is None


def test_reverse_lists_come_in_key_order(catalogued: Library) -> None:
    found = catalogued.author.find(load=(Author.books,), limit=9)
    assert [[b.isbn for b in author.books] for author in found] == [["b0", "b2", "b4"], ["b1", "b3"], []]
    assert [c.number for c in catalogued.book.get("b0", load=(Book.copies,)).copies] == [1, 2, 3]


def test_nested_in_both_directions(catalogued: Library) -> None:
    copies = catalogued.copy.find(load=(Copy.book, Book.author), scan=True)
    assert [c.book.author.name for c in copies] == ["a", "a", "a"]
    author = catalogued.author.get(1, load=(Author.books, Book.copies, Copy.reader))
    assert [[c.reader and c.reader.name for c in b.copies] for b in author.books] == [[None, "r", None], [], []]


def test_its_own_kind(club: Club) -> None:
    team = club.team.get("a", load=(Team.teams, Team.members))
    assert [t.name for t in team.teams] == ["a/b", "a/c"]
    assert club.team.get("a/b", load=(Team.parent,)).parent == club.team.get("a")
    assert club.team.get("a", load=(Team.parent,)).parent is None


def test_a_soft_deleted_target_is_loaded_and_a_soft_deleted_referrer_is_not(club: Club) -> None:
    club.member.delete(2)
    assert [m.id for m in club.team.get("a/b", load=(Team.members,)).members] == [1, 3]
    club.team.delete("a/b")
    member = club.member.get(1, load=(Member.team,))
    assert member.team is not None
    assert (member.team.name, member.team.deleted) == ("a/b", True)
    assert [t.name for t in club.team.get("a", load=(Team.teams,)).teams] == ["a/c"]


def test_each_level_is_one_read_more(catalogued: Library, place: Place) -> None:
    loads: tuple[tuple[object, ...], ...] = ((), (Copy.book,), (Copy.book, Book.author), (Copy.book, Copy.reader))
    for load in loads:
        place.calls.clear()
        assert len(catalogued.copy.find(load=load, scan=True)) == 3
        assert [call.operation for call in place.calls] == ["find"] + ["load"] * len(load)
    place.calls.clear()
    catalogued.author.find(load=(Author.books,), limit=9)
    assert len(place.calls) == 2


def test_nothing_found_and_nothing_referred_to_reads_nothing_more(catalogued: Library, place: Place) -> None:
    place.calls.clear()
    assert catalogued.book.find(col(Book.title) == "none", load=(Book.author, Author.books)) == []
    catalogued.copy.get(("b0", 1), load=(Copy.reader,))
    assert [call.operation for call in place.calls] == ["find", "get"]


def test_what_is_loaded_is_no_part_of_the_value(catalogued: Library) -> None:
    plain, loaded = catalogued.book.get("b0"), catalogued.book.get("b0", load=(Book.author,))
    assert plain == loaded
    assert repr(plain) == repr(loaded)
    loaded.author.name = "changed"
    loaded.pages = 100
    catalogued.book.save(loaded)
    assert catalogued.author.get(1).name == "a"  # saving a book saves a book
    assert loaded.author.name == "changed"
    catalogued.author.save(loaded.author)
    assert catalogued.author.get(1).name == "changed"
    loaded = catalogued.book.get("b0", load=(Book.author,))
    for carried in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert carried == loaded
    catalogued.book.save(copy.deepcopy(loaded))


def test_load_within_a_transaction_sees_its_writes(catalogued: Library) -> None:
    with catalogued.transaction() as tx:
        author = tx.author.get(1)
        tx.author.update(1, col(Author.name).to("renamed"))
        made = tx.author.create(Author(name="new"))
        tx.book.create(Book(isbn="b9", title="t", author_id=made.id))
        tx.book.update("b0", col(Book.author_id).to(made.id))
        tx.book.delete("b2")
        books = tx.book.find(load=(Book.author,), order_by=asc(Book.isbn), scan=True)
        assert [(b.isbn, b.author.name) for b in books] == [
            ("b0", "new"),
            ("b1", "b"),
            ("b3", "b"),
            ("b4", "renamed"),
            ("b9", "new"),
        ]
        assert books[0].author is made
        assert books[3].author is author
        authors = tx.author.find(load=(Author.books,), order_by=desc(Author.id), scan=True)
        assert [[b.isbn for b in a.books] for a in authors] == [["b0", "b9"], [], ["b1", "b3"], ["b4"]]


def test_what_was_loaded_in_a_transaction_is_checked(catalogued: Library) -> None:
    with pytest.raises(Conflict) as caught, catalogued.transaction() as tx:
        tx.book.get("b0", load=(Book.author,))
        catalogued.author.update(1, col(Author.first).to("elsewhere"))
    assert (caught.value.model, caught.value.key) == ("Author", 1)
    with catalogued.transaction() as tx:
        assert tx.peek.book.get("b0", load=(Book.author,)).author.first == "elsewhere"
        catalogued.author.update(1, col(Author.first).to("again"))
        tx.book.update("b1", col(Book.pages).to(1))


@pytest.mark.parametrize(
    "wrong",
    [
        ("author",),
        "author",
        (Book.author_id,),
        (Author.books,),
        (Copy.book,),
        (None,),
        (Book,),
        (Book.author, Copy.reader),
        (Book.title,),
    ],
)
@pytest.mark.parametrize("found", [True, False])
def test_wrong_slots_are_refused_whatever_is_found(catalogued: Library, wrong: Any, *, found: bool) -> None:
    with pytest.raises(UsageError, match="load"):
        catalogued.book.find(col(Book.title) == ("t" if found else "none"), load=wrong)
    if found:
        with pytest.raises(UsageError, match="load"):
            catalogued.book.get("b0", load=wrong)


def test_many_at_once(library: Library) -> None:
    authors = library.author.create_all([Author(name=f"{n:04}") for n in range(1500)])
    library.book.create_all([Book(isbn=f"{a.id:05}", title="t", author_id=a.id) for a in authors])
    found = library.book.find(load=(Book.author,), scan=True)
    assert all(book.author.id == book.author_id for book in found)
    back = library.author.find(load=(Author.books,), scan=True)
    assert sum(len(author.books) for author in back) == 1500


def test_related_records_are_brought_to_records_read_before(catalogued: Library) -> None:
    books = catalogued.book.find(scan=True)
    catalogued.book.load(books, Book.author, Book.copies)
    assert [book.author.name for book in books] == ["a", "b", "a", "b", "a"]
    assert [len(book.copies) for book in books] == [3, 0, 0, 0, 0]
    catalogued.book.load([], Book.author)
    with pytest.raises(UsageError):
        catalogued.book.load(catalogued.author.find(scan=True), Book.author)  # type: ignore[arg-type]
